// One task, whole.

import { call, get } from "./api.js";
import { confirm, say } from "./dialogs.js";
import { h, show } from "./dom.js";
import { badge, duration, exact, json, kindWord, number } from "./format.js";

const FINISHED = new Set(["succeeded", "failed", "stopped"]);

export function taskDetail(id, back) {
  const element = h("aside", { class: "panel detail", "aria-label": "Task" });
  let isDone = false; // finished: it stays as it is

  async function refresh() {
    if (isDone) return;
    try {
      const task = await get(`/api/tasks/${id}`);
      show(element, task, () => content(task, back, refresh));
      isDone = FINISHED.has(task.status);
    } catch (error) {
      if (error.status !== 404) throw error;
      show(element, "gone", () => [head("Gone", null, back), h("p", { class: "empty" }, "There is no such task (any more).")]);
      isDone = true;
    }
  }
  return { element, refresh };
}

function content(task, back, refresh) {
  return [
    head(task.name, task.status, back),
    actions(task, back, refresh),
    task.error && failure(task.error),
    ...outcome(task),
    facts(task),
    attempts(task),
    spec(task),
  ];
}

function head(name, status, back) {
  return h(
    "header",
    { class: "detail-head" },
    h("h2", {}, name),
    status && badge(status),
    h("a", { class: "button quiet close", href: back(), "aria-label": "Close, back to the list", "data-key": "close" }, "Close"),
  );
}

function actions(task, back, refresh) {
  const stop = async () => {
    if (!(await confirm("Stop this task?", `“${task.name}” will not go on, and not be tried again.`, "Stop it"))) return;
    await attempt(() => call("POST", `/api/tasks/${task.id}/stop`), "Stopped.");
    await refresh();
  };
  const remove = async () => {
    if (!(await confirm("Delete this task?", `“${task.name}” and its result will be gone for good.`, "Delete it"))) return;
    if (await attempt(() => call("DELETE", `/api/tasks/${task.id}`), "Deleted.")) location.hash = back();
  };
  return h(
    "div",
    { class: "actions" },
    !FINISHED.has(task.status) && h("button", { type: "button", class: "button", onclick: stop, "data-key": "stop" }, "Stop"),
    h("button", { type: "button", class: "button danger-quiet", onclick: remove, "data-key": "delete" }, "Delete"),
  );
}

/** Do it and say so; where it is refused, say why. */
export async function attempt(act, done) {
  try {
    await act();
    say(done);
    return true;
  } catch (error) {
    say(error instanceof TypeError ? "The service can't be reached." : error.message, true);
    return false;
  }
}

function failure(error) {
  const place = error.line ? ` (line ${error.line})` : "";
  return h(
    "section",
    { class: "failure" },
    h("h3", {}, error.type),
    h("p", {}, `${error.message}${place}`),
    error.traceback && block(error.traceback, "Traceback"),
  );
}

function outcome(task) {
  const isOver = FINISHED.has(task.status);
  const parts = [];
  if (task.result !== null || task.status === "succeeded") parts.push(h("h3", {}, "Result"), block(json(task.result) || "\u00a0", "Result"));
  if (task.stdout || (isOver && task.kind === "code")) {
    parts.push(h("h3", {}, "Output"), task.stdout ? block(task.stdout, "Output") : h("p", { class: "muted" }, "It printed nothing."));
  }
  if (task.stdout_truncated) parts.push(h("p", { class: "muted" }, "The rest of the output was cut off."));
  return parts;
}

function block(text, label) {
  return h("pre", { tabindex: 0, "aria-label": label }, text);
}

function facts(task) {
  const rows = [
    ["Id", h("code", {}, task.id)],
    ["Kind", `${kindWord(task.kind)}, ${task.task_type}`],
    ["Created", exact(task.created_at)],
    ["Due", exact(task.due_at)],
    ["Queued", exact(task.queued_at)],
    ["Started", exact(task.started_at)],
    ["Finished", exact(task.finished_at)],
    ["Duration", duration(task.duration_ms)],
    ["Attempt", `${task.attempt} of at most ${task.max_retries + 1}`],
    ["Timeout", `${task.timeout} s`],
    ["Priority", String(task.priority)],
    ["Worker", task.worker ?? "–"],
    task.cpu_ms !== null && ["Processor", duration(task.cpu_ms)],
    task.memory_kb !== null && ["Memory", `${number(task.memory_kb)} kB`],
    task.tags.length > 0 && ["Tags", task.tags.map((tag) => h("span", { class: "tag" }, tag))],
    task.scheduled_task_id && ["Created by", h("a", { href: `#/tasks?scheduled_task_id=${task.scheduled_task_id}` }, "a scheduled task: all of its tasks")],
  ].filter(Boolean);
  return [h("h3", {}, "Details"), h("dl", { class: "facts" }, rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]).flat())];
}

function attempts(task) {
  if (task.attempts.length < 2) return null;
  const row = (each) =>
    h(
      "li",
      {},
      h("b", {}, `#${each.attempt}`),
      ` ${exact(each.started_at)}, ${each.finished_at ? duration(each.duration_ms) : "running"}`,
      each.error && h("span", { class: "bad" }, ` ${each.error.type}: ${each.error.message}`),
    );
  return [h("h3", {}, "Attempts"), h("ol", { class: "attempts" }, task.attempts.map(row))];
}

function spec(task) {
  const { function_code, function_name, args, kwargs, api_url, method, headers, params, data, expected_status } = task;
  const [title, inner] = {
    code: () => ["Program", [block(function_code, "Program"), block(json({ function_name, args, kwargs }), "Arguments")]],
    api: () => ["Request", [block(`${method} ${api_url}`, "Request"), block(json({ headers, params, data, expected_status }), "Request in full")]],
  }[task.kind]?.() ?? ["Task", [block(json(ownFields(task)), "Task in full")]];
  return h("details", { "data-key": "spec" }, h("summary", { "data-key": "spec-summary" }, title), inner);
}

// What is shown elsewhere on the page, or says what became of the task and not what it is.
const SHOWN_ELSEWHERE = new Set(
  ("id name task_type kind status scheduled_task_id retry_of tags priority created_at due_at queued_at started_at finished_at " +
    "duration_ms attempt worker error stdout stdout_truncated cpu_ms memory_kb attempts history result").split(" "),
);

// The fields of a kind that this page has no view of its own for.
function ownFields(task) {
  return Object.fromEntries(Object.entries(task).filter(([name]) => !SHOWN_ELSEWHERE.has(name)));
}
