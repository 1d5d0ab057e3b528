// The list of schedules: how each went last, and when it fires next.

import { call } from "./api.js";
import * as address from "./address.js";
import { attempt, confirm, once } from "./dialogs.js";
import { h } from "./dom.js";
import { namePattern } from "./filters.js";
import { badge, duration, nameOf, number, share, tags, when } from "./format.js";
import { kinds } from "./kinds.js";
import { t, word } from "./language.js";
import { list } from "./list.js";
import { mayWrite } from "./permission.js";
import { selection } from "./selection.js";

const filters = () => [
  { name: "status", label: t("field.status"), choices: ["active", "paused", "ended"].map((each) => [each, word("status", each)]) },
  { name: "kind", label: t("field.kind"), choices: kinds },
  { name: "name", label: t("filter.name"), placeholder: t("filter.name.example") },
  { name: "tag", label: t("filter.tag") },
  { name: "last_outcome", label: t("field.last_outcome"), choices: ["failed", "succeeded", "stopped"].map((each) => [each, word("status", each)]) },
  { name: "sort", label: t("filter.sort"), none: t("sort.failing"), choices: [["created", t("sort.created")], ["next_run", t("sort.next_run")]] },
];

const apiFilter = ({ status, kind, name, tag, last_outcome }) =>
  Object.fromEntries(Object.entries({ status, kind, tag, last_outcome, name: namePattern(name) }).filter(([, value]) => value));

const toQuery = (fields) => ({ ...apiFilter(fields), sort: fields.sort });

/** The filter of all schedules that the list has, on whatever page; none if its order leaves out those that don't fire again. */
const wholeFilter = (fields) => (fields.sort === "next_run" && fields.status !== "active" ? {} : apiFilter(fields));

export function schedulesView(first, scope) {
  let route = first;
  const actions = [{ name: "pause" }, { name: "resume" }, { name: "run" }, { name: "delete", isDanger: true }];
  const chosen = mayWrite() ? selection({ of: "scheduled-tasks", actions, filter: () => wholeFilter(route.fields), scope }) : null;
  const schedules = list({
    path: "/api/scheduled-tasks",
    title: t("nav.scheduled"),
    filters: filters(),
    columns: [
      { text: t("field.status"), name: "c-status" }, { text: t("field.name"), name: "c-name" }, { text: t("schedule.last"), name: "c-last" },
      { text: t("field.fires"), name: "c-cron" }, { text: t("field.next_run_at"), name: "c-time" }, { text: t("field.run_count"), name: "c-number" },
      ...(mayWrite() ? [{ label: t("schedule.actions"), name: "c-actions" }] : []),
    ],
    row: (schedule) => row(schedule, () => schedules.again()),
    order: (items) => (route.fields.sort ? items : failingFirst(items)),
    empty: (fields) => (Object.values(toQuery(fields)).some(Boolean) ? t("schedules.noMatch") : t("schedules.none")),
    toQuery, scope, selection: chosen,
  });
  const update = (next) => {
    route = next;
    schedules.update(next);
    return true;
  };
  return { title: t("nav.scheduled"), element: h("div", { class: "columns" }, schedules.element), update, refresh: schedules.refresh, isSilent: true };
}

const isFailing = (schedule) => schedule.last_outcome === "failed" || schedule.failure_streak > 0;

function failingFirst(items) {
  return [...items.filter(isFailing), ...items.filter((item) => !isFailing(item))];
}

function row(schedule, refresh) {
  return h("tr", {},
    h("td", { class: "c-status" }, badge(schedule.status)),
    h("td", { class: "c-name" }, h("a", { href: `#/schedule/${schedule.id}`, "data-key": schedule.id }, nameOf(schedule)), tags(schedule.tags)),
    h("td", { class: "c-last" }, lastOutcome(schedule)),
    h("td", { class: "c-cron" }, h("code", {}, schedule.cron_expression ?? every(schedule)), schedule.cron_expression && h("span", { class: "muted" }, ` ${schedule.timezone}`)),
    h("td", { class: "c-time" }, when(schedule.next_run_at)),
    h("td", { class: "c-number" }, number(schedule.run_count)),
    mayWrite() && h("td", { class: "c-actions" }, buttons(schedule, refresh)));
}

/** "every 15 min"; in seconds where larger units would leave some out. */
export const every = ({ every_seconds: seconds }) => {
  const isExact = seconds < 3600 || seconds % 60 === 0;
  return t("schedule.every", { time: isExact ? duration(seconds * 1000) : t("unit.s", { value: number(seconds) }) });
};

/** How its last task ended, how often in a row it has failed, and how often it succeeds. */
export function lastOutcome(schedule) {
  if (!schedule.last_outcome) return h("span", { class: "muted" }, t("schedule.noOutcome"));
  const finished = schedule.succeeded_count + schedule.failed_count;
  return [
    badge(schedule.last_outcome),
    schedule.failure_streak > 1 && h("span", { class: "bad" }, " ", t("schedule.streak", { count: schedule.failure_streak })),
    finished > 0 && h("span", { class: "muted" }, " ", t("schedule.rate", { share: share(schedule.succeeded_count / finished) })),
  ];
}

function buttons(schedule, refresh) {
  const button = (key, act, kind = "quiet") =>
    h("button", { type: "button", class: `button small ${kind}`, "aria-label": t(`schedule.${key}.label`, { name: schedule.name }), onclick: once(act), "data-key": `${schedule.id} ${placeOf(key)}` }, t(`schedule.do.${key}`));
  return [
    schedule.status === "active" && button("pause", () => turn(schedule, "pause", refresh)),
    schedule.status === "paused" && button("resume", () => turn(schedule, "resume", refresh)),
    button("run", () => runNow(schedule)),
    button("delete", () => remove(schedule, refresh), "danger-quiet"),
  ];
}

/** One button takes the place of the other, and keeps the focus. */
export const placeOf = (key) => (["pause", "resume"].includes(key) ? "turn" : key);

/** Pause or resume a schedule; `after` follows in any case. */
export async function turn(schedule, action, after) {
  await attempt(() => call("POST", `/api/scheduled-tasks/${schedule.id}/${action}`), t(`schedule.${action}.done`));
  await after();
}

export function runNow(schedule) {
  const go = address.goFromHere();
  return attempt(async () => {
    const task = await call("POST", `/api/scheduled-tasks/${schedule.id}/run`);
    go({ page: "tasks", fields: { scheduled_task_id: schedule.id, open: task.id } });
  }, t("schedule.run.done"));
}

export async function remove(schedule, after) {
  if (!(await confirm(t("schedule.delete.ask"), t("schedule.delete.text", { name: schedule.name }), t("schedule.delete.yes")))) return;
  await attempt(async () => {
    await call("DELETE", `/api/scheduled-tasks/${schedule.id}`);
    await after();
  }, t("deleted"));
}
