// Calls of the HTTP API. A key is asked for once, when the service wants one, and kept for this tab.

import { askForKey } from "./dialogs.js";

const KEY = "celeriac.key";
let asking = null;

/** An answer that says no: a problem document (RFC 9457), or what could be made of it. */
export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `the service answered ${status}`);
    this.status = status;
    this.errors = problem.errors ?? [];
  }
}

/** The JSON of an answer (null without one). Throws Refusal, or TypeError where the service can't be reached. */
export async function call(method, path, body, accepted = []) {
  for (;;) {
    const key = sessionStorage.getItem(KEY);
    const response = await fetch(path, { method, headers: headers(key, body), body: body && JSON.stringify(body) });
    if (response.status === 401) {
      await newKey(key);
      continue;
    }
    const answer = await parsed(response);
    if (response.ok || accepted.includes(response.status)) return answer;
    throw new Refusal(response.status, answer ?? {});
  }
}

export const get = (path, accepted) => call("GET", path, undefined, accepted);

function headers(key, body) {
  const all = { Accept: "application/json" };
  if (key) all.Authorization = `Bearer ${key}`;
  if (body) all["Content-Type"] = "application/json";
  return all;
}

async function parsed(response) {
  const isJson = /^application\/(problem\+)?json/.test(response.headers.get("Content-Type") ?? "");
  return isJson ? response.json() : null;
}

/** All calls that were refused with the same key wait for one question. */
async function newKey(refused) {
  if (sessionStorage.getItem(KEY) !== refused) return;
  asking ??= askForKey(refused ? "That key is not known here." : "").then((key) => {
    sessionStorage.setItem(KEY, key);
    asking = null;
  });
  await asking;
}

/** `query({a: 1, b: ""})` → "?a=1" */
export function query(fields) {
  const given = Object.entries(fields).filter(([, value]) => value);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}
