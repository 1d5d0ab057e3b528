"""Every call of the service, as data: the OpenAPI document is this table and the models.

A test holds it against the routes that exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.api.parsing import DEFAULT_LIMIT, MAX_FILTER_LENGTH, MAX_LIMIT, MAX_WAIT_SECONDS
from app.domain.idempotency import MAX_KEY_LENGTH
from app.domain.kinds import KINDS
from app.domain.status import Kind, ScheduleStatus, Status, TaskType

Schema = dict[str, Any]

#: A request with these may be refused before the call itself is looked at.
ALWAYS = (401, 403, 500)
READING = (*ALWAYS, 406, 503)
WRITING = (*READING, 400, 413, 415, 422)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is not an error. `model` is a name in the document's schemas."""

    description: str
    model: str | None = None
    headers: tuple[str, ...] = ()
    media_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `body` names the models it takes, any of them."""

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
    is_open: bool = False  # answered without a key


# --- parameters ------------------------------------------------------------------------------------


def _parameter(place: str, name: str, description: str, schema: Schema) -> Schema:
    return {"name": name, "in": place, "description": description, "schema": schema, "required": place == "path"}


def _query(name: str, description: str, schema: Schema | None = None) -> Schema:
    return _parameter("query", name, description, schema or {"type": "string", "maxLength": MAX_FILTER_LENGTH})


def _choice(choices: Any) -> Schema:
    return {"type": "string", "enum": [str(choice) for choice in choices]}


_TIME: Schema = {"type": "string", "format": "date-time"}
_WAIT: Schema = {"type": "number", "minimum": 0, "maximum": MAX_WAIT_SECONDS}
_LIMIT: Schema = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
_UUID: Schema = {"type": "string", "format": "uuid"}

TASK_ID = _parameter("path", "task_id", "The task's id.", _UUID)
KEY = _parameter("path", "key", "A name of your own for it.", {"type": "string", "minLength": 1, "maxLength": 200})
SCHEDULE_ID = _parameter("path", "schedule_id", "The scheduled task's id.", _UUID)
PREFER = _parameter(
    "header",
    "Prefer",
    f"`wait=N` (RFC 7240), N at most {MAX_WAIT_SECONDS}: the answer is held until the task is finished or N "
    "seconds are over, and is the task as it then stands. Where very many are held, it comes at once.",
    {"type": "string", "examples": ["wait=10"]},
)
IDEMPOTENCY_KEY = _parameter(
    "header",
    "Idempotency-Key",
    "Of your choice, for this request alone. The same key with the same body within 24 hours creates nothing and "
    "gives the first answer again, with `Idempotency-Replayed: true`; with another body it is refused (`key-reused`).",
    {"type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH, "pattern": r"^[\x21-\x7e]+$"},
)
WAIT = _query("wait", "Seconds to hold the answer until the task is finished; wins over `Prefer`.", _WAIT)
PAGING = (
    _query("limit", "Items on a page at most. Under a filter that matches rarely a page may hold fewer.", _LIMIT),
    _query("cursor", "`next_cursor` of the page before."),
)
COMMON_FILTERS = (
    _query("kind", "What they do.", _choice(Kind)),
    _query("name", "The exact name, or with `*` at its end a prefix: `report*`."),
    _query("tag", "One of their tags."),
)
_CREATED_BY = _query("scheduled_task_id", "The scheduled task that created them.", _UUID)
TASK_FILTERS = (
    _query("status", "Where they stand.", _choice(Status)),
    _query("task_type", "When they run.", _choice(TaskType)),
    *COMMON_FILTERS,
    _query("created_after", "Created at this time or later.", _TIME),
    _query("created_before", "Created before this time.", _TIME),
)
SCHEDULE_FILTERS = (_query("status", "Where they stand.", _choice(ScheduleStatus)), *COMMON_FILTERS)

# --- examples --------------------------------------------------------------------------------------

_EVERY_NIGHT = {"cron_expression": "0 3 * * *", "timezone": "Europe/Berlin"}
_WHEN: dict[str, dict[str, Any]] = {
    "immediate": {},
    "delayed": {"task_type": "delayed", "delay_seconds": 60},
    "scheduled": {"task_type": "scheduled", **_EVERY_NIGHT},
}
TASK_EXAMPLES = {
    f"{kind}, {name}": {**row.example, **when} for kind, row in KINDS.items() for name, when in _WHEN.items()
}
SCHEDULE_EXAMPLES = {str(kind): {**row.example, **_EVERY_NIGHT} for kind, row in KINDS.items()}
CHANGE_EXAMPLES = {"a name and tags": {"name": "sum of two", "tags": ["math"]}}
PREVIEW_EXAMPLES = {"on weekdays": {"cron_expression": "30 8 * * 1-5", "timezone": "Europe/Berlin", "count": 3}}

# --- the table -------------------------------------------------------------------------------------

_TASK = Answer("The task.", "Task")
_SCHEDULE = Answer("The scheduled task.", "ScheduledTask")
_GONE = Answer("It is gone.")
_HEALTHY = {
    200: Answer("All parts are there.", "Health"),
    503: Answer("Something is missing.", "Health", ("Retry-After",)),
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
                "Created. With task_type scheduled: the scheduled task, as by POST /api/scheduled-tasks.",
                "TaskOrScheduledTask",
                ("Location", "Preference-Applied", "Idempotency-Replayed"),
            )
        },
        WRITING,
        "A code task has `function_code` and `function_name`, an API task `api_url`. It runs at once, after "
        "`delay_seconds` or at `run_at` (`delayed`), or on a cron (`scheduled`).",
        (PREFER, IDEMPOTENCY_KEY),
        ("TaskSpec", "ScheduleSpec"),
        TASK_EXAMPLES,
    ),
    Operation(
        "GET",
        "/api/tasks",
        "listTasks",
        "Tasks",
        "List tasks, the newest first",
        {200: Answer("A page.", "TaskPage")},
        (*READING, 422),
        parameters=(*TASK_FILTERS, _CREATED_BY, *PAGING),
    ),
    Operation(
        "GET",
        "/api/tasks/stats",
        "taskStats",
        "Tasks",
        "Counts and timings",
        {200: Answer("Counts of now, timings of the last hour.", "Stats")},
        READING,
        "Costs the same with a thousand tasks as with a million.",
    ),
    Operation(
        "GET",
        "/api/tasks/{task_id}",
        "getTask",
        "Tasks",
        "One task, whole",
        {200: _TASK},
        (*READING, 404, 422),
        parameters=(TASK_ID, WAIT, PREFER),
    ),
    Operation(
        "PATCH",
        "/api/tasks/{task_id}",
        "changeTask",
        "Tasks",
        "Change a waiting task",
        {200: _TASK},
        (*WRITING, 404, 409),
        "Any field of its spec; null gives a field its default. `delay_seconds` and `run_at` count from now.",
        (TASK_ID,),
        ("TaskChange",),
        {**CHANGE_EXAMPLES, "later": {"delay_seconds": 3600}},
    ),
    Operation(
        "DELETE",
        "/api/tasks/{task_id}",
        "deleteTask",
        "Tasks",
        "Stop it if it is not finished, and remove every trace of it",
        {204: _GONE},
        (*READING, 404, 409),
        parameters=(TASK_ID,),
    ),
    Operation(
        "POST",
        "/api/tasks/{task_id}/stop",
        "stopTask",
        "Tasks",
        "Never let it start, or end it while it runs",
        {200: Answer("It is stopped.", "Task")},
        (*READING, 404, 409),
        parameters=(TASK_ID,),
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
        "List scheduled tasks, the newest first",
        {200: Answer("A page.", "ScheduledTaskPage")},
        (*READING, 422),
        parameters=(*SCHEDULE_FILTERS, *PAGING),
    ),
    Operation(
        "GET",
        "/api/scheduled-tasks/{schedule_id}",
        "getScheduledTask",
        "Scheduled tasks",
        "One scheduled task, whole",
        {200: _SCHEDULE},
        (*READING, 404),
        parameters=(SCHEDULE_ID,),
    ),
    Operation(
        "PATCH",
        "/api/scheduled-tasks/{schedule_id}",
        "changeScheduledTask",
        "Scheduled tasks",
        "Change any field",
        {200: _SCHEDULE},
        (*WRITING, 404, 409),
        "A changed cron expression or timezone counts from now; null gives a field its default.",
        (SCHEDULE_ID,),
        ("ScheduleChange",),
        {**CHANGE_EXAMPLES, "at another hour": {"cron_expression": "0 4 * * *"}},
    ),
    Operation(
        "PUT",
        "/api/scheduled-tasks/by-key/{key}",
        "putScheduledTask",
        "Scheduled tasks",
        "Create it, or change it to this",
        {200: Answer("Changed.", "ScheduledTask"), 201: Answer("Created.", "ScheduledTask", ("Location",))},
        (*WRITING, 409),
        "For schedules kept in a repository and applied again and again.",
        (KEY,),
        ("ScheduleSpec",),
        SCHEDULE_EXAMPLES,
    ),
    Operation(
        "GET",
        "/api/scheduled-tasks/{schedule_id}/tasks",
        "listTasksOfScheduledTask",
        "Scheduled tasks",
        "The tasks it created, the newest first",
        {200: Answer("A page.", "TaskPage")},
        (*READING, 404, 422),
        parameters=(SCHEDULE_ID, *TASK_FILTERS, *PAGING),
    ),
    Operation(
        "GET",
        "/api/scheduled-tasks/{schedule_id}/firings",
        "listFirings",
        "Scheduled tasks",
        "What became of its firings, the newest first",
        {200: Answer("A page.", "FiringPage")},
        (*READING, 404, 422),
        parameters=(SCHEDULE_ID, *PAGING),
    ),
    Operation(
        "DELETE",
        "/api/scheduled-tasks/{schedule_id}",
        "deleteScheduledTask",
        "Scheduled tasks",
        "Remove it; the tasks that it created stay",
        {204: _GONE},
        (*READING, 404),
        parameters=(SCHEDULE_ID,),
    ),
    Operation(
        "POST",
        "/api/scheduled-tasks/{schedule_id}/pause",
        "pauseScheduledTask",
        "Scheduled tasks",
        "No firing until it is resumed",
        {200: _SCHEDULE},
        (*READING, 404, 409),
        "What is missed meanwhile is not caught up. Pausing a paused one changes nothing.",
        (SCHEDULE_ID,),
    ),
    Operation(
        "POST",
        "/api/scheduled-tasks/{schedule_id}/resume",
        "resumeScheduledTask",
        "Scheduled tasks",
        "Fire again, from now on",
        {200: _SCHEDULE},
        (*READING, 404, 409),
        parameters=(SCHEDULE_ID,),
    ),
    Operation(
        "POST",
        "/api/scheduled-tasks/{schedule_id}/run",
        "runScheduledTask",
        "Scheduled tasks",
        "One firing now, beside the schedule",
        {201: Answer("The task it created.", "Task", ("Location", "Idempotency-Replayed"))},
        (*READING, 404, 422),
        parameters=(SCHEDULE_ID, IDEMPOTENCY_KEY),
    ),
    Operation(
        "POST",
        "/api/cron/preview",
        "previewCron",
        "Scheduled tasks",
        "A cron expression in words, and its next firings",
        {200: Answer("Nothing was created.", "Preview")},
        WRITING,
        body=("PreviewSpec",),
        examples=PREVIEW_EXAMPLES,
    ),
)

SERVICE = (
    Operation(
        "GET",
        "/health",
        "health",
        "Service",
        "Whether all parts are there, and each of them",
        _HEALTHY,
        ALWAYS,
    ),
    Operation("GET", "/api/health", "apiHealth", "Service", "The same as /health", _HEALTHY, (*ALWAYS, 406)),
    Operation(
        "GET",
        "/health/live",
        "live",
        "Service",
        "200 as long as the process serves",
        {200: Answer("It serves.", "Readiness")},
        (403, 500),
        is_open=True,
    ),
    Operation(
        "GET",
        "/health/ready",
        "ready",
        "Service",
        "200 when a created task would run",
        {200: Answer("It would.", "Readiness"), 503: Answer("It would not.", "Readiness", ("Retry-After",))},
        (403, 500),
        is_open=True,
    ),
    Operation(
        "GET",
        "/openapi.json",
        "openapi",
        "Service",
        "This document",
        {200: Answer("OpenAPI 3.1.", "OpenAPI")},
        ALWAYS,
    ),
    Operation(
        "GET",
        "/docs",
        "docs",
        "Service",
        "This document as a page",
        {200: Answer("A page.", media_type="text/html")},
        (403, 500),
        is_open=True,
    ),
    Operation(
        "GET",
        "/",
        "console",
        "Service",
        "The web console",
        {200: Answer("A page.", media_type="text/html")},
        (403, 500),
        is_open=True,
    ),
)

OPERATIONS = (*TASKS, *SCHEDULED_TASKS, *SERVICE)
