// Actions on many tasks: how far each is, and a way to end it.

import { call, get, quiet } from "./api.js";
import { attempt, once } from "./dialogs.js";
import { focusOpened, h, show } from "./dom.js";
import { badge, duration, number, when } from "./format.js";
import { t } from "./language.js";
import { looks } from "./looks.js";
import { mayWrite } from "./permission.js";

const LOOK_MS = 700;

export function bulksView(first, scope) {
  let route = first;
  const place = h("div", {});
  const list = h("ul", { class: "runs" });
  const element = h("div", { class: "columns" }, place, h("section", { class: "panel padded", "aria-label": t("nav.bulks") }, h("h1", {}, t("nav.bulks")), list));
  let cancel = () => {};
  let left = null; // the id of what was open before, until the focus has gone on
  const begin = looks();

  async function refresh() {
    cancel();
    const signal = scope.signal;
    const isLate = begin();
    const { id } = route;
    const [{ items }, one] = await Promise.all([get("/api/bulk", { signal }), id ? get(`/api/bulk/${id}`, { signal, accepted: [404] }) : null]);
    if (isLate() || id !== route.id) return;
    show(place, one, () => one && (one.id ? progress(one, refresh) : h("p", { class: "empty" }, t("bulks.gone"))));
    show(list, items, () => (items.length ? items.map(row) : h("li", { class: "empty small" }, t("bulks.none"))));
    if (left !== null) focusOpened(place, list, left);
    left = null;
    if ([one, ...items].some((bulk) => bulk?.status === "running")) cancel = scope.later(LOOK_MS, () => refresh().catch(quiet));
  }

  const update = (to) => {
    if (to.id !== route.id) left = route.id;
    route = to;
    return true;
  };
  return { title: t("nav.bulks"), element, update, refresh, isSilent: true };
}

function progress(bulk, refresh) {
  const abort = () => attempt(() => call("POST", `/api/bulk/${bulk.id}/abort`), t("bulks.aborted")).then(refresh);
  return h("section", { class: "panel padded", "aria-label": title(bulk) },
    h("header", { class: "panel-head flat" }, h("h2", { tabindex: -1, "data-key": "title" }, title(bulk)), badge(bulk.status)),
    h("progress", { max: Math.max(1, bulk.matched), value: bulk.done + bulk.failed, "aria-label": t("bulks.progress") }),
    h("p", { role: "status" }, t("bulks.figures", { done: bulk.done, failed: bulk.failed, matched: bulk.matched })),
    bulk.filter && h("p", { class: "muted" }, t("bulks.filter"), " ", h("code", {}, JSON.stringify(bulk.filter))),
    bulk.status === "running" && mayWrite() && h("div", { class: "actions" }, h("button", { type: "button", class: "button", "data-key": "abort", onclick: once(abort) }, t("bulks.abort"))));
}

const title = (bulk) => `${t(`bulk.${bulk.action}`)}: ${t(`bulks.of.${bulk.of}`, { count: bulk.matched })}`;

function row(bulk) {
  const took = bulk.finished_at && duration(Date.parse(bulk.finished_at) - Date.parse(bulk.created_at));
  return h("li", {}, badge(bulk.status), " ", h("a", { href: `#/bulks/${bulk.id}`, "data-key": bulk.id }, title(bulk)), " ",
    h("span", { class: "muted" }, `${number(bulk.done)} ✓ ${number(bulk.failed)} ✕ · `, when(bulk.created_at), took && ` · ${took}`));
}
