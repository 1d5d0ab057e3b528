// A list whose filters, order and page are in the address, and which holds still while somebody reads it.

import * as address from "./address.js";
import { get, query, Refusal, refusal } from "./api.js";
import { h, showRows } from "./dom.js";
import { filterForm } from "./filters.js";
import { t } from "./language.js";
import { looks } from "./looks.js";
import { cursorOf, pager } from "./pager.js";
import { leave } from "./place.js";

const PAGE_SIZE = 50;

/**
 * {path, title, filters, columns: [{text, name?}], row(item), empty(fields), toQuery(fields), scope, selection?, order?}.
 * Returns {element, update(route), refresh(), again(), mark(), items()}; `again` is `refresh` for who has changed the rows
 * and wants to see it at once, `mark` shows which item is open.
 */
export function list({ path, title, filters, columns, row, empty, toQuery, scope, selection = null, order = (found) => found }) {
  let route = address.current();
  let [items, isFirst, held] = [[], true, null];
  const begin = looks();
  const body = h("tbody");
  const nothing = h("p", { class: "empty reading" }, t("list.reading"));
  const news = h("button", { type: "button", class: "button news", hidden: true, "data-key": "news", onclick: showNews });
  const pages = pager((trail) => address.go({ ...route, fields: { ...route.fields, pages: trail } }));
  const form = filterForm(filters, route.fields, change, scope);
  const heading = ({ text, name = "", label }) => h("th", { scope: "col", class: name }, label ? h("span", { class: "hidden" }, label) : text);
  const table = h("table", {}, h("caption", { class: "hidden" }, title),
    h("thead", {}, h("tr", {}, selection && h("th", { class: "c-select" }, selection.all), columns.map(heading))), body);

  function change(fields) {
    const kept = Object.fromEntries(Object.entries(route.fields).filter(([name]) => !filters.some((each) => each.name === name) && name !== "pages"));
    const isCleared = !Object.values(fields).some(Boolean);
    address.replace({ ...route, id: route.id, fields: isCleared ? { open: kept.open } : { ...kept, ...fields } });
  }

  function update(next) {
    const [before, isOther] = [route, listPart(next) !== listPart(route)];
    route = next;
    if (!isOther) return;
    draw();
    leave();
    element.setAttribute("aria-busy", "true"); // the rows are still those of the address before
    if (filterPart(next) !== filterPart(before)) selection?.clear(); // nobody acts on rows that are out of sight
    form.put(route.fields);
    pages.wait();
    isFirst = true; // another list: show it as soon as it is there
    held = null;
    news.hidden = true;
  }

  async function refresh() {
    const [asked, isAsked] = [listPart(route), isFirst];
    const isLate = begin();
    const answer = await get(path + query({ ...toQuery(route.fields), cursor: cursorOf(route.fields), limit: PAGE_SIZE }), { signal: scope.signal }).catch(refusal);
    if (asked !== listPart(route) || isLate()) return; // the address has changed meanwhile; its own answer follows
    if (answer instanceof Refusal) refused(answer);
    else {
      accept({ ...answer, items: order(answer.items) }, isAsked);
      if (isAsked) isFirst = false;
    }
    element.removeAttribute("aria-busy");
  }

  /** Looks that began before still hold back what they find: it may be from before the change. */
  function again() {
    isFirst = true;
    return refresh();
  }

  function accept(answer, isAsked) {
    const known = new Set(items.map(({ id }) => id));
    const fresh = answer.items.filter(({ id }) => !known.has(id));
    const isMoved = answer.items.length !== items.length || answer.items.some(({ id }, index) => id !== items[index]?.id);
    if (!isAsked && isMoved && items.length > 0 && isRead()) {
      held = answer;
      hold(answer, fresh.length);
      return;
    }
    held = null;
    news.hidden = true;
    put(answer);
  }

  /** New rows wait for a click; rows that are shown change in place. */
  function hold(answer, count) {
    const changed = new Map(answer.items.map((item) => [item.id, item]));
    items = items.map((item) => changed.get(item.id) ?? item);
    draw();
    news.textContent = !count ? t("list.moved") : t(count < PAGE_SIZE ? "list.news" : "list.newsMany", { count });
    news.hidden = false;
  }

  /** What was announced, from its top; the button is gone, so the focus goes to the rows. */
  function showNews() {
    if (held) accept(held, true);
    rows.focus({ preventScroll: true });
    rows.scrollIntoView({ block: "start" });
  }

  function put(answer) {
    const hadFocus = body.contains(document.activeElement);
    items = answer.items;
    draw();
    if (hadFocus && !body.contains(document.activeElement)) rows.focus({ preventScroll: true }); // its row is gone
    nothing.classList.remove("reading");
    nothing.hidden = items.length > 0;
    nothing.replaceChildren(answer.next_cursor ? t("list.sparse") : empty(route.fields));
    pages.put(route.fields, answer.next_cursor);
  }

  /** Such as a cursor that is none: the list says so in place of rows of another address. */
  function refused(problem) {
    if (!pages.refuse(route.fields)) throw problem; // the rows are those of this address
    items = [];
    draw();
    nothing.classList.remove("reading");
    nothing.hidden = false;
    nothing.replaceChildren(problem.words);
  }

  function draw() {
    showRows(body, items, ({ id }) => id, (item) => {
      const built = row(item, route);
      if (selection) built.prepend(h("td", { class: "c-select" }, selection.box(item)));
      return built;
    }, listPart(route)); // which the links of the rows keep
    mark();
    selection?.put(items);
  }

  /** Whether somebody is busy with the rows: points at them, has one open, has selected text or rows, or has scrolled down. */
  function isRead() {
    const chosen = getSelection();
    const hasText = chosen && !chosen.isCollapsed && body.contains(chosen.anchorNode);
    return hasText || body.matches(":hover") || body.contains(document.activeElement) || Boolean(route.fields.pages || route.fields.open) || selection?.count() > 0 || body.getBoundingClientRect().top < 0;
  }

  function mark() {
    for (const each of body.children) each.classList.toggle("chosen", each.dataset.row === route.fields.open);
  }

  const rows = h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": title }, table);
  const element = h("section", { class: "panel list", "aria-label": title }, h("h1", { class: "hidden" }, title), form.element, selection?.bar,
    h("div", { class: "news-line", "aria-live": "polite" }, news), rows, nothing, pages.element);
  return { element, update, refresh, again, mark, items: () => items };
}

/** What decides which rows match: some orders leave rows out. */
function filterPart(route) {
  const { open, pages, ...fields } = route.fields;
  return address.format({ ...route, fields });
}

/** What decides which rows are shown: all but the open item. */
function listPart(route) {
  const { open, ...fields } = route.fields;
  return address.format({ ...route, fields });
}
