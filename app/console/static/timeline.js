// Past runs as marks, time × duration, and expected firings to the right of now. Shapes differ by outcome.

import { svg } from "./dom.js";
import { duration, exact } from "./format.js";
import { locale, t, word } from "./language.js";

const [HEIGHT, LEFT, BOTTOM, TOP] = [170, 58, 22, 12];
const FUTURE = 0.25; // share of the width for what is expected
const LEAST_AHEAD_MS = 600_000;
const SIZE = 4;
const clock = new Intl.DateTimeFormat(locale, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });

/**
 * tasks: summaries; firings: [{name, at}] that are expected; gaps: [{at, outcome}] that did not create a task.
 * `nowMs` is where the past ends; `width` is in pixels.
 */
export function timeline({ tasks, firings = [], gaps = [], nowMs, width }) {
  const done = tasks.filter((task) => task.started_at && task.finished_at);
  const from = Math.min(nowMs - 60_000, ...done.map((task) => Date.parse(task.started_at)), ...gaps.map(({ at }) => Date.parse(at)));
  const later = firings.filter(({ at }) => Date.parse(at) > nowMs);
  const last = Math.max(nowMs + 60_000, ...later.map(({ at }) => Date.parse(at)));
  const nearest = Math.min(last, ...later.map(({ at }) => Date.parse(at)));
  const until = Math.min(last, Math.max(nearest, nowMs + Math.max(2 * (nowMs - from), LEAST_AHEAD_MS)));
  const ahead = later.filter(({ at }) => Date.parse(at) <= until);
  const middle = LEFT + (width - LEFT) * (1 - FUTURE);
  const x = (ms) => (ms <= nowMs ? LEFT + ((ms - from) / (nowMs - from)) * (middle - LEFT) : middle + ((ms - nowMs) / (until - nowMs)) * (width - middle - SIZE));
  const longest = Math.max(10, ...done.map((task) => task.duration_ms ?? 0));
  const y = (ms) => HEIGHT - BOTTOM - (Math.log10(1 + ms) / Math.log10(1 + longest)) * (HEIGHT - TOP - BOTTOM);
  const text = (at, words, anchor, baseline = HEIGHT - 5) => svg("text", { x: at, y: baseline, "text-anchor": anchor }, words);
  return svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", "aria-label": t("timeline.words", { count: done.length, expected: ahead.length, gaps: gaps.length }) },
    [1, Math.sqrt(longest), longest].map((ms) => svg("g", {}, svg("line", { class: "grid", x1: LEFT, x2: middle, y1: y(ms), y2: y(ms) }), svg("text", { x: LEFT - 6, y: y(ms) + 4, "text-anchor": "end" }, duration(ms < 10 ? Math.round(ms) : ms)))),
    svg("line", { class: "now", x1: middle, x2: middle, y1: TOP + 2, y2: HEIGHT - BOTTOM }),
    text(LEFT, clock.format(from), "start"), text(middle, t("time.now"), "middle", TOP - 2), ahead.length > 0 && text(width, clock.format(until), "end"),
    gaps.map(({ at, outcome }) => mark(x(Date.parse(at)), HEIGHT - BOTTOM, outcome, `${exact(at)}: ${word("outcome", outcome)}`)),
    done.map((task) => mark(x(Date.parse(task.started_at)), y(task.duration_ms ?? 0), task.status, `${task.name}: ${word("status", task.status)}, ${exact(task.started_at)}, ${duration(task.duration_ms)}`)),
    ahead.map(({ name, at }) => mark(x(Date.parse(at)), HEIGHT - BOTTOM - SIZE, "expected", `${name}: ${exact(at)}`)));
}

function mark(x, y, outcome, words) {
  const shape = {
    succeeded: () => svg("circle", { cx: x, cy: y, r: SIZE - 0.5 }),
    failed: () => svg("path", { d: `M${x - SIZE} ${y - SIZE}L${x + SIZE} ${y + SIZE}M${x + SIZE} ${y - SIZE}L${x - SIZE} ${y + SIZE}` }),
    stopped: () => svg("rect", { x: x - SIZE + 1, y: y - SIZE + 1, width: 2 * SIZE - 2, height: 2 * SIZE - 2 }),
    expected: () => svg("path", { d: `M${x} ${y - SIZE}L${x + SIZE} ${y}L${x} ${y + SIZE}L${x - SIZE} ${y}Z` }),
  }[outcome] ?? (() => svg("path", { d: `M${x - SIZE} ${y - 2 * SIZE}L${x + SIZE} ${y - 2 * SIZE}L${x} ${y}Z` }));
  return svg("g", { class: `mark ${outcome}` }, svg("title", {}, words), shape());
}
