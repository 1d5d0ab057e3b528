// One schedule: how it goes, what comes next, what it did and did not do.

import { call, get, Refusal, refusal } from "./api.js";
import * as address from "./address.js";
import { changesOf } from "./audit.js";
import { now } from "./clock.js";
import { copyButton, curlOf } from "./copy.js";
import { once } from "./dialogs.js";
import { h, show } from "./dom.js";
import { isHashed } from "./firings.js";
import { badge, duration, exactIn, json, nameOf, number, ownZone, stamp, tags, when } from "./format.js";
import { t, word } from "./language.js";
import { looks } from "./looks.js";
import { row as noticeRow } from "./notices.js";
import { cursorOf, pager } from "./pager.js";
import { mayAdmin, mayWrite } from "./permission.js";
import { every, lastOutcome, placeOf, remove, runNow, turn } from "./schedules.js";
import { scheduleBodyOf } from "./task-body.js";
import { why } from "./tasks.js";
import { timeline } from "./timeline.js";

const RUNS = 100;
const FIRINGS = 20;
const MARKS = 200; // firings that the timeline looks at
const NEXT = 10;
const NOTICES = 5;
const ALL_ON = ["failed", "missed", "late", "stopped", "recovered"]; // what a rule without `on` tells of

export function scheduleView(first, scope) {
  let route = first;
  const id = first.id;
  let name = "";
  const begin = looks();
  const head = h("header", { class: "panel-head" });
  const facts = h("div", {});
  const next = h("div", {});
  const dots = h("figure", { class: "panel chart", "aria-label": t("timeline.title") });
  const runs = h("ul", { class: "runs" });
  const firings = h("ul", { class: "firings" });
  const notices = h("div", {});
  const pages = pager((trail) => address.go({ ...route, fields: { ...route.fields, pages: trail } }));
  const panel = (title, ...content) => h("section", { class: "panel padded", "aria-label": title }, h("h2", {}, title), content);
  const element = h("div", { class: "columns schedule" },
    h("section", { class: "panel", "aria-label": t("nav.scheduled") }, head, h("div", { class: "padded" }, facts)),
    dots, panel(t("schedule.next"), next), panel(t("schedule.runs"), runs, h("p", {}, h("a", { href: address.format({ page: "tasks", fields: { scheduled_task_id: id } }), "data-key": "all-runs" }, t("overview.all")))), panel(t("schedule.firings"), firings, pages.element), panel(t("schedule.alert"), notices));

  async function refresh() {
    const signal = scope.signal;
    const isLate = begin();
    const path = `/api/scheduled-tasks/${id}`;
    const cursor = cursorOf(route.fields);
    let answers;
    try {
      answers = await Promise.all([get(path, { signal }), get(`${path}/tasks?limit=${RUNS}`, { signal }), get(`${path}/firings?limit=${FIRINGS}${cursor ? `&cursor=${cursor}` : ""}`, { signal }).catch(refusal), get(`/api/deliveries?scheduled_task_id=${id}&limit=${NOTICES}`, { signal }), get(`${path}/firings?limit=${MARKS}`, { signal })]);
    } catch (error) {
      if (error.status !== 404) throw error;
      element.replaceChildren(h("section", { class: "panel" }, h("h1", { class: "empty" }, t("schedule.gone")))); // nothing of it can be acted on
      return;
    }
    const [schedule, tasks, fired, told, latest] = answers;
    const expected = await expectedRuns(schedule, signal);
    if (isLate() || cursor !== cursorOf(route.fields)) return;
    name = nameOf(schedule);
    show(head, schedule, () => title(schedule, refresh));
    show(facts, schedule, () => details(schedule));
    show(next, [schedule.timezone, expected], () => nextRuns(schedule, expected));
    const width = Math.max(dots.clientWidth - 32, 240);
    const { marks, gaps } = known(tasks, latest);
    show(dots, [marks.map(({ id: each, status }) => [each, status]), expected, gaps, width], () => [
      h("figcaption", {}, h("strong", {}, t("timeline.title"))),
      timeline({ tasks: marks, firings: expected.map((at) => ({ name: schedule.name, at })), gaps, nowMs: now(), width })]);
    show(runs, tasks.items.slice(0, FIRINGS), () => (tasks.items.length ? tasks.items.slice(0, FIRINGS).map((task) => runRow(task, id)) : h("li", { class: "empty small" }, t("schedule.noRuns"))));
    if (fired instanceof Refusal) {
      if (!pages.refuse(route.fields)) throw fired;
      show(firings, fired.words, () => h("li", { class: "empty small" }, fired.words));
    } else {
      show(firings, fired.items, () => (fired.items.length ? fired.items.map(firingRow) : h("li", { class: "empty small" }, t("schedule.noFirings"))));
      pages.put(route.fields, fired.next_cursor);
    }
    show(notices, [schedule.alert, schedule.callback_url, told.items], () => rules(schedule, told.items));
  }

  const update = (to) => {
    if (to.id !== id) return false;
    route = to;
    pages.wait();
    return true;
  };
  return { get title() { return name || t("nav.scheduled"); }, element, update, refresh, isSilent: true };
}

/** The next ten firings; the service tells five of a schedule, and more of an expression, to keys that may write. */
async function expectedRuns(schedule, signal) {
  if (schedule.every_seconds && schedule.status === "active") return everySoOften(schedule);
  if (!mayWrite() || schedule.status !== "active" || !schedule.cron_expression || isHashed(schedule.cron_expression)) return schedule.next_runs;
  const { next_runs } = await call("POST", "/api/cron/preview", { cron_expression: schedule.cron_expression, timezone: schedule.timezone, count: NEXT }, { signal });
  const end = schedule.end_at ? Date.parse(schedule.end_at) : Infinity;
  const start = schedule.next_runs.length ? Date.parse(schedule.next_runs[0]) : Infinity;
  const later = next_runs.filter((at) => Date.parse(at) >= start && Date.parse(at) <= end);
  return schedule.max_runs === null && later.length > schedule.next_runs.length ? later : schedule.next_runs;
}

/** What the timeline shows: from where both tasks and firings are known, so that nothing seems to have begun there. */
export function known(tasks, firings) {
  const oldest = (page, field) => (page.next_cursor ? Date.parse(page.items.at(-1)[field]) : 0);
  const from = Math.max(oldest(tasks, "created_at"), oldest(firings, "at"));
  return {
    marks: tasks.items.filter((task) => Date.parse(task.created_at) >= from),
    gaps: firings.items.filter(({ at, outcome }) => outcome !== "created" && Date.parse(at) >= from),
  };
}

/** The five that the service tells, and those that follow at the same distance. */
function everySoOften({ next_runs, every_seconds, end_at, max_runs }) {
  if (!next_runs.length || max_runs !== null) return next_runs;
  const last = Date.parse(next_runs.at(-1));
  const later = Array.from({ length: NEXT - next_runs.length }, (_, index) => last + (index + 1) * every_seconds * 1000);
  return [...next_runs, ...later.filter((ms) => !end_at || ms <= Date.parse(end_at)).map((ms) => new Date(ms).toISOString())];
}

function title(schedule, refresh) {
  const button = (key, act, kind = "") => h("button", { type: "button", class: `button small ${kind}`, onclick: once(act), "data-key": placeOf(key) }, t(`schedule.do.${key}`));
  const link = (key, fields) => h("a", { class: "button small", href: address.format({ page: "new", fields }), "data-key": key }, t(`schedule.do.${key}`));
  const removeIt = () => {
    const go = address.goFromHere();
    return remove(schedule, () => go({ page: "scheduled" }));
  };
  const isWriter = mayWrite();
  return [
    h("h1", {}, nameOf(schedule)), badge(schedule.status), tags(schedule.tags),
    h("div", { class: "actions" },
      isWriter && schedule.status === "active" && button("pause", () => turn(schedule, "pause", refresh)),
      isWriter && schedule.status === "paused" && button("resume", () => turn(schedule, "resume", refresh), "primary"),
      isWriter && button("run", () => runNow(schedule)),
      isWriter && link("edit", { schedule: schedule.id }),
      isWriter && link("duplicate", { fromSchedule: schedule.id }),
      copyButton(t("task.do.curl"), () => curlOf(scheduleBodyOf(schedule), "/api/scheduled-tasks"), "curl"),
      isWriter && button("delete", removeIt, "danger-quiet")),
  ];
}

function details(schedule) {
  const rows = [
    ["id", h("code", {}, schedule.id)],
    schedule.key && ["key", h("code", {}, schedule.key)],
    ["kind", word("kind", schedule.kind)],
    ["last_outcome", lastOutcome(schedule)],
    ["fires", schedule.cron_expression ? h("code", {}, schedule.cron_expression) : every(schedule)],
    ["timezone", schedule.timezone],
    ["run_count", number(schedule.run_count)],
    ["skipped_count", number(schedule.skipped_count)],
    ["missed_count", number(schedule.missed_count)],
    ["start_at", stamp(schedule.start_at)], ["end_at", stamp(schedule.end_at)], ["max_runs", schedule.max_runs === null ? "–" : number(schedule.max_runs)],
    ["catch_up", word("catch_up", schedule.catch_up)], ["overlap", word("overlap", schedule.overlap)], ["jitter_seconds", duration(schedule.jitter_seconds * 1000)],
    ["timeout", duration(schedule.timeout * 1000)], ["max_retries", number(schedule.max_retries)], ["priority", number(schedule.priority)],
    ["created_at", stamp(schedule.created_at)], ["updated_at", [stamp(schedule.updated_at), mayAdmin() && whoChanged(schedule)]],
  ].filter(Boolean);
  const { function_code, ...rest } = scheduleBodyOf(schedule);
  return [
    h("dl", { class: "facts wide" }, rows.map(([name, value]) => [h("dt", {}, t(`field.${name}`)), h("dd", {}, value)])),
    h("details", { "data-key": "spec" }, h("summary", { "data-key": "spec-summary" }, t(function_code ? "task.program" : "task.request")),
      function_code && h("pre", { tabindex: 0, "aria-label": t("task.program") }, function_code), h("pre", { tabindex: 0, "aria-label": t("task.spec") }, json(rest))),
  ];
}

/** The audit has a change by the id or, if it was put by its key, by that. */
function whoChanged({ id, key }) {
  return h("span", { class: "muted" }, " · ", changesOf(id, t("audit.whoChanged")), key && [" · ", changesOf(key, t("audit.whoPut"))]);
}

/** Each firing in the schedule's zone and in the viewer's, both named. */
function nextRuns(schedule, expected) {
  if (!expected.length) return h("p", { class: "muted" }, t(schedule.status === "active" ? "schedule.noNext" : `schedule.noNext.${schedule.status}`));
  return [h("ol", { class: "next-runs" }, expected.map((at) => h("li", {}, exactIn(at, schedule.timezone), schedule.timezone !== ownZone && h("span", { class: "muted" }, ` · ${t("schedule.yours")} ${exactIn(at, ownZone)}`), " ", h("span", { class: "muted" }, when(at)))))];
}

/** Who is told of what, and what they were last told. */
function rules(schedule, told) {
  const { alert, callback_url } = schedule;
  const limits = alert && ["after_failures", "late_after", "silent_after", "remind_every"].filter((name) => alert[name] !== null && alert[name] !== undefined);
  return [
    alert?.channels.length === 0 ? h("p", { class: "muted" }, t("schedule.alert.nobody"))
    : alert ? h("p", {}, t("schedule.alert.rule", { channels: alert.channels.join(", "), on: (alert.on ?? ALL_ON).map((each) => word("alert", each)).join(", ") })) : h("p", { class: "muted" }, t("schedule.alert.none")),
    limits?.length > 0 && h("p", { class: "muted" }, limits.map((name) => `${t(`alert.${name}`)} ${name === "after_failures" ? number(alert[name]) : duration(alert[name] * 1000)}`).join(" · ")),
    callback_url && h("p", {}, t("field.callback_url"), " ", h("code", {}, callback_url)),
    told.length > 0 && h("ul", { class: "runs" }, told.map((each) => noticeRow(each, {}))),
    h("p", {}, h("a", { href: address.format({ page: "notices", fields: { scheduled_task_id: schedule.id } }) }, t("overview.all"))),
  ];
}

function runRow(task, scheduleId) {
  return h("li", {},
    badge(task.status), " ", h("a", { href: address.format({ page: "tasks", fields: { scheduled_task_id: scheduleId, open: task.id } }), "data-key": task.id }, stamp(task.started_at ?? task.created_at)),
    " ", h("span", { class: "muted" }, duration(task.duration_ms)), why(task));
}

function firingRow({ at, outcome, task_id }) {
  return h("li", {},
    h("span", { class: `shape ${outcome}`, "aria-hidden": "true" }, { created: "✓", missed: "✕", skipped_overlap: "↷" }[outcome]), " ",
    task_id ? h("a", { href: `#/tasks/${task_id}`, "data-key": task_id + at }, stamp(at)) : stamp(at), " ",
    word("outcome", outcome), outcome !== "created" && h("span", { class: "muted" }, ` ${word("outcome.why", outcome)}`));
}
