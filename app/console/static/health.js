// How the service is, and how its work goes: one verdict with its reasons. Pure; tests/browser calls it as it is.

export const PARTS = ["redis", "data", "workers", "beat", "sandbox"];

const FAILING = { warn: 0.05, bad: 0.2, minimum: 5 }; // share of failures in the last quarter of an hour
const WAITING_MS = { warn: 10_000, bad: 60_000 }; // p95 of the time from due to started
const OLDEST_SECONDS = { warn: 30, bad: 300 }; // age of the oldest queued task
const MEMORY = { warn: 0.8, bad: 0.95 }; // share of Redis' maxmemory
const QUARTER = 15; // minutes

/**
 * The state of the work as {level: "ok" | "warn" | "bad", reasons: [{level, id, values}]}; the worst reason first.
 * `id` is that of a text. `report` is GET /health, `stats` GET /api/tasks/stats.
 */
export function verdict(report, stats, nowMs) {
  const reasons = [...ofParts(report), ...(stats ? ofWork(report, stats, nowMs) : [])];
  reasons.sort((one, other) => (one.level === other.level ? 0 : one.level === "bad" ? -1 : 1));
  return { level: reasons[0]?.level ?? "ok", reasons };
}

function ofParts(report) {
  const found = [];
  const { redis, data, workers, beat, sandbox } = report;
  if (redis?.status === "down") found.push(bad(isRedisAway(report) ? "health.redis" : "health.refuses", { detail: redis.detail ?? "" }));
  if (isOfOtherForm(report)) found.push(bad("health.data", { detail: data.detail ?? "" }));
  for (const [queue, count] of Object.entries(workers?.queues ?? {})) {
    if (count === 0) found.push(bad("health.noWorker", { queue: queue.replace("celeriac.", "") }));
  }
  if (workers?.status === "down" && found.length === 0) found.push(bad("health.workers", { detail: workers.detail ?? "" }));
  if (beat?.status === "down") found.push(bad("health.beat", { detail: beat.detail ?? "" }));
  if (sandbox?.status === "down") found.push(bad("health.sandbox", { detail: sandbox.detail ?? "" }));
  const memory = redis?.status === "down" ? null : redis?.memory; // its detail says it
  if (memory?.max_bytes && memory.used_bytes / memory.max_bytes >= MEMORY.warn) {
    const share = memory.used_bytes / memory.max_bytes;
    found.push({ level: share >= MEMORY.bad ? "bad" : "warn", id: "health.memory", values: { share: Math.round(share * 100) } });
  }
  return found;
}

function ofWork(report, stats, nowMs) {
  const found = [];
  const recent = stats.last_hour.per_minute.slice(-QUARTER);
  const failed = sum(recent, "failed");
  const finished = failed + sum(recent, "succeeded");
  if (finished >= FAILING.minimum && failed / finished >= FAILING.warn) {
    const level = failed / finished >= FAILING.bad ? "bad" : "warn";
    found.push({ level, id: "health.failing", values: { failed, finished, share: Math.round((failed / finished) * 100) } });
  }
  const wait = stats.last_hour.wait_ms.p95;
  if (wait !== null && wait >= WAITING_MS.warn) {
    found.push({ level: wait >= WAITING_MS.bad ? "bad" : "warn", id: "health.wait", values: { ms: wait } });
  }
  for (const [queue, at] of Object.entries(stats.oldest_queued_at ?? {})) {
    const seconds = at ? (nowMs - Date.parse(at)) / 1000 : 0;
    if (seconds < OLDEST_SECONDS.warn) continue;
    const level = seconds >= OLDEST_SECONDS.bad ? "bad" : "warn";
    found.push({ level, id: "health.oldest", values: { queue: queue.replace("celeriac.", ""), ms: seconds * 1000 } });
  }
  return found;
}

const bad = (id, values) => ({ level: "bad", id, values });
const sum = (minutes, field) => minutes.reduce((all, minute) => all + minute[field], 0);

/** Whether Redis does not answer; one that answers, and only takes no new tasks, is down as well. */
export const isRedisAway = (report) => report?.redis?.status === "down" && !report.redis.memory;

/** Whether the data has a form that the service does not work on: it answers every call with 503. */
export const isOfOtherForm = (report) => report?.data?.status === "down";

/** Whether a worker serves the queue of this kind; true where that is not known. */
export function isServed(report, kind) {
  const count = report?.workers?.queues?.[`celeriac.${kind}`];
  return count === undefined || count > 0;
}
