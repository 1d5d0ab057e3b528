// The texts of the page: one table per language. The browser's language decides, unless one was chosen here.

import { en } from "./texts-en.js";
import { zh } from "./texts-zh.js";

const CHOICE = "celeriac.language";
const TABLES = { en, "zh-CN": zh };

export const LANGUAGES = [["en", "English"], ["zh-CN", "中文"]];

/** The language in use: a key of TABLES, and a BCP 47 tag for Intl. */
export const language = chosen() ?? ((navigator.languages ?? [navigator.language]).map(known).find(Boolean) ?? "en");

function chosen() {
  const wanted = localStorage.getItem(CHOICE);
  return wanted in TABLES ? wanted : null;
}

function known(tag) {
  if (/^zh\b/i.test(tag)) return "zh-CN";
  return /^en\b/i.test(tag) ? "en" : null;
}

/** Use this language from now on. */
export function choose(wanted) {
  localStorage.setItem(CHOICE, wanted);
  location.reload();
}

const plural = new Intl.PluralRules(language);

/** The locale for dates and numbers: the browser's own, where it speaks the language of the page. */
export const locale = (navigator.languages ?? []).find((tag) => known(tag) === language) ?? language;

/**
 * The text with this id. `{name}` is replaced by `values.name`; of a text in two forms, [one, other], `values.count`
 * decides which is used.
 */
export function t(id, values = {}) {
  const found = TABLES[language][id] ?? en[id];
  if (found === undefined) throw new Error(`there is no text ${id}`);
  const text = Array.isArray(found) ? found[plural.select(values.count) === "one" ? 0 : 1] : found;
  return text.replace(/\{(\w+)\}/g, (_, name) => (typeof values[name] === "number" ? number(values[name]) : isolated(String(values[name]))));
}

const TURNS = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc]/;

/** A value that is written from right to left, or turns what follows it, keeps to itself. */
function isolated(value) {
  return TURNS.test(value) ? `\u2068${value}\u2069` : value;
}

/** A text that some value of the service has, such as a status; the value itself where there is none. */
export function word(group, value) {
  return TABLES[language][`${group}.${value}`] ?? value;
}

const numbers = new Intl.NumberFormat(locale);

export function number(value) {
  return numbers.format(value);
}
