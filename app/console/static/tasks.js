// The list of tasks and, beside it, one of them.

import { h } from "./dom.js";
import { badge, duration, kindWord, when } from "./format.js";
import { kinds, list } from "./list.js";
import { query } from "./api.js";
import { taskDetail } from "./task.js";

const FILTERS = [
  { name: "status", label: "Status", choices: ["waiting", "queued", "running", "succeeded", "failed", "stopped"] },
  { name: "kind", label: "Kind", choices: kinds },
  { name: "task_type", label: "When", choices: ["immediate", "delayed", "scheduled"] },
  { name: "name", label: "Name begins with", placeholder: "report" },
  { name: "tag", label: "Tag" },
];

export function tasksView(route) {
  const { id, fields } = route;
  const tasks = list({
    path: "/api/tasks",
    title: "Tasks",
    filters: FILTERS,
    columns: ["Status", "Name", "Kind", "When", "Created", "Duration"],
    row: (task) => row(task, id, fields),
    empty: (chosen) => (Object.values(chosen).some(Boolean) ? "No task matches these filters." : "No tasks yet. Create the first one."),
    read: () => fields,
    write: (chosen) => {
      // What created them is not in the form: it stays until the filters are cleared.
      const kept = Object.values(chosen).some(Boolean) ? { scheduled_task_id: fields.scheduled_task_id } : {};
      for (const name of Object.keys(fields)) delete fields[name];
      Object.assign(fields, chosen, kept);
      history.replaceState(null, "", `#/tasks${id ? `/${id}` : ""}${query(fields)}`);
    },
    toQuery: (chosen) => ({ ...chosen, name: chosen.name ? `${chosen.name}*` : "" }),
  });
  if (fields.scheduled_task_id) {
    tasks.element.prepend(h("p", { class: "note" }, "Only the tasks of one scheduled task. ", h("a", { href: "#/tasks" }, "Show all")));
  }
  if (!id) return { title: "Tasks", element: h("div", { class: "columns" }, tasks.element), refresh: tasks.refresh };
  const detail = taskDetail(id, () => `#/tasks${query(fields)}`);
  return {
    title: "Task",
    element: h("div", { class: "columns with-detail" }, tasks.element, detail.element),
    refresh: () => Promise.all([tasks.refresh(), detail.refresh()]),
  };
}

function row(task, chosen, fields) {
  const link = h("a", { href: `#/tasks/${task.id}${query(fields)}`, "data-key": task.id, "aria-current": task.id === chosen && "true" }, task.name);
  return h(
    "tr",
    { class: task.id === chosen ? "chosen" : null },
    h("td", { class: "c-status" }, badge(task.status)),
    h("td", { class: "c-name" }, link, task.tags.map((tag) => h("span", { class: "tag" }, tag))),
    h("td", { class: "c-kind" }, kindWord(task.kind)),
    h("td", { class: "c-type" }, task.task_type),
    h("td", { class: "c-time" }, when(task.created_at)),
    h("td", { class: "c-number" }, duration(task.duration_ms)),
  );
}
