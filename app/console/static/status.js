// What the whole page knows of the service: its health and its figures, read once for all views.

import { get, reach } from "./api.js";
import { now } from "./clock.js";
import { isOfOtherForm, isRedisAway } from "./health.js";

const listeners = new Set();
export const state = { report: null, stats: null };

/** When all was last read (ms), and what keeps it from being read again now, or null. */
let wholeAt = now();
export const lastWholeAt = () => (reach.isAway ? reach.lastAnswerAt : wholeAt);
export const cutOff = () => (reach.isAway ? "service" : isRedisAway(state.report) ? "redis" : isOfOtherForm(state.report) ? "data" : null);
export const isCutOff = () => cutOff() !== null;

/** Read both again; tells the listeners. */
export async function refreshStatus(signal) {
  const [report, stats] = await Promise.all([
    get("/health", { accepted: [503], signal }),
    get("/api/tasks/stats", { signal }).catch((error) => {
      if (error.status === 503) return null; // the report says why
      throw error;
    }),
  ]);
  if (stats) wholeAt = now();
  Object.assign(state, { report, stats: stats ?? state.stats });
  for (const listener of listeners) listener();
}

export function onStatus(listener, signal) {
  listeners.add(listener);
  signal?.addEventListener("abort", () => listeners.delete(listener), { once: true });
}
