// Times, durations and values, in words for people.

import { h } from "./dom.js";

const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const relative = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "narrow" });
const STEPS = [[60, "second", 1], [3600, "minute", 60], [86400, "hour", 3600], [Infinity, "day", 86400]];

/** "3 min. ago", "in 2 hr." */
export function ago(text, nowMs = Date.now()) {
  const seconds = (Date.parse(text) - nowMs) / 1000;
  const distance = Math.abs(seconds);
  if (distance < 1) return "now";
  const [, unit, size] = STEPS.find(([limit]) => distance < limit);
  return relative.format(Math.trunc(seconds / size), unit);
}

export function exact(text) {
  return text ? moment.format(new Date(text)) : "–";
}

/** A <time> that reads relative and tells the exact time when pointed at. */
export function when(text) {
  if (!text) return h("span", { class: "muted" }, "–");
  return h("time", { datetime: text, title: exact(text), "data-relative": true }, ago(text));
}

/** Let relative times go on. */
export function refreshTimes(place) {
  for (const element of place.querySelectorAll("time[data-relative]")) {
    const words = ago(element.dateTime);
    if (element.textContent !== words) element.textContent = words;
  }
}

export function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

export function number(value) {
  return value.toLocaleString("en");
}

export function json(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

export function badge(status) {
  return h("span", { class: `badge ${status}` }, h("span", { class: "dot" }), status);
}

export function kindWord(kind) {
  return { api: "API" }[kind] ?? kind;
}
