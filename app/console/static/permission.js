// What the key of this session may do. Buttons that would only be refused are not shown.

import { get } from "./api.js";

const RANKS = ["read", "write", "admin"];
let caller = { name: "", scope: "read", needs_key: false };

/** Ask the service who we are. */
export async function learn() {
  caller = await get("/api/whoami");
}

export const whoAmI = () => caller;

/** Whether the caller may do what needs this scope. */
export function may(scope) {
  return RANKS.indexOf(caller.scope) >= RANKS.indexOf(scope);
}

export const mayWrite = () => may("write");
export const mayAdmin = () => may("admin");
