// A task or a schedule as the body that creates it again.

const COMMON = "name timeout max_retries retry_delay retry_max_delay on_worker_lost priority tags expires_in callback_url callback_on alert".split(" ");
const CODE = "function_code function_name args kwargs".split(" ");
const API = "api_url method headers params data follow_redirects expected_status expected_body retry_on".split(" ");
const TIMING = "cron_expression every_seconds timezone start_at end_at max_runs catch_up jitter_seconds overlap".split(" ");

const EMPTY = ["data", "retry_on"]; // where an empty value differs from none

const isThere = (value) => value !== null && value !== undefined;
const given = (value) => isThere(value) && !(Array.isArray(value) && value.length === 0) && !(value.constructor === Object && Object.keys(value).length === 0);
const isOf = (source, name) => (EMPTY.includes(name) ? isThere(source[name]) : given(source[name])) && (name !== "callback_on" || given(source.callback_url));
const pick = (source, names) => Object.fromEntries(names.filter((name) => isOf(source, name)).map((name) => [name, source[name]]));

const withoutTime = (source) => pick(source, [...COMMON.slice(0, 1), ...(source.kind === "api" ? API : CODE), ...COMMON.slice(1)]);

/** A task as its values may be sent again: a task of a schedule shows the whole alert rule, of which it takes the channels. */
export const sendable = (task) => (task.alert ? { ...task, alert: { channels: task.alert.channels } } : task);

/** What a task is made of, without its time: created again, it runs at once. */
export const bodyOf = (task) => withoutTime(sendable(task));

/** The same of a schedule, with its time. */
export function scheduleBodyOf(schedule) {
  return { task_type: "scheduled", ...withoutTime(schedule), ...pick(schedule, TIMING) };
}
