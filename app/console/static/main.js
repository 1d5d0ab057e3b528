// Which page is shown, and the gentle polling: every two seconds, and not while nobody looks.

import { Refusal } from "./api.js";
import { createView } from "./create.js";
import { say } from "./dialogs.js";
import { byId } from "./dom.js";
import { refreshTimes } from "./format.js";
import { refreshHealth } from "./header.js";
import { refreshOverview } from "./overview.js";
import { schedulesView } from "./schedules.js";
import { tasksView } from "./tasks.js";

const EVERY_MS = 2000;
const VIEWS = { tasks: tasksView, scheduled: schedulesView, new: createView };

let view = null;
let timer = 0;
let isPolling = false;

function route() {
  const [path, search] = location.hash.replace(/^#\/?/, "").split("?");
  const [page, id] = path.split("/");
  return { page: page in VIEWS ? page : "tasks", id, fields: Object.fromEntries(new URLSearchParams(search)) };
}

function turn() {
  const { page, ...rest } = route();
  view = VIEWS[page](rest);
  document.title = `${view.title} · Celeriac`;
  document.body.dataset.page = page;
  for (const link of document.querySelectorAll("[data-page]")) {
    if (link !== document.body) link.toggleAttribute("aria-current", link.dataset.page === page);
  }
  byId("view").replaceChildren(view.element);
  poll();
}

async function poll() {
  clearTimeout(timer);
  if (isPolling || document.hidden) return;
  isPolling = true;
  const asked = view;
  const answers = await Promise.allSettled([refreshHealth(), refreshOverview(), asked.refresh()]);
  const problem = answers.map((answer) => answer.reason).find((reason) => reason instanceof Refusal);
  if (problem) say(problem.message, true);
  refreshTimes(document);
  isPolling = false;
  if (asked !== view) return poll(); // another page was opened meanwhile
  timer = setTimeout(poll, EVERY_MS);
}

addEventListener("hashchange", () => {
  if (location.hash.startsWith("#/") || location.hash === "") turn();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address names the page
  byId("view").focus();
});
document.addEventListener("visibilitychange", () => poll());
turn();
