// Ranges of time for filters: relative ones stay relative in the address ("1h"), so that a bookmark means the last hour.

import { now } from "./clock.js";

export const RANGES = ["15m", "1h", "24h", "7d"];
const SECONDS = { m: 60, h: 3600, d: 86400 };

/** "1h" → the moment an hour before `nowMs` as an RFC 3339 text; "" for what is no range. */
export function since(range, nowMs = now()) {
  const [, count, unit] = /^(\d{1,4})([mhd])$/.exec(range ?? "") ?? [];
  return count ? new Date(nowMs - Number(count) * SECONDS[unit] * 1000).toISOString() : "";
}

/** What a datetime-local field holds, in the viewer's zone, as UTC; "" for nothing. A text of UTC stays as it is. */
export function toUtc(text) {
  const at = new Date(text);
  return text && !Number.isNaN(at.getTime()) ? at.toISOString() : "";
}

/** The opposite. */
export function toLocal(text) {
  if (!text) return "";
  const at = new Date(text);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
