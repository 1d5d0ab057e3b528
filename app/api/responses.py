"""Response models. They serialize the responses, and the OpenAPI document is generated from them.

Fields of a spec are taken from their declarations (app/domain/spec.py, app/domain/kinds).
"""

from __future__ import annotations

import operator
from functools import reduce
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SkipValidation, create_model

from app.domain.annotations import bare, without_none
from app.domain.bulk import BulkStatus, Of
from app.domain.channels import CHANNEL_KINDS
from app.domain.checks import Number
from app.domain.deliveries import TRIES_KEPT, DeliveryStatus
from app.domain.fields import Kept, names_kept, secret_names
from app.domain.kinds import KINDS, KindSpec
from app.domain.kinds.kind import Absent
from app.domain.kinds.kind import sometimes as _sometimes
from app.domain.spec import CommonFields, ScheduleSpec
from app.domain.status import Kind, ScheduleStatus, Status, TaskType
from app.store.bulk import MOST_KEPT
from app.store.firings import OUTCOMES
from app.store.heartbeats import MAX_WORKERS
from app.store.record import ATTEMPTS_KEPT, HISTORY_LENGTH
from app.usecases.deliveries import TOLD

Time = Annotated[
    str,
    Field(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
        description="RFC 3339, UTC, milliseconds.",
        examples=["2026-11-23T08:30:00.000Z"],
        json_schema_extra={"format": "date-time"},
    ),
]
Id = Annotated[
    str,
    Field(
        pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$",
        description="A UUIDv7. Ids sort by creation time.",
        examples=["0198f3c2-5c1e-7a3b-9f21-3d0c8e6b1a42"],
        json_schema_extra={"format": "uuid"},
    ),
]
Milliseconds = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
NextCursor = Annotated[
    str | None, Field(description="Pass it as `cursor` to get the next page; null on the last page.")
]


ChannelKindName: Any = Literal[tuple(CHANNEL_KINDS)]
FiringOutcome: Any = Literal[OUTCOMES]


class Model(BaseModel):
    """Base of all responses: only the described members are present."""

    model_config = ConfigDict(extra="forbid")


def _response_field(model: type[BaseModel], name: str, *, is_present: bool = False) -> Any:
    """A spec field as a response contains it: always present, with its declared type and description.

    `is_present`: the field is never null. Request bounds are omitted, since responses return stored values as they are.
    """
    field = model.model_fields[name]
    annotation = bare(field.annotation)
    description = (field.description or "").removeprefix("Code: ").removeprefix("API: ")
    description = description[:1].upper() + description[1:]
    if name in secret_names(model):
        description += " Responses show `***` in place of each value."
    if annotation is float:
        annotation = Number
    elif annotation == float | None:
        annotation = Number | None
    return (without_none(annotation) if is_present else annotation, Field(description=description))


_SUMMARY = ("name", "tags", "priority", "max_retries", "timeout")  # the common fields that lists show
_COMMON = {name: _response_field(CommonFields, name) for name in names_kept(CommonFields)}
_COMMON["alert"] = _response_field(ScheduleSpec, "alert")  # a task has the rule of its schedule


# --- tasks -----------------------------------------------------------------------------------------


class TaskError(Model):
    """The reason an attempt failed."""

    type: str = Field(
        description="The class name of the task's exception, or one of the service's own: TimeoutError, "
        "CpuLimitError, MemoryLimitError, OutputLimitError, ResultError, SecurityError, SyntaxError, HTTPStatusError, "
        "BodyError, ConnectionError, TLSError, TooManyRedirects, InvalidURL, BlockedAddressError, WorkerLostError, "
        "ExpiredError.",
        examples=["ZeroDivisionError"],
    )
    message: str = Field(examples=["division by zero"])
    line: int | None = Field(description="Line in the task's source, counted from 1.", examples=[2])
    traceback: str | None = Field(description="Covers the task's own source only.")


class ErrorSummary(Model):
    """Why a task failed, in brief."""

    type: str = Field(examples=["ZeroDivisionError"])
    message: str = Field(examples=["division by zero"])
    line: int | None = Field(description="Line of the task's own source, from 1.", examples=[2])


class Attempt(Model):
    """One execution of a task."""

    attempt: int = Field(ge=1, description="Counted from 1.")
    started_at: Time
    finished_at: Time | None
    duration_ms: Milliseconds | None
    worker: str | None = Field(examples=["code@host"])
    error: TaskError | None


class Change(Model):
    """A change of the task's status."""

    at: Time
    from_: Status | None = Field(alias="from", description="Null for the creation of the task.")
    to: Status
    who: str = Field(description="The actor: the API, a schedule, a bulk, a worker or a beat.", examples=["code@host"])
    why: str = Field(description="The reason for the change.", examples=["attempt 1 starts"])


class _TaskSummary(Model):
    id: Id
    task_type: TaskType = Field(description="When the task runs.")
    kind: Kind = Field(description="What the task does.")
    status: Status = Field(description="`succeeded`, `failed` and `stopped` are final.")
    scheduled_task_id: Id | None = Field(description="The scheduled task that created this task.")
    retry_of: Id | None = Field(description="The task that this task repeats.")
    created_at: Time
    due_at: Time
    queued_at: Time | None
    started_at: Time | None
    finished_at: Time | None
    duration_ms: Milliseconds | None = Field(description="Duration of the last attempt.", examples=[3.1])
    attempt: Count = Field(description="Number of the current or last attempt; 0 before the first attempt.")
    worker: str | None


def _of_its_kind(row: KindSpec, name: str) -> Any:
    annotation, field = _response_field(row.fields, name, is_present=True)
    described = f"Only tasks of the kind `{row.kind}` have it. {field.description}"
    return (annotation | Absent, _sometimes(described))


#: The fields that lists show of one kind of task only.
_SUMMARY_OF_KINDS = {name: _of_its_kind(row, name) for row in KINDS.values() for name in row.summary}


if TYPE_CHECKING:

    class TaskSummary(_TaskSummary):
        """A task as it appears in lists."""
else:
    TaskSummary = create_model(
        "TaskSummary",
        __base__=_TaskSummary,
        __doc__="A task as it appears in lists: without its result, its output and the body of its spec.",
        error=(ErrorSummary | None, Field()),
        **{name: _COMMON[name] for name in _SUMMARY},
        **_SUMMARY_OF_KINDS,
    )


class _WholeTask(_TaskSummary):
    error: TaskError | None
    stdout: str
    stdout_truncated: bool
    cpu_ms: Milliseconds | None
    memory_kb: Count | None
    attempts: list[Attempt] = Field(max_length=ATTEMPTS_KEPT, description=f"The last {ATTEMPTS_KEPT} attempts.")
    history: list[Change] = Field(
        max_length=HISTORY_LENGTH, description=f"The last {HISTORY_LENGTH} status changes, oldest first."
    )


def _spec_fields(row: KindSpec) -> dict[str, Any]:
    """The spec fields of a full task of one kind."""
    needed = (row.marker, *row.required)
    own = {name: _response_field(row.fields, name, is_present=name in needed) for name in row.own_fields}
    return {**_COMMON, **own}


#: Stored as JSON and written to the response unparsed (app/api/shapes.py).
_Unparsed: Any = SkipValidation


def _task_model(row: KindSpec) -> type[BaseModel]:
    fields = {
        **_spec_fields(row),
        "kind": (Literal[row.kind], Field()),
        "result": (_Unparsed[row.result], Field(description=row.result_description)),
    }
    return create_model(f"{row.noun}Task", __base__=_WholeTask, __doc__=f"A task of kind `{row.kind}`.", **fields)


#: kind -> model of a full task.
TASKS: dict[Kind, type[BaseModel]] = {kind: _task_model(row) for kind, row in KINDS.items()}


class TaskPage(Model):
    """A page of tasks, newest first."""

    items: list[TaskSummary]
    next_cursor: NextCursor


class Upcoming(Model):
    """The waiting tasks that are due next, the earliest first."""

    items: list[TaskSummary] = Field(max_length=200)


class ErrorGroup(Model):
    """Failures of the same kind: same type, line and message, but for the numbers, ids and URLs in it."""

    fingerprint: str = Field(pattern="^[0-9a-f]{16}$", description="A filter of GET /api/tasks.")
    type: str = Field(examples=["ValueError"])
    message: str = Field(description="Its first 300 characters, blanked.", examples=["no row <n> at <url>"])
    kind: Kind
    count: int = Field(ge=1, description="Failures since first_at, of deleted tasks too.")
    first_at: Time
    last_at: Time
    task_ids: list[Id] = Field(max_length=5, description="The newest of these tasks that are kept.")
    scheduled_task_ids: list[Id] = Field(max_length=5, description="The scheduled tasks that failed last.")


class ErrorGroups(Model):
    """Groups of failures, the last failure first."""

    items: list[ErrorGroup]


# --- scheduled tasks -------------------------------------------------------------------------------


class _ScheduledTaskSummary(Model):
    id: Id
    task_type: Literal[TaskType.SCHEDULED]
    kind: Kind
    status: ScheduleStatus = Field(description="`ended`: no firings remain.")
    cron_expression: str | None = Field(
        description="Either `cron_expression` or `every_seconds` is set.", examples=["0 3 * * *"]
    )
    every_seconds: int | None
    timezone: str = Field(examples=["Europe/Berlin"])
    created_at: Time
    updated_at: Time
    next_run_at: Time | None = Field(description="Null while the schedule is paused and after it has ended.")
    last_task_id: Id | None
    run_count: Count
    skipped_count: Count = Field(description="Firings skipped because the previous task was not finished.")
    missed_count: Count = Field(description="Firings missed while no beat was running.")
    last_outcome: Literal["succeeded", "failed", "stopped"] | None = Field(
        description="How the task of it that finished last has ended."
    )
    failure_streak: Count = Field(description="How many of its tasks in a row have failed, up to now.")
    succeeded_count: Count = Field(description="Its tasks that have succeeded.")
    failed_count: Count = Field(description="Its tasks that have failed.")
    key: str | None = Field(description="The key it was created with, by PUT …/by-key/{key}.")


if TYPE_CHECKING:

    class ScheduledTaskSummary(_ScheduledTaskSummary):
        """A scheduled task as it appears in lists."""
else:
    ScheduledTaskSummary = create_model(
        "ScheduledTaskSummary",
        __base__=_ScheduledTaskSummary,
        __doc__="A scheduled task as it appears in lists.",
        **{name: _COMMON[name] for name in _SUMMARY},
    )


class AlertState(Model):
    """What the alert rule of a scheduled task knows. Beat updates it about once a second."""

    told: list[Literal["failed", "stopped", "missed", "late", "silent"]] = Field(
        description="What the channels were told of and is not over."
    )
    last_told_at: Time | None = Field(description="When they were told something last.")
    last_success_at: Time | None


class _WholeSchedule(ScheduledTaskSummary):
    alert_state: AlertState | None = Field(description="Null if there is no alert rule, or nothing has happened yet.")
    next_runs: list[Time] = Field(
        max_length=5,
        description=(
            "The next five firings, or as many as max_runs leaves; empty while the schedule is paused and after it has "
            "ended."
        ),
    )


def _timing_fields() -> dict[str, Any]:
    own = set(names_kept(ScheduleSpec, Kept.TIMING)) - set(_ScheduledTaskSummary.model_fields)
    return {name: _response_field(ScheduleSpec, name) for name in names_kept(ScheduleSpec) if name in own}


def _schedule_model(row: KindSpec) -> type[BaseModel]:
    fields = {**_spec_fields(row), **_timing_fields(), "kind": (Literal[row.kind], Field())}
    doc = f"A scheduled task that creates tasks of kind `{row.kind}`."
    return create_model(f"Scheduled{row.noun}Task", __base__=_WholeSchedule, __doc__=doc, **fields)


#: kind -> model of a full scheduled task.
SCHEDULED_TASKS: dict[Kind, type[BaseModel]] = {kind: _schedule_model(row) for kind, row in KINDS.items()}


class ScheduledTaskPage(Model):
    """A page of scheduled tasks, newest first."""

    items: list[ScheduledTaskSummary]
    next_cursor: NextCursor


class StatusEvent(Change):
    """The data of an event `status` in the stream of all tasks."""

    task_id: Id
    name: str
    kind: Kind
    task_type: TaskType
    tags: list[str]
    scheduled_task_id: Id | None


class OutputPiece(Model):
    """The data of an event `stdout`."""

    task_id: Id
    text: str = Field(description="What the program printed since the previous piece.")


class Reset(Model):
    """The data of an event `reset`: list the tasks again."""

    reason: str


class Firing(Model):
    """The outcome of one firing."""

    at: Time
    outcome: FiringOutcome
    task_id: Id | None


class FiringPage(Model):
    """A page of firings, newest first."""

    items: list[Firing]
    next_cursor: NextCursor


class Preview(Model):
    """A cron expression in words, and its next firings."""

    description: str = Field(examples=["At 03:00"])
    next_runs: list[Time] = Field(max_length=100)


# --- bulks -----------------------------------------------------------------------------------------


class Bulk(Model):
    """An action on many tasks, or scheduled tasks."""

    id: Id
    of: Of
    action: Literal["retry", "stop", "delete", "pause", "resume", "run"]
    filter: dict[str, str] | None = Field(description="As it was given; null where ids were given.")
    status: BulkStatus = Field(description="completed: all that matched is done or failed.")
    matched: Count = Field(description="How many it acts on: settled when it was created.")
    done: Count = Field(description="How many it has acted on.")
    failed: Count = Field(description="Where the action was not possible: as the single call answers 404, 409 or 422.")
    created_at: Time
    finished_at: Time | None


class BulkList(Model):
    """The last 100 bulks, the newest first."""

    items: list[Bulk] = Field(max_length=MOST_KEPT)


class BulkCount(Model):
    """What a bulk would act on."""

    matched: Count


# --- deliveries ------------------------------------------------------------------------------------


class Try(Model):
    """One try of a delivery."""

    at: Time
    status: int | None = Field(description="Status code of the answer; null if there was none.", examples=[200])
    ms: Milliseconds = Field(description="How long it took.")
    error: str | None = Field(description="What went wrong; never a part of the answer.")


class DeliverySummary(Model):
    """A delivery as it appears in lists."""

    id: Id
    event_id: str = Field(description="The `webhook-id`: the same for every try.")
    type: str = Field(examples=["task.failed"])
    channel: str | None = Field(description="The name of the channel; null for a callback.")
    url: str | None = Field(description="Where a callback goes; null for a notice to a channel.")
    task_id: Id | None
    scheduled_task_id: Id | None
    status: DeliveryStatus
    tried: Count = Field(description="Tries since the delivery was created, or last sent again.")
    last_try: Try | None
    next_try_at: Time | None = Field(description="Null unless the delivery is pending.")
    created_at: Time
    finished_at: Time | None


class Delivery(DeliverySummary):
    """A message about a task to its callback URL, or to a channel."""

    tries: list[Try] = Field(max_length=TRIES_KEPT, description=f"The last {TRIES_KEPT} tries, oldest first.")


if TYPE_CHECKING:

    class FinishedTask(_TaskSummary):
        """A finished task, as a callback tells it."""
else:
    FinishedTask = create_model(
        "FinishedTask",
        __base__=_TaskSummary,
        __doc__="A finished task, as a callback tells it: without the body of its spec, its attempts and its history.",
        **{name: _COMMON[name] for name in TOLD},
        **_SUMMARY_OF_KINDS,
        error=(TaskError | None, Field()),
        stdout=(str, Field()),
        stdout_truncated=(bool, Field()),
        cpu_ms=(Milliseconds | None, Field()),
        memory_kb=(Count | None, Field()),
        result=(Any, Field(description="As in GET /api/tasks/{task_id}.")),
    )


class Callback(Model):
    """The body of a callback."""

    type: Literal["task.succeeded", "task.failed", "task.stopped"]
    timestamp: Time = Field(description="When the task finished.")
    data: FinishedTask


class DeliveryPage(Model):
    """A page of deliveries, newest first."""

    items: list[DeliverySummary]
    next_cursor: NextCursor


# --- the service -----------------------------------------------------------------------------------


class Percentiles(Model):
    """Percentiles in milliseconds; null if nothing was measured."""

    p50: Milliseconds | None
    p95: Milliseconds | None
    p99: Milliseconds | None


class Minute(Model):
    """Tasks that finished within one minute."""

    at: Time
    succeeded: Count
    failed: Count
    stopped: Count


class LastHour(Model):
    """Tasks that finished within the last 60 minutes."""

    finished: Count
    succeeded: Count
    failed: Count
    stopped: Count
    success_rate: float | None = Field(
        ge=0, le=1, description="Share of successes among the tasks that succeeded or failed."
    )
    duration_ms: Percentiles
    wait_ms: Percentiles = Field(description="Time from due to started.")
    per_minute: list[Minute] = Field(min_length=60, max_length=60, description="One entry per minute, oldest first.")


class Waiting(Model):
    """Tasks that are due in the future."""

    count: Count
    next_due_at: Time | None


class Stats(Model):
    """Current counts, and timings of the last hour."""

    total: Count
    by_status: dict[Status, Count]
    by_kind: dict[Kind, Count]
    by_task_type: dict[TaskType, Count]
    scheduled_tasks: dict[ScheduleStatus, Count]
    queues: dict[str, Count] = Field(description="Number of waiting messages in each queue.")
    queued_by_priority: dict[str, dict[str, Count]] = Field(
        description="The same by priority; priorities without a message are left out."
    )
    oldest_queued_at: dict[str, Time | None] = Field(
        description="When the task that has been in the queue for the longest time was queued."
    )
    waiting: Waiting
    last_hour: LastHour


class _Part(Model):
    status: Literal["ok", "down"]
    detail: str | Absent = _sometimes("Describes the problem; absent if there is none.")


class RedisMemory(Model):
    """The memory that Redis uses."""

    used_bytes: Count
    max_bytes: Count | None = Field(description="Its limit, beyond which it refuses writes; null for none.")


class RedisHealth(_Part):
    """Whether Redis responds and accepts writes."""

    round_trip_ms: Milliseconds | Absent = _sometimes("Present only if Redis responds.")
    warnings: list[str] | Absent = _sometimes(
        "Settings of this Redis that can lose tasks. Present only if Redis responds."
    )
    memory: RedisMemory | Absent = _sometimes("Present only if Redis responds.")


class WorkersHealth(_Part):
    """Whether each queue has a worker."""

    count: Count
    queues: dict[str, Count] = Field(description="Number of workers that serve each queue.")


class BeatHealth(_Part):
    """Whether schedules fire."""

    name: str | Absent = _sometimes(
        "Name of the beat that ticked last. Present only if it ticked within the last minute."
    )
    last_tick_at: Time | None
    lag_seconds: float | Absent = _sometimes(
        "How long the oldest due firing or delayed task has been waiting to be processed."
    )
    age_seconds: Annotated[float, Field(ge=0)] | Absent = _sometimes("Time since its last tick.")


class SandboxHealth(_Part):
    """State of each sandbox layer: "on", or the reason why it is off."""

    layers: dict[str, str]


class FormChange(Model):
    """How far a change of stored data by a new version is."""

    step: str
    done: Count = Field(description="Number of records that are done.")
    of: Count = Field(description="Approximate number of records.")


class DataHealth(_Part):
    """Whether this version can work on the data in Redis."""

    form: Count | Absent = _sometimes("Number of the form of the data. Present only if this version works on it.")
    change: FormChange | Absent = _sometimes("Present only while older data is brought to this form.")


class Health(Model):
    """Health of every component. Without Redis, the state of the others is unknown."""

    status: Literal["ok", "degraded"]
    version: str
    redis: RedisHealth
    workers: WorkersHealth | Absent = _sometimes("Present only if Redis responds.")
    beat: BeatHealth | Absent = _sometimes("Present only if Redis responds.")
    sandbox: SandboxHealth | Absent = _sometimes("Present only if Redis responds.")
    data: DataHealth | Absent = _sometimes("Present only if Redis responds.")


class Readiness(Model):
    """Readiness or liveness of the service."""

    status: Literal["ok", "unavailable"]


class WhoAmI(Model):
    """The caller of this request."""

    name: str = Field(description="The name of its key; `local` where no key is needed.")
    scope: Literal["read", "write", "admin"] = Field(description="What it may do.")
    needs_key: bool = Field(description="Whether calls need a key.")


class Channel(Model):
    """Where notices go, without its secrets. Which of the optional members it has depends on its kind."""

    name: str
    error: str | Absent = _sometimes(
        "Why this version can't use what is stored. The members of its kind are absent then: replace the channel."
    )
    kind: ChannelKindName | Absent = _sometimes("The kind of channel.")
    url: str | Absent = _sometimes("Of most kinds only the host: the rest is a secret.")
    language: Literal["en", "zh"] | Absent = _sometimes("The language of its messages.")
    secret: Literal["***"] | Absent | None = _sometimes("`***` if it is set, which may be sent back to keep it.")
    chat_id: str | Absent = _sometimes("The chat (`telegram`).")
    username: str | Absent | None = _sometimes("The name to log in with (`email`).")
    sender: str | Absent = _sometimes("The address that mails come from (`email`).")
    to: list[str] | Absent = _sometimes("The addresses that mails go to (`email`).")
    source: Literal["api", "file"] = Field(description="`file`: it is in CHANNELS_FILE, and only changed there.")
    created_at: Time | None = Field(description="Null for a channel of CHANNELS_FILE.")
    updated_at: Time | None


class ChannelList(Model):
    """All channels, by name."""

    items: list[Channel]


class AuditLine(Model):
    """A change that a caller made."""

    id: str = Field(description="Its place in the audit.", examples=["1795422600000-0"])
    at: Time
    who: str = Field(description="The name of a key; `local` where no key is needed; `start.py` for its `keys`.")
    method: str = Field(description="The method; `CLI` for a command of start.py.", examples=["POST"])
    route: str = Field(description="The route, or the command.", examples=["/api/tasks/{task_id}/stop"])
    target_id: str | None = Field(description="The id, key or name of what was changed.")
    status: int | None = Field(description="The status of the response.")
    address: str | None = Field(description="Where the call came from.")


class AuditPage(Model):
    """Some of the changes, newest first."""

    items: list[AuditLine]
    next_cursor: str | None = Field(description="Of the next page; null ends the list.")


class WrongField(Model):
    """One invalid field of the request."""

    field: str = Field(
        description="Path of the field, such as `tags[2]` or `headers.X-Id`.", examples=["cron_expression"]
    )
    message: str
    line: Annotated[int, Field(ge=1)] | Absent = _sometimes("Line in `function_code`, counted from 1.")
    column: int | None = _sometimes("Column in `function_code`, counted from 1.")


class Problem(Model):
    """An error as defined by RFC 9457. All errors have this shape."""

    type: str = Field(examples=["urn:celeriac:problem:not-found"])
    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    instance: str = Field(description="Path of the request, a URI reference: what is no part of one is escaped.")
    request_id: str = Field(description="The `X-Request-Id` of the request; the log has it too.")
    errors: list[WrongField] = Field(description="All invalid fields; empty if the error does not concern a field.")
    task_status: Status | ScheduleStatus | Absent = _sometimes(
        "With 409: the current status, which does not permit the operation."
    )


# --- batches ---------------------------------------------------------------------------------------

_AnyTask: Any = Annotated[reduce(operator.or_, TASKS.values()), Field(discriminator="kind")]


class Batch(Model):
    """The tasks of an atomic batch, in the order of the request."""

    items: list[_AnyTask]


class BatchCreated(Model):
    """A task of a batch that was created."""

    status: Literal[201]
    task: _AnyTask


class BatchRefused(Model):
    """A task of a batch that was refused."""

    status: Literal[422]
    errors: list[WrongField] = Field(description="The wrong fields of this task; at most 50.")


class BatchOutcome(Model):
    """What became of each task of a batch that is not atomic, in the order of the request."""

    items: list[Annotated[BatchCreated | BatchRefused, Field(discriminator="status")]]
    created: Count
    refused: Count


# --- workers ---------------------------------------------------------------------------------------


class RunningAttempt(Model):
    """An attempt that a worker runs."""

    task_id: Id
    name: str = Field(description="Name of the task.")
    kind: Kind
    started_at: Time


class Worker(Model):
    """A worker, as it last reported."""

    hostname: str = Field(examples=["code@host"])
    pid: Count
    version: str
    queues: list[str]
    concurrency: Count = Field(description="How many attempts it can run at once.")
    consuming: bool = Field(description="Whether it fetches tasks.")
    started_at: Time
    seen_at: Time = Field(description="When it last reported. Workers report every few seconds.")
    running: list[RunningAttempt] = Field(max_length=1000, description="Oldest first.")
    sandbox: dict[str, str] = Field(
        description='State of each layer of the sandbox: "on", or why it is off. Empty if it runs no programs.'
    )


class Workers(Model):
    """The workers that are online."""

    items: list[Worker] = Field(max_length=MAX_WORKERS)
