// Address → view. One view at a time; what it started ends with it.

import { onKey, onReach, reach } from "./api.js";
import * as address from "./address.js";
import { auditView } from "./audit.js";
import { bulksView } from "./bulks.js";
import { channelsView } from "./channels.js";
import { say } from "./dialogs.js";
import { byId, h } from "./dom.js";
import { failuresView } from "./failures.js";
import { refreshTimes } from "./format.js";
import { showHealth, startHeader } from "./header.js";
import { startKeys } from "./keys.js";
import { language, t } from "./language.js";
import { follow, onChange } from "./live.js";
import { newView } from "./new.js";
import { noticesView } from "./notices.js";
import { overviewView } from "./overview.js";
import { learn, mayWrite } from "./permission.js";
import { leave, restore, startPlace } from "./place.js";
import { scheduleView } from "./schedule.js";
import { schedulesView } from "./schedules.js";
import { Scope } from "./scope.js";
import { cutOff, isCutOff, refreshStatus } from "./status.js";
import { tasksView } from "./tasks.js";
import { apply } from "./theme.js";
import { workView } from "./work.js";

const CHANGED_MS = 1500; // between two looks while things change
const STATUS_MS = 60_000; // between two looks at health and figures while nothing does, and at what no event tells of
const AWAY_MS = 2000; // between two tries while the service, or its Redis, is away
const AGAIN_MS = 5000; // between two looks while they are refused for the moment

/** page → [its view, the text of its title, whether the bar links to it] */
const PAGES = {
  "": [overviewView, "nav.overview", true],
  tasks: [tasksView, "nav.tasks", true],
  failures: [failuresView, "nav.failures", true],
  scheduled: [schedulesView, "nav.scheduled", true],
  schedule: [scheduleView, "nav.scheduled", false],
  work: [workView, "nav.work", true],
  bulks: [bulksView, "nav.bulks", true],
  notices: [noticesView, "nav.notices", true],
  channels: [channelsView, "nav.channels", false],
  audit: [auditView, "nav.audit", false],
  new: [newView, "nav.new", false],
};

/** page → the page of the bar that it belongs to */
const PARENTS = { schedule: "scheduled", channels: "notices" };

let view = null;
let shownPage = null;
let shownThing = ""; // what of it is open, above its list
let scope = new Scope();
let reading = 0; // the number of the look that goes on; 0: none
let looks = 0;
let isStale = false;

function turn(route) {
  const page = Object.hasOwn(PAGES, route.page) ? route.page : "";
  if (page === "tasks" && route.id) { // the short form of a link to a task
    address.replace({ page, fields: { ...route.fields, open: route.id } });
    return;
  }
  const thing = `${route.id}/${route.part}`;
  if (view !== null && page === shownPage && view.update?.(route)) {
    if (thing !== shownThing) leave();
    readNow();
  } else open(page, route);
  shownThing = thing;
  showTitle();
  for (const link of document.querySelectorAll(".bar [data-page]")) {
    const isHere = link.dataset.page === (PARENTS[page] ?? page);
    if (isHere) {
      link.setAttribute("aria-current", "page");
      showInMiddle(link);
    } else link.removeAttribute("aria-current");
  }
}

/** Scrolls the links of the bar: on a phone they are wider than the screen. With scrollIntoView, Tab would begin behind this one. */
function showInMiddle(link) {
  const [around, own] = [link.parentElement, link].map((element) => element.getBoundingClientRect());
  link.parentElement.scrollLeft += own.left + own.width / 2 - (around.left + around.width / 2);
}

function open(page, route) {
  const isFirst = view === null;
  scope.end();
  scope = new Scope();
  shownPage = page;
  view = PAGES[page][0](route, scope);
  document.body.dataset.page = page || "overview";
  byId("view").replaceChildren(view.element);
  leave();
  if (!isFirst && document.activeElement === document.body) focusView(); // the link that was followed is gone
  readNow();
}

function showTitle() {
  document.title = `${view.title} · Celeriac`;
}

function focusView() {
  view.focus?.();
  if (document.activeElement === document.body) byId("view").focus({ preventScroll: true });
}

/** Look again; while a look goes on, further calls only ask for one more. */
function refresh() {
  if (view === null) return; // it is not known yet what it may show
  if (reading) isStale = true;
  else read();
}

/** Read for a new address: it does not wait for the answers of the one before, and the page says that it is busy. */
function readNow() {
  byId("view").setAttribute("aria-busy", "true");
  read();
}

async function read() {
  const number = reading = ++looks;
  const [asked, life] = [view, scope];
  isStale = false;
  try {
    await asked.refresh();
  } catch (error) {
    if (!life.isOver) complain(error);
    if (error.status === 429 || error.status >= 500) life.later(AGAIN_MS, refresh); // nothing else might ask for it
  } finally {
    if (number === reading) settle(); // else a newer look goes on
  }
}

function settle() {
  reading = 0;
  showTitle(); // what is open has a name now
  refreshTimes(document);
  restore();
  byId("view").removeAttribute("aria-busy");
  if (isStale && !document.hidden) read();
}

function complain(error) {
  if (error.name === "AbortError" || reach.isAway || (isCutOff() && error.status === 503)) return; // the banner says it
  if (error.status === undefined) throw error;
  say(error.message, true);
}

let statusTimer = 0;

async function watchStatus() {
  clearTimeout(statusTimer);
  if (document.hidden) return;
  const wasCutOff = isCutOff();
  try {
    await refreshStatus();
  } catch (error) {
    complain(error);
  }
  if (wasCutOff && !isCutOff()) refresh();
  clearTimeout(statusTimer);
  statusTimer = isCutOff() ? setTimeout(watchStatus, AWAY_MS) : setTimeout(lookAround, STATUS_MS);
}

function lookAround() {
  watchStatus();
  if (view?.isSilent) refresh();
}

let pending = 0;

/** Something changed: look again soon, and not more often than CHANGED_MS. */
function changed() {
  pending ||= setTimeout(() => {
    pending = 0;
    if (document.hidden) return;
    watchStatus();
    refresh();
  }, CHANGED_MS);
}

function writeTexts() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = t(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", t(element.dataset.label));
  byId("pages").append(
    ...Object.entries(PAGES).filter(([, [, , isLinked]]) => isLinked).map(([page, [, text]]) => h("a", { href: `#/${page}`, "data-page": page }, t(text))),
    h("a", { href: "/docs" }, t("nav.docs")),
  );
}

async function start() {
  apply();
  writeTexts();
  startHeader();
  startPlace();
  startKeys(() => view);
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault(); // the address names the page
    byId("view").focus();
  });
  onReach(() => {
    showHealth();
    if (reach.isAway) setTimeout(watchStatus, AWAY_MS);
    else refresh();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    watchStatus();
    refresh();
  });
  for (const name of ["click", "submit"]) document.addEventListener(name, refuseWhileAway, { capture: true });
  onChange((event) => {
    view?.changed?.(event);
    changed();
  });
  setInterval(tick, 1000);
  await learnCaller();
  address.onRoute(turn);
  turn(address.current());
  onKey(learnAgain); // a key that has ended meanwhile: another one may do other things
  watchStatus();
  follow();
}

/** Each second: times that go on, and the pulse of what is running. */
function tick() {
  if (document.hidden) return;
  refreshTimes(document);
  document.body.classList.toggle("pulse");
}

/** Keys reach what the pointer can't while the service is away. */
function refuseWhileAway(event) {
  if (!isCutOff() || !event.target.closest("#view form, #view button, #view .button")) return;
  event.preventDefault();
  event.stopPropagation();
  const missing = cutOff();
  say(t(missing === "service" ? "api.away" : `health.${missing}.short`), true);
}

/** Until it is known what the caller may do, the page shows nothing that changes anything. */
async function learnCaller() {
  try {
    await learn();
    document.querySelector(".bar > [data-page=new]").hidden = !mayWrite();
    return;
  } catch (error) {
    showHealth();
    complain(error);
  }
  setTimeout(learnAgain, AWAY_MS);
}

async function learnAgain() {
  await learnCaller();
  open(shownPage, address.current());
}

start();
