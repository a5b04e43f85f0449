// Says that new activity has arrived. The page works without it.
const hint = document.querySelector("[data-live]");
if (hint && "EventSource" in window) {
  const source = new EventSource(hint.dataset.live);
  source.addEventListener("news", () => {
    hint.hidden = false;
  });
  window.addEventListener("pagehide", () => source.close());
}
