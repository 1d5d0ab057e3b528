// A cron expression in words and its next firings, in the schedule's zone and the viewer's, while it is typed. Hours that
// a clock change skips or repeats are marked.

import { Refusal } from "./api.js";
import { h } from "./dom.js";
import { firingsBy } from "./firings.js";
import { exactIn, ownZone } from "./format.js";
import { t } from "./language.js";

const TYPING_MS = 300;
const COUNT = 5;
const HOUR_MS = 3_600_000;

/** {element, put(fields)}, with the fields of `firingsBy`; those that are empty do not count */
export function cronPreview(scope) {
  const element = h("div", { class: "preview", role: "status" });
  let asked = "";
  const look = scope.debounced(TYPING_MS, async (wanted, words) => {
    const found = await contentOf(wanted, scope.signal).catch((error) => {
      if (error.name === "AbortError") return null;
      return [h("p", { class: "bad" }, error.message)];
    });
    if (found && words === asked) element.replaceChildren(...found);
  });

  function put(fields) {
    const wanted = Object.fromEntries(Object.entries({ ...fields, every_seconds: Number(fields.every_seconds) || "" }).filter(([, value]) => value));
    if (wanted.every_seconds) delete wanted.cron_expression;
    const words = JSON.stringify(wanted);
    if (words === asked) return;
    asked = words;
    if (!wanted.cron_expression && !wanted.every_seconds) element.replaceChildren();
    else look(wanted, words);
  }
  return { element, put };
}

async function contentOf(wanted, signal) {
  try {
    const { description, times, note } = await firingsBy(wanted, COUNT, signal);
    const zone = wanted.timezone ?? "UTC";
    return [h("p", {}, h("b", {}, description)), h("ol", { class: "next-runs" }, times.map((at) => firing(at, zone))), ...(note ? [h("p", { class: "note" }, note)] : [])];
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return (error.errors.length ? error.errors : [error]).map(({ message }) => h("p", { class: "bad" }, message));
  }
}

function firing(at, zone) {
  const change = clockChange(Date.parse(at), zone);
  return h("li", {}, h("span", { class: "fires" }, exactIn(at, zone)), zone !== ownZone && h("span", { class: "muted" }, ` · ${t("schedule.yours")} ${exactIn(at, ownZone)}`),
    change !== 0 && h("span", { class: "note-inline" }, ` ▲ ${t(change > 0 ? "cron.skipped" : "cron.doubled")}`));
}

/** The clock change within three hours of a firing, in minutes: above 0 if hours are skipped, below if they come twice. */
function clockChange(ms, zone) {
  return offset(ms + 3 * HOUR_MS, zone) - offset(ms - 3 * HOUR_MS, zone);
}

function offset(ms, timeZone) {
  const format = new Intl.DateTimeFormat("en-US", { timeZone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" });
  const { year, month, day, hour, minute, second } = Object.fromEntries(format.formatToParts(new Date(ms)).map(({ type, value }) => [type, Number(value)]));
  return Math.round((Date.UTC(year, month - 1, day, hour, minute, second) - ms) / 60_000);
}
