// Sixty bars: what finished in each minute of the last hour. Failures stand on top and are hatched.

import { svg } from "./dom.js";
import { number } from "./format.js";
import { locale, t, word } from "./language.js";

const [HEIGHT, BOTTOM, TOP] = [136, 20, 10];
const DIGIT = 7; // pixels, of the axis' numbers
const KINDS = ["succeeded", "stopped", "failed"];
const clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" });
const short = new Intl.NumberFormat(locale, { notation: "compact" });

/** `width` in pixels, so that its words have the size of all others. */
export function chart(minutes, width) {
  const most = niceTop(Math.max(...minutes.map(sum)));
  const left = 12 + DIGIT * short.format(most).length;
  const total = (kind) => number(minutes.reduce((all, minute) => all + minute[kind], 0));
  const step = (width - left) / minutes.length;
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / most);
  const words = t("hour.words", { figures: KINDS.map((kind) => `${total(kind)} ${word("status", kind)}`).join(", ") });
  return svg(
    "svg",
    { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", "aria-label": words },
    hatch(),
    [0, most / 2, most].map((value) => line(value, y(value), left, width)),
    minutes.map((minute, index) => bar(minute, left + index * step, step, y)),
    ["hour.sixty", "hour.thirty", "time.now"].map((text, index) => label(t(text), index, left, width)),
  );
}

/** A pattern, so that failures differ in more than colour. */
function hatch() {
  return svg("defs", {}, svg("pattern", { id: "hatch", width: 4, height: 4, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    svg("rect", { class: "failed", width: 4, height: 4 }), svg("rect", { class: "hatch-line", width: 1.4, height: 4 })));
}

const sum = (minute) => KINDS.reduce((all, kind) => all + minute[kind], 0);

/** The least even number of the form 2, 4, 10, 20, 40, 100 … that is enough. */
function niceTop(value) {
  for (let size = 1; ; size *= 10) {
    for (const factor of [2, 4, 10]) if (factor * size >= value) return factor * size;
  }
}

function line(value, at, left, width) {
  return svg("g", {}, svg("line", { class: "grid", x1: left, x2: width, y1: at, y2: at }), svg("text", { x: left - 6, y: at + 4, "text-anchor": "end" }, short.format(value)));
}

function label(text, index, left, width) {
  return svg("text", { x: left + ((width - left) * index) / 2, y: HEIGHT - 4, "text-anchor": ["start", "middle", "end"][index] }, text);
}

function bar(minute, x, step, y) {
  const kinds = KINDS.filter((kind) => minute[kind]);
  const words = kinds.map((kind) => `${number(minute[kind])} ${word("status", kind)}`).join(", ") || t("hour.nothing");
  let below = 0;
  const parts = kinds.map((kind) => {
    const [top, bottom] = [y(below + minute[kind]), y(below)];
    below += minute[kind];
    return svg("rect", { class: kind, x: x + 1, width: Math.max(step - 2, 1), y: top, height: Math.max(bottom - top, 0.8), fill: kind === "failed" ? "url(#hatch)" : null });
  });
  const area = svg("rect", { class: "hover", x, width: step, y: TOP, height: HEIGHT - TOP - BOTTOM });
  return svg("g", {}, svg("title", {}, `${clock.format(new Date(minute.at))}: ${words}`), area, parts);
}
