// What was told to callbacks and channels, and what became of it.

import { call, get, query, quiet, Refusal, refusal } from "./api.js";
import * as address from "./address.js";
import { now } from "./clock.js";
import { attempt, once } from "./dialogs.js";
import { focusOpened, h, show, showRows } from "./dom.js";
import { filterForm } from "./filters.js";
import { badge, duration, exact, when } from "./format.js";
import { t, word } from "./language.js";
import { looks } from "./looks.js";
import { cursorOf, pager } from "./pager.js";
import { mayWrite } from "./permission.js";

const PAGE_SIZE = 50;
const LOOK_MS = { least: 1000, most: 15_000 }; // no event tells that a delivery was tried
const STATUSES = ["pending", "delivered", "failed"];

const filters = () => [
  { name: "status", label: t("field.status"), choices: STATUSES.map((each) => [each, word("status", each)]) },
  { name: "channel", label: t("notices.channel") },
  { name: "task_id", label: t("notices.task") },
  { name: "scheduled_task_id", label: t("notices.schedule") },
];

export function noticesView(first, scope) {
  let route = first;
  const rows = h("ul", { class: "runs" });
  const one = h("div", {});
  const pages = pager((trail) => address.go({ ...route, fields: { ...route.fields, pages: trail } }));
  const form = filterForm(filters(), route.fields, (fields) => address.replace({ ...route, fields }), scope);
  const element = h("div", { class: "columns" }, one,
    h("section", { class: "panel", "aria-label": t("nav.notices") }, h("header", { class: "panel-head" }, h("h1", {}, t("nav.notices")), h("a", { href: "#/channels" }, t("nav.channels"))), form.element, h("div", { class: "padded" }, rows), pages.element));

  let cancel = () => {};
  let left = null; // the id of what was open before, until the focus has gone on
  const begin = looks();

  async function refresh() {
    const asked = route;
    const isLate = begin();
    const { status, channel, task_id, scheduled_task_id } = route.fields;
    const wanted = { status, channel, task_id, scheduled_task_id, cursor: cursorOf(route.fields), limit: PAGE_SIZE };
    const [page, delivery] = await Promise.all([
      get(`/api/deliveries${query(wanted)}`, { signal: scope.signal }).catch(refusal),
      route.id ? get(`/api/deliveries/${route.id}`, { signal: scope.signal, accepted: [404] }) : null,
    ]);
    if (isLate() || asked !== route) return;
    const isRefused = page instanceof Refusal;
    if (isRefused && !pages.refuse(route.fields)) throw page;
    const items = isRefused ? [{ id: "none", words: page.words }] : page.items;
    showRows(rows, items.length ? items : [{ id: "none", words: t("notices.none") }], ({ id }) => id, (each) => row(each, route.fields), route.fields);
    if (!isRefused) pages.put(route.fields, page.next_cursor);
    show(one, [delivery, route.fields], () => delivery && (delivery.id ? whole(delivery, route.fields, refresh) : h("p", { class: "empty" }, t("notices.gone"))));
    if (left !== null) focusOpened(one, rows, left);
    left = null;
    cancel();
    const pending = [delivery, ...items].filter((each) => each?.status === "pending");
    if (pending.length) cancel = scope.later(Math.min(...pending.map(pause)), () => document.hidden || refresh().catch(quiet));
  }

  const update = (next) => {
    if (next.id !== route.id) left = route.id;
    route = next;
    form.put(route.fields);
    pages.wait();
    return true;
  };
  return { title: t("nav.notices"), element, update, refresh, isSilent: true, keys: { Escape: () => route.id && address.go({ page: "notices", fields: route.fields }) } };
}

/** How long until a pending delivery may have been tried; the longer a try is overdue, the less often to look. */
function pause({ next_try_at }) {
  const ms = Date.parse(next_try_at) - now();
  return Math.max(LOOK_MS.least, ms > 0 ? ms : Math.min(-ms, LOOK_MS.most));
}

const target = (delivery) => delivery.channel ?? delivery.url ?? "–";

/** One delivery in a line: what, where to, and how it went. `fields` are those of the list that it stands in. */
export function row(delivery, fields) {
  if (delivery.id === "none") return h("li", { class: "empty small" }, delivery.words);
  const { last_try: last } = delivery;
  return h("li", {},
    badge(delivery.status), " ", h("a", { href: address.format({ page: "notices", id: delivery.id, fields }), "data-key": delivery.id }, delivery.type), ` → ${target(delivery)} `,
    h("span", { class: "muted" }, when(delivery.created_at), delivery.next_try_at && [" · ", t("notices.next"), " ", when(delivery.next_try_at)]),
    last?.error && h("span", { class: "line bad" }, last.error));
}

function whole(delivery, fields, refresh) {
  const replay = async () => {
    await attempt(() => call("POST", `/api/deliveries/${delivery.id}/replay`), t("notices.replayed"));
    await refresh();
  };
  const facts = [
    ["id", h("code", {}, delivery.id)], ["event_id", h("code", {}, delivery.event_id)], ["target", target(delivery)],
    delivery.task_id && ["task", h("a", { href: `#/tasks/${delivery.task_id}` }, delivery.task_id)],
    delivery.scheduled_task_id && ["scheduled_task_id", h("a", { href: `#/schedule/${delivery.scheduled_task_id}` }, t("task.itsSchedule"))],
    ["created_at", exact(delivery.created_at)], delivery.next_try_at && ["next_try_at", exact(delivery.next_try_at)], delivery.finished_at && ["finished_at", exact(delivery.finished_at)],
  ].filter(Boolean);
  return h("section", { class: "panel padded", "aria-label": t("notices.one") },
    h("header", { class: "panel-head flat" }, h("h2", { tabindex: -1, "data-key": "title" }, delivery.type), badge(delivery.status), h("div", { class: "actions" },
      mayWrite() && delivery.status !== "pending" && h("button", { type: "button", class: "button small", onclick: once(replay), "data-key": "replay" }, t("notices.replay")),
      h("a", { class: "button small quiet", href: address.format({ page: "notices", fields }), "data-key": "close" }, t("do.close")))),
    h("dl", { class: "facts" }, facts.map(([name, value]) => [h("dt", {}, t(`field.${name}`)), h("dd", {}, value)])),
    h("h3", {}, t("notices.tries")),
    delivery.tries.length ? h("ol", { class: "attempts" }, delivery.tries.map(tryRow)) : h("p", { class: "muted" }, t("notices.untried")));
}

function tryRow(each) {
  return h("li", {}, exact(each.at), ` · ${each.status ?? "–"} · ${duration(each.ms)}`, each.error && h("span", { class: "bad" }, ` ${each.error}`));
}
