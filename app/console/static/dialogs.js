// Questions to whoever sits in front of it, and short messages.

import { byId } from "./dom.js";

/** Ask before something that can't be undone; true when confirmed. */
export function confirm(title, text, yes) {
  const dialog = byId("confirm");
  byId("confirm-title").textContent = title;
  byId("confirm-text").textContent = text;
  byId("confirm-yes").textContent = yes;
  return answer(dialog, byId("confirm-no"), () => true, false);
}

/** Ask for a key; it can't be declined, since nothing works without. */
export function askForKey(problem) {
  const dialog = byId("ask-key");
  const field = byId("ask-key-value");
  byId("ask-key-problem").textContent = problem;
  field.value = "";
  return answer(dialog, null, () => field.value.trim(), null);
}

function answer(dialog, no, read, declined) {
  const form = dialog.querySelector("form");
  const ears = new AbortController();
  return new Promise((resolve) => {
    const end = (value) => {
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
    if (no) on(no, "click", () => end(declined));
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
