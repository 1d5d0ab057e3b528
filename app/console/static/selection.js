// Rows that are ticked, or all that match the filters, and what can be done with them.

import { call } from "./api.js";
import * as address from "./address.js";
import { attempt, confirm, once } from "./dialogs.js";
import { h } from "./dom.js";
import { t } from "./language.js";

const MOST = 1000; // ids in one bulk

/**
 * actions: [{name, isDanger}]; `of` is "tasks" or "scheduled-tasks"; `filter()` is what the list is filtered by, as the
 * API's fields; without any, all that match can't be selected. Returns {all, bar, box(item), put(items), clear(), count()} for a list.
 */
export function selection({ of, actions, filter, scope }) {
  const chosen = new Set();
  let [items, isWhole] = [[], false];
  let wanted = {}; // the filter of all that match: "the last hour" is that of when they were selected
  let choices = 0; // made so far: an answer to an earlier one comes too late
  const page = h("input", { type: "checkbox", onchange: () => toggleAll(page.checked) });
  const all = h("label", {}, page, h("span", { class: "hidden" }, t("select.page")));
  const words = h("span", {});
  const whole = h("button", { type: "button", class: "button small quiet", "data-key": "select-whole", onclick: takeWhole }, t("select.whole"));
  const none = h("button", { type: "button", class: "button small quiet", onclick: clear }, t("select.none"));
  const ask = once(act); // one question at a time, whichever button is pressed
  const buttons = actions.map(({ name, isDanger }) =>
    h("button", { type: "button", class: `button small ${isDanger ? "danger-quiet" : ""}`, "data-key": `bulk-${name}`, onclick: () => ask(name, isDanger) }, t(`bulk.${name}`)));
  const bar = h("div", { class: "selected", hidden: true, role: "toolbar", "aria-label": t("select.title") }, words, whole, buttons, none);

  function box(item) {
    return h("input", {
      type: "checkbox", checked: chosen.has(item.id), "aria-label": t("select.row", { name: item.name }), "data-select": item.id,
      onchange: (event) => {
        leaveWhole();
        if (event.target.checked && chosen.size < MOST) chosen.add(item.id);
        else chosen.delete(item.id);
        event.target.checked = chosen.has(item.id);
        choices += 1;
        draw();
      },
    });
  }

  /** From all that match to the rows that are seen: not to those that were ticked on another page before. */
  function leaveWhole() {
    if (!isWhole) return;
    isWhole = false;
    chosen.clear();
    for (const { id } of items) chosen.add(id);
  }

  function toggleAll(isOn) {
    leaveWhole();
    choices += 1;
    for (const { id } of items) {
      if (isOn && chosen.size < MOST) chosen.add(id);
      else if (!isOn) chosen.delete(id);
    }
    draw();
  }

  async function takeWhole() {
    const mine = (choices += 1);
    await attempt(async () => {
      const asked = filter();
      const { matched } = await call("POST", "/api/bulk", { of, action: actions[0].name, filter: asked, dry_run: true }, { signal: scope.signal });
      if (mine !== choices) return;
      [isWhole, wanted] = [true, asked];
      draw(matched);
    });
  }

  function clear() {
    chosen.clear();
    isWhole = false;
    choices += 1;
    draw();
  }

  async function act(name, isDanger) {
    const go = address.goFromHere();
    const mine = choices;
    const body = isWhole ? { of, action: name, filter: wanted } : { of, action: name, ids: [...chosen] };
    await attempt(async () => {
      const { matched } = await call("POST", "/api/bulk", { ...body, dry_run: true }, { signal: scope.signal });
      if (mine !== choices) return;
      const question = t(name === "delete" ? `bulk.delete.ask.${of}` : `bulk.${name}.ask`, { count: matched });
      if (!(await confirm(question, t("bulk.ask.text"), t(`bulk.${name}`), isDanger))) return;
      const bulk = await call("POST", "/api/bulk", body);
      clear();
      go({ page: "bulks", id: bulk.id });
    });
  }

  function draw(matched) {
    for (const each of document.querySelectorAll("[data-select]")) each.checked = isWhole || chosen.has(each.dataset.select);
    const isPage = items.length > 0 && items.every(({ id }) => chosen.has(id));
    page.checked = isWhole || isPage;
    page.indeterminate = !page.checked && chosen.size > 0;
    bar.hidden = !isWhole && chosen.size === 0;
    whole.hidden = isWhole || !isPage || !Object.values(filter()).some(Boolean);
    if (isWhole && matched !== undefined) words.textContent = t("select.all", { count: matched });
    else if (!isWhole) words.textContent = t("select.count", { count: chosen.size });
  }

  return {
    all, bar, box, clear,
    put: (shown) => {
      items = shown;
      draw();
    },
    count: () => (isWhole ? 1 : chosen.size),
  };
}
