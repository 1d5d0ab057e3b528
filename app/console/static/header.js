// How the service is: a dot with a word, and each part on demand.

import { get } from "./api.js";
import { byId, h, show } from "./dom.js";

const PARTS = ["redis", "workers", "beat", "sandbox"];
const WORDS = { redis: "Redis", workers: "Workers", beat: "Beat", sandbox: "Sandbox" };

export async function refreshHealth() {
  let report;
  try {
    report = await get("/health", [503]);
  } catch (error) {
    report = { status: "away", detail: error instanceof TypeError ? "The service can't be reached" : error.message };
  }
  say(report);
}

function say(report) {
  const down = PARTS.filter((part) => report[part] && report[part].status !== "ok");
  const words = { ok: "All is well", away: report.detail }[report.status] ?? `Degraded: ${names(down)}`;
  byId("health-dot").className = `dot ${report.status}`;
  if (byId("health-words").textContent !== words) byId("health-words").textContent = words;
  const rows = PARTS.filter((part) => report[part]).map((part) => [part, report[part].status, detail(part, report[part])]);
  show(byId("health-parts"), [rows, report.version], () => [
    ...rows.flatMap(([part, status, text]) => [
      h("dt", {}, h("span", { class: `dot ${status}` }), WORDS[part]),
      h("dd", {}, status === "ok" ? text : `${text || "down"}`),
    ]),
    report.version && [h("dt", {}, "Version"), h("dd", {}, report.version)],
  ].flat());
}

function names(parts) {
  return parts.map((part) => WORDS[part]).join(", ") || "unknown";
}

function detail(part, found) {
  if (found.detail) return found.detail;
  if (part === "redis") return found.round_trip_ms < 1 ? "answers within 1 ms" : `answers within ${Math.ceil(found.round_trip_ms)} ms`;
  if (part === "workers") return Object.entries(found.queues).map(([queue, count]) => `${queue.replace("celeriac.", "")}: ${count}`).join(", ");
  if (part === "beat") return "ticks";
  const missing = Object.entries(found.layers).filter(([, state]) => state !== "on");
  const on = Object.keys(found.layers).length - missing.length;
  return `${on} layers on${missing.length ? `; not here: ${missing.map(([name]) => name).join(", ")}` : ""}`;
}
