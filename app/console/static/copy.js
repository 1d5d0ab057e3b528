// To the clipboard, and to files.

import { say } from "./dialogs.js";
import { h } from "./dom.js";
import { t } from "./language.js";

/** Copy text and say so. Where the browser does not permit it (a page without TLS), select it in a box instead. */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    say(t("copied"));
  } catch {
    say(t("copy.refused"), true);
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

/** A command line that creates this task again. */
export function curlOf(body, path = "/api/tasks") {
  const quoted = `'${JSON.stringify(body).replaceAll("'", "'\\''")}'`;
  return `curl -X POST ${location.origin}${path} -H 'Content-Type: application/json' -d ${quoted}`;
}
