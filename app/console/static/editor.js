// A field for programs: line numbers, Tab, indentation, matching brackets, marked lines. A textarea does the writing, so
// that undo, input methods and screen readers work as everywhere; a layer below it draws the rest.

import { h } from "./dom.js";
import { t } from "./language.js";

const INDENT = "    ";
const PAIRS = { "(": ")", "[": "]", "{": "}" };
const CLOSERS = Object.fromEntries(Object.entries(PAIRS).map(([open, close]) => [close, open]));

/** {element, field, mark(lines)}; `lines` is a map of line numbers to texts. `submit` is called for Ctrl-Enter. */
export function editor(attributes, submit) {
  const numbers = h("div", { class: "editor-numbers", "aria-hidden": "true" });
  const layer = h("pre", { class: "editor-layer", "aria-hidden": "true" });
  const field = h("textarea", { ...attributes, class: "code", wrap: "off", spellcheck: "false", autocomplete: "off", autocapitalize: "off" });
  const element = h("div", { class: "editor" }, numbers, h("div", { class: "editor-text" }, layer, field));
  const help = h("p", { class: "help" }, t("editor.help"));
  let marked = new Map();

  function draw() {
    const lines = field.value.split("\n");
    numbers.replaceChildren(...lines.map((_, index) => h("span", { class: marked.has(index + 1) ? "bad" : null, title: marked.get(index + 1) }, String(index + 1))));
    const brackets = pairAt(field.value, field.selectionStart === field.selectionEnd && document.activeElement === field ? field.selectionStart : -1);
    layer.replaceChildren(...layered(field.value, brackets, marked));
    field.rows = Math.max(9, Math.min(30, lines.length + 1));
    follow();
  }

  function follow() {
    layer.scrollTop = numbers.scrollTop = field.scrollTop;
    layer.scrollLeft = field.scrollLeft;
  }

  field.addEventListener("input", () => {
    marked = new Map();
    draw();
  });
  for (const name of ["keyup", "click", "focus", "blur"]) field.addEventListener(name, draw);
  field.addEventListener("scroll", follow);
  let isLeaving = false;
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      submit();
    } else if (event.key === "Tab" && !isLeaving && !event.ctrlKey && !event.altKey) {
      event.preventDefault();
      indent(field, event.shiftKey);
    } else if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      newLine(field);
    }
    isLeaving = event.key === "Escape" || (isLeaving && event.key === "Shift"); // after Escape, Tab leaves the field
  });

  return {
    element: h("div", {}, element, help),
    field,
    mark: (lines) => {
      marked = lines;
      draw();
    },
    draw,
  };
}

/** Insert text as if it was typed: undo knows it. */
function insert(field, text) {
  if (!document.execCommand("insertText", false, text)) {
    field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

function indent(field, isBack) {
  const { value, selectionStart: start, selectionEnd: end } = field;
  const from = value.lastIndexOf("\n", start - 1) + 1;
  if (start === end && !isBack) {
    insert(field, " ".repeat(INDENT.length - ((start - from) % INDENT.length)));
    return;
  }
  const lines = value.slice(from, end).split("\n");
  const moved = lines.map((line) => (isBack ? line.replace(/^ {1,4}/, "") : line && INDENT + line));
  field.setSelectionRange(from, end);
  insert(field, moved.join("\n"));
  const change = moved[0].length - lines[0].length;
  if (start === end) field.setSelectionRange(Math.max(from, start + change), Math.max(from, start + change));
  else field.setSelectionRange(Math.max(from, start + change), from + moved.join("\n").length);
}

/** As deep as the line before; deeper after a colon or an open bracket. */
function newLine(field) {
  const { value, selectionStart: start } = field;
  const line = value.slice(value.lastIndexOf("\n", start - 1) + 1, start);
  const depth = /^ */.exec(line)[0];
  insert(field, `\n${depth}${/[:([{]\s*(#.*)?$/.test(line) ? INDENT : ""}`);
}

/** The places of the bracket beside `at` and of its partner; [] where there is none. */
function pairAt(text, at) {
  for (const place of [at - 1, at]) {
    const partner = partnerOf(text, place);
    if (partner !== -1) return [place, partner].sort((one, other) => one - other);
  }
  return [];
}

function partnerOf(text, at) {
  const bracket = text[at];
  const isOpen = bracket in PAIRS;
  const partner = isOpen ? PAIRS[bracket] : CLOSERS[bracket];
  if (!partner) return -1;
  let depth = 0;
  for (let place = at; place >= 0 && place < text.length; place += isOpen ? 1 : -1) {
    if (text[place] === bracket) depth += 1;
    else if (text[place] === partner && --depth === 0) return place;
  }
  return -1;
}

function layered(text, brackets, marked) {
  let at = 0;
  return text.split("\n").map((line, index) => {
    const parts = [];
    let last = 0;
    for (const bracket of brackets.map((place) => place - at).filter((place) => place >= 0 && place < line.length)) {
      parts.push(line.slice(last, bracket), h("mark", {}, line[bracket]));
      last = bracket + 1;
    }
    at += line.length + 1;
    return h("span", { class: `editor-line ${marked.has(index + 1) ? "failed-line" : ""}` }, parts, line.slice(last) || "\u200b");
  });
}
