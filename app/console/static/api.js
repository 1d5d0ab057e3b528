// Calls of the HTTP API. A key is asked for once, when the service wants one.

import { hearing, now } from "./clock.js";
import { askForKey } from "./dialogs.js";
import { parse } from "./json.js";
import * as keyring from "./keyring.js";
import { t } from "./language.js";

export const STREAM = "text/event-stream";

const GATEWAY = new Set([502, 503, 504]); // of a proxy in front that does not reach the service
const ANSWER_MS = 250; // how long other tabs may take to tell their key before the person is asked
const CALL_MS = 30_000; // the service answers within seconds, also where its Redis hangs: one that takes longer hangs itself
const UNSURE_MS = 600_000; // after that, the same request is meant as another one
const UNASKED = new Set([401, 403, 429]); // refused before the service has looked whether it knows the key
const unsure = new Map(); // what was asked for without an answer so far: its words → {key, at}
let asking = null;
const contact = new EventTarget();

/** When the service last answered (ms), and whether it can be reached now. */
export const reach = { isAway: false, lastAnswerAt: now() };

/** An answer that says no: a problem document (RFC 9457), or what could be made of it. */
export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || t("api.status", { status }));
    this.status = status;
    this.type = problem.type ?? "";
    this.errors = problem.errors ?? [];
    this.taskStatus = problem.task_status;
  }

  /** The whole reason, for where no field of a form could show its part. */
  get words() {
    return this.errors.map(({ field, message }) => `${field}: ${message}`).join("; ") || this.message;
  }
}

/** The service can't be reached. */
export class Away extends Error {
  constructor() {
    super(t("api.away"));
  }
}

/** For a look that nobody has asked for: the next one at the page reports what went wrong. */
export function quiet(error) {
  if (error.name !== "AbortError" && error.status === undefined && !(error instanceof Away)) throw error;
}

/**
 * The JSON of an answer (null without one). Throws Refusal, Away, or AbortError when `signal` ends first. What is asked
 * for again because no answer came is done once.
 */
export async function call(method, path, body, { accepted = [], signal } = {}) {
  const words = JSON.stringify([path, body]);
  const headers = method === "POST" ? { "Idempotency-Key": keyFor(words) } : {};
  const response = await send(method, path, body, { signal, headers });
  const answer = await parsed(response).catch(lost);
  if (response.status < 500 && !UNASKED.has(response.status)) unsure.delete(words);
  if (response.ok || accepted.includes(response.status)) return answer;
  throw new Refusal(response.status, answer ?? {});
}

function keyFor(words) {
  const present = now();
  for (const [each, { at }] of unsure) if (present - at >= UNSURE_MS) unsure.delete(each);
  if (!unsure.has(words)) unsure.set(words, { key: crypto.getRandomValues(new Uint32Array(4)).join("-"), at: present }); // `randomUUID` takes TLS
  return unsure.get(words).key;
}

export const get = (path, options) => call("GET", path, undefined, options);

/**
 * `get(…).catch(refusal)`: the Refusal as a value, for a page of a list, which shows it. Thrown is what is not about the
 * page that was asked for: what the list is of is gone, or the service can't read anything now.
 */
export function refusal(error) {
  if (!(error instanceof Refusal) || error.status === 404 || error.status === 429 || error.status >= 500) throw error;
  return error;
}

/** The response to a request with the key of this session. Only a stream may take its time. */
export async function send(method, path, body, { signal, headers = {}, accept = "application/json" } = {}) {
  for (;;) {
    const key = keyring.key();
    const options = { method, signal: accept === STREAM ? signal : inTime(signal), headers: { ...headersFor(key, body, accept), ...headers }, body: body && JSON.stringify(body) };
    const response = await reached(path, options);
    if (response.status !== 401) return response;
    await newKey(key);
  }
}

const inTime = (signal) => AbortSignal.any([AbortSignal.timeout(CALL_MS), ...(signal ? [signal] : [])]);

async function reached(path, options) {
  const hear = hearing();
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    lost(error);
  }
  const isAway = GATEWAY.has(response.status) && !isJson(response); // the service's own 503 is a problem document
  if (!isAway) hear(response.headers.get("Date"));
  note(isAway);
  if (isAway) throw new Away();
  return response;
}

/** There is no answer, or only a part of it. */
function lost(error) {
  if (error.name === "AbortError") throw error;
  note(true);
  throw new Away();
}

function note(isAway) {
  if (!isAway) reach.lastAnswerAt = now();
  if (reach.isAway === isAway) return;
  reach.isAway = isAway;
  contact.dispatchEvent(new Event("change"));
}

/** Call `listener` whenever the service goes away or comes back. */
export function onReach(listener) {
  contact.addEventListener("change", listener);
}

function headersFor(key, body, accept) {
  const all = { Accept: accept };
  if (key) all.Authorization = `Bearer ${key}`;
  if (body) all["Content-Type"] = "application/json";
  return all;
}

const isJson = (response) => /^application\/(problem\+)?json/.test(response.headers.get("Content-Type") ?? "");

async function parsed(response) {
  return isJson(response) ? parse(await response.text()) : null;
}

/** All calls that were refused with the same key wait for one question. */
async function newKey(refused) {
  if (keyring.key() !== refused) return;
  asking ??= findKey(refused).then((key) => {
    keyring.keep(key);
    asking = null;
    contact.dispatchEvent(new Event("key"));
  });
  await asking;
}

/** The key of another tab or, unless one answers soon, what is entered. A tab that was busy may still answer then. */
async function findKey(refused) {
  const ears = new AbortController();
  const others = keyring.keyOfOthers(refused, ears.signal);
  const soon = new Promise((resolve) => setTimeout(resolve, ANSWER_MS, null));
  const found = (await Promise.race([others, soon])) ?? (await askForKey(refused ? t("key.unknown") : "", others));
  ears.abort();
  return found;
}

/** Call `listener` whenever another key was entered. */
export function onKey(listener) {
  contact.addEventListener("key", listener);
}

export const hasKey = () => keyring.key() !== null;

/** `query({a: 1, b: ""})` → "?a=1" */
export function query(fields) {
  const given = Object.entries(fields).filter(([, value]) => value !== "" && value !== null && value !== undefined && value !== false);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}
