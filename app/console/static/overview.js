// The first page: counts, what failed last, the last hour, what comes next.

import * as address from "./address.js";
import { get } from "./api.js";
import { chart } from "./chart.js";
import { now } from "./clock.js";
import { h, show, showRows } from "./dom.js";
import { badge, duration, nameOf, number, share, when } from "./format.js";
import { groupItem } from "./failures.js";
import { sentences } from "./header.js";
import { verdict } from "./health.js";
import { t, word } from "./language.js";
import { since } from "./range.js";
import { onStatus, state } from "./status.js";
import { why } from "./tasks.js";
import { timeline } from "./timeline.js";

const STATUSES = ["waiting", "queued", "running", "succeeded", "failed", "stopped"];
const FAILED = 5;
const RECENT = 200;
const AHEAD = 200; // firings that the timeline looks at, of one per schedule

export function overviewView(_route, scope) {
  const reasons = h("div", { role: "status" });
  const counts = h("nav", { class: "counts", id: "counts", "aria-label": t("overview.counts") });
  const hour = h("figure", { class: "panel chart", id: "chart", "aria-label": t("hour.title") });
  const failed = h("ul", { class: "failed-rows" });
  const groups = h("ul", { class: "groups" });
  const recent = h("figure", { class: "panel chart", "aria-label": t("timeline.title") });
  const next = h("ul", { class: "next-rows" });
  const panel = (title, link, content) => h("section", { class: "panel", "aria-label": title }, h("header", { class: "panel-head" }, h("h2", {}, title), link), content);
  const all = (href) => h("a", { href }, t("overview.all"));
  const element = h("div", { class: "overview" },
    h("h1", { class: "hidden" }, t("nav.overview")), reasons, counts,
    panel(t("overview.failed"), all(address.format({ page: "tasks", fields: { status: "failed" } })), failed),
    panel(t("overview.groups"), all("#/failures"), groups),
    hour,
    panel(t("overview.next"), all("#/scheduled"), next),
    recent);

  function figures() {
    const { report, stats } = state;
    if (!report || !stats) return;
    const found = verdict(report, stats, now());
    show(reasons, [found.level, sentences(found)], () => found.level !== "ok" && h("ul", { class: `reasons ${found.level}` }, sentences(found).map((text) => h("li", {}, text))));
    show(counts, stats.by_status, () => STATUSES.map((status) => count(status, stats)));
    const width = Math.max(hour.clientWidth - 32, 240);
    show(hour, [stats.last_hour, width], () => [caption(stats.last_hour), chart(stats.last_hour.per_minute, width)]);
  }

  async function refresh() {
    const signal = scope.signal;
    const [bad, errors, finished, schedules] = await Promise.all([
      get(`/api/tasks?status=failed&sort=finished&limit=${FAILED}`, { signal }),
      get(`/api/tasks/errors?limit=${FAILED}&since=${encodeURIComponent(since("24h"))}`, { signal }),
      get(`/api/tasks?sort=finished&limit=${RECENT}`, { signal }),
      get(`/api/scheduled-tasks?sort=next_run&limit=${AHEAD}`, { signal }),
    ]);
    showRows(failed, bad.items.length ? bad.items : [{ id: "none" }], ({ id }) => id, failedRow);
    show(groups, errors.items, () => (errors.items.length ? errors.items.map(groupItem) : h("li", { class: "empty small" }, t("failures.none"))));
    const due = schedules.items;
    show(next, due.slice(0, 6), () => (due.length ? due.slice(0, 6).map(nextRow) : h("li", { class: "empty small" }, t("schedules.none"))));
    const width = Math.max(recent.clientWidth - 32, 240);
    show(recent, [finished.items.map(({ id }) => id), due.map(({ id, next_run_at }) => [id, next_run_at]), width], () => [
      h("figcaption", {}, h("strong", {}, t("timeline.title"))),
      timeline({ tasks: finished.items, firings: due.map(({ name, next_run_at }) => ({ name, at: next_run_at })), nowMs: now(), width }),
    ]);
    figures();
  }
  onStatus(figures, scope.signal);
  return { title: t("nav.overview"), element, update: () => true, refresh };
}

function count(status, stats) {
  return h("a", { href: address.format({ page: "tasks", fields: { status } }), class: `count ${status}`, "data-key": status },
    h("span", { class: "value" }, number(stats.by_status[status])), badge(status));
}

function failedRow(task) {
  if (task.id === "none") return h("li", { class: "empty small" }, t("overview.noFailures"));
  return h("li", { class: "failed-row" },
    h("a", { href: address.format({ page: "tasks", fields: { status: "failed", open: task.id } }), "data-key": task.id }, nameOf(task)), " ",
    h("span", { class: "muted" }, when(task.finished_at)), why(task));
}

function nextRow(schedule) {
  return h("li", {}, h("a", { href: `#/schedule/${schedule.id}`, "data-key": schedule.id }, nameOf(schedule)), " ", h("span", { class: "muted" }, when(schedule.next_run_at)));
}

function caption(hour) {
  const fact = (name, value) => h("span", { class: "fact" }, `${name} `, h("b", {}, value));
  return h("figcaption", {},
    h("strong", {}, t("hour.title")),
    fact(t("hour.finished"), number(hour.finished)),
    fact(t("hour.success"), hour.success_rate === null ? "–" : share(hour.success_rate)),
    fact(t("hour.duration"), `${duration(hour.duration_ms.p50)} / ${duration(hour.duration_ms.p95)}`),
    fact(t("hour.wait"), duration(hour.wait_ms.p95)),
    h("span", { class: "legend" }, ["succeeded", "failed", "stopped"].map((each) => h("span", { class: each }, h("span", { class: `swatch ${each}`, "aria-hidden": "true" }), word("status", each)))));
}
