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
