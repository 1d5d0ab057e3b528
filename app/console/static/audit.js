// Who changed what, and when. The service tells it to keys of administrators.

import * as address from "./address.js";
import { h } from "./dom.js";
import { when } from "./format.js";
import { t } from "./language.js";
import { list } from "./list.js";
import { mayAdmin } from "./permission.js";

/** The start of a route → the page of what it changes. */
const PLACES = [["/api/tasks", "tasks"], ["/api/scheduled-tasks", "schedule"], ["/api/bulk", "bulks"], ["/api/channels", "channels"], ["/api/deliveries", "notices"]];
const NAMED_BY_KEY = "/api/scheduled-tasks/by-key/{key}";

const filters = () => [
  { name: "who", label: t("audit.who") },
  { name: "target_id", label: t("audit.target") },
];

const toQuery = ({ who, target_id }) => ({ who, target_id });

export function auditView(first, scope) {
  const title = t("nav.audit");
  if (!mayAdmin()) return { title, element: h("section", { class: "panel" }, h("h1", { class: "hidden" }, title), h("p", { class: "empty" }, t("audit.admin"))), refresh: async () => {} };
  const changes = list({
    path: "/api/audit",
    title,
    filters: filters(),
    columns: [
      { text: t("field.time"), name: "c-time" }, { text: t("audit.change"), name: "c-name" }, { text: t("audit.who"), name: "c-last" }, { text: t("audit.address"), name: "c-type" },
    ],
    row,
    empty: (fields) => t(Object.values(toQuery(fields)).some(Boolean) ? "audit.noMatch" : "audit.none"),
    toQuery, scope,
  });
  const update = (next) => {
    changes.update(next);
    return true;
  };
  return { title, element: h("div", { class: "columns" }, changes.element), update, refresh: changes.refresh, isSilent: true };
}

/** A link to the changes of what has this id or key. */
export const changesOf = (target_id, words) => h("a", { href: address.format({ page: "audit", fields: { target_id } }), "data-key": `changes-${target_id}` }, words);

function row(line) {
  return h("tr", {},
    h("td", { class: "c-time" }, when(line.at)),
    h("td", { class: "c-name" }, h("code", {}, `${line.method} ${line.route}`), " ", line.target_id && target(line)),
    h("td", { class: "c-last" }, h("a", { href: address.format({ page: "audit", fields: { who: line.who } }), "data-key": line.id }, line.who)),
    h("td", { class: "c-type" }, line.address ?? "–"));
}

function target({ route, target_id: id }) {
  const page = PLACES.find(([start]) => route.startsWith(start))?.[1];
  if (!page || route === NAMED_BY_KEY) return h("span", { class: "muted" }, id);
  return h("a", { href: address.format({ page, id }) }, id);
}
