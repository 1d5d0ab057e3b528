// What both lists have: filters that live in the address, pages by cursor.

import { get, query } from "./api.js";
import { h, show } from "./dom.js";

/**
 * filters: [{name, label, choices?, placeholder?}]; choices: an array, or a function that promises one; row(item) → <tr>; columns: headings.
 * `read` and `write` get and set the filters as an object.
 */
export function list({ path, title, filters, columns, row, empty, read, write, toQuery = (fields) => fields }) {
  const pages = [null]; // cursors of the pages up to this one
  let next = null;
  const body = h("tbody");
  const nothing = h("p", { class: "empty", hidden: true });
  const older = h("button", { type: "button", class: "button", onclick: () => turn(() => pages.push(next)) }, "Older");
  const newer = h("button", { type: "button", class: "button", onclick: () => turn(() => pages.pop()) }, "Newer");
  const page = h("span", { class: "muted" });
  const form = filterForm(filters, read(), (fields) => {
    pages.length = 1;
    write(fields);
    refresh();
  });

  async function refresh() {
    const fields = { ...toQuery(read()), cursor: pages.at(-1), limit: 25 };
    const answer = await get(path + query(fields));
    next = answer.next_cursor;
    show(body, answer.items, () => answer.items.map(row));
    nothing.hidden = answer.items.length > 0;
    nothing.textContent = next ? "Nothing that matches on this page; there may be more on the next." : empty(read());
    older.disabled = !next;
    newer.disabled = pages.length === 1;
    page.textContent = `Page ${pages.length}`;
  }

  function turn(move) {
    move();
    refresh();
  }

  const element = h(
    "section",
    { class: "panel list", "aria-label": title },
    form,
    h("div", { class: "scroll" },
      h("table", {}, h("caption", { class: "hidden" }, title), h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col" }, name)))), body)),
    nothing,
    h("nav", { class: "pager", "aria-label": "Pages of the list" }, newer, page, older),
  );
  return { element, refresh };
}

function filterForm(filters, values, changed) {
  const form = h("form", { class: "filters", role: "search" }, filters.map((filter) => field(filter, values[filter.name] ?? "")));
  const fields = () => Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value).trim()]));
  const clear = h("button", { type: "reset", class: "button quiet" }, "Clear");
  const isFiltered = () => Object.values(fields()).some(Boolean);
  clear.hidden = !isFiltered();
  form.append(clear);
  let typing = 0;
  const tell = () => {
    clear.hidden = !isFiltered();
    changed(fields());
  };
  form.addEventListener("change", tell);
  form.addEventListener("input", (event) => {
    if (event.target.tagName !== "INPUT") return;
    clearTimeout(typing);
    typing = setTimeout(tell, 300);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    for (const control of form.elements) if (control.name) control.value = "";
    tell();
    form.elements[0].focus();
  });
  return form;
}

function field({ name, label, choices, placeholder }, value) {
  const id = `filter-${name}`;
  const control = choices
    ? select(id, name, choices, value)
    : h("input", { id, name, type: "search", placeholder, value, autocomplete: "off", maxlength: 190 });
  return h("div", {}, h("label", { for: id }, label), control);
}

function select(id, name, choices, value) {
  const option = (choice) => h("option", { value: choice, selected: choice === value }, choice);
  if (typeof choices !== "function") return h("select", { id, name }, h("option", { value: "" }, "any"), choices.map(option));
  const control = h("select", { id, name }, h("option", { value: "" }, "any"), value && option(value));
  choices().then((found) => control.append(...found.filter((choice) => choice !== value).map(option)));
  return control;
}

// The kinds of task that this service knows.
export async function kinds() {
  return Object.keys((await get("/api/tasks/stats")).by_kind);
}
