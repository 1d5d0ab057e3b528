// The bar on top: how the service is and why, who is signed in, the language, the colours.

import { hasKey, onReach, reach } from "./api.js";
import { now } from "./clock.js";
import { sheet } from "./dialogs.js";
import { byId, h, show } from "./dom.js";
import { clockTime, duration } from "./format.js";
import { PARTS, verdict } from "./health.js";
import { signOut } from "./keyring.js";
import * as languages from "./language.js";
import { number, t } from "./language.js";
import { may, whoAmI } from "./permission.js";
import { cutOff, lastWholeAt, onStatus, state } from "./status.js";
import * as theme from "./theme.js";

/** Fill the bar, and keep it up to date. */
export function startHeader() {
  onReach(showHealth);
  onStatus(showHealth);
  byId("menu-button").addEventListener("click", openMenu);
  const health = byId("health");
  document.addEventListener("click", (event) => {
    if (health.open && !health.contains(event.target)) health.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !health.open) return;
    health.open = false;
    health.querySelector("summary").focus();
    event.stopImmediatePropagation();
  }, { capture: true });
}

/** Why the work does not go well, as sentences; with `suffix` ".short", as a few words each. */
export function sentences(found, suffix = "") {
  return found.reasons.map(({ id, values }) => t(id + suffix, { ...values, ...(values.ms !== undefined && { time: duration(values.ms) }) }));
}

export function showHealth() {
  const missing = cutOff();
  document.body.toggleAttribute("data-away", missing !== null);
  const banner = byId("away");
  banner.hidden = missing === null;
  if (missing) banner.textContent = t(`away.${missing}`, { time: clockTime(lastWholeAt()) });
  const found = reach.isAway ? { level: "bad", reasons: [] } : state.report ? verdict(state.report, state.stats, now()) : null;
  if (!found) return;
  const reasons = sentences(found);
  const words = reach.isAway ? t("health.away.short") : sentences(found, ".short")[0] ?? t("health.well");
  byId("health").className = `health ${found.level}`;
  byId("health-shape").textContent = { ok: "✓", warn: "▲", bad: "✕" }[found.level];
  if (byId("health-words").textContent !== words) byId("health-words").textContent = words;
  byId("health").firstElementChild.title = reach.isAway ? t("api.away") : reasons.join("\n");
  showParts(reasons);
}

function showParts(reasons) {
  const report = state.report;
  if (!report) return;
  const rows = PARTS.filter((part) => report[part]).map((part) => [part, report[part].status, detail(part, report[part])]);
  show(byId("health-parts"), [reasons, rows, report.version], () => [
    reasons.length > 0 && h("ul", { class: "reasons" }, reasons.map((reason) => h("li", {}, reason))),
    h("dl", {},
      rows.map(([part, status, text]) => [
        h("dt", {}, h("span", { class: `shape ${status}`, "aria-hidden": "true" }, status === "ok" ? "✓" : "✕"), t(`part.${part}`)),
        h("dd", {}, text),
      ]),
      h("dt", {}, t("part.version")), h("dd", {}, report.version)),
  ]);
}

function detail(part, found) {
  if (found.detail) return found.detail;
  if (found.status !== "ok") return t("part.down");
  if (part === "redis") return [t("part.answers", { time: duration(Math.max(1, found.round_trip_ms)) }), ...(found.warnings ?? [])].join("; ");
  if (part === "workers") return Object.entries(found.queues).map(([queue, count]) => `${queue.replace("celeriac.", "")}: ${number(count)}`).join(", ");
  if (part === "data") return t(found.change ? "part.changing" : "part.form", { form: found.form, ...found.change });
  if (part === "beat") return t("part.ticks");
  const missing = Object.entries(found.layers).filter(([, layer]) => layer !== "on").map(([name]) => name);
  const on = t("part.layers", { count: Object.keys(found.layers).length - missing.length });
  return missing.length ? t("part.missing", { on, names: missing.join(", ") }) : on;
}

function openMenu() {
  const who = whoAmI();
  const choice = (name, label, options, chosen, choose) =>
    h("fieldset", { class: "choice" }, h("legend", {}, label),
      h("div", {}, options.map(([value, words]) =>
        h("label", {}, h("input", { type: "radio", name, value, checked: value === chosen, onchange: () => choose(value) }), h("span", {}, words)))));
  sheet(t("menu.title"), [
    choice("language", t("menu.language"), languages.LANGUAGES, languages.language, languages.choose),
    choice("scheme", t("menu.scheme"), theme.SCHEMES.map((each) => [each, t(`scheme.${each}`)]), theme.scheme(), theme.choose),
    h("h3", {}, t("menu.who")),
    h("p", {}, who.needs_key ? t("menu.key", { name: who.name, scope: t(`scope.${who.scope}`) }) : t("menu.noKey")),
    h("p", { class: "help" }, t(may("admin") ? "scope.admin.help" : may("write") ? "scope.write.help" : "scope.read.help")),
    may("admin") && h("p", {}, h("a", { href: "#/audit" }, t("audit.open"))),
    hasKey() && h("div", { class: "actions" }, h("button", { type: "button", class: "button", onclick: signOut, id: "sign-out" }, t("menu.signOut"))),
  ]);
}
