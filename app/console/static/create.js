// The form that creates a task. The service decides what is valid; its problems are shown beside their fields.

import { call, Refusal } from "./api.js";
import { say } from "./dialogs.js";
import { h } from "./dom.js";
import { exact } from "./format.js";

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
const SAMPLE = "def main(name):\n    print(\"hello\", name)\n    return {\"length\": len(name)}\n";

// name, label, and how the text becomes a value; `for` hides a field that the chosen kind or time has no use for.
const FIELDS = [
  { name: "name", label: "Name", required: true, maxlength: 200 },
  { name: "function_code", for: "code", label: "Python code", kind: "code", rows: 9, initial: SAMPLE, keep: true },
  { name: "function_name", for: "code", label: "Function to call", initial: "main", keep: true },
  { name: "args", for: "code", label: "Arguments", help: "A JSON array", initial: "[\"world\"]", read: jsonValue },
  { name: "kwargs", for: "code", label: "Keyword arguments", help: "A JSON object", read: jsonValue },
  { name: "method", for: "api", label: "Method", choices: METHODS },
  { name: "api_url", for: "api", label: "URL", type: "url", placeholder: "https://example.com/hook", keep: true },
  { name: "headers", for: "api", label: "Headers", help: "One per line: Name: value", kind: "text", rows: 3, read: lines(":") },
  { name: "params", for: "api", label: "Query parameters", help: "One per line: name=value", kind: "text", rows: 3, read: lines("=") },
  { name: "data", for: "api", label: "Body", help: "JSON is sent as JSON, anything else as it is", kind: "code", rows: 4, read: jsonOrText },
  { name: "expected_status", for: "api", label: "Statuses that are a success", placeholder: "2xx, 404", read: statuses },
  { name: "delay_seconds", for: "delayed", label: "Seconds from now", type: "number", step: "any", read: Number },
  { name: "run_at", for: "delayed", label: "Or at this time", type: "datetime-local", step: 1, read: (text) => new Date(text).toISOString() },
  { name: "cron_expression", for: "scheduled", label: "Cron expression", help: "Five fields, six with seconds first, or @daily", initial: "*/5 * * * *", keep: true },
  { name: "timezone", for: "scheduled", label: "Time zone", placeholder: "Europe/Berlin" },
];
const MORE = [
  { name: "timeout", label: "Timeout", help: "Seconds for one attempt", type: "number", step: "any", placeholder: "30", read: Number },
  { name: "max_retries", label: "Retries", type: "number", placeholder: "0", read: Number },
  { name: "retry_delay", label: "Pause before the first retry", help: "Seconds", type: "number", step: "any", placeholder: "5", read: Number },
  { name: "priority", label: "Priority", help: "0 (lowest) to 9", type: "number", placeholder: "5", read: Number },
  { name: "tags", label: "Tags", help: "Separated by commas", read: words },
];
const ALL = [...FIELDS, ...MORE];

export function createView() {
  const preview = h("p", { class: "help preview", role: "status" });
  const summary = h("div", { class: "failure", role: "alert", tabindex: -1, hidden: true });
  const submit = h("button", { type: "submit", class: "button primary" }, "Create the task");
  const form = h(
    "form",
    { class: "panel create", novalidate: true, "aria-labelledby": "create-title" },
    h("h1", { id: "create-title" }, "New task"),
    summary,
    h("div", { class: "pair" },
      choice("kind", "What", [["code", "Run code"], ["api", "Call a URL"]]),
      choice("task_type", "When", [["immediate", "Now"], ["delayed", "Later"], ["scheduled", "On a cron"]])),
    h("div", { class: "fields" }, FIELDS.map(field), preview),
    h("details", {}, h("summary", {}, "Timeout, retries, priority, tags"), h("div", { class: "fields" }, MORE.map(field))),
    h("div", { class: "actions" }, submit),
  );
  const arrange = () => {
    const { kind, task_type } = chosen(form);
    for (const { name, for: wanted } of ALL) {
      form.querySelector(`#field-${name}`).hidden = Boolean(wanted) && wanted !== kind && wanted !== task_type;
    }
    preview.hidden = task_type !== "scheduled";
    submit.textContent = task_type === "scheduled" ? "Create the scheduled task" : "Create the task";
    if (task_type === "scheduled") explain(form, preview);
  };
  form.addEventListener("change", arrange);
  form.addEventListener("input", debounced(() => chosen(form).task_type === "scheduled" && explain(form, preview)));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    await send(form, summary);
    submit.disabled = false;
  });
  arrange();
  return { title: "New task", element: h("div", { class: "columns narrow" }, form), refresh: async () => {} };
}

async function send(form, summary) {
  clearProblems(form, summary);
  const problems = [];
  const body = read(form, problems);
  if (problems.length) return showProblems(form, summary, problems, "");
  try {
    const task = await call("POST", "/api/tasks", body);
    const isSchedule = body.task_type === "scheduled";
    say("Created.");
    location.hash = isSchedule ? "#/scheduled" : `#/tasks/${task.id}`;
  } catch (error) {
    if (error instanceof Refusal) showProblems(form, summary, error.errors, error.message);
    else showProblems(form, summary, [], "The service can't be reached. Nothing was created.");
  }
}

function chosen(form) {
  const { kind, task_type } = Object.fromEntries(new FormData(form));
  return { kind, task_type };
}

/** The body of the request: fields that are left empty are left out. */
function read(form, problems) {
  const { task_type } = chosen(form);
  const body = { task_type };
  for (const { name, keep, read: convert } of ALL) {
    const text = form.elements[name].value;
    if (form.querySelector(`#field-${name}`).hidden || (text.trim() === "" && !keep)) continue;
    try {
      body[name] = convert ? convert(text) : text;
    } catch (error) {
      problems.push({ field: name, message: error.message });
    }
  }
  return body;
}

function clearProblems(form, summary) {
  summary.hidden = true;
  for (const problem of form.querySelectorAll(".problem")) problem.textContent = "";
  for (const control of form.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
}

function showProblems(form, summary, problems, message) {
  const elsewhere = [];
  let first = null;
  for (const { field: path, message: text, line, column } of problems) {
    const name = path.split(/[.[]/)[0];
    const place = form.querySelector(`#problem-${CSS.escape(name)}`);
    const where = line ? `line ${line}${column ? `, column ${column}` : ""}: ` : "";
    const sentence = `${path === name ? "" : `${path}: `}${where}${text}`;
    if (!place || place.closest("[hidden]")) {
      elsewhere.push(`${path || "The task"}: ${text}`);
      continue;
    }
    place.textContent = place.textContent ? `${place.textContent}; ${sentence}` : sentence;
    const control = form.elements[name];
    control.setAttribute("aria-invalid", "true");
    place.closest("details")?.setAttribute("open", "");
    first ??= control;
  }
  if (elsewhere.length || !first) {
    summary.replaceChildren(h("h3", {}, message || "It was not created"), ...elsewhere.map((text) => h("p", {}, text)));
    summary.hidden = false;
  }
  (first ?? summary).focus();
}

let latest = 0;

/** When an expression fires, in words, while it is typed. */
async function explain(form, preview) {
  const asked = ++latest;
  const cron_expression = form.elements.cron_expression.value.trim();
  const timezone = form.elements.timezone.value.trim();
  if (!cron_expression) return preview.replaceChildren();
  let words;
  try {
    const found = await call("POST", "/api/cron/preview", { cron_expression, ...(timezone && { timezone }), count: 3 });
    words = [h("b", {}, found.description), ...found.next_runs.map((time) => h("span", {}, exact(time)))];
  } catch (error) {
    if (!(error instanceof Refusal)) return;
    words = error.errors.length ? error.errors.map(({ message }) => h("span", { class: "bad" }, message)) : [error.message];
  }
  if (asked === latest) preview.replaceChildren(...words);
}

function debounced(act) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(act, 300);
  };
}

// --- elements ----------------------------------------------------------------------------------------

function choice(name, legend, options) {
  const option = ([value, words], index) =>
    h("label", {}, h("input", { type: "radio", name, value, checked: index === 0 }), h("span", {}, words));
  return h("fieldset", { class: "choice" }, h("legend", {}, legend), h("div", {}, options.map(option)));
}

function field({ name, label, help, kind, rows, choices, initial = "", ...attributes }) {
  const { type = "text", step, placeholder, maxlength, required } = attributes;
  const described = [help && `help-${name}`, `problem-${name}`].filter(Boolean).join(" ");
  const common = { id: `input-${name}`, name, "aria-describedby": described, "aria-required": required && "true" };
  const control = choices
    ? h("select", common, choices.map((each) => h("option", { value: each }, each)))
    : kind
      ? h("textarea", { ...common, rows, class: kind, spellcheck: "false", autocomplete: "off" })
      : h("input", { ...common, type, step, placeholder, maxlength, autocomplete: "off" });
  if (initial) control.value = initial;
  return h(
    "div",
    { class: `field ${kind ? "wide" : ""} f-${name}`, id: `field-${name}` },
    h("label", { for: common.id }, label),
    control,
    help && h("p", { class: "help", id: `help-${name}` }, help),
    h("p", { class: "problem", id: `problem-${name}` }),
  );
}

// --- from text to values -------------------------------------------------------------------------------

function jsonValue(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("is not JSON");
  }
}

function jsonOrText(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function lines(separator) {
  return (text) => {
    const found = text.split("\n").filter((line) => line.trim());
    return Object.fromEntries(
      found.map((line) => {
        const at = line.indexOf(separator);
        if (at < 1) throw new Error(`“${line.trim().slice(0, 40)}” has no “${separator}” after a name`);
        return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
      }),
    );
  };
}

function words(text) {
  return text.split(",").map((word) => word.trim()).filter(Boolean);
}

function statuses(text) {
  return words(text).map((word) => (/^\d+$/.test(word) ? Number(word) : word));
}
