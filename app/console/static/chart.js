// Sixty bars: what finished in each minute of the last hour.

import { svg } from "./dom.js";
import { number } from "./format.js";

const [HEIGHT, LEFT, BOTTOM, TOP] = [136, 34, 20, 8];
const KINDS = ["succeeded", "failed", "stopped"];

/** `width` in pixels, so that its words have the size of all others. */
export function chart(minutes, width) {
  const most = niceTop(Math.max(...minutes.map(sum)));
  const total = (kind) => number(minutes.reduce((all, minute) => all + minute[kind], 0));
  const step = (width - LEFT) / minutes.length;
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / most);
  const words = `Finished tasks per minute in the last hour: ${KINDS.map((kind) => `${total(kind)} ${kind}`).join(", ")}.`;
  return svg(
    "svg",
    { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", "aria-label": words },
    [0, most / 2, most].map((value) => line(value, y(value), width)),
    minutes.map((minute, index) => bar(minute, LEFT + index * step, step, y)),
    ["60 min ago", "30 min", "now"].map((text, index) => label(text, index, width)),
  );
}

const sum = (minute) => KINDS.reduce((all, kind) => all + minute[kind], 0);

/** The least even number of the form 2, 4, 10, 20, 40, 100 … that is enough. */
function niceTop(value) {
  for (let size = 1; ; size *= 10) {
    for (const factor of [2, 4, 10]) if (factor * size >= value) return factor * size;
  }
}

function line(value, at, width) {
  return svg(
    "g",
    {},
    svg("line", { class: "grid", x1: LEFT, x2: width, y1: at, y2: at }),
    svg("text", { x: LEFT - 6, y: at + 4, "text-anchor": "end" }, number(value)),
  );
}

function label(text, index, width) {
  const at = LEFT + ((width - LEFT) * index) / 2;
  return svg("text", { x: at, y: HEIGHT - 4, "text-anchor": ["start", "middle", "end"][index] }, text);
}

function bar(minute, x, step, y) {
  const time = new Date(minute.at).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  const words = KINDS.filter((kind) => minute[kind]).map((kind) => `${minute[kind]} ${kind}`).join(", ") || "nothing";
  let below = 0;
  const parts = KINDS.filter((kind) => minute[kind]).map((kind) => {
    const [top, bottom] = [y(below + minute[kind]), y(below)];
    below += minute[kind];
    return svg("rect", { class: kind, x: x + 1, width: step - 2, y: top, height: Math.max(bottom - top, 0.8) });
  });
  const area = svg("rect", { class: "hover", x, width: step, y: TOP, height: HEIGHT - TOP - BOTTOM });
  return svg("g", {}, svg("title", {}, `${time}: ${words}`), area, parts);
}
