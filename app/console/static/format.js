// Times, durations and values, in words for people.

import { now } from "./clock.js";
import { h } from "./dom.js";
import { locale, number, t, word } from "./language.js";

export { number };

const plain = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium" });
const precise = new Intl.DateTimeFormat(locale, { year: "numeric", month: "short", day: "numeric", hour: "numeric", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });
const zoned = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "long" });
const clock = new Intl.DateTimeFormat(locale, { timeStyle: "medium" });
const relative = new Intl.RelativeTimeFormat(locale, { numeric: "always", style: "narrow" });
const percent = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 1 });
const STEPS = [[60, "second", 1], [3600, "minute", 60], [86400, "hour", 3600], [Infinity, "day", 86400]];

/** "3 min. ago", "in 2 hr." */
export function ago(text, nowMs = now()) {
  const seconds = (Date.parse(text) - nowMs) / 1000;
  const distance = Math.abs(seconds);
  if (distance < 1) return t("time.now");
  const [, unit, size] = STEPS.find(([limit]) => distance < limit);
  return relative.format(Math.trunc(seconds / size), unit);
}

export function exact(text) {
  return text ? plain.format(new Date(text)) : "–";
}

export function clockTime(ms) {
  return clock.format(new Date(ms));
}

/** The exact time in a zone, with the zone's name: for schedules, where the viewer's own zone would mislead. */
export function exactIn(text, timeZone) {
  const parts = { weekday: "short", dateStyle: undefined, year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" };
  return new Intl.DateTimeFormat(locale, { ...parts, timeZone, timeZoneName: "short" }).format(new Date(text));
}

export const ownZone = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The exact time as the viewer's clock has it, and in UTC as logs and the API have it. */
function hint(text) {
  return `${zoned.format(new Date(text))}\n${text}`;
}

/** A <time> that reads relative and tells the exact time when pointed at. */
export function when(text) {
  if (!text) return h("span", { class: "muted" }, "–");
  return h("time", { datetime: text, title: hint(text), "data-relative": true }, ago(text));
}

/** A <time> that reads exact, and tells its zone and milliseconds when pointed at. */
export function stamp(text) {
  return text ? h("time", { datetime: text, title: hint(text) }, exact(text)) : "–";
}

/** The same with milliseconds to read: for what follows on one another within a second. */
export function moment(text) {
  return text ? h("time", { datetime: text, title: hint(text) }, precise.format(new Date(text))) : "–";
}

/** A <time> that counts how long something has lasted: "3 min 12 s". */
export function elapsed(text) {
  return h("time", { datetime: text, title: hint(text), "data-elapsed": true }, duration(now() - Date.parse(text)));
}

/** Let relative times go on. */
export function refreshTimes(place, nowMs = now()) {
  for (const element of place.querySelectorAll("time[data-relative]")) put(element, ago(element.dateTime, nowMs));
  for (const element of place.querySelectorAll("time[data-elapsed]")) put(element, duration(Math.max(0, nowMs - Date.parse(element.dateTime)), true));
}

function put(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

const ROUND = [[86_400_000, "unit.days"], [3_600_000, "unit.hours"], [60_000, "unit.minutes"]];

/** "12.3 ms", "2 min 5 s"; a round one is short: "2 min". `whole` keeps to seconds, for what goes on. */
export function duration(ms, whole = false) {
  if (ms === null || ms === undefined) return "–";
  if (whole && ms < 60_000) return t("unit.s", { value: number(Math.floor(ms / 1000)) });
  if (ms < 1000) return t("unit.ms", { value: number(ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms)) });
  if (ms < 60_000) return t("unit.s", { value: number(Math.round(ms / (ms < 10_000 ? 10 : 100)) / (ms < 10_000 ? 100 : 10)) });
  const [size, only] = ROUND.find(([each]) => !whole && ms % each === 0) ?? [];
  if (only) return t(only, { value: number(ms / size) });
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return t("unit.min", { minutes: number(minutes), seconds: number(Math.floor((ms % 60_000) / 1000)) });
  if (minutes < 1440) return t("unit.h", { hours: number(Math.floor(minutes / 60)), minutes: number(minutes % 60) });
  return t("unit.d", { days: number(Math.floor(minutes / 1440)), hours: number(Math.floor((minutes % 1440) / 60)) });
}

export function share(value) {
  return percent.format(value);
}

const VISIBLE = /[^\p{C}\p{Z}\p{M}\u115f\u1160\u2800\u3164\uffa0]/u;

/** The name of a task or a schedule, or its id where the name has nothing to see and to click. */
export function nameOf({ id, name }) {
  return VISIBLE.test(name) ? name : id;
}

export function json(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

/** A status as a shape and a word: outcomes differ in more than colour. */
export function badge(status) {
  return h("span", { class: `badge ${status}` }, h("span", { class: "shape", "aria-hidden": "true" }, SHAPES[status] ?? "●"), word("status", status));
}

const SHAPES = {
  waiting: "◷", queued: "☰", running: "▶", succeeded: "✓", failed: "✕", stopped: "■", active: "●", paused: "‖", ended: "○",
  pending: "◷", delivered: "✓", completed: "✓", aborted: "■", created: "✓", missed: "✕", skipped_overlap: "↷",
};

export function tags(names) {
  return names.map((name) => h("span", { class: "tag" }, name));
}
