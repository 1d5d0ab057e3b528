// The list of tasks and, beside it, the one that is open.

import * as address from "./address.js";
import { quiet } from "./api.js";
import { h } from "./dom.js";
import { namePattern } from "./filters.js";
import { badge, duration, nameOf, tags, when } from "./format.js";
import { kinds } from "./kinds.js";
import { t, word } from "./language.js";
import { list } from "./list.js";
import { mayWrite } from "./permission.js";
import { RANGES, since, toUtc } from "./range.js";
import { selection } from "./selection.js";
import { FINISHED, taskDetail } from "./task.js";

const STATUSES = ["waiting", "queued", "running", "succeeded", "failed", "stopped"];
const TYPES = ["immediate", "delayed", "scheduled"];

const filters = () => [
  { name: "status", label: t("field.status"), choices: STATUSES.map((each) => [each, word("status", each)]) },
  { name: "kind", label: t("field.kind"), choices: kinds },
  { name: "task_type", label: t("field.task_type"), choices: TYPES.map((each) => [each, word("type", each)]) },
  { name: "name", label: t("filter.name"), placeholder: t("filter.name.example") },
  { name: "tag", label: t("filter.tag") },
  { name: "error_type", label: t("filter.error"), placeholder: "ValueError" },
  { name: "since", label: t("filter.created"), choices: [...RANGES.map((each) => [each, t(`range.${each}`)]), ["range", t("range.custom")]] },
  { name: "from", label: t("filter.from"), type: "datetime-local", with: ["since", "range"] },
  { name: "to", label: t("filter.to"), type: "datetime-local", with: ["since", "range"] },
  { name: "sort", label: t("filter.sort"), none: t("sort.default"), choices: [["created", t("sort.created")], ["finished", t("sort.finished")]] },
];

/** The fields of an address as the API's filters. It refuses what is no time: left out, all tasks would match. */
export function apiFilter({ status, kind, task_type, name, tag, error_type, fingerprint, scheduled_task_id, since: range, from, to }) {
  const wanted = {
    status, kind, task_type, tag, error_type, fingerprint, scheduled_task_id,
    name: namePattern(name),
    created_after: range === "range" ? toUtc(from) || from : since(range) || range,
    created_before: range === "range" ? toUtc(to) || to : "",
  };
  return Object.fromEntries(Object.entries(wanted).filter(([, value]) => value));
}

/** Failures are read newest finish first, unless another order is chosen. */
function toQuery(fields) {
  return { ...apiFilter(fields), sort: fields.sort || (fields.status === "failed" ? "finished" : "") };
}

/** The filter of all tasks that the list has, on whatever page; none if its order leaves out those that no filter names. */
const wholeFilter = (fields) => (fields.sort === "finished" && !FINISHED.has(fields.status) ? {} : apiFilter(fields));

export function tasksView(first, scope) {
  let route = first;
  const chosen = mayWrite() ? selection({ of: "tasks", actions: [{ name: "retry" }, { name: "stop" }, { name: "delete", isDanger: true }], filter: () => wholeFilter(route.fields), scope }) : null;
  const tasks = list({
    path: "/api/tasks",
    title: t("nav.tasks"),
    filters: filters(),
    columns: [
      { text: t("field.status"), name: "c-status" }, { text: t("field.name"), name: "c-name" }, { text: t("field.kind"), name: "c-kind" },
      { text: t("field.task_type"), name: "c-type" }, { text: t("field.time"), name: "c-time" }, { text: t("field.duration"), name: "c-number" },
    ],
    row, toQuery, scope, selection: chosen,
    empty: (fields) => (Object.keys(apiFilter(fields)).length ? t("tasks.noMatch") : t("tasks.none")),
  });
  const place = h("div", { class: "columns" }, tasks.element);
  const note = h("p", { class: "note", hidden: true });
  tasks.element.prepend(note);
  let detail = null;
  let opener = null;
  let listTop = 0; // how far the page was scrolled when the task took the list's place

  function showOpen() {
    const id = route.fields.open ?? "";
    if ((detail?.id ?? "") === id) return;
    if (!detail) listTop = scrollY;
    const wasHidden = isListHidden();
    detail?.end();
    detail = null;
    if (id) {
      const name = tasks.items().find((task) => task.id === id)?.name;
      detail = taskDetail(id, scope.child(), { name, close, step, removed });
      place.append(detail.element);
    }
    place.classList.toggle("with-detail", Boolean(id));
    tasks.mark();
    if (isListHidden()) scrollTo(0, 0);
    else if (wasHidden) scrollTo(0, listTop);
    if (place.isConnected) detail?.focus(); // by keyboard, its actions come next; the page below it may be out of sight
  }

  /** On a narrow screen, an open task takes the list's place. */
  function isListHidden() {
    return place.isConnected && tasks.element.offsetParent === null;
  }

  function narrow() {
    const { scheduled_task_id, fingerprint } = route.fields;
    note.hidden = !scheduled_task_id && !fingerprint;
    note.replaceChildren(scheduled_task_id ? t("tasks.ofSchedule") : t("tasks.ofGroup"), " ",
      h("a", { href: address.format({ ...route, fields: { ...route.fields, scheduled_task_id: "", fingerprint: "", pages: "" } }) }, t("tasks.showAll")));
  }

  function update(next) {
    const before = route.fields.open;
    route = next;
    tasks.update(next);
    showOpen();
    narrow();
    if (before && !route.fields.open) focusRow(before);
    return true;
  }

  function close() {
    address.go({ ...route, fields: { ...route.fields, open: "" } });
  }

  /** The open task was deleted here: nobody wants to see its row any more. */
  function removed() {
    tasks.again().catch(quiet);
    close();
  }

  /** To the row of the task that was looked at last; where that is not in the list, to what opened the first one, or to the rows. */
  function focusRow(id) {
    const row = place.querySelector(`[data-key="${CSS.escape(id)}"]`);
    const target = row ?? (opener?.isConnected ? opener : place.querySelector(".list .scroll"));
    target?.focus({ preventScroll: true });
    target?.closest("tr")?.scrollIntoView({ block: "nearest" });
    opener = null;
  }

  /** Open the task `by` rows further down. */
  function step(by) {
    const shown = tasks.items();
    const at = shown.findIndex(({ id }) => id === route.fields.open);
    const next = shown[at === -1 ? (by > 0 ? 0 : shown.length - 1) : at + by];
    if (!next) return;
    const move = at === -1 ? address.go : address.replace; // Back leads to the list, not through every task
    move({ ...route, fields: { ...route.fields, open: next.id } });
    place.querySelector(`[data-row="${CSS.escape(next.id)}"]`)?.scrollIntoView({ block: "nearest" });
  }

  scope.on(tasks.element, "click", (event) => {
    const link = event.target.closest("a[data-key]");
    if (link) opener = link;
  });
  showOpen();
  narrow();
  return {
    get title() {
      return detail?.title() ?? t("nav.tasks");
    },
    element: place,
    update,
    refresh: () => Promise.all([tasks.refresh(), detail?.refresh()]),
    focus: () => detail?.focus(),
    keys: { j: () => step(1), k: () => step(-1), Escape: () => route.fields.open && close() },
  };
}

function row(task, route) {
  const open = address.format({ ...route, fields: { ...route.fields, open: task.id } });
  return h(
    "tr", {},
    h("td", { class: "c-status" }, badge(task.status)),
    h("td", { class: "c-name" }, h("a", { href: open, "data-key": task.id }, nameOf(task)), tags(task.tags), why(task)),
    h("td", { class: "c-kind" }, word("kind", task.kind)),
    h("td", { class: "c-type" }, word("type", task.task_type)),
    h("td", { class: "c-time" }, time(task)),
    h("td", { class: "c-number" }, duration(task.duration_ms)),
  );
}

/** The reason of a failure and the target of a call: what decides whether a task is worth a look. */
export function why(task) {
  return [
    task.api_url && h("span", { class: "line mono" }, `${task.method} ${task.api_url}`),
    task.error && h("span", { class: "line bad" }, h("b", {}, task.error.type), ` ${task.error.message}`, task.error.line && ` (${t("task.line", { line: task.error.line })})`),
  ];
}

function time(task) {
  if (task.status === "waiting") return [t("time.due"), " ", when(task.due_at)];
  return when(task.finished_at ?? task.started_at ?? task.created_at);
}
