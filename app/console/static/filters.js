// The form above a list. It shows what the address says, and changes nothing but the address. There, times are in UTC: a
// link shows the same in every zone.

import { h } from "./dom.js";
import { t } from "./language.js";
import { toLocal, toUtc } from "./range.js";

const TYPING_MS = 300;

/**
 * filters: [{name, label, choices?: [[value, words]] or a function that promises them, none?, placeholder?, type?,
 * with?: [name, value]}]; `with` shows the field only while another one has that value.
 * `change(fields)` is called with the fields that are filled in. Returns {element, put(fields)}; `put` shows the
 * fields of an address and forgets what was being typed.
 */
export function filterForm(filters, fields, change, scope) {
  const clear = h("button", { type: "reset", class: "button quiet" }, t("filter.clear"));
  const fold = h("button", { type: "button", class: "button small fold", "aria-expanded": "false", onclick: () => unfold(!form.classList.contains("open")) }, t("filter.title"));
  const form = h("form", { class: "filters", role: "search", "aria-label": t("filter.title") }, filters.map(field), clear, fold);
  const meant = {}; // name of a time → [what its field shows, which time that is]: where clocks go back, an hour comes twice
  const timeOf = ({ name, value }) => (meant[name]?.[0] === value ? meant[name][1] : toUtc(value));
  const read = () => Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, isTime(form.elements[name]) ? timeOf(form.elements[name]) : String(value).trim()]));
  const tell = () => {
    typed.cancel();
    clear.hidden = !Object.values(read()).some(Boolean);
    arrange();
    change(read());
  };
  const typed = scope.debounced(TYPING_MS, tell);
  scope.on(form, "change", () => form.isConnected && tell());
  scope.on(form, "input", (event) => event.target.tagName === "INPUT" && !event.isComposing && typed());
  scope.on(form, "compositionend", typed); // what an input method has put together so far is no filter yet
  scope.on(form, "submit", (event) => {
    event.preventDefault();
    tell();
  });
  scope.on(form, "reset", (event) => {
    event.preventDefault();
    put({});
    tell();
    form.elements[0].focus();
  });

  /** On a phone, the fields that are not used are folded away until they are wanted: people come for the rows. */
  function unfold(isOpen) {
    form.classList.toggle("open", isOpen);
    fold.setAttribute("aria-expanded", String(isOpen));
  }

  function put(values) {
    typed.cancel();
    for (const control of form.elements) {
      if (!control.name) continue;
      const value = values[control.name] ?? "";
      if (control.tagName === "SELECT" && value && ![...control.options].some((option) => option.value === value)) {
        control.append(h("option", { value }, value)); // a choice that is not known (yet), such as a kind
      }
      if (isTime(control)) {
        if (timeOf(control) !== toUtc(value)) control.value = toLocal(toUtc(value));
        meant[control.name] = [control.value, toUtc(value)];
      } else if (control.value.trim() !== value) control.value = value; // a space at the end is kept: somebody goes on typing
    }
    clear.hidden = !filters.some(({ name }) => values[name]);
    arrange();
  }

  /** Note which fields are used, and hide those that only mean something together with the value of another. */
  function arrange() {
    for (const { name, with: needed } of filters) {
      form.elements[name].parentElement.classList.toggle("used", form.elements[name].value !== "");
      if (needed) form.elements[name].parentElement.hidden = form.elements[needed[0]].value !== needed[1];
    }
  }
  put(fields);
  return { element: form, put };
}

/** The API's filter for a name that somebody typed: without a `*`, it may stand anywhere in the name. */
export const namePattern = (name) => (name && !name.includes("*") ? `*${name}*` : name);

const isTime = (control) => control.type === "datetime-local";

function field({ name, label, choices, none, placeholder, type = "search" }) {
  const id = `filter-${name}`;
  const control = choices ? select(id, name, choices, none ?? t("filter.any")) : h("input", { id, name, type, placeholder, autocomplete: "off", maxlength: 190, step: type === "datetime-local" ? 1 : null });
  return h("div", {}, h("label", { for: id }, label), control);
}

function select(id, name, choices, none) {
  const option = ([value, words]) => h("option", { value }, words);
  const control = h("select", { id, name }, h("option", { value: "" }, none));
  if (typeof choices !== "function") {
    control.append(...choices.map(option));
    return control;
  }
  choices().then((found) => {
    const chosen = control.value;
    control.replaceChildren(control.options[0], ...found.map(option));
    if (chosen && !found.some(([value]) => value === chosen)) control.append(option([chosen, chosen]));
    control.value = chosen;
  });
  return control;
}
