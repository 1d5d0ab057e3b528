// The kinds of task that this service knows.

import { word } from "./language.js";
import { onStatus, state } from "./status.js";

/** [[kind, words]], once the figures that name them are there. */
export function kinds() {
  const found = () => state.stats && Object.keys(state.stats.by_kind).map((kind) => [kind, word("kind", kind)]);
  if (found()) return Promise.resolve(found());
  const waiting = new AbortController();
  return new Promise((resolve) => {
    onStatus(() => {
      if (!found()) return;
      waiting.abort();
      resolve(found());
    }, waiting.signal);
  });
}
