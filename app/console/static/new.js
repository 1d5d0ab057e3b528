// The form for tasks and schedules: new ones, copies, and changes. The service decides what is valid; its problems are
// shown beside their fields.

import { call, get, Refusal } from "./api.js";
import * as address from "./address.js";
import { cronPreview } from "./cron-preview.js";
import { attempt, confirm, say } from "./dialogs.js";
import { h, show } from "./dom.js";
import { editor } from "./editor.js";
import { belongs, FIELDS } from "./fields.js";
import { firingsBy } from "./firings.js";
import { exactIn, json, ownZone } from "./format.js";
import { t, word } from "./language.js";
import { mayWrite } from "./permission.js";
import { toUtc } from "./range.js";
import { sendable } from "./task-body.js";

const DRAFT_MS = 400;
const KINDS = ["code", "api"];
const TYPES = ["immediate", "delayed", "scheduled"];
const BLANK = /^\s*$/;
const FIRING = ["cron_expression", "every_seconds", "timezone", "start_at", "end_at"]; // what decides when a schedule fires

/** What the form is for, by the field of the address that names a task or a schedule. */
const MODES = {
  "": { title: "form.new", send: (body) => call("POST", "/api/tasks", body), types: TYPES },
  from: { title: "form.duplicate", source: "/api/tasks/", send: (body) => call("POST", "/api/tasks", body), types: TYPES },
  fromSchedule: { title: "form.duplicate", source: "/api/scheduled-tasks/", isSchedule: true, send: (body) => call("POST", "/api/tasks", body), types: TYPES },
  retry: { title: "form.retry", source: "/api/tasks/", send: (body, id) => call("POST", `/api/tasks/${id}/retry`, body), isChange: true, types: ["immediate"] },
  change: { title: "form.change", source: "/api/tasks/", send: (body, id) => call("PATCH", `/api/tasks/${id}`, body), isChange: true, types: ["delayed"] },
  schedule: { title: "form.schedule", source: "/api/scheduled-tasks/", isSchedule: true, send: (body, id) => call("PATCH", `/api/scheduled-tasks/${id}`, body), isChange: true, types: ["scheduled"] },
};

export function newView(route, scope) {
  return mayWrite() ? formView(route, scope) : refusedView();
}

/** For a link that somebody who may write has sent. */
function refusedView() {
  const element = h("div", { class: "columns narrow" }, h("section", { class: "panel" }, h("p", { class: "empty" }, t("form.readOnly"))));
  return { title: t("form.new"), element, refresh: async () => {}, update: () => true };
}

function formView(route, scope) {
  const name = Object.keys(MODES).find((each) => each && route.fields[each]) ?? "";
  const mode = MODES[name];
  const id = route.fields[name] ?? "";
  const draftKey = `celeriac.draft.${name}.${id}`;
  let source = null;
  let first = {}; // the texts that the form had before anything was typed
  let [isSending, isLate] = [false, false]; // late: it is of a waiting task, which waits no longer

  const late = h("div");
  const summary = h("div", { class: "failure", role: "alert", tabindex: -1, hidden: true });
  const submit = h("button", { type: "submit", class: "button primary" });
  const forget = h("button", { type: "button", class: "button quiet", hidden: true, "data-key": "forget", onclick: discard }, t("form.forget"));
  const program = editor(attributesOf(FIELDS.find(({ control }) => control === "program")), () => form.requestSubmit());
  const preview = cronPreview(scope);
  const place = (isMore) => FIELDS.filter(({ more = false }) => more === isMore).map((field) => fieldElement(field, program));
  const basic = h("div", { class: "fields" }, place(false), preview.element);
  const more = h("details", { "data-key": "more" }, h("summary", {}, t("form.more")), h("div", { class: "fields" }, place(true)));
  const form = h("form", { class: "panel create", novalidate: true, "aria-labelledby": "create-title" },
    h("h1", { id: "create-title" }, t(mode.title)), summary,
    h("div", { class: "pair" }, choice("kind", t("form.what"), KINDS, "kind", mode.isChange), choice("task_type", t("form.when"), mode.types, "type", mode.types.length === 1)),
    basic, more, late, h("div", { class: "actions" }, submit, forget));
  const element = h("div", { class: "columns narrow" }, form);

  const chosen = () => Object.fromEntries(["kind", "task_type"].map((each) => [each, form.querySelector(`[name=${each}]:checked`)?.value]));
  const control = (each) => form.querySelector(`#input-${each}`);
  const values = () => Object.fromEntries([...FIELDS.map(({ name: each }) => [each, control(each).value]), ...Object.entries(chosen())]);

  function arrange() {
    const { kind, task_type } = chosen();
    for (const field of FIELDS) form.querySelector(`#field-${field.name}`).hidden = !belongs(field, kind, task_type);
    preview.element.hidden = task_type !== "scheduled";
    submit.textContent = t(mode.isChange ? "form.save" : task_type === "scheduled" ? "form.createSchedule" : "form.create");
    if (name === "retry") submit.textContent = t("form.run");
    explain();
    program.draw();
  }

  function explain() {
    if (chosen().task_type !== "scheduled") return;
    const [expression, seconds, zone, start, end] = FIRING.map((each) => control(each).value.trim());
    preview.put({ cron_expression: expression, every_seconds: seconds, timezone: zone, start_at: toUtc(start), end_at: toUtc(end), created_at: name === "schedule" ? source?.created_at : "" });
  }

  function fill(texts) {
    for (const each of ["kind", "task_type"]) {
      const radio = form.querySelector(`[name=${each}][value="${CSS.escape(texts[each] ?? "")}"]`);
      if (radio) radio.checked = true;
    }
    for (const { name: each } of FIELDS) control(each).value = texts[each] ?? "";
    arrange();
  }

  let isTyped = false; // since the draft was kept last
  const keepSoon = scope.debounced(DRAFT_MS, keep);

  function typed() {
    isTyped = true;
    keepSoon();
  }

  function keep() {
    if (!isTyped) return;
    isTyped = false;
    const draft = Object.entries(values()).filter(([each, text]) => text !== first[each]); // the others may be changed elsewhere until it is taken up
    if (!draft.length) return forgetDraft();
    sessionStorage.setItem(draftKey, JSON.stringify(Object.fromEntries(draft)));
    forget.hidden = false;
  }

  function forgetDraft() {
    isTyped = false;
    sessionStorage.removeItem(draftKey);
    forget.hidden = true;
  }

  function discard() {
    forgetDraft();
    fill(first);
  }

  async function refresh() {
    if (isSending || (source !== null && name !== "change")) return;
    const found = await get(mode.source + id, { signal: scope.signal, accepted: [404] });
    const words = refusalOf(found);
    if (source === null && words && (!found.id || sessionStorage.getItem(draftKey) === null)) return refuse(words, found);
    if (source === null) begin(found);
    if (words && !isLate) say(words, true);
    isLate = words !== "";
    submit.disabled = isSending || isLate;
    show(late, words, () => isLate && h("p", { class: "note bad" }, words, lateLink(found))); // what was typed can still be copied
  }

  /** Why it can't be changed, or can't be any more; "" if it can. */
  function refusalOf(found) {
    if (!found.id) return t(mode.isSchedule ? "schedule.gone" : "task.gone.text");
    return name === "change" && found.status !== "waiting" ? t("form.late", { status: word("status", found.status) }) : "";
  }

  const lateLink = (found) => found.id && [" ", h("a", { href: `#/tasks/${id}` }, t("form.late.task"))];

  /** A form that can't be filled in would only look as if it was still loading. */
  function refuse(words, found) {
    source = {};
    isLate = true;
    element.replaceChildren(h("section", { class: "panel" }, h("h1", { class: "empty" }, words, lateLink(found))));
  }

  /** Show the draft, or else the source's values; nothing can be typed before, so that nothing typed is lost. */
  function begin(found) {
    source = mode.isSchedule ? found : sendable(found);
    form.inert = false;
    const draft = JSON.parse(sessionStorage.getItem(draftKey) ?? "null");
    forget.hidden = draft === null;
    fill(textsOf(source, mode));
    first = values(); // as the controls write them
    if (draft) fill({ ...first, ...draft });
  }

  async function send() {
    const go = address.goFromHere();
    clearProblems(form, summary, program);
    const problems = [];
    const body = mode.isChange ? changes(bodyOf(problems), source) : { task_type: chosen().task_type, ...bodyOf(problems) };
    if (problems.length) return showProblems(form, summary, problems, "", program);
    if (["change", "schedule"].includes(name) && !Object.keys(body).length) return say(t("form.noChange"));
    try {
      if (name === "schedule" && !(await confirmChange(body, source, await get(mode.source + id, { signal: scope.signal }), scope))) return;
      const made = await mode.send(body, id);
      forgetDraft();
      say(t(mode.isChange && name !== "retry" ? "form.saved" : "form.created"));
      go(made.task_type === "scheduled" && made.next_runs !== undefined ? { page: "schedule", id: made.id } : { page: "tasks", fields: { open: made.id } });
    } catch (error) {
      if (error instanceof Refusal) showProblems(form, summary, error.errors, error.message, program);
      else showProblems(form, summary, [], error.message, program);
    }
  }

  const isTouched = (each) => control(each).value !== (first[each] ?? "");

  /** The body of the request: fields that are left empty are left out, and null in a change. */
  function bodyOf(problems) {
    const { kind, task_type } = chosen();
    const body = {};
    for (const field of FIELDS) {
      if (!belongs(field, kind, task_type)) continue;
      const { value: written, validity } = control(field.name);
      if (validity.badInput) { // what is there has no value: left out, it would be lost without a word
        problems.push({ field: field.name, message: t(field.type === "number" ? "form.notNumber" : "form.notTime") });
        continue;
      }
      if (BLANK.test(written) && !field.keep) continue;
      if (!isTouched(field.name) && !isLeftOut(field, source[field.name])) { // as it was: a text may say less than the value
        body[field.name] = source[field.name];
        continue;
      }
      try {
        body[field.name] = field.read(written);
      } catch (error) {
        problems.push({ field: field.name, message: error.message });
      }
    }
    if (body.every_seconds !== undefined && !isTouched("cron_expression")) delete body.cron_expression;
    return body;
  }

  scope.on(form, "change", () => {
    arrange();
    typed();
  });
  scope.on(form, "input", () => {
    explain();
    typed();
  });
  scope.signal.addEventListener("abort", keep, { once: true }); // what was typed last is kept when the page is left
  scope.on(window, "pagehide", keep);
  scope.on(form, "submit", async (event) => {
    event.preventDefault();
    if (isSending || isLate) return;
    isSending = submit.disabled = true;
    await send();
    isSending = false;
    submit.disabled = isLate;
  });
  scope.on(form, "keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  fill(textsOf({}, mode));
  if (id) form.inert = true;
  else begin({});
  return { title: t(mode.title), element, refresh, update: (next) => (next.fields[name] ?? "") === id && Object.keys(MODES).every((each) => !each || each === name || !next.fields[each]) };
}

/** What the form shows at first: the source's values, or the initial ones of a new task. */
function textsOf(source, mode) {
  const isNew = !source?.kind;
  const texts = { kind: source?.kind ?? "code", task_type: mode.types.includes(source?.task_type) && mode.isChange ? source.task_type : isNew || !source.next_runs ? mode.types[0] : "scheduled" };
  for (const field of FIELDS) {
    const value = source?.[field.name];
    const isTime = ["delay_seconds", "run_at"].includes(field.name);
    if (isNew) texts[field.name] = field.initial ?? "";
    else if (field.name === "callback_on" && !source.callback_url) continue; // it only means something together
    else if (!isTime && !isLeftOut(field, value)) texts[field.name] = field.write(value);
  }
  return texts;
}

const isLeftOut = (field, value) => value === null || value === undefined || (!field.none && typeof value === "object" && Object.keys(value).length === 0);

/** The fields whose values differ from the source's; null for those that are empty now. */
function changes(body, source) {
  const found = {};
  for (const field of FIELDS) {
    const { name } = field;
    const [before, now] = [name === "callback_on" && !source.callback_url ? null : source[name], body[name]];
    if (now === undefined && !isLeftOut(field, before) && !["method", "follow_redirects"].includes(name)) found[name] = null;
    else if (now !== undefined && JSON.stringify(now) !== JSON.stringify(before)) found[name] = now;
  }
  return found;
}

/** Show what will change, and the next firings before and after; `present` is what somebody else may have made of `source`. */
async function confirmChange(body, source, present, scope) {
  const names = Object.keys(body);
  const row = (each) => h("tr", {}, h("th", { scope: "row" }, t(`field.${each}`)), h("td", {}, h("del", {}, json(present[each] ?? null))), h("td", {}, h("ins", {}, json(body[each]))));
  const table = h("table", { class: "difference" }, h("thead", {}, h("tr", {}, ["form.field", "form.before", "form.after"].map((each) => h("th", { scope: "col" }, t(each))))), h("tbody", {}, names.map(row)));
  let firings = null;
  if (present.status === "active" && names.some((each) => FIRING.includes(each))) {
    const wanted = Object.fromEntries(FIRING.map((each) => [each, body[each] === undefined ? present[each] : body[each]]));
    const asked = Object.fromEntries(Object.entries({ ...wanted, created_at: present.created_at }).filter(([, value]) => value !== null && value !== undefined));
    const isKnown = await attempt(async () => (firings = await firingsBy(asked, 5, scope.signal)));
    if (!isKnown) return false;
    const zone = asked.timezone ?? "UTC";
    firings = h("div", { class: "pair" },
      h("div", {}, h("h3", {}, t("form.nextBefore")), h("ol", {}, present.next_runs.map((at) => h("li", {}, exactIn(at, present.timezone))))),
      h("div", {}, h("h3", {}, t("form.nextAfter")), h("ol", {}, firings.times.map((at) => h("li", {}, exactIn(at, zone)))), firings.note && h("p", { class: "note" }, firings.note)));
  }
  const isOther = names.some((each) => json(source[each] ?? null) !== json(present[each] ?? null));
  return confirm(t("form.confirm"), h("div", {}, isOther && h("p", { class: "bad" }, t("form.changedMeanwhile")), table, firings), t("form.save"), false);
}

// --- problems ----------------------------------------------------------------------------------------

function clearProblems(form, summary, program) {
  summary.hidden = true;
  program.mark(new Map());
  for (const problem of form.querySelectorAll(".problem")) problem.textContent = "";
  for (const control of form.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
}

function showProblems(form, summary, problems, message, program) {
  const elsewhere = [];
  let first = null;
  const marked = new Map();
  for (const { field: path, message: text, line, column } of problems) {
    const name = path.split(/[.[]/)[0];
    const place = form.querySelector(`#problem-${CSS.escape(name)}`);
    const where = line ? `${t(column ? "form.lineColumn" : "task.line", { line, column: column ?? 0 })}: ` : "";
    const sentence = `${path === name ? "" : `${path}: `}${where}${text}`;
    if (!place || place.closest("[hidden]")) {
      elsewhere.push(`${path || t("form.task")}: ${text}`);
      continue;
    }
    if (line && name === "function_code") marked.set(line, text);
    place.textContent = place.textContent ? `${place.textContent}; ${sentence}` : sentence;
    const control = form.querySelector(`#input-${CSS.escape(name)}`);
    control.setAttribute("aria-invalid", "true");
    place.closest("details")?.setAttribute("open", "");
    first ??= control;
  }
  program.mark(marked);
  if (elsewhere.length || !first) {
    summary.replaceChildren(h("h3", {}, message || t("form.refused")), ...elsewhere.map((text) => h("p", {}, text)));
    summary.hidden = false;
  }
  (first ?? summary).focus();
}

// --- elements ----------------------------------------------------------------------------------------

function choice(name, legend, options, group, isFixed) {
  const option = (value, index) => h("label", {}, h("input", { type: "radio", name, value, checked: index === 0, disabled: isFixed }), h("span", {}, word(`choose.${group}`, value)));
  return h("fieldset", { class: "choice" }, h("legend", {}, legend), h("div", {}, options.map(option)));
}

function attributesOf({ name, help, required, placeholder, maxlength, type = "text", step, rows }) {
  const described = [help && `help-${name}`, `problem-${name}`].filter(Boolean).join(" ");
  return { id: `input-${name}`, name, "aria-describedby": described, "aria-required": required && "true", placeholder, maxlength, type, step, rows, autocomplete: "off" };
}

function fieldElement(field, program) {
  const { name, control, choices, group, help } = field;
  const { type, ...attributes } = attributesOf(field);
  const option = (value) => h("option", { value }, group ? word(group, value) : value === "true" ? t("yes") : value === "false" ? t("no") : value);
  const input = {
    program: () => program.element,
    json: () => h("textarea", { ...attributes, class: "code", spellcheck: "false" }),
    lines: () => h("textarea", { ...attributes, spellcheck: "false" }),
  }[control]?.() ?? (choices ? h("select", attributes, name === "method" ? null : h("option", { value: "" }, t("form.default")), choices.map(option)) : h("input", { ...attributes, type }));
  return h("div", { class: `field ${control ? "wide" : ""} f-${name}`, id: `field-${name}` },
    h("label", { for: attributes.id }, t(`field.${name}`)), input,
    help && h("p", { class: "help", id: `help-${name}` }, t(`field.${name}.help`, { zone: ownZone })),
    h("p", { class: "problem", id: `problem-${name}` }));
}
