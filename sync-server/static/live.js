// Keeps an open page up to date. The page works without it.
//
// When the server says that something has come in, the page is read again and each element marked `data-live-refresh` (with
// an id) is changed into its new self, node by node: what has the focus keeps it, what somebody typed, ticked or opened
// stays. News is gathered for a moment, differently long in every window, so that many open pages do not all ask at once.
// An element marked `data-leaves` does not go without a word: what it was called, and what was typed into it, is told in
// the element `gone`, whose `data-words` say what became of it.
// An element marked `data-live-hint` is only shown then: for pages that should not move under the reader.
//
// Other modules hear the event "refreshed" on the document after a change, and ask for one with "refresh-now".

const GATHER = 400; // milliseconds, at most; the rest of the second is for the answer
const PAUSE = 800; // milliseconds between two readings
const LOOK_AGAIN = 60000; // milliseconds: what grows old without news, such as silent phones

let source = null;
let timer = 0;
let busy = false;
let again = false;
let last = 0;

const parts = () => [...document.querySelectorAll("[data-live-refresh][id]")];
const hints = () => [...document.querySelectorAll("[data-live-hint]")];

function soon() {
  for (const hint of hints()) hint.hidden = false;
  if (parts().length === 0) return;
  if (busy) {
    again = true;
    return;
  }
  if (timer) return;
  const rest = Math.max(0, last + PAUSE - performance.now());
  timer = setTimeout(refresh, Math.max(rest, Math.random() * GATHER));
}

async function refresh() {
  clearTimeout(timer);
  timer = 0;
  if (busy) {
    again = true;
    return;
  }
  if (document.hidden) {
    again = true;
    return;
  }
  busy = true;
  again = false;
  last = performance.now();
  try {
    const response = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (response.redirected || response.status === 403 || response.status === 404) {
      // Signed out, or no longer the reader's to see.
      location.reload();
      return;
    }
    if (response.ok) swap(new DOMParser().parseFromString(await response.text(), "text/html"));
  } catch {
    // No network: the next news, or the next look, tries again.
  } finally {
    busy = false;
  }
  if (again) soon();
}

function swap(fresh) {
  const focused = document.activeElement;
  let changed = false;
  for (const part of parts()) {
    const now = fresh.getElementById(part.id);
    if (now && !part.isEqualNode(now)) {
      morph(part, now);
      changed = true;
    }
  }
  if (focused instanceof HTMLElement && focused.isConnected && document.activeElement !== focused) {
    focused.focus({ preventScroll: true });
  }
  if (changed) document.dispatchEvent(new CustomEvent("refreshed"));
}

function leave(gone) {
  const place = document.getElementById("gone");
  for (const it of [gone, ...gone.querySelectorAll("[data-leaves]")]) {
    if (!place || !it.dataset.leaves) continue;
    const note = document.createElement("p");
    note.className = "alert";
    note.textContent = `${it.dataset.leaves}: ${place.dataset.words}`;
    for (const field of it.querySelectorAll("textarea")) {
      if (!field.value.trim()) continue;
      const typed = document.createElement("blockquote");
      typed.textContent = field.value;
      note.append(typed);
    }
    place.append(note);
  }
  gone.remove();
}

// Attributes that say how an element began; what it is now is the reader's.
const HELD = new Set(["value", "checked", "selected", "open", "tabindex"]);

function held(element, name) {
  if (!HELD.has(name)) return false;
  return !(element instanceof HTMLInputElement && element.type === "hidden");
}

function morph(from, to) {
  for (const { name } of [...from.attributes]) {
    if (!to.hasAttribute(name) && !held(from, name)) from.removeAttribute(name);
  }
  for (const { name, value } of [...to.attributes]) {
    if (from.getAttribute(name) !== value && !held(from, name)) from.setAttribute(name, value);
  }
  if (from instanceof HTMLTextAreaElement) return;
  if (from instanceof HTMLSelectElement && from === document.activeElement) return;
  const named = new Map();
  for (const child of from.children) if (child.id) named.set(child.id, child);
  const wanted = new Set([...to.children].map((child) => child.id).filter(Boolean));
  let here = from.firstChild;
  for (const next of [...to.childNodes]) {
    // What is gone goes first, so that what stays is not moved: a moved field loses the focus.
    while (here && here.nodeType === 1 && here.id && !wanted.has(here.id)) {
      const gone = here;
      here = here.nextSibling;
      leave(gone);
    }
    const known = next.nodeType === 1 && next.id ? named.get(next.id) : undefined;
    if (known) {
      if (known === here) here = here.nextSibling;
      else from.insertBefore(known, here);
      morph(known, next);
    } else if (here && alike(here, next)) {
      const present = here;
      here = here.nextSibling;
      if (present.nodeType === 1) morph(present, next);
      else if (present.nodeValue !== next.nodeValue) present.nodeValue = next.nodeValue;
    } else {
      const added = document.importNode(next, true);
      if (added.nodeType === 1 && added.id) added.classList.add("fresh");
      from.insertBefore(added, here);
    }
  }
  while (here) {
    const gone = here;
    here = here.nextSibling;
    if (gone.nodeType === 1) leave(gone);
    else gone.remove();
  }
}

function alike(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName && !(a.nodeType === 1 && (a.id || b.id));
}

// A window in the background holds no connection: a browser opens only a few to one server.
function listen() {
  if (document.hidden || source) return;
  source = new EventSource(document.body.dataset.news);
  source.addEventListener("news", soon);
}

function rest() {
  source?.close();
  source = null;
}

// On a phone the parts of the site are one line that scrolls.
for (const here of document.querySelectorAll(".top nav [aria-current], .tabs [aria-current]")) {
  here.scrollIntoView({ block: "nearest", inline: "center" });
}

// What scrolls can be reached from the keyboard, in every browser; what does not scroll is no stop on the way.
function reach() {
  for (const it of document.querySelectorAll(".scroll, .prose, .value, .clipped")) {
    if (it.tabIndex >= 0 || it.querySelector("a[href], button, input, select, textarea, summary")) continue;
    if (it.scrollWidth > it.clientWidth || it.scrollHeight > it.clientHeight) it.tabIndex = 0;
  }
}
reach();
window.addEventListener("resize", reach);
document.addEventListener("refreshed", reach);
document.addEventListener("toggle", reach, true);

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}

// Another module has changed something here and wants to see it.
document.addEventListener("refresh-now", () => {
  last = 0;
  if (parts().length > 0) refresh();
});

if ("EventSource" in window && (parts().length > 0 || hints().length > 0)) {
  listen();
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      rest();
    } else {
      listen();
      soon();
    }
  });
  window.addEventListener("pagehide", rest);
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) {
      listen();
      soon();
    }
  });
  setInterval(() => {
    if (!document.hidden) soon();
  }, LOOK_AGAIN + Math.random() * 5000);
}
