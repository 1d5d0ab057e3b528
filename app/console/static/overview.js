// Counts by status, and the last hour.

import { get } from "./api.js";
import { chart } from "./chart.js";
import { byId, h, show } from "./dom.js";
import { duration, number } from "./format.js";

const STATUSES = ["waiting", "queued", "running", "succeeded", "failed", "stopped"];

export async function refreshOverview() {
  const stats = await get("/api/tasks/stats");
  const chosen = new URLSearchParams(location.hash.split("?")[1]).get("status");
  show(byId("counts"), [stats.by_status, chosen], () => STATUSES.map((status) => count(status, stats, chosen)));
  const place = byId("chart");
  const width = Math.max(place.clientWidth - 32, 240);
  show(place, [stats.last_hour, width], () => [caption(stats.last_hour), chart(stats.last_hour.per_minute, width)]);
}

function count(status, stats, chosen) {
  return h(
    "a",
    { href: `#/tasks?status=${status}`, class: `count ${status}`, "data-key": status, "aria-current": chosen === status && "true" },
    h("span", { class: "value" }, number(stats.by_status[status])),
    h("span", { class: "word" }, h("span", { class: "dot" }), status),
  );
}

function caption(hour) {
  const rate = hour.success_rate === null ? "–" : `${(hour.success_rate * 100).toFixed(hour.success_rate < 1 ? 1 : 0)} %`;
  return h(
    "figcaption",
    {},
    h("strong", {}, "Last hour"),
    fact("finished", number(hour.finished)),
    fact("success", rate),
    fact("duration p50 / p95", `${duration(hour.duration_ms.p50)} / ${duration(hour.duration_ms.p95)}`),
    fact("wait p95", duration(hour.wait_ms.p95)),
  );
}

function fact(name, value) {
  return h("span", { class: "fact" }, `${name} `, h("b", {}, value));
}
