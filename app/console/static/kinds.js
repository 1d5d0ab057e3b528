// The kinds of task that this service knows.

import { get } from "./api.js";
import { word } from "./language.js";

export async function kinds() {
  return Object.keys((await get("/api/tasks/stats")).by_kind).map((kind) => [kind, word("kind", kind)]);
}
