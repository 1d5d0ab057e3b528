// Find by id, by a part of a name, or a page; by "/" or Ctrl-K.

import * as address from "./address.js";
import { get, query } from "./api.js";
import { sheet } from "./dialogs.js";
import { h } from "./dom.js";
import { badge, nameOf, when } from "./format.js";
import { t } from "./language.js";
import { mayWrite } from "./permission.js";
import { Scope } from "./scope.js";

const TYPING_MS = 200;
const MOST = 8;
const LOOKED_AT = 50; // tasks among which those of different names are looked for
const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const PAGES = [["#/", "nav.overview"], ["#/tasks", "nav.tasks"], ["#/failures", "nav.failures"], ["#/scheduled", "nav.scheduled"], ["#/work", "nav.work"], ["#/bulks", "nav.bulks"], ["#/notices", "nav.notices"], ["#/channels", "nav.channels"], ["#/new", "nav.new"], ["/docs", "nav.docs"]];

export function openFinder() {
  if (document.querySelector("dialog[open]")) return;
  const life = new Scope();
  const field = h("input", { type: "search", id: "find", "aria-label": t("find.button"), placeholder: t("find.placeholder"), autocomplete: "off", maxlength: 190, role: "combobox", "aria-expanded": "true", "aria-controls": "found" });
  const found = h("ul", { id: "found", class: "found", role: "listbox", "aria-label": t("find.results") });
  const close = sheet(t("find.button"), h("div", {}, field, found));
  let [links, at, asked] = [[], 0, 0];
  let shownFor = "";
  let isEntered = false; // Enter was pressed before the results were there

  function put(results) {
    links = results.map(({ href, content }, index) => h("a", { href, role: "option", id: `found-${index}`, tabindex: -1, onclick: close }, content));
    found.replaceChildren(...links.map((link) => h("li", { role: "presentation" }, link)), ...(links.length ? [] : [h("li", { class: "empty small", role: "presentation" }, t("find.nothing"))]));
    choose(0);
  }

  function choose(index) {
    at = Math.max(0, Math.min(index, links.length - 1));
    links.forEach((link, each) => link.setAttribute("aria-selected", String(each === at)));
    links[at]?.scrollIntoView({ block: "nearest" });
    if (links[at]) field.setAttribute("aria-activedescendant", links[at].id);
  }

  async function look() {
    const number = ++asked;
    const text = wanted();
    const results = await resultsFor(text, life.signal).catch((error) => {
      if (error.name === "AbortError") return null;
      return [{ href: "#/", content: error.message }];
    });
    if (!results || number !== asked) return;
    shownFor = text;
    put(results);
    if (isEntered) links[0]?.click();
  }

  /** Open the chosen result; if the results of what was typed are not there yet, the first of them once they are. */
  function enter() {
    if (wanted() === shownFor) {
      links[at]?.click();
      return;
    }
    isEntered = true;
    soon.cancel();
    look();
  }

  const wanted = () => field.value.trim();
  const soon = life.debounced(TYPING_MS, look);
  life.on(field, "input", () => {
    isEntered = false;
    soon();
  });
  life.on(field, "keydown", (event) => {
    if (event.isComposing) return; // these keys are the input method's
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      choose(at + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Enter") {
      event.preventDefault();
      enter();
    }
  });
  life.on(field.closest("dialog"), "close", () => life.end());
  put(pages(""));
  field.focus();
}

const pages = (text) => PAGES.filter(([href, name]) => (mayWrite() || href !== "#/new") && t(name).toLowerCase().includes(text.toLowerCase())).map(([href, name]) => ({ href, content: [h("span", { class: "muted" }, t("find.page")), " ", t(name)] }));

async function resultsFor(text, signal) {
  if (!text) return pages("");
  if (ID.test(text)) return byId(text.toLowerCase(), signal);
  const name = `*${text.replaceAll("*", "")}*`;
  const [tasks, schedules] = await Promise.all([get(`/api/tasks${query({ name, limit: LOOKED_AT })}`, { signal }), get(`/api/scheduled-tasks${query({ name, limit: MOST })}`, { signal })]);
  return [
    ...pages(text),
    ...schedules.items.map((each) => ({ href: `#/schedule/${each.id}`, content: [badge(each.status), " ", nameOf(each), h("span", { class: "muted" }, ` ${each.cron_expression ?? ""}`)] })),
    ...newestOfEachName(tasks.items).slice(0, MOST).map((each) => ({ href: `#/tasks/${each.id}`, content: [badge(each.status), " ", nameOf(each), " ", h("span", { class: "muted" }, when(each.created_at))] })),
    ...(tasks.items.length ? [{ href: address.format({ page: "tasks", fields: { name: text } }), content: t("find.all", { text }) }] : []),
  ];
}

/** Of tasks that came newest first. One that a schedule creates each minute must not hide all others. */
function newestOfEachName(tasks) {
  const newest = new Map();
  for (const task of tasks) if (!newest.has(task.name)) newest.set(task.name, task);
  return [...newest.values()];
}

async function byId(id, signal) {
  const found = [];
  for (const [path, page] of [["/api/tasks/", "tasks"], ["/api/scheduled-tasks/", "schedule"]]) {
    const one = await get(path + id, { signal, accepted: [404] });
    if (one?.id === id) found.push({ href: `#/${page}/${id}`, content: [badge(one.status), " ", nameOf(one)] });
  }
  return found;
}
