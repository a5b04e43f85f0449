// Reviews from the keyboard, in the list of activity. Without it the same is done with the checkboxes and the form below the
// list, or on a record's own page. The keys can be switched off in the help.

const list = () => [...document.querySelectorAll("tr[data-record]")];
const batch = document.getElementById("batch");
const keys = document.getElementById("keys");
const say = document.getElementById("say");
const sayProblem = document.getElementById("say-problem");
const said = document.getElementById("said");
const help = document.getElementById("help");
const on = document.getElementById("keys-on");
const KEEP = "fieldledger-keys";

const here = () => document.activeElement?.closest?.("tr[data-record]") ?? null;

function step(by) {
  const rows = list();
  if (rows.length === 0) return;
  const at = rows.indexOf(here());
  const next = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + by, 0), rows.length - 1)];
  next.tabIndex = -1;
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

// Sends a review and reads what came of it from the page that answers: what is wrong, or nothing when it is saved.
async function send(fields) {
  let response;
  let page;
  try {
    response = await fetch("/activity/review", {
      method: "POST",
      headers: { Accept: "text/html" },
      body: new URLSearchParams(fields),
    });
    page = new DOMParser().parseFromString(await response.text(), "text/html");
  } catch {
    return said.dataset.unreachable;
  }
  const { pathname, searchParams } = new URL(response.url);
  // The session is over: what answers is the page to sign in, or a page of whoever signed in meanwhile.
  if (response.redirected && pathname !== "/activity") return said.dataset.signedOut;
  const problem = page.querySelector("[role=alert]:not([hidden])") ?? (response.ok ? null : page.querySelector("main p"));
  if (problem || !response.ok) return problem?.textContent.trim() || said.dataset.unreachable;
  const notice = page.getElementById("notice")?.textContent ?? "";
  if (Number(searchParams.get("failed")) > 0) return notice;
  tell(notice, false);
  document.dispatchEvent(new CustomEvent("refresh-now"));
  return "";
}

function tell(text, wrong) {
  said.textContent = text;
  said.className = wrong ? "alert" : "notice";
}

// Whether records are ticked for a batch, other than this one alone.
function othersTicked(row) {
  const ticked = [...document.querySelectorAll("tr[data-record] input[name=id]:checked")];
  return ticked.some((it) => !row.contains(it));
}

// Which record it was about that is not saved.
function unsaved(row, problem) {
  const what = row?.querySelector("td.what a")?.textContent.trim() ?? "";
  return [said.dataset.unsaved, what && `${what}:`, problem].filter(Boolean).join(" ");
}

function fieldsOf(row, verdict, comment) {
  const form = new FormData(batch);
  return [
    ["csrf", form.get("csrf")],
    ["back", form.get("back")],
    ["verdict", verdict],
    ["comment", comment],
    ["id", row.dataset.record],
  ];
}

async function approve(row) {
  const problem = await send(fieldsOf(row, "approved", ""));
  if (problem) {
    tell(unsaved(row, problem), true);
  } else {
    step(1);
  }
}

function ask(row, verdict) {
  const title = document.getElementById("say-title");
  title.textContent = title.dataset[verdict];
  const form = say.querySelector("form");
  // What was typed about one record is not said of another.
  if (form.elements.id.value !== row.dataset.record) form.elements.comment.value = "";
  form.elements.id.value = row.dataset.record;
  form.elements.verdict.value = verdict;
  sayProblem.hidden = true;
  say.showModal();
  form.elements.comment.focus();
}

if (batch && keys && say) {
  help.hidden = false;
  help.addEventListener("click", () => keys.showModal());
  on.checked = localStorage.getItem(KEEP) !== "off";
  on.addEventListener("change", () => localStorage.setItem(KEEP, on.checked ? "on" : "off"));

  const form = say.querySelector("form");
  document.getElementById("say-cancel").addEventListener("click", () => say.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const row = document.getElementById(`r-${form.elements.id.value}`);
    const problem = await send([...new FormData(form)]);
    if (problem) {
      // What was typed stays, for another try.
      sayProblem.textContent = unsaved(row, problem);
      sayProblem.hidden = false;
    } else {
      form.elements.comment.value = "";
      say.close();
      row?.focus();
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
    if (event.target.closest("input:not([type=checkbox]), textarea, select, dialog, [contenteditable]")) return;
    if (event.key === "?") {
      event.preventDefault();
      keys.showModal();
      return;
    }
    if (!on.checked) return;
    const row = here();
    if (event.key === "j" || event.key === "k") {
      event.preventDefault();
      step(event.key === "j" ? 1 : -1);
      return;
    }
    if (!row) return;
    const reviewable = "reviewable" in row.dataset;
    if (event.key === "o" || (event.key === "Enter" && event.target === row)) {
      row.querySelector("td.what a")?.click();
    } else if (event.key === "x" && reviewable) {
      row.querySelector("input[name=id]").click();
    } else if ("axqf".includes(event.key) && !reviewable) {
      tell(said.dataset.notReviewable, true);
    } else if (event.key === "a" && othersTicked(row)) {
      // Whoever has ticked some means those.
      tell(said.dataset.ticked, true);
    } else if (event.key === "a" && reviewable) {
      approve(row);
    } else if (event.key === "q" && reviewable) {
      ask(row, "questioned");
    } else if (event.key === "f" && reviewable) {
      ask(row, "flagged");
    } else {
      return;
    }
    event.preventDefault();
  });
}
