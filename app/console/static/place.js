// How far down each entry of the history was scrolled, kept in the entry itself: Back, Forward and reload show the same.

const SETTLED_MS = 150;
let timer = 0;
let isPaused = false; // what is shown is not yet what was scrolled

/** From now on, note how far the page is scrolled. */
export function startPlace() {
  history.scrollRestoration = "manual"; // the browser tries before there is anything to scroll
  for (const name of ["scroll", "hashchange"]) addEventListener(name, noteSoon, { passive: true });
  addEventListener("click", noteNow, { capture: true }); // it may lead elsewhere before the time has come
}

function noteSoon() {
  forget();
  if (!isPaused) timer = setTimeout(note, SETTLED_MS, location.hash);
}

function noteNow() {
  if (timer) note(location.hash);
}

function forget() {
  clearTimeout(timer);
  timer = 0;
}

/** The entry may be another one already, before "hashchange" says so: that one has not been scrolled. */
function note(hash) {
  forget();
  if (location.hash === hash) history.replaceState({ ...history.state, top: Math.round(scrollY) }, "");
}

/** Another view, or another list: its top is shown, until `restore` is called. */
export function leave() {
  forget();
  isPaused = true;
  scrollTo(0, 0);
}

/** The view is there: scroll to where it was, unless somebody has scrolled meanwhile. */
export function restore() {
  if (!isPaused) return;
  isPaused = false;
  const top = history.state?.top ?? 0;
  if (top && scrollY === 0) scrollTo(0, top);
}
