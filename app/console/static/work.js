// What runs and what waits: workers, queues, the running tasks, the next ones due.

import { get, quiet } from "./api.js";
import { h, show } from "./dom.js";
import { elapsed, nameOf, number, when } from "./format.js";
import { t, word } from "./language.js";
import { state, onStatus } from "./status.js";

const MOST = 50;
const LOOK_MS = 2000; // a worker tells what it runs so often

export function workView(_route, scope) {
  const workers = h("div", { class: "workers" });
  const queues = h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": t("work.queues") });
  const running = h("ul", { class: "runs" });
  const waiting = h("ul", { class: "runs" });
  const panel = (title, content) => h("section", { class: "panel padded", "aria-label": title }, h("h2", {}, title), content);
  const element = h("div", { class: "columns work" }, h("h1", { class: "hidden" }, t("nav.work")), panel(t("work.queues"), queues), panel(t("work.running"), running), panel(t("work.waiting"), waiting), panel(t("work.workers"), workers));

  let since = new Map(); // when each worker had told something by the last refresh

  /** Something has changed. What a worker runs now, it tells later: look until each has told something since. */
  async function refresh() {
    since = await look();
    lookAgain();
  }

  const lookAgain = scope.debounced(LOOK_MS, () => look().then((seen) => {
    if ([...seen].some(([hostname, at]) => at === since.get(hostname))) lookAgain();
  }).catch(quiet));

  /** Show what there is; when each worker had told something by now. */
  async function look() {
    const signal = scope.signal;
    const [online, due] = await Promise.all([get("/api/workers", { signal }), get(`/api/tasks/upcoming?limit=${MOST}`, { signal })]);
    const now = online.items.flatMap((worker) => worker.running.map((each) => ({ ...each, worker: worker.hostname }))).sort((one, other) => Date.parse(one.started_at) - Date.parse(other.started_at));
    show(running, now, () => (now.length ? now.slice(0, MOST).map(runningRow) : h("li", { class: "empty small" }, t("work.idle"))));
    show(waiting, due.items.map(({ id, name, due_at }) => [id, name, due_at]), () => (due.items.length ? due.items.map(waitingRow) : h("li", { class: "empty small" }, t("work.nothingWaits"))));
    const items = online.items.map(({ seen_at: _, ...worker }) => worker);
    show(workers, items, () => (items.length ? items.map(workerCard) : h("p", { class: "empty small bad" }, t("work.noWorkers"))));
    depths();
    return new Map(online.items.map(({ hostname, seen_at }) => [hostname, seen_at]));
  }

  function depths() {
    const { stats, report } = state;
    if (!stats) return;
    const rows = Object.entries(stats.queues).map(([queue, depth]) => [queue, depth, report?.workers?.queues?.[queue] ?? 0, stats.queued_by_priority?.[queue] ?? {}, stats.oldest_queued_at?.[queue] ?? null]);
    show(queues, rows, () => h("table", {},
      h("thead", {}, h("tr", {}, ["work.queue", "work.servedBy", "work.depth", "work.oldest", "work.priorities"].map((text) => h("th", { scope: "col" }, t(text))))),
      h("tbody", {}, rows.map(queueRow))));
  }
  onStatus(depths, scope.signal);
  return { title: t("nav.work"), element, update: () => true, refresh };
}

function queueRow([queue, depth, served, priorities, oldest]) {
  const counts = Object.entries(priorities).filter(([, count]) => count).map(([priority, count]) => t("work.ofPriority", { priority, count: number(count) }));
  return h("tr", {}, h("td", {}, h("code", {}, queue.replace("celeriac.", ""))), h("td", { class: served ? null : "bad" }, served ? t("work.workers.count", { count: served }) : t("work.nobody")),
    h("td", { class: "c-number" }, number(depth)), h("td", {}, when(oldest)), h("td", {}, counts.join(", ") || "–"));
}

function runningRow({ task_id, name, kind, started_at, worker }) {
  return h("li", {}, h("a", { href: `#/tasks/${task_id}`, "data-key": task_id }, nameOf({ id: task_id, name })), " ", h("span", { class: "muted" }, `${word("kind", kind)} · ${worker} · `), elapsed(started_at));
}

function waitingRow({ id, name, due_at }) {
  return h("li", {}, h("a", { href: `#/tasks/${id}`, "data-key": id }, nameOf({ id, name })), " ", h("span", { class: "muted" }, when(due_at)));
}

function workerCard(worker) {
  const layers = Object.entries(worker.sandbox);
  const off = layers.filter(([, layer]) => layer !== "on");
  return h("article", { class: "worker" },
    h("h3", {}, worker.hostname, !worker.consuming && h("span", { class: "bad" }, ` ${t("work.notFetching")}`)),
    h("p", { class: "muted" }, t("work.worker", { queues: worker.queues.map((queue) => queue.replace("celeriac.", "")).join(", "), version: worker.version, pid: String(worker.pid) }), " · ", t("work.since"), " ", when(worker.started_at)),
    h("p", {}, h("meter", { min: 0, max: worker.concurrency, value: worker.running.length, "aria-label": t("work.slots") }), " ", t("work.busy", { busy: worker.running.length, slots: worker.concurrency })),
    worker.running.length > 0 && h("ul", { class: "runs" }, worker.running.slice(0, 10).map((each) => runningRow({ ...each, worker: worker.hostname }))),
    layers.length > 0 && h("details", { "data-key": `sandbox ${worker.hostname}` }, h("summary", { "data-key": `sandbox-summary ${worker.hostname}` }, off.length ? t("work.layersOff", { count: off.length }) : t("work.layersOn", { count: layers.length })),
      h("dl", { class: "facts" }, layers.map(([name, layer]) => [h("dt", {}, name), h("dd", { class: layer === "on" ? null : "bad" }, layer)]))));
}
