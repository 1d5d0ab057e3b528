// Changes as they happen: one stream of events for the whole page, closed while nobody looks.

import { reach } from "./api.js";
import { eventsOf, whileSeen } from "./stream.js";

const PAUSES_MS = [1000, 2000, 5000]; // between two tries to connect
const FALLBACK_MS = 5000; // between two looks where no stream is to be had (too many are open)

const listeners = new Set();

/** Call `listener(event)` at each change of a task's status, and with null where changes may have been missed. */
export function onChange(listener) {
  listeners.add(listener);
}

/** Follow the changes while the page is visible. */
export function follow() {
  whileSeen(run);
}

async function run(signal) {
  let failures = 0;
  let lastId = "";
  while (!signal.aborted) {
    try {
      for await (const event of eventsOf("/api/events", { signal, lastId })) {
        if (event.type === "refused") {
          lastId = "";
          tell(null);
          await pauseFor(FALLBACK_MS, signal);
          break;
        }
        failures = 0;
        if (event.id) lastId = event.id;
        if (event.type === "open" || event.type === "reset") tell(null);
        else if (event.type === "status") tell(event.data);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!reach.isAway && !(error instanceof TypeError)) throw error; // TypeError: the connection was cut
      tell(null); // a request finds out whether the service is away
    }
    await pauseFor(PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)], signal);
    failures += 1;
  }
}

function tell(event) {
  for (const listener of listeners) listener(event);
}

function pauseFor(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}
