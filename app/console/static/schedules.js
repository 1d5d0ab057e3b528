// The list of scheduled tasks.

import { call, query } from "./api.js";
import { confirm } from "./dialogs.js";
import { h } from "./dom.js";
import { badge, kindWord, number, when } from "./format.js";
import { kinds, list } from "./list.js";
import { attempt } from "./task.js";

const FILTERS = [
  { name: "status", label: "Status", choices: ["active", "paused", "ended"] },
  { name: "kind", label: "Kind", choices: kinds },
  { name: "name", label: "Name begins with", placeholder: "nightly" },
  { name: "tag", label: "Tag" },
];

export function schedulesView({ fields }) {
  const schedules = list({
    path: "/api/scheduled-tasks",
    title: "Scheduled tasks",
    filters: FILTERS,
    columns: ["Status", "Name", "Kind", "Fires", "Next", "Runs", "Actions"],
    row: (schedule) => row(schedule, () => schedules.refresh()),
    empty: (chosen) => (Object.values(chosen).some(Boolean) ? "No scheduled task matches these filters." : "Nothing is scheduled."),
    read: () => fields,
    write: (chosen) => {
      Object.assign(fields, chosen);
      history.replaceState(null, "", `#/scheduled${query(fields)}`);
    },
    toQuery: (chosen) => ({ ...chosen, name: chosen.name ? `${chosen.name}*` : "" }),
  });
  return { title: "Scheduled tasks", element: h("div", { class: "columns" }, schedules.element), refresh: schedules.refresh };
}

function row(schedule, refresh) {
  const tasks = `#/tasks?scheduled_task_id=${schedule.id}`;
  return h(
    "tr",
    {},
    h("td", { class: "c-status" }, badge(schedule.status)),
    h("td", { class: "c-name" }, h("a", { href: tasks, title: "The tasks it created", "data-key": schedule.id }, schedule.name), schedule.tags.map((tag) => h("span", { class: "tag" }, tag))),
    h("td", { class: "c-kind" }, kindWord(schedule.kind)),
    h("td", { class: "c-cron" }, h("code", {}, schedule.cron_expression), h("span", { class: "muted" }, ` ${schedule.timezone}`)),
    h("td", { class: "c-time" }, when(schedule.next_run_at)),
    h("td", { class: "c-number" }, number(schedule.run_count)),
    h("td", { class: "c-actions" }, buttons(schedule, refresh)),
  );
}

function buttons(schedule, refresh) {
  const path = `/api/scheduled-tasks/${schedule.id}`;
  const button = (word, label, act, kind = "quiet") =>
    h("button", { type: "button", class: `button small ${kind}`, "aria-label": `${label} ${schedule.name}`, onclick: act, "data-key": `${schedule.id} ${word}` }, word);
  const post = (action, done) => async () => {
    await attempt(() => call("POST", `${path}/${action}`), done);
    await refresh();
  };
  const run = async () => {
    let task;
    if (await attempt(async () => (task = await call("POST", `${path}/run`)), "It runs.")) location.hash = `#/tasks/${task.id}`;
  };
  const remove = async () => {
    const text = `“${schedule.name}” will not fire any more. The tasks that it created stay.`;
    if (!(await confirm("Delete this scheduled task?", text, "Delete it"))) return;
    await attempt(() => call("DELETE", path), "Deleted.");
    await refresh();
  };
  return [
    schedule.status === "active" && button("Pause", "Pause", post("pause", "Paused.")),
    schedule.status === "paused" && button("Resume", "Resume", post("resume", "It fires again.")),
    button("Run now", "Run now:", run),
    button("Delete", "Delete", remove, "danger-quiet"),
  ];
}
