// One task, whole, beside the list.

import { call, get } from "./api.js";
import * as address from "./address.js";
import { copyButton, curlOf } from "./copy.js";
import { attempt, confirm, once } from "./dialogs.js";
import { h, show } from "./dom.js";
import { badge, duration, elapsed, json, moment, nameOf, number, ownZone, tags, when } from "./format.js";
import { isServed } from "./health.js";
import { t, word } from "./language.js";
import { looks } from "./looks.js";
import { output } from "./output.js";
import { mayWrite } from "./permission.js";
import { state } from "./status.js";
import { bodyOf } from "./task-body.js";

export const FINISHED = new Set(["succeeded", "failed", "stopped"]);

/**
 * {id, element, refresh(), title(), focus(), end()}; `name` is its name if that is known already, `close()` closes it,
 * `step(by)` goes to another task of the list, and `removed()` is called when it was deleted here.
 */
export function taskDetail(id, scope, { name = "", close, step, removed }) {
  const title = h("h2", { tabindex: -1 }, name || t("task.title"));
  const status = h("span", {});
  const button = (text, label, act, key) => h("button", { type: "button", class: "button small quiet", "aria-label": label, title: label, onclick: act, "data-key": key }, text);
  const head = h("header", { class: "detail-head" }, title, status,
    h("span", { class: "detail-nav" }, button("↑", t("task.previous"), () => step(-1), "previous"), button("↓", t("task.next"), () => step(1), "next"), button("✕", t("do.close"), close, "close")));
  const top = h("div", {});
  const printed = output(id);
  const printedBox = h("section", { hidden: true }, h("h3", {}, t("task.output")), printed.element);
  const rest = h("div", {});
  const element = h("aside", { class: "panel detail", "aria-label": t("task.title") }, head, top, printedBox, rest);
  let isDone = false; // finished: it stays as it is
  let followed = false;
  const begin = looks();

  async function refresh() {
    if (isDone || scope.isOver) return;
    const isLate = begin();
    try {
      const task = await get(`/api/tasks/${id}`, { signal: scope.signal });
      if (!isDone && !isLate()) put(task);
    } catch (error) {
      if (error.status !== 404) throw error;
      gone();
    }
  }

  function put(task) {
    isDone = FINISHED.has(task.status);
    title.textContent = nameOf(task);
    show(status, task.status, () => badge(task.status));
    const hadFocus = top.contains(document.activeElement);
    show(top, [task, state.report?.workers], () => [actions(task, refresh, removed, gone), waiting(task), task.error && failure(task), results(task)]);
    if (hadFocus && !top.contains(document.activeElement)) title.focus({ preventScroll: true }); // such as the button that stops it, when it has ended
    show(rest, task, () => [facts(task), attempts(task), changes(task), spec(task)]);
    showOutput(task);
  }

  function showOutput(task) {
    printedBox.hidden = task.kind !== "code" || (!isDone && task.status !== "running") || (isDone && !task.stdout);
    if (isDone) {
      printed.end(task.stdout_truncated ? `${task.stdout}\n${t("task.truncated")}` : task.stdout);
    } else if (task.status === "running" && task.kind === "code" && !followed) {
      followed = true;
      printed.follow(id, scope).finally(() => (followed = false));
    }
  }

  function gone() {
    isDone = true;
    title.textContent = t("task.gone");
    show(status, "", () => []);
    show(top, "gone", () => h("p", { class: "empty" }, t("task.gone.text")));
    show(rest, "gone", () => []);
    printedBox.hidden = true;
  }

  return { id, element, refresh, title: () => title.textContent, focus: () => title.focus({ preventScroll: true }), end: () => { scope.end(); element.remove(); } };
}

function actions(task, refresh, removed, gone) {
  const isOver = FINISHED.has(task.status);
  const send = async (method, path, body) => {
    try {
      return await call(method, `/api/tasks/${task.id}${path}`, body);
    } catch (error) {
      if (error.status === 404) gone(); // somebody else has deleted it meanwhile
      throw error;
    }
  };
  const stop = async () => {
    if (!(await confirm(t("task.stop.ask"), t("task.stop.text", { name: task.name }), t("task.stop.yes")))) return;
    await attempt(() => send("POST", "/stop"), t("task.stopped"));
    await refresh();
  };
  const retry = () => {
    const go = address.goFromHere();
    return attempt(async () => open((await send("POST", "/retry", {})).id, go), t("task.retried"));
  };
  const remove = async () => {
    if (!(await confirm(t("task.delete.ask"), t("task.delete.text", { name: task.name }), t("task.delete.yes")))) return;
    const from = location.hash;
    if ((await attempt(() => send("DELETE", ""), t("deleted"))) && location.hash === from) removed();
  };
  const button = (key, act, kind = "") => h("button", { type: "button", class: `button small ${kind}`, onclick: once(act), "data-key": key }, t(`task.do.${key}`));
  const link = (key, fields) => h("a", { class: "button small", href: address.format({ page: "new", fields }), "data-key": key }, t(`task.do.${key}`));
  const isWriter = mayWrite();
  return h("div", { class: "actions" },
    isWriter && isOver && button("retry", retry, "primary"),
    isWriter && isOver && link("edit", { retry: task.id }),
    isWriter && task.status === "waiting" && link("change", { change: task.id }),
    isWriter && link("duplicate", { from: task.id }),
    isWriter && !isOver && button("stop", stop),
    copyButton(t("task.do.curl"), () => curlOf(bodyOf(task)), "curl"),
    copyButton(t("task.do.link"), () => `${location.origin}/#/tasks/${task.id}`, "link"),
    isWriter && button("delete", remove, "danger-quiet"));
}

function open(id, go) {
  const route = address.current();
  go({ page: "tasks", fields: { ...(route.page === "tasks" ? route.fields : {}), open: id } });
}

/** Why it does not run yet. */
function waiting(task) {
  if (task.status === "running") return h("p", { class: "note" }, t("task.runningFor"), " ", elapsed(task.started_at));
  if (task.status === "waiting") return h("p", { class: "note" }, t("task.dueAt"), " ", when(task.due_at));
  if (task.status !== "queued") return null;
  if (!isServed(state.report, task.kind)) return h("p", { class: "note bad", role: "alert" }, t("task.unserved"));
  return h("p", { class: "note" }, t("task.queuedFor"), " ", elapsed(task.queued_at));
}

function failure({ error }) {
  return h("section", { class: "failure" },
    h("h3", {}, error.type),
    h("p", {}, error.message, error.line && ` (${t("task.line", { line: error.line })})`),
    error.traceback && block(error.traceback, t("task.traceback")));
}

function results(task) {
  if (task.result === null && task.status !== "succeeded") return null;
  return [h("h3", {}, t("task.result"), copyButton(t("do.copy"), () => json(task.result), "copy-result")), block(json(task.result) || "\u00a0", t("task.result"))];
}

function block(text, label) {
  return h("pre", { tabindex: 0, "aria-label": label }, text);
}

function facts(task) {
  const schedule = task.scheduled_task_id;
  const rows = [
    ["id", h("code", {}, task.id)],
    ["kind", `${word("kind", task.kind)}, ${word("type", task.task_type)}`],
    schedule && ["scheduled_task_id", h("a", { href: `#/schedule/${schedule}` }, t("task.itsSchedule"))],
    task.retry_of && ["retry_of", h("a", { href: `#/tasks/${task.retry_of}` }, task.retry_of)],
    ["created_at", moment(task.created_at)],
    ["due_at", moment(task.due_at)],
    ["queued_at", moment(task.queued_at)],
    ["started_at", moment(task.started_at)],
    ["finished_at", moment(task.finished_at)],
    ["duration", duration(task.duration_ms)],
    ["attempt", t("task.attemptOf", { attempt: task.attempt, most: task.max_retries + 1 })],
    ["timeout", duration(task.timeout * 1000)],
    ["priority", number(task.priority)],
    ["worker", task.worker ?? "–"],
    task.cpu_ms !== null && ["cpu_ms", duration(task.cpu_ms)],
    task.memory_kb !== null && ["memory_kb", t("unit.kB", { value: task.memory_kb })],
    task.tags.length > 0 && ["tags", tags(task.tags)],
  ].filter(Boolean);
  return [h("h3", {}, t("task.details"), h("span", { class: "zone" }, t("time.zone", { zone: ownZone }))), h("dl", { class: "facts" }, rows.map(([name, value]) => [h("dt", {}, t(`field.${name}`)), h("dd", {}, value)]))];
}

function attempts(task) {
  if (task.attempts.length < 2) return null;
  const row = (each) => h("li", {}, h("b", {}, `#${each.attempt}`), " ", moment(each.started_at), `, ${each.finished_at ? duration(each.duration_ms) : word("status", "running")}`,
    each.error && h("span", { class: "bad" }, ` ${each.error.type}: ${each.error.message}`));
  return [h("h3", {}, t("task.attempts")), h("ol", { class: "attempts" }, task.attempts.map(row))];
}

function changes(task) {
  if (!task.history?.length) return null;
  const row = (each) => h("li", {}, moment(each.at), " ", badge(each.to), each.why && h("span", { class: "muted" }, ` ${each.why}`), each.who && h("span", { class: "muted" }, ` · ${each.who}`));
  return h("details", { "data-key": "history" }, h("summary", { "data-key": "history-summary" }, t("task.history")), h("ol", { class: "attempts" }, task.history.map(row)));
}

function spec(task) {
  const { function_code, ...rest } = bodyOf(task);
  return h("details", { "data-key": "spec", open: task.kind === "code" },
    h("summary", { "data-key": "spec-summary" }, t(task.kind === "code" ? "task.program" : "task.request")),
    function_code && numbered(function_code, task.error?.line),
    block(json(rest), t("task.spec")));
}

/** A program with its line numbers; the line that failed is marked. */
function numbered(source, failed) {
  return h("ol", { class: "program", tabindex: 0, "aria-label": t("task.program") },
    source.split("\n").map((line, index) => h("li", { class: index + 1 === failed ? "failed-line" : null }, h("code", {}, line || "\u200b"))));
}
