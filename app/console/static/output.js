// What a program prints, while it prints it: follows, stops following when somebody scrolls up, searches, downloads.

import { download } from "./copy.js";
import { h } from "./dom.js";
import { number, t } from "./language.js";
import { eventsOf, whileSeen } from "./stream.js";

const MOST = 1_000_000; // characters kept; the oldest go first
const NEAR = 24; // pixels from the end that still count as the end
const PAUSE_MS = 1000;

/** {element, end(text), follow(taskId, scope)} */
export function output(name) {
  let text = "";
  let isWhole = false;
  let isFollowing = true;
  const node = document.createTextNode("");
  const place = h("pre", { class: "output", tabindex: 0, "aria-label": t("task.output") }, node);
  const jump = h("button", { type: "button", class: "button small", hidden: true, onclick: () => toEnd() }, t("output.follow"));
  const found = h("span", { class: "muted", role: "status" });
  const search = h("input", { type: "search", placeholder: t("output.search"), "aria-label": t("output.search"), maxlength: 200 });
  const save = h("button", { type: "button", class: "button small quiet", onclick: () => download(`${name}.txt`, text) }, t("do.download"));
  const element = h("div", { class: "output-box" }, h("div", { class: "output-bar" }, search, found, jump, save), place);

  place.addEventListener("scroll", () => {
    isFollowing = place.scrollTop + place.clientHeight >= place.scrollHeight - NEAR;
    jump.hidden = isFollowing;
  });
  search.addEventListener("input", () => {
    at = -1;
    mark();
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") nextMatch(event.shiftKey ? -1 : 1);
  });

  /** All that was printed; what of it is still on its way by the stream of changes is in it already. */
  function end(all) {
    isWhole = true;
    put(all);
  }

  function put(all) {
    if (all === text) return; // it was followed to its end: what is selected, found and scrolled to stays
    text = all.slice(-MOST);
    at = -1;
    node.data = text;
    mark();
    if (isFollowing) toEnd();
  }

  function add(piece) {
    if (text.length + piece.length > MOST) {
      put(text + piece);
      return;
    }
    text += piece;
    node.appendData(piece);
    if (search.value) mark();
    if (isFollowing) toEnd();
  }

  function toEnd() {
    place.scrollTop = place.scrollHeight;
    isFollowing = true;
    jump.hidden = true;
  }

  let matches = [];
  let at = -1;

  /** Mark what is searched for; the text itself stays as it is, and the match that was gone to is still that. */
  function mark() {
    matches = rangesOf(node, search.value);
    tellFound();
    CSS.highlights?.set("found", new Highlight(...matches));
  }

  function tellFound() {
    if (at !== -1) found.textContent = t("output.at", { at: number(at + 1), count: number(matches.length) });
    else found.textContent = search.value ? t("output.found", { count: matches.length }) : "";
  }

  function nextMatch(by) {
    if (!matches.length) return;
    at = at === -1 && by < 0 ? matches.length - 1 : (at + by + matches.length) % matches.length;
    const box = matches[at].getBoundingClientRect();
    place.scrollTop += box.top - place.getBoundingClientRect().top - place.clientHeight / 2;
    tellFound();
  }

  /** Read the output as it comes, while the page is seen, until all of it is there or `scope` ends. */
  function follow(taskId, scope) {
    let lastId = "";
    return whileSeen(async (signal) => {
      while (!signal.aborted) {
        try {
          for await (const event of eventsOf(`/api/tasks/${taskId}/events`, { signal, lastId })) {
            if (isWhole) return;
            if (event.type === "refused") return; // finished, or too many streams are open: the task itself has the output
            if (event.id) lastId = event.id;
            if (event.type === "stdout") add(event.data.text);
            if (event.type === "status" && event.data.to === "running") put("");
          }
        } catch (error) {
          if (signal.aborted) return;
        }
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS)); // cut, or ended as each does in time: go on after the last event
      }
    }, scope.signal);
  }

  return { element, end, follow };
}

const MOST_MATCHES = 1000;

function rangesOf(node, wanted) {
  const found = [];
  if (!wanted) return found;
  const part = new RegExp(wanted.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), "giu"); // a text in lower case may be longer: "İ"
  for (const { 0: match, index } of node.data.matchAll(part)) {
    if (found.length === MOST_MATCHES) break;
    const range = new Range();
    range.setStart(node, index);
    range.setEnd(node, index + match.length);
    found.push(range);
  }
  return found;
}
