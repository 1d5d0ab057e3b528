// Questions to the person at the screen, and short messages.

import { byId, h } from "./dom.js";
import { t } from "./language.js";

/** Ask before something that can't be undone; true when confirmed. While another question is open: not asked, not confirmed. */
export async function confirm(title, text, yes, isDanger = true) {
  if (byId("confirm").open) return false;
  byId("confirm-title").textContent = title;
  byId("confirm-text").replaceChildren(text);
  byId("confirm-yes").textContent = yes;
  byId("confirm-yes").className = `button ${isDanger ? "danger" : "primary"}`;
  return answer(byId("confirm"), byId("confirm-no"), () => true, false);
}

/** Ask for a key, until `others` has one; there is no way to decline, since nothing works without one. */
export function askForKey(problem, others) {
  const field = byId("ask-key-value");
  byId("ask-key-problem").textContent = problem;
  field.value = "";
  return answer(byId("ask-key"), null, () => field.value.trim(), null, others);
}

/** Show `content` in a dialog of its own until it is closed; returns what closes it. */
export function sheet(title, content) {
  const close = h("button", { type: "button", class: "button quiet", "aria-label": t("do.close") }, "✕");
  const dialog = h("dialog", { class: "sheet", "aria-label": title }, h("header", { class: "sheet-head" }, h("h2", {}, title), close), content);
  const opener = document.activeElement;
  const ears = new AbortController();
  const end = () => { // at once: a closed dialog keeps the focus until the browser draws the next picture
    if (!dialog.isConnected) return;
    ears.abort();
    dialog.close();
    dialog.remove();
    if (opener?.isConnected) opener.focus();
  };
  close.addEventListener("click", end);
  onLeave(end, ears.signal);
  dialog.addEventListener("click", (event) => event.target === dialog && end());
  dialog.addEventListener("close", end); // by Esc
  document.body.append(dialog);
  dialog.showModal();
  return end;
}

/** Call `end` when the page is left. The event of the change that led to this page may come only now: it does not count. */
function onLeave(end, signal) {
  const here = location.href;
  addEventListener("hashchange", ({ newURL }) => newURL !== here && end(), { signal });
}

/** Whether a dialog is open: keys of the page below it do nothing then. */
export function isAsking() {
  return document.querySelector("dialog[open]") !== null;
}

function answer(dialog, no, read, declined, others = null) {
  const form = dialog.querySelector("form");
  const ears = new AbortController();
  return new Promise((resolve) => {
    const end = (value) => {
      if (ears.signal.aborted) return;
      ears.abort();
      dialog.close();
      resolve(value);
    };
    const on = (target, name, listener) => target.addEventListener(name, listener, { signal: ears.signal });
    on(form, "submit", (event) => {
      event.preventDefault();
      end(read());
    });
    on(dialog, "cancel", (event) => {
      event.preventDefault();
      if (no) end(declined);
    });
    if (no) {
      on(no, "click", () => end(declined));
      onLeave(() => end(declined), ears.signal);
    }
    others?.then(end);
    dialog.showModal();
  });
}

let hiding = 0;

/** A sentence that goes away by itself; problems stay longer. */
export function say(sentence, isProblem = false) {
  const toast = byId("toast");
  toast.textContent = sentence;
  toast.classList.toggle("bad", isProblem);
  toast.classList.add("shown");
  clearTimeout(hiding);
  hiding = setTimeout(() => toast.classList.remove("shown"), isProblem ? 8000 : 3500);
}

/** A listener that does nothing while what it has begun goes on: a double click is one action. */
export function once(act) {
  let isBusy = false;
  return async (...details) => {
    if (isBusy) return;
    isBusy = true;
    try {
      await act(...details);
    } finally {
      isBusy = false;
    }
  };
}

/** Do it and say so; where it is refused, say why. True when it was done. */
export async function attempt(act, done) {
  try {
    await act();
  } catch (error) {
    if (error.name === "AbortError") return false;
    say(error.message, true);
    return false;
  }
  if (done) say(done);
  return true;
}
