// Failures by group: the same type, line and message, but for numbers, ids and URLs.

import * as address from "./address.js";
import { get, query } from "./api.js";
import { h, show } from "./dom.js";
import { number, when } from "./format.js";
import { t, word } from "./language.js";
import { RANGES, since } from "./range.js";

const MOST = 100;

export function failuresView(first, scope) {
  let route = first;
  const list = h("ul", { class: "groups" });
  const ranges = h("nav", { class: "tabs", "aria-label": t("filter.created") });
  const element = h("div", { class: "columns" }, h("section", { class: "panel", "aria-label": t("failures.title") }, h("header", { class: "panel-head" }, h("h1", {}, t("failures.title")), ranges), list));
  const range = () => (RANGES.includes(route.fields.since) ? route.fields.since : "24h");

  async function refresh() {
    const asked = range();
    const { items } = await get(`/api/tasks/errors${query({ since: since(asked), limit: MOST })}`, { signal: scope.signal });
    if (asked === range()) show(list, [items, asked], () => (items.length ? items.map((group) => groupItem(group)) : h("li", { class: "empty" }, t("failures.none"))));
  }

  function update(next) {
    route = next;
    show(ranges, range(), () => RANGES.map((each) => h("a", { href: address.format({ page: "failures", fields: { since: each } }), "aria-current": each === range() ? "true" : null, "data-key": each }, t(`range.${each}`))));
    return true;
  }
  update(first);
  return { title: t("nav.failures"), element, update, refresh };
}

/** One group: what failed, how often, when, and some of its tasks. */
export function groupItem(group) {
  const tasks = address.format({ page: "tasks", fields: { status: "failed", fingerprint: group.fingerprint, sort: "finished" } });
  return h("li", { class: "group" },
    h("span", { class: "group-count" }, number(group.count)),
    h("div", {},
      h("a", { class: "group-name", href: tasks, "data-key": group.fingerprint }, h("b", {}, group.type), " ", group.message),
      h("p", { class: "muted" }, word("kind", group.kind), " · ", t("failures.first"), " ", when(group.first_at), " · ", t("failures.last"), " ", when(group.last_at)),
      h("p", { class: "examples" },
        group.task_ids.slice(0, 3).map((id, index) => h("a", { href: `#/tasks/${id}`, "data-key": id }, t("failures.example", { index: index + 1 }))),
        group.scheduled_task_ids.slice(0, 3).map((id, index) => h("a", { href: `#/schedule/${id}`, "data-key": id }, t("failures.schedule", { index: index + 1 }))))));
}
