// Where notices go. Secrets are written and never read back.

import { call, get, Refusal } from "./api.js";
import * as address from "./address.js";
import { attempt, confirm, once, say } from "./dialogs.js";
import { h, show } from "./dom.js";
import { when } from "./format.js";
import { t, word } from "./language.js";
import { looks } from "./looks.js";
import { mayAdmin } from "./permission.js";

const KEEP = "***";
/** kind → the fields that its channels have besides `kind` and `language`. */
const KINDS = {
  webhook: ["url", "secret"], slack: ["url"], dingtalk: ["url", "secret"], feishu: ["url", "secret"], lark: ["url", "secret"], wecom: ["url"], teams: ["url"],
  telegram: ["secret", "chat_id"], email: ["url", "username", "secret", "sender", "to"],
};
const FIELDS = ["url", "secret", "chat_id", "username", "sender", "to"];

export function channelsView(first, scope) {
  let [route, names] = [first, []];
  const begin = looks();
  const list = h("div", {});
  const place = h("div", {});
  const add = h("a", { class: "button primary small", href: "#/channels/-/new", "data-key": "add" }, t("channels.add"));
  const element = h("div", { class: "columns" }, place,
    h("section", { class: "panel", "aria-label": t("nav.channels") }, h("header", { class: "panel-head" }, h("h1", {}, t("nav.channels")), h("div", { class: "actions" }, h("a", { class: "button small", href: "#/notices" }, t("nav.notices")), mayAdmin() && add)), h("div", { class: "padded" }, list)));

  async function refresh() {
    if (!mayAdmin()) {
      show(list, "admin", () => h("p", { class: "empty small" }, t("channels.admin")));
      return;
    }
    const isLate = begin();
    const { items } = await get("/api/channels", { signal: scope.signal });
    if (isLate()) return;
    names = items.map(({ name }) => name);
    show(list, items, () => (items.length ? h("ul", { class: "runs" }, items.map((channel) => row(channel, refresh))) : h("p", { class: "empty small" }, t("channels.none"))));
    const isNew = route.part === "new";
    const chosen = isNew ? null : items.find(({ name }) => name === route.id);
    const isGone = !isNew && !chosen && route.id !== "";
    show(place, [isNew, chosen?.name, isGone], () => (isGone ? h("p", { class: "empty" }, t("channels.gone")) : (isNew || chosen) && form(chosen, () => names, scope)));
  }

  const update = (next) => {
    route = next;
    return true;
  };
  return { title: t("nav.channels"), element, update, refresh, isSilent: true };
}

function row(channel, refresh) {
  const path = `/api/channels/${encodeURIComponent(channel.name)}`;
  const test = () => {
    const go = address.goFromHere();
    return attempt(async () => go({ page: "notices", id: (await call("POST", `${path}/test`)).id }), t("channels.tested"));
  };
  const remove = async () => {
    if (!(await confirm(t("channels.delete.ask"), t("channels.delete.text", { name: channel.name }), t("task.delete.yes")))) return;
    await attempt(() => call("DELETE", path), t("deleted"));
    await refresh();
  };
  const button = (key, act, kind = "quiet") => h("button", { type: "button", class: `button small ${kind}`, "aria-label": t(`channels.${key}.label`, { name: channel.name }), onclick: once(act), "data-key": `${channel.name} ${key}` }, t(`channels.do.${key}`));
  const isOwn = channel.source === "api";
  return h("li", {},
    isOwn ? h("a", { href: address.format({ page: "channels", id: channel.name }), "data-key": channel.name }, channel.name) : h("b", {}, channel.name),
    h("span", { class: "muted" }, channel.error ? ` ${channel.error} · ` : ` ${word("channel", channel.kind)} · ${channel.url} · `, isOwn ? when(channel.updated_at) : t("channels.ofFile")), " ",
    button("test", test), isOwn && button("delete", remove, "danger-quiet"));
}

/** `taken()` are the names that a new channel can't have: it would replace the one that has it. */
function form(channel, taken, scope) {
  const summary = h("p", { class: "problem", role: "alert" });
  const option = (group) => (value) => h("option", { value, selected: channel?.[group] === value }, word(group === "kind" ? "channel" : "talks", value));
  const kind = h("select", { id: "channel-kind", name: "kind", disabled: Boolean(channel) }, Object.keys(KINDS).map(option("kind")));
  const language = h("select", { id: "channel-language", name: "language" }, ["en", "zh"].map(option("language")));
  const name = h("input", { id: "channel-name", name: "name", required: true, maxlength: 64, value: channel?.name ?? "", disabled: Boolean(channel), autocomplete: "off" });
  const field = (label, control) => {
    control.setAttribute("aria-describedby", `problem-${control.name}`);
    return h("div", { class: "field" }, h("label", { for: control.id }, t(label)), control, h("p", { class: "problem", id: `problem-${control.name}` }));
  };
  const inputs = FIELDS.map((each) => h("input", {
    id: `channel-${each}`, name: each, type: each === "secret" ? "password" : "text", autocomplete: "off", maxlength: 2000, "data-1p-ignore": true,
    placeholder: channel && ["url", "secret"].includes(each) ? t("channels.keep") : null,
    value: shownOf(channel, each),
  }));
  const fields = inputs.map((input) => field(`channels.${input.name}`, input));
  const arrange = () => fields.forEach((each, index) => (each.hidden = !KINDS[kind.value].includes(FIELDS[index])));
  scope.on(kind, "change", arrange);
  const element = h("form", { class: "panel create", "aria-label": t(channel ? "channels.change" : "channels.add"), novalidate: true },
    h("h2", {}, channel ? channel.name : t("channels.add")), summary,
    h("div", { class: "fields" }, !channel && field("field.name", name), field("field.kind", kind), field("channels.language", language), fields),
    h("div", { class: "actions" }, h("button", { type: "submit", class: "button primary" }, t("form.save")), h("a", { class: "button quiet", href: "#/channels" }, t("do.cancel"))));
  scope.on(element, "submit", (event) => {
    event.preventDefault();
    const wanted = name.value.trim();
    const problem = channel ? "" : wanted === "" ? t("channels.nameless") : taken().includes(wanted) ? t("channels.taken") : "";
    clearProblems(element);
    if (problem) tell(element, [{ field: "name", message: problem }]);
    else save(element, channel?.name ?? wanted, bodyOf(channel, kind.value, language.value, inputs), Boolean(channel));
  });
  arrange();
  return element;
}

/** What a field shows of a channel at first: addresses and secrets are not told. */
const shownOf = (channel, name) => (["url", "secret"].includes(name) ? "" : [channel?.[name] ?? ""].flat().join(", "));

/** A change holds what differs from what was shown, and null for what was removed; the service keeps the rest. */
function bodyOf(channel, kind, language, inputs) {
  const body = channel?.language === language ? { kind } : { kind, language };
  for (const input of inputs) {
    const text = input.value.trim();
    if (!KINDS[kind].includes(input.name) || text === shownOf(channel, input.name) || text === KEEP) continue;
    if (text === "") body[input.name] = null;
    else body[input.name] = input.name === "to" ? text.split(/[,，]/).map((each) => each.trim()).filter(Boolean) : text;
  }
  return body;
}

async function save(element, name, body, isChange) {
  const go = address.goFromHere();
  try {
    await call(isChange ? "PATCH" : "PUT", `/api/channels/${encodeURIComponent(name)}`, body);
    say(t("form.saved"));
    go({ page: "channels" });
  } catch (error) {
    element.querySelector("[role=alert]").textContent = error.message;
    tell(element, error instanceof Refusal ? error.errors : []);
  }
}

function clearProblems(element) {
  for (const problem of element.querySelectorAll(".problem")) problem.textContent = "";
  for (const control of element.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
}

/** Each problem beside its field; the first of these has the focus. */
function tell(element, problems) {
  for (const { field, message } of problems) {
    const control = element.querySelector(`.field:not([hidden]) [name="${CSS.escape(field.split(/[.[]/)[0])}"]`);
    if (!control) continue;
    element.querySelector(`#problem-${control.name}`).textContent = message;
    control.setAttribute("aria-invalid", "true");
  }
  element.querySelector("[aria-invalid]")?.focus();
}
