// To the clipboard, and to files.

import { hasKey } from "./api.js";
import { say, sheet } from "./dialogs.js";
import { h } from "./dom.js";
import { t } from "./language.js";

/** Copy text and say so. Where the browser does not permit it (a page without TLS), show it selected instead. */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    say(t("copied"));
  } catch {
    const box = h("textarea", { class: "code", rows: 8, readonly: true, "aria-label": t("do.copy"), value: text });
    sheet(t("copy.refused"), box);
    box.select();
  }
}

export function copyButton(label, text, key) {
  return h("button", { type: "button", class: "button small quiet", onclick: () => copyText(text()), "data-key": key }, label);
}

/** Offer text as a file. */
export function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  const link = h("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** A command line that creates this task again. The key itself is not in it: command lines are shared and logged. */
export function curlOf(body, path = "/api/tasks") {
  const quoted = `'${JSON.stringify(body).replaceAll("'", "'\\''")}'`;
  const key = hasKey() ? " -H \"Authorization: Bearer $CELERIAC_KEY\"" : "";
  return `curl -X POST ${location.origin}${path}${key} -H 'Content-Type: application/json' -d ${quoted}`;
}
