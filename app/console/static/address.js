// The address is the state: page, what is open, filters, page of the list. Views read it and never keep their own copy.

const listeners = new Set();
let told = location.hash; // what the listeners know; "hashchange" comes after the change

/** `#/tasks/<id>?status=failed` → {page: "tasks", id: "<id>", part: "", fields: {status: "failed"}} */
export function parse(hash) {
  const [path, search = ""] = hash.replace(/^#\/?/, "").split("?");
  const [page = "", id = "", part = ""] = path.split("/").map(decoded);
  return { page, id, part, fields: Object.fromEntries(new URLSearchParams(search)) };
}

/** The hash of a route; empty fields are left out. */
export function format({ page, id = "", part = "", fields = {} }) {
  const given = Object.entries(fields).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const path = [page, id, part].map(encodeURIComponent).join("/").replace(/\/+$/, "");
  return `#/${path}${given.length ? `?${new URLSearchParams(given)}` : ""}`;
}

/** The present route. */
export function current() {
  return parse(location.hash);
}

/** Go to a route, as by a click on a link. */
export function go(route) {
  const hash = format(route);
  if (hash === location.hash) return;
  location.hash = hash; // "hashchange" tells the listeners
}

/** `go` for later, when something has been done: nothing happens where the reader has gone elsewhere meanwhile. */
export function goFromHere() {
  const from = location.hash;
  return (route) => {
    if (location.hash === from) go(route);
  };
}

/**
 * Replace the present entry of the history: for what is typed, where Back should not go through every letter. Nothing
 * happens where that is another entry already, of which "hashchange" is about to tell: the route is of the one before.
 */
export function replace(route) {
  const hash = format(route);
  if (hash === location.hash || location.hash !== told) return;
  history.replaceState(history.state, "", hash);
  tell();
}

export function onRoute(listener) {
  listeners.add(listener);
}

function tell() {
  told = location.hash;
  for (const listener of listeners) listener(current());
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a lone "%": shown as it is, and not found
  }
}

addEventListener("hashchange", () => {
  told = location.hash;
  if (location.hash === "" || location.hash.startsWith("#/")) tell();
});
