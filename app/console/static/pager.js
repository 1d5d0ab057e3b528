// Pages by cursor, kept in the address as the trail of cursors: reload, Back and a shared link show the same page.

import { h } from "./dom.js";
import { t } from "./language.js";

const BETWEEN = "_"; // no cursor has it
const LONGEST = 40; // cursors in an address; beyond that "newer" leads to the first page

export const trail = (fields) => (fields.pages ? fields.pages.split(BETWEEN) : []);

/** The cursor that a list is to be read from; "" on the first page. */
export const cursorOf = (fields) => trail(fields).at(-1) ?? "";

/**
 * {element, put(fields, next), refuse(fields), wait()}; `turn(pages)` is called with the new value of the field `pages`.
 * Between `wait`, which another list begins with, and `put` no page is turned: it would be one of the list before.
 * `refuse` is for a page that can't be read and offers the way back; it returns false if one has been read before, which
 * may stay.
 */
export function pager(turn) {
  let [cursors, next, isWaiting, isRead] = [[], null, false, false];
  const newer = h("button", { type: "button", class: "button", "data-key": "newer", onclick: () => isWaiting || turn(cursors.slice(0, -1).join(BETWEEN)) });
  const older = h("button", { type: "button", class: "button", "data-key": "older", onclick: () => isWaiting || turn([...cursors, next].slice(-LONGEST).join(BETWEEN)) });
  const page = h("span", { class: "muted" });
  const element = h("nav", { class: "pager", "aria-label": t("pager.title"), hidden: true }, newer, page, older); // until there is a page

  function put(fields, nextCursor) {
    [cursors, next, isWaiting, isRead] = [trail(fields), nextCursor, false, true];
    const isByFiring = fields.sort === "next_run";
    newer.textContent = t(isByFiring ? "pager.earlier" : "pager.newer");
    older.textContent = t(isByFiring ? "pager.later" : "pager.older");
    newer.disabled = cursors.length === 0;
    older.disabled = !next;
    page.textContent = t("pager.page", { page: cursors.length + 1 });
    element.hidden = newer.disabled && older.disabled;
  }

  function refuse(fields) {
    if (isRead) return false;
    put(fields, null);
    isRead = false;
    return true;
  }

  function wait() {
    [isWaiting, isRead] = [true, false];
  }
  return { element, put, refuse, wait };
}
