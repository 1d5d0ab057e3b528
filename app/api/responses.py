"""What the service answers, as models: answers are written by them, and the OpenAPI document is made from them.

The fields of a spec are taken from where they are declared (app/domain/spec.py, app/domain/kinds).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, SkipValidation, create_model

from app.domain.annotations import bare, without_none
from app.domain.fields import Kept, names_kept, secret_names
from app.domain.kinds import KINDS, KindSpec
from app.domain.kinds.kind import Absent
from app.domain.kinds.kind import sometimes as _sometimes
from app.domain.numbers import plain_number
from app.domain.spec import CommonFields, ScheduleSpec
from app.domain.status import Kind, ScheduleStatus, Status, TaskType

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
        description="A UUIDv7: ids sort by creation.",
        examples=["0198f3c2-5c1e-7a3b-9f21-3d0c8e6b1a42"],
        json_schema_extra={"format": "uuid"},
    ),
]
Milliseconds = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]


class Model(BaseModel):
    """No member beyond those that are described."""

    model_config = ConfigDict(extra="forbid")


#: Numbers that came as whole ones are given back as such: 30, not 30.0.
_Number = Annotated[float, PlainSerializer(lambda value: plain_number(value))]


def _answered(model: type[BaseModel], name: str, *, is_present: bool = False) -> Any:
    """A spec's field as an answer has it: always there, with its declared type and description.

    `is_present`: it is never null. The bounds of requests are left out: what is stored is answered.
    """
    field = model.model_fields[name]
    annotation = bare(field.annotation)
    description = (field.description or "").removeprefix("Code: ").removeprefix("API: ")
    if name in secret_names(model):
        description += " Answers show `***` for each value."
    if annotation is float:
        annotation = _Number
    return (without_none(annotation) if is_present else annotation, Field(description=description))


_SUMMARY = ("name", "tags", "priority", "max_retries", "timeout")  # the first fields that lists show
_COMMON = {name: _answered(CommonFields, name) for name in names_kept(CommonFields)}


# --- tasks -----------------------------------------------------------------------------------------


class TaskError(Model):
    """Why an attempt failed."""

    type: str = Field(
        description="The exception's own class name, or one of the service's: TimeoutError, MemoryLimitError, "
        "OutputLimitError, ResultError, SecurityError, SyntaxError, HTTPStatusError, ConnectionError, TLSError, "
        "TooManyRedirects, InvalidURL, BlockedAddressError, WorkerLostError.",
        examples=["ZeroDivisionError"],
    )
    message: str = Field(examples=["division by zero"])
    line: int | None = Field(description="Line of the task's own source, from 1.", examples=[2])
    traceback: str | None = Field(description="Speaks of the task's own source only.")


class Attempt(Model):
    """One execution of a task."""

    attempt: int = Field(ge=1, description="Counted from 1.")
    started_at: Time
    finished_at: Time | None
    duration_ms: Milliseconds | None
    worker: str | None = Field(examples=["code@host"])
    error: TaskError | None


class Change(Model):
    """A change of a task's status."""

    at: Time
    from_: Status | None = Field(alias="from", description="null: it was created.")
    to: Status
    who: str = Field(description="api, a schedule, a worker or a beat.", examples=["code@host"])
    why: str = Field(examples=["attempt 1 starts"])


class _TaskSummary(Model):
    id: Id
    task_type: TaskType = Field(description="When it runs.")
    kind: Kind = Field(description="What it does.")
    status: Status = Field(description="succeeded, failed and stopped are final.")
    scheduled_task_id: Id | None = Field(description="The scheduled task whose firing created it.")
    retry_of: Id | None = Field(description="The task that this one runs again.")
    created_at: Time
    due_at: Time
    queued_at: Time | None
    started_at: Time | None
    finished_at: Time | None
    duration_ms: Milliseconds | None = Field(description="Of the last attempt.", examples=[3.1])
    attempt: Count = Field(description="The current or last attempt; 0 before the first.")
    worker: str | None
    error: TaskError | None


if TYPE_CHECKING:

    class TaskSummary(_TaskSummary):
        """A task as lists hold it."""
else:
    TaskSummary = create_model(
        "TaskSummary",
        __base__=_TaskSummary,
        __doc__="A task as lists hold it: no result, no output, no body of its spec.",
        **{name: _COMMON[name] for name in _SUMMARY},
    )


class _WholeTask(TaskSummary):
    stdout: str
    stdout_truncated: bool
    cpu_ms: Milliseconds | None
    memory_kb: Count | None
    attempts: list[Attempt] = Field(max_length=20, description="The last 20.")
    history: list[Change] = Field(max_length=50, description="The last 50 changes of status, the oldest first.")


def _spec_fields(row: KindSpec) -> dict[str, Any]:
    """The fields of a whole task of one kind."""
    needed = (row.marker, *row.required)
    own = {name: _answered(row.fields, name, is_present=name in needed) for name in row.own_fields}
    return {**_COMMON, **own}


#: Stored as JSON, and written as it stands (app/api/shapes.py).
_Unread: Any = SkipValidation


def _task_model(row: KindSpec) -> type[BaseModel]:
    fields = {
        **_spec_fields(row),
        "kind": (Literal[row.kind], Field()),
        "result": (_Unread[row.result], Field(description=row.result_description)),
    }
    return create_model(f"{row.noun}Task", __base__=_WholeTask, __doc__=f"A task of the kind `{row.kind}`.", **fields)


#: kind -> the model of a whole task.
TASKS: dict[Kind, type[BaseModel]] = {kind: _task_model(row) for kind, row in KINDS.items()}


class TaskPage(Model):
    """Some of the tasks, the newest first."""

    items: list[TaskSummary]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page; null ends the list.")


# --- scheduled tasks -------------------------------------------------------------------------------


class _ScheduledTaskSummary(Model):
    id: Id
    task_type: Literal[TaskType.SCHEDULED]
    kind: Kind
    status: ScheduleStatus = Field(description="ended: no firing is left.")
    cron_expression: str | None = Field(description="This or every_seconds.", examples=["0 3 * * *"])
    every_seconds: int | None
    timezone: str = Field(examples=["Europe/Berlin"])
    created_at: Time
    updated_at: Time
    next_run_at: Time | None = Field(description="Null while it is paused, and when it has ended.")
    last_task_id: Id | None
    run_count: Count
    skipped_count: Count = Field(description="Firings skipped because the task before was not finished.")
    missed_count: Count = Field(description="Firings missed while no beat was alive.")
    key: str | None = Field(description="The name under which it was put, by PUT …/by-key/{key}.")


if TYPE_CHECKING:

    class ScheduledTaskSummary(_ScheduledTaskSummary):
        """A scheduled task as lists hold it."""
else:
    ScheduledTaskSummary = create_model(
        "ScheduledTaskSummary",
        __base__=_ScheduledTaskSummary,
        __doc__="A scheduled task as lists hold it.",
        **{name: _COMMON[name] for name in _SUMMARY},
    )


class _WholeSchedule(ScheduledTaskSummary):
    next_runs: list[Time] = Field(max_length=5, description="The next five; empty while it does not fire.")


def _timing_fields() -> dict[str, Any]:
    own = set(names_kept(ScheduleSpec, Kept.TIMING)) - set(_ScheduledTaskSummary.model_fields)
    return {name: _answered(ScheduleSpec, name) for name in names_kept(ScheduleSpec) if name in own}


def _schedule_model(row: KindSpec) -> type[BaseModel]:
    fields = {**_spec_fields(row), **_timing_fields(), "kind": (Literal[row.kind], Field())}
    doc = f"A scheduled task whose firings create tasks of the kind `{row.kind}`."
    return create_model(f"Scheduled{row.noun}Task", __base__=_WholeSchedule, __doc__=doc, **fields)


#: kind -> the model of a whole scheduled task.
SCHEDULED_TASKS: dict[Kind, type[BaseModel]] = {kind: _schedule_model(row) for kind, row in KINDS.items()}


class ScheduledTaskPage(Model):
    """Some of the scheduled tasks, the newest first."""

    items: list[ScheduledTaskSummary]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page; null ends the list.")


class Firing(Model):
    """What became of one firing."""

    at: Time
    outcome: Literal["created", "skipped_overlap", "missed"]
    task_id: Id | None


class FiringPage(Model):
    """Some of the firings, the newest first."""

    items: list[Firing]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page; null ends the list.")


class Preview(Model):
    """A cron expression in words, and when it fires next."""

    description: str = Field(examples=["At 03:00 AM"])
    next_runs: list[Time] = Field(max_length=100)


# --- the service -----------------------------------------------------------------------------------


class Percentiles(Model):
    """Milliseconds; null where nothing was measured."""

    p50: Milliseconds | None
    p95: Milliseconds | None
    p99: Milliseconds | None


class Minute(Model):
    """What finished in one minute."""

    at: Time
    succeeded: Count
    failed: Count
    stopped: Count


class LastHour(Model):
    """What finished within the last 60 minutes."""

    finished: Count
    succeeded: Count
    failed: Count
    stopped: Count
    success_rate: float | None = Field(ge=0, le=1, description="Of those that succeeded or failed.")
    duration_ms: Percentiles
    wait_ms: Percentiles = Field(description="From due to started.")
    per_minute: list[Minute] = Field(min_length=60, max_length=60, description="Oldest first.")


class Waiting(Model):
    """Tasks that are due in the future."""

    count: Count
    next_due_at: Time | None


class Stats(Model):
    """Counts of now, and timings of the last hour."""

    total: Count
    by_status: dict[Status, Count]
    by_kind: dict[Kind, Count]
    by_task_type: dict[TaskType, Count]
    scheduled_tasks: dict[ScheduleStatus, Count]
    queues: dict[str, Count] = Field(description="Messages that wait, by queue.")
    waiting: Waiting
    last_hour: LastHour


class _Part(Model):
    status: Literal["ok", "down"]
    detail: str | Absent = _sometimes("Only where something is wrong: what.")


class RedisHealth(_Part):
    """Whether Redis answers, and takes writes."""

    round_trip_ms: Milliseconds | Absent = _sometimes("Only where it answers.")
    warnings: list[str] | Absent = _sometimes("What in its configuration can lose tasks. Only where it answers.")


class WorkersHealth(_Part):
    """Whether each queue has a worker."""

    count: Count
    queues: dict[str, Count] = Field(description="How many workers serve each queue.")


class BeatHealth(_Part):
    """Whether cron schedules fire."""

    name: str | Absent = _sometimes("Only where one ticked within the last minute.")
    last_tick_at: Time | None
    lag_seconds: float | Absent = _sometimes("How long the oldest due firing or delay has waited to be taken.")
    age_seconds: Annotated[float, Field(ge=0)] | Absent = _sometimes("Of its last tick.")


class SandboxHealth(_Part):
    """Which layers of the sandbox hold: "on", or why not."""

    layers: dict[str, str]


class Health(Model):
    """Whether all parts are there. Without Redis, nothing is known of the others."""

    status: Literal["ok", "degraded"]
    version: str
    redis: RedisHealth
    workers: WorkersHealth | Absent = _sometimes("Only where Redis answers.")
    beat: BeatHealth | Absent = _sometimes("Only where Redis answers.")
    sandbox: SandboxHealth | Absent = _sometimes("Only where Redis answers.")


class Readiness(Model):
    """The status alone."""

    status: Literal["ok", "unavailable"]


class WrongField(Model):
    """One wrong field of the request."""

    field: str = Field(description="Its path: `tags[2]`, `headers.X-Id`.", examples=["cron_expression"])
    message: str
    line: Annotated[int, Field(ge=1)] | Absent = _sometimes("Only in function_code, from 1.")
    column: int | None = _sometimes("Only in function_code, from 1.")


class Problem(Model):
    """RFC 9457: every error has this shape."""

    type: str = Field(examples=["urn:celeriac:problem:not-found"])
    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    instance: str = Field(description="The path that was called.")
    errors: list[WrongField] = Field(description="Every wrong field; empty where no field is to blame.")
    task_status: Status | ScheduleStatus | Absent = _sometimes("With 409: the status that forbids it.")
