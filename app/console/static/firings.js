// The next firings by a rule that is not saved yet.

import { call } from "./api.js";
import { now } from "./clock.js";
import { exactIn } from "./format.js";
import { t } from "./language.js";

const MOST = 100; // that the service lists

/** Whether an expression has an `H`, which is a number of the schedule's own: a preview, which knows none, takes another. */
export const isHashed = (expression) => /(^|\s)H\b/.test(expression ?? "");

/**
 * {description, times, note}: the first `count` firings by {cron_expression, every_seconds, timezone, start_at, end_at,
 * created_at}. The service lists those of the expression alone, from now on; `note` says where that is not all.
 */
export async function firingsBy({ start_at, end_at, created_at, ...rule }, count, signal) {
  const { description, next_runs } = await call("POST", "/api/cron/preview", { ...rule, count: start_at || end_at ? MOST : count }, { signal });
  const [start, end] = [start_at ? Date.parse(start_at) : -Infinity, end_at ? Date.parse(end_at) : Infinity];
  const found = rule.every_seconds ? everySoOften(rule.every_seconds * 1000, start_at, created_at, count) : next_runs;
  const times = found.filter((at) => Date.parse(at) >= start && Date.parse(at) <= end).slice(0, count);
  return { description, times, note: noteOn(rule, times, start, end) };
}

/** An interval is counted from its start, which is the first firing, or else from the creation. */
function everySoOften(ms, start_at, created_at, count) {
  const present = now();
  const from = Date.parse(start_at ?? created_at ?? new Date(present).toISOString());
  const first = Math.max(start_at ? 0 : 1, Math.floor((present - from) / ms) + 1);
  return Array.from({ length: count }, (_, index) => new Date(from + (first + index) * ms).toISOString());
}

function noteOn({ cron_expression, timezone }, times, start, end) {
  if (times.length) return isHashed(cron_expression) ? t("cron.hashed") : "";
  return start > now() && start <= end ? t("cron.from", { time: exactIn(start, timezone ?? "UTC") }) : t("schedule.noNext");
}
