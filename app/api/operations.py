"""Every operation of the HTTP API, as data. The OpenAPI document is built from this table and the models.

A test compares the table with the routes that Flask has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.api.parsing import DEFAULT_LIMIT, MAX_FILTER_LENGTH, MAX_LIMIT, MAX_WAIT_SECONDS
from app.domain import schedule_key, short_names
from app.domain.channels import CHANNEL_MODELS
from app.domain.deliveries import DeliveryStatus
from app.domain.idempotency import MAX_KEY_LENGTH
from app.domain.kinds import KINDS
from app.domain.spec import FINISHES
from app.domain.status import Kind, ScheduleStatus, Status, TaskType
from app.store.schedules import ScheduleOrder

Schema = dict[str, Any]

#: Errors that any request may get before its view runs.
ALWAYS = (401, 403, 414, 429, 431, 500)
#: The same, of operations that need no key.
OPEN = (403, 414, 431, 500)
READING = (*ALWAYS, 406, 503)
WRITING = (*READING, 400, 413, 415, 422)
#: Headers of a response that shows the task it created.
CREATED = ("Location", "Preference-Applied", "Idempotency-Replayed")


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful response. `model` is the name of one of the document's schemas."""

    description: str
    model: str | None = None
    headers: tuple[str, ...] = ()
    media_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `body` lists the models that are accepted as the request body."""

    method: str
    path: str
    id: str
    tag: str
    summary: str
    answers: Mapping[int, Answer]
    problems: tuple[int, ...] = ()
    description: str = ""
    parameters: tuple[Schema, ...] = ()
    body: tuple[str, ...] = ()
    examples: Mapping[str, Any] = field(default_factory=dict)
    is_open: bool = False  # served without an API key
    needs_body: bool = True  # if `body` lists any model


# --- parameters ------------------------------------------------------------------------------------


def _parameter(place: str, name: str, description: str, schema: Schema) -> Schema:
    return {"name": name, "in": place, "description": description, "schema": schema, "required": place == "path"}


def _query(name: str, description: str, schema: Schema | None = None) -> Schema:
    """A parameter of the query. An empty value, as HTML forms send it, counts as absent."""
    described = _parameter("query", name, description, schema or {"type": "string", "maxLength": MAX_FILTER_LENGTH})
    return {**described, "allowEmptyValue": True}


def _choice(choices: Any) -> Schema:
    return {"type": "string", "enum": [str(choice) for choice in choices]}


_TIME: Schema = {"type": "string", "format": "date-time"}
_WAIT: Schema = {"type": "number", "minimum": 0, "maximum": MAX_WAIT_SECONDS}
_LIMIT: Schema = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
_UUID: Schema = {"type": "string", "format": "uuid"}

TASK_ID = _parameter("path", "task_id", "The task's id.", _UUID)
KEY = _parameter(
    "path",
    "key",
    "Your own name for the scheduled task.",
    {"type": "string", "minLength": 1, "maxLength": schedule_key.MAX_LENGTH, "pattern": schedule_key.PATTERN},
)
DELIVERY_ID = _parameter("path", "delivery_id", "The delivery's id.", _UUID)
BULK_ID = _parameter("path", "bulk_id", "The bulk's id.", _UUID)
SCHEDULE_ID = _parameter("path", "schedule_id", "The scheduled task's id.", _UUID)
PREFER = _parameter(
    "header",
    "Prefer",
    f"`wait=N` (RFC 7240), N at most {MAX_WAIT_SECONDS}: hold the response until the task has finished or N seconds "
    "have passed; it shows the task at that moment. If too many responses are being held, it is sent immediately.",
    {"type": "string", "examples": ["wait=10"]},
)
IDEMPOTENCY_KEY = _parameter(
    "header",
    "Idempotency-Key",
    "A unique key for this request. Sending the same key and body again within 24 hours creates nothing and returns "
    "the first response with `Idempotency-Replayed: true`; a different body is refused (`key-reused`).",
    {"type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH, "pattern": r"^[\x21-\x7e]+$"},
)
IF_NONE_MATCH = _parameter(
    "header",
    "If-None-Match",
    "`ETag` of an earlier response. If the task has not changed since, the response is 304 without a body.",
    {"type": "string", "examples": ['W/"6bd1c1b8a3f0e9d24c57a86213e9b04f"']},
)
WAIT = _query("wait", "Seconds to hold the response until the task has finished. Overrides `Prefer`.", _WAIT)
BULK_WAIT = _query("wait", "Seconds to hold the response until the bulk has ended. Overrides `Prefer`.", _WAIT)
PAGING = (
    _query("limit", "Maximum items per page. With a filter that rarely matches, a page may have fewer.", _LIMIT),
    _query("cursor", "`next_cursor` of the previous page.", {"type": "string", "pattern": "^[0-9]{1,16}$"}),
)
AUDIT_PAGING = (
    PAGING[0],
    _query(
        "cursor", "`next_cursor` of the previous page.", {"type": "string", "pattern": "^[1-9][0-9]{0,15}-[0-9]{1,10}$"}
    ),
)
COMMON_FILTERS = (
    _query("kind", "Only this kind.", _choice(Kind)),
    _query("name", "The exact name, a prefix (`report*`), a suffix (`*stock`) or a part (`*stock*`). Case is ignored."),
    _query("tag", "Only those with this tag."),
)
_CREATED_BY = _query("scheduled_task_id", "Only tasks created by this scheduled task.")
_SORT = _query(
    "sort",
    "The order: `created`, newest first; or `finished`, newest finish first, of tasks that have finished.",
    {"type": "string", "enum": ["created", "finished"], "default": "created"},
)
EVENT_FILTERS = (
    _query("status", "Only this status.", _choice(Status)),
    _query("task_type", "Only this type.", _choice(TaskType)),
    *COMMON_FILTERS,
)
TASK_FILTERS = (
    *EVENT_FILTERS,
    _query("error_type", "Only tasks that failed with this `error.type`."),
    _query("fingerprint", "Only tasks that failed with this `fingerprint` of GET /api/tasks/errors."),
    _query("created_after", "Created at this time or later.", _TIME),
    _query("created_before", "Created before this time.", _TIME),
)
SCHEDULE_FILTERS = (
    _query("status", "Only this status.", _choice(ScheduleStatus)),
    *COMMON_FILTERS,
    _query("last_outcome", "Only those whose last finished task ended with this status.", _choice(FINISHES)),
)
SCHEDULE_SORT = _query(
    "sort",
    "The order: `created`, newest first; or `next_run`, earliest next firing first, of those that fire again.",
    {**_choice(ScheduleOrder), "default": "created"},
)
SCHEDULE_PAGING = (
    PAGING[0],
    _query(
        "cursor",
        "`next_cursor` of the previous page, which was read in the same order.",
        {"type": "string", "pattern": r"^[0-9]{1,16}(\.[0-9a-f]{32})?$"},
    ),
)

# --- examples --------------------------------------------------------------------------------------

_EVERY_NIGHT = {"cron_expression": "0 3 * * *", "timezone": "Europe/Berlin"}
_WHEN: dict[str, dict[str, Any]] = {
    "immediate": {},
    "delayed": {"task_type": "delayed", "delay_seconds": 60},
    "scheduled": {"task_type": "scheduled", **_EVERY_NIGHT},
}
TASK_EXAMPLES = {
    **{f"{kind}, {name}": {**row.example, **when} for kind, row in KINDS.items() for name, when in _WHEN.items()},
    "code, with a callback": {
        **KINDS[Kind.CODE].example,
        "callback_url": "https://example.com/told",
        "callback_on": ["failed", "stopped"],
    },
}
SCHEDULE_EXAMPLES = {str(kind): {**row.example, **_EVERY_NIGHT} for kind, row in KINDS.items()}
CHANGE_EXAMPLES = {"a name and tags": {"name": "sum of two", "tags": ["math"]}}
BULK_EXAMPLES: dict[str, Any] = {
    "retry what failed": {
        "action": "retry",
        "filter": {"status": "failed", "created_after": "2026-11-23T00:00:00Z"},
        "changes": {"timeout": 60},
    },
    "count what would be deleted": {"action": "delete", "filter": {"tag": "trial"}, "dry_run": True},
    "pause scheduled tasks": {"of": "scheduled-tasks", "action": "pause", "filter": {"name": "report*"}},
}
PREVIEW_EXAMPLES = {"on weekdays": {"cron_expression": "30 8 * * 1-5", "timezone": "Europe/Berlin", "count": 3}}

# --- the table -------------------------------------------------------------------------------------

_TASK = Answer("The task.", "Task")
_SCHEDULE = Answer("The scheduled task.", "ScheduledTask")
_BULK = Answer("The bulk.", "Bulk")
_DELIVERY = Answer("The delivery.", "Delivery")
_GONE = Answer("Deleted.")
_HEALTHY = {
    200: Answer("All components are healthy.", "Health"),
    503: Answer("At least one component is unhealthy.", "Health", ("Retry-After",)),
}

TASKS = (
    Operation(
        "POST",
        "/api/tasks",
        "createTask",
        "Tasks",
        "Create a task",
        {
            201: Answer(
                "Created. With task_type scheduled: the scheduled task, as from POST /api/scheduled-tasks.",
                "TaskOrScheduledTask",
                CREATED,
            )
        },
        WRITING,
        "A code task has `function_code` and `function_name`; an API task has `api_url`. The task runs immediately, "
        "after `delay_seconds` or at `run_at` (`delayed`), or on a cron schedule (`scheduled`).",
        (PREFER, IDEMPOTENCY_KEY),
        ("TaskSpec",),
        TASK_EXAMPLES,
    ),
    Operation(
        "GET",
        "/api/tasks",
        "listTasks",
        "Tasks",
        "List tasks, newest first",
        {200: Answer("A page.", "TaskPage", ("Link",))},
        (*READING, 422),
        parameters=(*TASK_FILTERS, _CREATED_BY, _SORT, *PAGING),
    ),
    Operation(
        "GET",
        "/api/tasks/stats",
        "taskStats",
        "Tasks",
        "Counts and timings",
        {200: Answer("Current counts, and timings of the last hour.", "Stats")},
        (*READING, 422),
        "Equally fast with a thousand tasks and with a million.",
    ),
    Operation(
        "GET",
        "/api/tasks/export",
        "exportTasks",
        "Tasks",
        "Export all tasks that match, oldest first",
        {200: Answer("One task in each line, whole.", media_type="application/x-ndjson")},
        (*READING, 422),
        "Streamed. Tasks that are created during the export are left out, and so are those that are removed. Each "
        "API process serves two exports at once (503 `full` beyond that). If an error ends "
        "the export early, its last line is the problem document.",
        (*TASK_FILTERS, _CREATED_BY),
    ),
    Operation(
        "GET",
        "/api/tasks/upcoming",
        "listUpcoming",
        "Tasks",
        "List the waiting tasks that are due next",
        {200: Answer("The tasks, the earliest first.", "Upcoming")},
        (*READING, 422),
        parameters=(PAGING[0],),
    ),
    Operation(
        "GET",
        "/api/tasks/errors",
        "listErrors",
        "Tasks",
        "List failures, grouped by fingerprint",
        {200: Answer("The groups, the last failure first.", "ErrorGroups")},
        (*READING, 422),
        "Tasks that failed for good are counted by type, line, and message without numbers, ids and URLs. The 1,000 "
        "groups that failed last are kept, for 30 days after their last failure.",
        (_query("since", "Only groups that failed at this time or later.", _TIME), PAGING[0]),
    ),
    Operation(
        "GET",
        "/api/tasks/{task_id}",
        "getTask",
        "Tasks",
        "Get a task",
        {
            200: Answer("The task.", "Task", ("ETag", "Preference-Applied")),
            304: Answer("The task has not changed.", headers=("ETag", "Preference-Applied")),
        },
        (*READING, 404, 422),
        parameters=(TASK_ID, WAIT, PREFER, IF_NONE_MATCH),
    ),
    Operation(
        "PATCH",
        "/api/tasks/{task_id}",
        "changeTask",
        "Tasks",
        "Change a waiting task",
        {200: _TASK},
        (*WRITING, 404, 409),
        "Any field may be changed; null resets a field to its default. `delay_seconds` and `run_at` count from now.",
        (TASK_ID,),
        ("TaskChange",),
        {**CHANGE_EXAMPLES, "later": {"delay_seconds": 3600}},
    ),
    Operation(
        "DELETE",
        "/api/tasks/{task_id}",
        "deleteTask",
        "Tasks",
        "Delete a task, stopping it first if it has not finished",
        {204: _GONE},
        (*READING, 404, 409),
        parameters=(TASK_ID,),
    ),
    Operation(
        "POST",
        "/api/tasks/{task_id}/stop",
        "stopTask",
        "Tasks",
        "Stop a task before it starts or while it runs",
        {200: Answer("The stopped task.", "Task")},
        (*READING, 404, 409),
        parameters=(TASK_ID,),
    ),
    Operation(
        "POST",
        "/api/tasks/{task_id}/retry",
        "retryTask",
        "Tasks",
        "Run a finished task again",
        {201: Answer("The new task; `retry_of` is the id of the first.", "Task", CREATED)},
        (*WRITING, 404, 409),
        "Creates a task with the same spec, due now. The body may change fields, as PATCH does; an empty one "
        "changes nothing, and none is needed.",
        (TASK_ID, PREFER, IDEMPOTENCY_KEY),
        ("TaskChange",),
        {"the same": {}, "with another timeout": {"timeout": 300}, "later": {"delay_seconds": 3600}},
        needs_body=False,
    ),
    Operation(
        "POST",
        "/api/tasks/batch",
        "createTasks",
        "Tasks",
        "Create up to 1,000 tasks",
        {
            201: Answer("All are created.", "Batch", ("Idempotency-Replayed",)),
            200: Answer('With `"atomic": false`: what became of each.', "BatchOutcome", ("Idempotency-Replayed",)),
        },
        WRITING,
        "All tasks are created, or none, and a 422 names every wrong field of every task (`tasks.3.timeout`). With "
        '`"atomic": false`, the valid ones are created, and each item answers for itself. Scheduled tasks are refused.',
        (IDEMPOTENCY_KEY,),
        ("BatchSpec",),
        {"one of each kind": {"tasks": [row.example for row in KINDS.values()]}},
    ),
)

LAST_EVENT_ID = _parameter(
    "header",
    "Last-Event-ID",
    "The last `id` that was received, with an event or alone: the stream goes on after it. Text of another form is "
    "ignored.",
    {"type": "string", "maxLength": MAX_FILTER_LENGTH},
)
_STREAM_HEADERS = ("Cache-Control", "X-Accel-Buffering")
EVENTS = (
    Operation(
        "GET",
        "/api/events",
        "streamEvents",
        "Tasks",
        "Stream all changes of status, as Server-Sent Events",
        {
            200: Answer(
                "The stream. It ends after 15 minutes; connect again.", None, _STREAM_HEADERS, "text/event-stream"
            )
        },
        (*READING, 422),
        "An event `status` for each change, with the data of `StatusEvent`; an event `reset` where changes may have "
        "been missed, after which a client lists the tasks again; a comment after 15 s without an event. The status "
        "filter selects by the new status.",
        (*EVENT_FILTERS, _CREATED_BY, LAST_EVENT_ID),
    ),
    Operation(
        "GET",
        "/api/tasks/{task_id}/events",
        "streamTaskEvents",
        "Tasks",
        "Stream a task's changes of status and its output, as Server-Sent Events",
        {
            200: Answer("The stream. It ends when the task has finished.", None, _STREAM_HEADERS, "text/event-stream"),
            204: Answer("The task has finished and every event was received: an `EventSource` stops reconnecting."),
        },
        (*READING, 404, 422),
        "An event `status` for each change, from the creation on, with the data of `Change`; an event `stdout` for "
        "each piece of output as it is printed, with the data of `OutputPiece`; a comment after 15 s without an event. "
        "The output is that of the current or last attempt.",
        (TASK_ID, LAST_EVENT_ID),
    ),
)

SCHEDULED_TASKS = (
    Operation(
        "POST",
        "/api/scheduled-tasks",
        "createScheduledTask",
        "Scheduled tasks",
        "Create a scheduled task",
        {201: Answer("Created.", "ScheduledTask", ("Location", "Idempotency-Replayed"))},
        WRITING,
        "Each firing of the cron expression creates one task.",
        (IDEMPOTENCY_KEY,),
        body=("ScheduleSpec",),
        examples=SCHEDULE_EXAMPLES,
    ),
    Operation(
        "GET",
        "/api/scheduled-tasks",
        "listScheduledTasks",
        "Scheduled tasks",
        "List scheduled tasks, newest first or by their next firing",
        {200: Answer("A page.", "ScheduledTaskPage", ("Link",))},
        (*READING, 422),
        "By their next firing, one that fires while pages are read may be listed again: its next firing is later.",
        parameters=(*SCHEDULE_FILTERS, SCHEDULE_SORT, *SCHEDULE_PAGING),
    ),
    Operation(
        "GET",
        "/api/scheduled-tasks/{schedule_id}",
        "getScheduledTask",
        "Scheduled tasks",
        "Get a scheduled task",
        {200: _SCHEDULE},
        (*READING, 404),
        parameters=(SCHEDULE_ID,),
    ),
    Operation(
        "PATCH",
        "/api/scheduled-tasks/{schedule_id}",
        "changeScheduledTask",
        "Scheduled tasks",
        "Change a scheduled task",
        {200: _SCHEDULE},
        (*WRITING, 404, 409),
        "Any field may be changed; null resets it to its default. A new cron expression or timezone counts from now.",
        (SCHEDULE_ID,),
        ("ScheduleChange",),
        {**CHANGE_EXAMPLES, "at another hour": {"cron_expression": "0 4 * * *"}},
    ),
    Operation(
        "PUT",
        "/api/scheduled-tasks/by-key/{key}",
        "putScheduledTask",
        "Scheduled tasks",
        "Create a scheduled task by key, or update it to match the body",
        {200: Answer("Changed.", "ScheduledTask"), 201: Answer("Created.", "ScheduledTask", ("Location",))},
        (*WRITING, 409),
        "For schedules that are kept in a repository and applied repeatedly.",
        (KEY,),
        ("ScheduleSpec",),
        SCHEDULE_EXAMPLES,
    ),
    Operation(
        "GET",
        "/api/scheduled-tasks/{schedule_id}/tasks",
        "listTasksOfScheduledTask",
        "Scheduled tasks",
        "List the tasks it created, newest first",
        {200: Answer("A page.", "TaskPage", ("Link",))},
        (*READING, 404, 422),
        parameters=(SCHEDULE_ID, *TASK_FILTERS, _SORT, *PAGING),
    ),
    Operation(
        "GET",
        "/api/scheduled-tasks/{schedule_id}/firings",
        "listFirings",
        "Scheduled tasks",
        "List its firings and their outcomes, newest first",
        {200: Answer("A page.", "FiringPage", ("Link",))},
        (*READING, 404, 422),
        parameters=(SCHEDULE_ID, *PAGING),
    ),
    Operation(
        "DELETE",
        "/api/scheduled-tasks/{schedule_id}",
        "deleteScheduledTask",
        "Scheduled tasks",
        "Delete a scheduled task but keep the tasks it created",
        {204: _GONE},
        (*READING, 404),
        parameters=(SCHEDULE_ID,),
    ),
    Operation(
        "POST",
        "/api/scheduled-tasks/{schedule_id}/pause",
        "pauseScheduledTask",
        "Scheduled tasks",
        "Pause a scheduled task until it is resumed",
        {200: _SCHEDULE},
        (*READING, 404, 409),
        "Firings missed while paused are not made up for. Pausing a paused scheduled task changes nothing.",
        (SCHEDULE_ID,),
    ),
    Operation(
        "POST",
        "/api/scheduled-tasks/{schedule_id}/resume",
        "resumeScheduledTask",
        "Scheduled tasks",
        "Resume a paused scheduled task from now on",
        {200: _SCHEDULE},
        (*READING, 404, 409),
        parameters=(SCHEDULE_ID,),
    ),
    Operation(
        "POST",
        "/api/scheduled-tasks/{schedule_id}/run",
        "runScheduledTask",
        "Scheduled tasks",
        "Run it once now, in addition to its schedule",
        {201: Answer("The created task.", "Task", CREATED)},
        (*READING, 404, 422),
        parameters=(SCHEDULE_ID, PREFER, IDEMPOTENCY_KEY),
    ),
    Operation(
        "POST",
        "/api/cron/preview",
        "previewCron",
        "Scheduled tasks",
        "Describe a cron expression and list its next firings",
        {200: Answer("The description and the next firings. Nothing was created.", "Preview")},
        WRITING,
        body=("PreviewSpec",),
        examples=PREVIEW_EXAMPLES,
    ),
)

_CHANNEL = Answer("The channel, without its secrets.", "Channel")
CHANNEL_NAME = _parameter(
    "path",
    "name",
    "The channel's name.",
    {"type": "string", "minLength": 1, "maxLength": short_names.MAX_CHARACTERS, "pattern": short_names.PATTERN},
)
CHANNEL_EXAMPLES: dict[str, Any] = {
    "Slack": {"kind": "slack", "url": "https://hooks.slack.com/services/T000/B000/XXXX"},
    "DingTalk, signed": {
        "kind": "dingtalk",
        "url": "https://oapi.dingtalk.com/robot/send?access_token=XXXX",
        "secret": "SECXXXX",
        "language": "zh",
    },
    "mail": {
        "kind": "email",
        "url": "smtps://mail.example:465",
        "username": "celeriac",
        "secret": "password",
        "sender": "celeriac@mail.example",
        "to": ["ops@mail.example"],
    },
}
CHANNELS = (
    Operation(
        "GET",
        "/api/channels",
        "listChannels",
        "Channels",
        "List the channels",
        {200: Answer("The channels, by name.", "ChannelList")},
        (*READING, 422),
        "Where notices go. Needs a key of scope `admin`, like all operations on channels.",
    ),
    Operation(
        "GET",
        "/api/channels/{name}",
        "getChannel",
        "Channels",
        "Get a channel",
        {200: _CHANNEL},
        (*READING, 404),
        parameters=(CHANNEL_NAME,),
    ),
    Operation(
        "PUT",
        "/api/channels/{name}",
        "putChannel",
        "Channels",
        "Create a channel, or replace it",
        {200: Answer("Replaced.", "Channel"), 201: Answer("Created.", "Channel", ("Location",))},
        (*WRITING, 409),
        "Secrets are never read back: responses show `***` instead, and a body that has `***` keeps them.",
        (CHANNEL_NAME,),
        tuple(model.__name__ for model in CHANNEL_MODELS),
        CHANNEL_EXAMPLES,
    ),
    Operation(
        "PATCH",
        "/api/channels/{name}",
        "changeChannel",
        "Channels",
        "Change a channel",
        {200: _CHANNEL},
        (*WRITING, 404, 409),
        "Fields that are left out stay as they are, secrets too; null resets a field to its default.",
        (CHANNEL_NAME,),
        ("ChannelChange",),
        {"a new secret": {"secret": "SECYYYY"}},
    ),
    Operation(
        "DELETE",
        "/api/channels/{name}",
        "deleteChannel",
        "Channels",
        "Delete a channel",
        {204: _GONE},
        (*READING, 404, 409),
        "Notices that have not been delivered to it fail.",
        (CHANNEL_NAME,),
    ),
    Operation(
        "POST",
        "/api/channels/{name}/test",
        "testChannel",
        "Channels",
        "Send a test notice to a channel",
        {202: Answer("It is sent as soon as possible.", "Delivery", ("Location",))},
        (*READING, 404),
        "What becomes of it is in the delivery, to which `Location` leads.",
        (CHANNEL_NAME,),
    ),
)

SERVICE = (
    Operation(
        "GET",
        "/api/audit",
        "listAudit",
        "Service",
        "List the changes that callers made, newest first",
        {200: Answer("A page.", "AuditPage", ("Link",))},
        (*READING, 422),
        "Who changed what, when and from where, of the newest 10,000 changes. Needs a key of scope `admin`. A page may "
        "be short although `next_cursor` is set.",
        (
            _query("who", "Only changes by this caller."),
            _query("target_id", "Only changes of what has this id, key or name."),
            *AUDIT_PAGING,
        ),
    ),
    Operation(
        "GET",
        "/health",
        "health",
        "Service",
        "Health of the service and of each component",
        _HEALTHY,
        ALWAYS,
    ),
    Operation("GET", "/api/health", "apiHealth", "Service", "The same as /health", _HEALTHY, (*ALWAYS, 406)),
    Operation(
        "GET",
        "/health/live",
        "live",
        "Service",
        "Liveness: 200 while the process serves requests",
        {200: Answer("Alive.", "Readiness")},
        OPEN,
        is_open=True,
    ),
    Operation(
        "GET",
        "/health/ready",
        "ready",
        "Service",
        "Readiness: 200 if an accepted task would run",
        {200: Answer("Ready.", "Readiness"), 503: Answer("Not ready.", "Readiness", ("Retry-After",))},
        OPEN,
        "Redis takes writes, its data has the form of this version, and each queue has a worker that fetches. A "
        "service without a beat is ready, and so is one that is full and refuses new tasks.",
        is_open=True,
    ),
    Operation(
        "GET",
        "/metrics",
        "metrics",
        "Service",
        "Figures for Prometheus",
        {200: Answer("Text, or OpenMetrics if `Accept` asks for it.", media_type="text/plain")},
        (401, 403, 414, 431, 500),
        "The figures are about the whole service, whichever process answers. Calls do not count for rate limits.",
    ),
    Operation(
        "GET",
        "/api/workers",
        "listWorkers",
        "Service",
        "List the workers that are online",
        {200: Answer("The workers, by hostname, and the attempts that each runs.", "Workers")},
        (*READING, 422),
    ),
    Operation(
        "GET",
        "/api/whoami",
        "whoAmI",
        "Service",
        "Tell who the caller is",
        {200: Answer("The name of the caller's key, and what it may do.", "WhoAmI")},
        (*READING, 422),
    ),
    Operation(
        "GET",
        "/openapi.json",
        "openapi",
        "Service",
        "This document",
        {200: Answer("OpenAPI 3.1.", "OpenAPI")},
        (*ALWAYS, 503),
    ),
    Operation(
        "GET",
        "/docs",
        "docs",
        "Service",
        "This document as a page",
        {200: Answer("A page.", media_type="text/html")},
        OPEN,
        is_open=True,
    ),
    Operation(
        "GET",
        "/",
        "console",
        "Service",
        "The web console",
        {200: Answer("A page.", media_type="text/html")},
        OPEN,
        is_open=True,
    ),
)

BULKS = (
    Operation(
        "POST",
        "/api/bulk",
        "createBulk",
        "Bulks",
        "Retry, stop or delete all tasks that match; or pause, resume, delete or run scheduled tasks",
        {
            200: Answer("With dry_run: how many match. Nothing was done.", "BulkCount"),
            202: Answer("It has begun.", "Bulk", ("Location", "Idempotency-Replayed")),
        },
        (*WRITING, 404),
        "What matches is settled when the bulk is created; tasks that come later are not touched. It is worked off in "
        "the background, and goes on after a restart.",
        (IDEMPOTENCY_KEY,),
        ("BulkSpec",),
        BULK_EXAMPLES,
    ),
    Operation(
        "GET",
        "/api/bulk",
        "listBulks",
        "Bulks",
        "List the last 100 bulks, newest first",
        {200: Answer("The bulks.", "BulkList")},
        (*READING, 422),
    ),
    Operation(
        "GET",
        "/api/bulk/{bulk_id}",
        "getBulk",
        "Bulks",
        "Get a bulk and its progress",
        {200: Answer("The bulk.", "Bulk", ("Preference-Applied",))},
        (*READING, 404, 422),
        parameters=(BULK_ID, BULK_WAIT, PREFER),
    ),
    Operation(
        "POST",
        "/api/bulk/{bulk_id}/abort",
        "abortBulk",
        "Bulks",
        "End a bulk where it stands",
        {200: _BULK},
        (*READING, 404),
        "What is done stays done. A bulk that has ended stays as it is.",
        (BULK_ID,),
    ),
)

DELIVERIES = (
    Operation(
        "GET",
        "/api/deliveries",
        "listDeliveries",
        "Deliveries",
        "List callbacks and notices, newest first",
        {200: Answer("A page.", "DeliveryPage", ("Link",))},
        (*READING, 422),
        parameters=(
            _query("task_id", "Only those about this task."),
            _query("scheduled_task_id", "Only those about this scheduled task, or a task that it created."),
            _query("channel", "Only those to this channel."),
            _query("status", "Only this status.", _choice(DeliveryStatus)),
            *PAGING,
        ),
    ),
    Operation(
        "GET",
        "/api/deliveries/{delivery_id}",
        "getDelivery",
        "Deliveries",
        "Get a delivery and its tries",
        {200: _DELIVERY},
        (*READING, 404),
        parameters=(DELIVERY_ID,),
    ),
    Operation(
        "POST",
        "/api/deliveries/{delivery_id}/replay",
        "replayDelivery",
        "Deliveries",
        "Send a delivery again",
        {202: Answer("It is sent as soon as possible.", "Delivery")},
        (*READING, 404, 409),
        "It keeps its `webhook-id` and gets all its tries again; each is signed with the current secrets. A pending "
        "delivery is tried at once. If its task was deleted after the delivery ended, the answer is 409.",
        (DELIVERY_ID,),
    ),
)

OPERATIONS = (*TASKS, *EVENTS, *SCHEDULED_TASKS, *BULKS, *DELIVERIES, *CHANNELS, *SERVICE)
