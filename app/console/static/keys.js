// Keys of the whole page. Those of a view are in its `keys`.

import * as address from "./address.js";
import { isAsking, sheet } from "./dialogs.js";
import { byId, h } from "./dom.js";
import { openFinder } from "./finder.js";
import { t } from "./language.js";
import { mayWrite } from "./permission.js";

const GO = { o: "", t: "tasks", f: "failures", s: "scheduled", w: "work", b: "bulks", c: "notices" };
const GO_MS = 1500;

let wentAt = -Infinity; // when "g" was pressed, by the clock of the events: the page itself may be late

const PAGE_KEYS = {
  "/": openFinder,
  "?": help,
  n: () => mayWrite() && address.go({ page: "new" }),
  g: (event) => {
    wentAt = event.timeStamp;
  },
};

export function startKeys(viewNow) {
  addEventListener("keydown", (event) => {
    if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      openFinder();
      return;
    }
    if (event.metaKey || event.ctrlKey || event.altKey || isAsking()) return;
    if (event.target.closest?.("input, textarea, select, [contenteditable]") && event.key !== "Escape") return;
    if (event.target.closest?.("textarea")) return; // Escape leaves the editor, not the page
    if (event.target.matches?.("[type=search]") && event.target.value) return; // Escape empties the field first
    const isGoing = event.timeStamp - wentAt < GO_MS;
    const act = isGoing && event.key in GO ? () => address.go({ page: GO[event.key] }) : viewNow()?.keys?.[event.key] ?? PAGE_KEYS[event.key];
    wentAt = -Infinity;
    if (!act) return;
    if (event.key !== "Escape") event.preventDefault();
    act(event);
  });
  byId("find-button").addEventListener("click", openFinder);
}

function help() {
  const rows = [
    ["/", "keys.find"], ["j k", "keys.step"], ["Enter", "keys.open"], ["Esc", "keys.close"], ["n", "keys.new"],
    ["g o", "nav.overview"], ["g t", "nav.tasks"], ["g f", "nav.failures"], ["g s", "nav.scheduled"], ["g w", "nav.work"], ["g b", "nav.bulks"], ["g c", "nav.notices"],
    ["Ctrl Enter", "keys.send"], ["?", "keys.help"],
  ];
  sheet(t("keys.help"), h("dl", { class: "facts keys" }, rows.map(([keys, text]) => [h("dt", {}, keys.split(" ").map((key) => h("kbd", {}, key))), h("dd", {}, t(text))])));
}
