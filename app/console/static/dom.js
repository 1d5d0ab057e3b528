// Elements from data. Text goes in as text; nothing here can make HTML of a string.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...flat(children));
  return element;
}

function flat(children) {
  return [children].flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false && child !== "");
}

/** `h("a", {href: "…", onclick: f}, "text", otherElement)`; null, undefined and false children are left out. */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

export function byId(id) {
  return document.getElementById(id);
}

const shown = new WeakMap();

/** Put what `build()` returns into `place`, but only if `data` has changed: focus, selection and open details stay. */
export function show(place, data, build) {
  const text = JSON.stringify(data) ?? "";
  if (shown.get(place) === text) return;
  shown.set(place, text);
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const open = new Map([...place.querySelectorAll("details")].map((each) => [each.dataset.key, each.open]));
  place.replaceChildren(...flat([build()]));
  for (const details of place.querySelectorAll("details")) {
    if (open.has(details.dataset.key)) details.open = open.get(details.dataset.key);
  }
  if (focused) place.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

/**
 * Give the focus to what was opened in `place`, above its list or, where that was closed, to the row that led to it, or
 * to the page where the list no longer has that row.
 */
export function focusOpened(place, list, id) {
  const heading = place.querySelector("h2");
  const row = list.querySelector(`[data-key="${CSS.escape(id)}"]`);
  if (heading || !row) (heading ?? byId("view")).focus({ preventScroll: true });
  else row.focus();
}

/**
 * Make the children of `place` those of `items`, in order. Rows whose item is unchanged keep their element; `context` is
 * what rows depend on besides their items.
 */
export function showRows(place, items, keyOf, build, context = "") {
  const before = new Map([...place.children].map((row) => [row.dataset.row, row]));
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  let previous = null;
  for (const item of items) {
    const key = keyOf(item);
    const text = JSON.stringify([item, context]);
    let row = before.get(key);
    before.delete(key);
    if (!row || shown.get(row) !== text) {
      const fresh = build(item);
      fresh.dataset.row = key;
      shown.set(fresh, text);
      if (row) row.replaceWith(fresh);
      row = fresh;
    }
    const wanted = previous ? previous.nextSibling : place.firstChild;
    if (wanted !== row) place.insertBefore(row, wanted);
    previous = row;
  }
  for (const row of before.values()) row.remove();
  if (focused && document.activeElement === document.body) place.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}
