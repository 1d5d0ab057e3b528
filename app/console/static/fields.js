// Every field of tasks and schedules that a form has: its control, and how text becomes a value and a value text.

import { parse } from "./json.js";
import { t } from "./language.js";
import { toLocal, toUtc } from "./range.js";

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
const SAMPLE = "def main(name):\n    print(\"hello\", name)\n    return {\"length\": len(name)}\n";

const number = { type: "number", step: "any", read: Number, write: String };
const json = { control: "json", rows: 3, read: jsonValue, write: (value) => JSON.stringify(value, null, 2) };
const time = { type: "datetime-local", step: 1, read: (text) => toUtc(text), write: toLocal };
const list = { read: words, write: (value) => value.join(", ") };
const flag = { choices: ["true", "false"], read: (text) => text === "true", write: String };
const text = { read: (value) => value, write: String };

/**
 * `for` names what the field belongs to: a kind, or a time. `keep` sends it even when it is empty; `initial` is what a new
 * form has; `more` puts it below the fold; with `none`, an empty value differs from none at all. Labels and helps are the texts `field.<name>` and `field.<name>.help`.
 */
export const FIELDS = [
  { name: "name", ...text, required: true, maxlength: 200 },
  { name: "function_code", for: ["code"], ...text, control: "program", initial: SAMPLE, keep: true },
  { name: "function_name", for: ["code"], ...text, initial: "main", keep: true },
  { name: "args", for: ["code"], ...json, initial: "[\"world\"]", help: true },
  { name: "kwargs", for: ["code"], ...json, help: true },
  { name: "method", for: ["api"], ...text, choices: METHODS, initial: "GET" },
  { name: "api_url", for: ["api"], ...text, type: "url", placeholder: "https://example.com/hook", keep: true },
  { name: "headers", for: ["api"], control: "lines", rows: 3, read: lines(":"), write: unlines(": "), help: true },
  { name: "params", for: ["api"], control: "lines", rows: 3, read: lines("="), write: unlines("="), help: true },
  { name: "data", for: ["api"], control: "json", rows: 4, read: jsonOrText, write: dataText, none: true, help: true },
  { name: "expected_status", for: ["api"], read: statuses, write: (value) => [value].flat().join(", "), placeholder: "2xx, 404", help: true },
  { name: "expected_body", for: ["api"], ...json, more: true, placeholder: '{"json": {"/code": 0}}', help: true },
  { name: "follow_redirects", for: ["api"], ...flag, more: true },
  { name: "retry_on", for: ["api"], read: (value) => (value.trim() === "none" ? [] : statuses(value)), write: (value) => value.join(", ") || "none", none: true, more: true, placeholder: "408, 425, 429, 5xx", help: true },
  { name: "delay_seconds", for: ["delayed"], ...number, help: true },
  { name: "run_at", for: ["delayed"], ...time },
  { name: "cron_expression", for: ["scheduled"], ...text, initial: "*/5 * * * *", placeholder: "0 3 * * *", help: true },
  { name: "every_seconds", for: ["scheduled"], ...number, help: true },
  { name: "timezone", for: ["scheduled"], ...text, help: true },
  { name: "start_at", for: ["scheduled"], ...time, more: true, help: true },
  { name: "end_at", for: ["scheduled"], ...time, more: true, help: true },
  { name: "max_runs", for: ["scheduled"], ...number, more: true },
  { name: "catch_up", for: ["scheduled"], ...text, choices: ["latest", "none", "all"], group: "catch_up", more: true, help: true },
  { name: "overlap", for: ["scheduled"], ...text, choices: ["allow", "skip", "stop_previous"], group: "overlap", more: true, help: true },
  { name: "jitter_seconds", for: ["scheduled"], ...number, more: true, help: true },
  { name: "timeout", ...number, more: true, placeholder: "30", help: true },
  { name: "max_retries", ...number, more: true, placeholder: "0" },
  { name: "retry_delay", ...number, more: true, placeholder: "5", help: true },
  { name: "retry_max_delay", ...number, more: true, placeholder: "3600", help: true },
  { name: "expires_in", ...number, more: true, help: true },
  { name: "on_worker_lost", ...text, choices: ["retry", "fail"], group: "on_worker_lost", more: true },
  { name: "priority", ...number, more: true, placeholder: "5", help: true },
  { name: "tags", ...list, more: true, help: true },
  { name: "callback_url", ...text, type: "url", more: true, placeholder: "https://example.com/finished", help: true },
  { name: "callback_on", ...list, more: true, placeholder: "succeeded, failed, stopped", help: true },
  { name: "alert", ...json, more: true, placeholder: '{"channels": ["ops"]}', help: true },
];

/** Whether a field belongs to a task of this kind and time. */
export const belongs = (field, kind, type) => !field.for || field.for.includes(kind) || field.for.includes(type);

function jsonValue(words) {
  try {
    return parse(words);
  } catch {
    throw new Error(t("form.notJson"));
  }
}

function jsonOrText(words) {
  try {
    return parse(words);
  } catch {
    return words;
  }
}

/** As `jsonOrText` reads it again: a text that would be read as JSON is quoted. */
function dataText(value) {
  return typeof value === "string" && jsonOrText(value) === value ? value : JSON.stringify(value, null, 2);
}

function lines(separator) {
  return (words) => {
    const found = Object.create(null); // a name may be that of something that every object has
    for (const line of words.split("\n").filter((each) => each.trim())) {
      const at = line.indexOf(separator);
      if (at < 1) throw new Error(t("form.noSeparator", { line: line.trim().slice(0, 40), separator }));
      const [name, value] = [line.slice(0, at).trim(), line.slice(at + 1).trim()];
      found[name] = name in found ? [found[name], value].flat() : value;
    }
    return found;
  };
}

function unlines(separator) {
  return (value) => Object.entries(value).flatMap(([name, inner]) => [inner].flat().map((each) => `${name}${separator}${typeof each === "string" ? each : JSON.stringify(each)}`)).join("\n");
}

function words(value) {
  return value.split(/[,，]/).map((each) => each.trim()).filter(Boolean);
}

function statuses(value) {
  return words(value).map((each) => (/^\d+$/.test(each) ? Number(each) : each));
}
