// Server-Sent Events by fetch, since EventSource can't send a key in a header.

import { send, STREAM } from "./api.js";

/**
 * The events of a stream as {type, id, data}. Ends when the stream does; throws like `call`, and Refusal's statuses are
 * left to the caller as `{type: "refused", status}`.
 */
export async function* eventsOf(path, { signal, lastId = "" } = {}) {
  const headers = lastId ? { "Last-Event-ID": lastId } : {};
  const response = await send("GET", path, undefined, { signal, headers, accept: STREAM });
  if (response.status !== 200) {
    await response.body?.cancel();
    yield { type: "refused", status: response.status };
    return;
  }
  yield { type: "open" };
  let text = "";
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const event = parsed(block);
      if (event) yield event;
    }
  }
}

/**
 * Call `read(signal)` while the page is seen: a browser has six connections to one origin by HTTP/1.1, and tabs that are
 * hidden would take them. `signal` ends when the page is hidden. Over when `read` returns before that, or when `life` ends.
 */
export async function whileSeen(read, life = new AbortController().signal) {
  while (!life.aborted) {
    const turn = new AbortController(); // until the page is hidden, or seen again
    const signal = AbortSignal.any([life, turn.signal]);
    const end = () => turn.abort();
    document.addEventListener("visibilitychange", end, { once: true });
    if (document.hidden) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    else await read(signal);
    document.removeEventListener("visibilitychange", end);
    if (!signal.aborted) return;
  }
}

function parsed(block) {
  const fields = {};
  for (const line of block.split("\n")) {
    const at = line.indexOf(":");
    if (at < 1) continue; // a comment, which shows that the connection is alive
    const [name, value] = [line.slice(0, at), line.slice(at + 1).replace(/^ /, "")];
    fields[name] = name === "data" && fields.data !== undefined ? `${fields.data}\n${value}` : value;
  }
  if (fields.id === undefined && fields.data === undefined) return null;
  return { type: fields.event ?? "position", id: fields.id, data: fields.data === undefined ? null : JSON.parse(fields.data) };
}
