"""Tasks in Redis: create, read, and change their status."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from app.domain.ids import time_of
from app.domain.names import folded
from app.domain.numbers import plain_number
from app.domain.outcome import EXPIRED, Ending, Outcome
from app.domain.status import Kind, Status, TaskType
from app.domain.trace import NO_TRACE, TraceContext
from app.store.admission import UNCONDITIONAL, Conditions, EarlierRequest, refusal
from app.store.arguments import new_call
from app.store.bodies import INLINE_BYTES, write_body
from app.store.client import Client
from app.store.columns import TASK, dump_json
from app.store.failures import failure_values
from app.store.keys import Keys
from app.store.messages import NO_MESSAGE, Message
from app.store.record import Task, creation, read_history, read_task, reason_of, record_of, write_spec
from app.store.scripts import TASK_VALUES, Scripts

#: How many workers a task may cost before it fails.
MAX_LOSSES = 3
#: What `delete` returns for an unfinished task with a callback.
UNTOLD = "untold"


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to create, with the message that sends it to a worker (none if it waits in Redis)."""

    id: str
    kind: Kind
    task_type: TaskType
    due_ms: int
    spec: Mapping[str, Any]
    scheduled_task_id: str | None = None
    retry_of: str | None = None
    message: Message = NO_MESSAGE
    trace: TraceContext = NO_TRACE  # in which it was asked for
    inbox: str = ""  # name of the inbox to notify at the end; "" for none


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that a worker has claimed. Only that worker may end it: each claim of a task has its own epoch.

    spec: the stored spec fields of its task, including defaults.
    """

    task_id: str
    number: int
    epoch: int
    kind: Kind
    losses: int
    spec: Mapping[str, Any]
    scheduled_task_id: str | None = None
    started_ms: int = 0
    trace: TraceContext = NO_TRACE

    @property
    def name(self) -> str:
        """The task's name."""
        return str(self.spec["name"])

    @property
    def scheduled_at_ms(self) -> int | None:
        """The time of the firing that created the task; None for a task of no schedule."""
        return None if self.scheduled_task_id is None else time_of(self.task_id)

    @property
    def timeout(self) -> float:
        """The maximum duration in seconds."""
        return float(self.spec["timeout"])

    @property
    def priority(self) -> int:
        """The task's priority."""
        return int(self.spec["priority"])


class Hold(StrEnum):
    """What a worker that renews its leases learns of an attempt."""

    RENEWED = "renewed"
    STOPPING = "stopping"  # a stop was requested: the attempt must end, and its worker reports that
    LOST = "lost"  # the attempt is no longer the worker's, or its task is gone


@dataclass(slots=True)
class Wanted:
    """The next task, for which a worker asks in the call that ends an attempt.

    `name` and `number` identify the call, so that one that is repeated has the same answer. `queues`: empty if the
    worker wants none any more, and repeats a call that may have started one. `attempt` is the answer: the attempt that
    the call has started, or None.
    """

    name: str
    number: int
    worker: str
    queues: Sequence[str]
    kinds: Iterable[str]
    lease_until_ms: int
    attempt: Attempt | None = None

    def values(self) -> dict[str, Any]:
        """The arguments of `complete.lua`."""
        return {
            "queues": ",".join(self.queues),
            "kinds": _among(self.kinds),
            "worker": self.worker,
            "lease_until_ms": self.lease_until_ms,
            "claim": f"{self.name}:{self.number}",
        }


_NOTHING_WANTED = {"queues": "", "kinds": "", "worker": "", "lease_until_ms": "", "claim": ""}


class TaskStore:
    """The tasks under one prefix. Thread-safe. Every method raises Unavailable if Redis can't be reached."""

    def __init__(self, client: Client, keys: Keys, scripts: Scripts) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts

    # --- create, read ---------------------------------------------------------------------

    def create(
        self, tasks: Sequence[NewTask], now_ms: int, conditions: Conditions = UNCONDITIONAL
    ) -> int | EarlierRequest:
        """Write at least one task, with messages, atomically. Returns the number of new tasks.

        If the conditions name a remembered request, nothing is written and that request is returned.
        Raises Full if more tasks would wait than the conditions permit.
        """
        values = [value for task in tasks for value in task_values(task, now_ms)]
        answer = self._scripts("create", now_ms=now_ms, **conditions.values(tasks[0].id, now_ms), tasks=values)
        return refusal(answer) or int(answer)

    def get(self, task_id: str) -> Task | None:
        """One full task, or None."""
        record, *rest = self._scripts("read", task_id=task_id)
        return _whole(task_id, record, *rest) if record else None

    def spec_of(self, task_id: str) -> Task | None:
        """A task without its result, output, attempts and history, which may be large; or None."""
        (task,) = self.specs_of([task_id])
        return task

    def specs_of(self, task_ids: Sequence[str]) -> list[Task | None]:
        """The same for several tasks, of one moment."""
        programs, *found = self._scripts("specs", ids=task_ids)
        texts = record_of(programs)
        return [
            read_task(task_id, record, body, texts.get(program_hash, "")) if record else None
            for task_id, record, body, program_hash in zip(task_ids, found[::3], found[1::3], found[2::3], strict=True)
        ]

    def status(self, task_id: str) -> Status | None:
        """The status alone, or None if there is no such task."""
        status = self._client.hget(self._keys.task(task_id), TASK["status"].short)
        return None if status is None else Status(str(status))

    # --- changes of status ----------------------------------------------------------------------

    def claim(
        self,
        task_id: str,
        worker: str,
        now_ms: int,
        lease_until_ms: int,
        kinds: Iterable[str] = tuple(Kind),
        name: str | None = None,
    ) -> Attempt | str:
        """queued -> running (or waiting -> running, if due). Returns the attempt, or the status that prevents it.

        name: of this claim (`new_call`). A claim that is repeated under its name, since its reply was lost, gets the
        same attempt.
        The status is "" if there is no such task, "early" before it is due, "elsewhere" if the worker does not run
        its kind, and "expired" if it could not start in time and has therefore failed now.
        """
        status, *granted = self._scripts(
            "claim",
            task_id=task_id,
            now_ms=now_ms,
            lease_until_ms=lease_until_ms,
            worker=worker,
            kinds=_among(kinds),
            claim=name or new_call(),
            expired=_EXPIRED_JSON,
        )
        return _attempt(task_id, *granted) if granted else str(status)

    def expire(self, now_ms: int, limit: int, actor: str) -> int:
        """waiting or queued -> failed, for tasks that have not started in time. Returns their number."""
        return int(self._scripts("expire", now_ms=now_ms, limit=limit, failure=_EXPIRED_JSON, actor=actor))

    def finish(
        self,
        attempt: Attempt,
        outcome: Outcome,
        now_ms: int,
        duration_ms: float,
        ending: Ending = Ending.COUNTED,
        *,
        wanted: Wanted | None = None,
    ) -> str:
        """running -> succeeded, failed or stopped. The same call starts the task that is `wanted`, if there is one.

        ending: LOST for an attempt that its worker gave up, though its task doesn't run again.
        Returns the new status, or "" if the task was deleted, or "superseded" if the attempt no longer belongs to the
        caller. Nothing is written of the attempt in the last two cases.
        """
        status = Status.SUCCEEDED
        if outcome.stopped:
            status = Status.STOPPED
        elif outcome.failure is not None:
            status = Status.FAILED
        return self._complete(attempt, outcome, status, now_ms, duration_ms, now_ms, NO_MESSAGE, ending, wanted)

    def run_again(
        self,
        attempt: Attempt,
        outcome: Outcome,
        now_ms: int,
        duration_ms: float,
        due_ms: int,
        message: Message,
        ending: Ending,
        *,
        wanted: Wanted | None = None,
        entry: dict[str, Any] | None,
    ) -> str:
        """running -> waiting (due later) or queued: a retry, or an attempt that its worker returns.

        A returned attempt does not use up its number and keeps its due time (`due_ms` is now).
        `entry` appears in `attempts`. Returns the same as `finish`, or "stopped" if a stop was requested.
        """
        status = Status.WAITING if due_ms > now_ms else Status.QUEUED
        return self._complete(
            attempt, outcome, status, now_ms, duration_ms, due_ms, message, ending, wanted, entry=entry
        )

    def _complete(
        self,
        attempt: Attempt,
        outcome: Outcome,
        status: Status,
        now_ms: int,
        duration_ms: float,
        due_ms: int,
        message: Message,
        ending: Ending,
        wanted: Wanted | None,
        *,
        entry: dict[str, Any] | None = None,
    ) -> str:
        ended, *started = self._scripts(
            "complete",
            task_id=attempt.task_id,
            epoch=attempt.epoch,
            now_ms=now_ms,
            status=status,
            due_ms=due_ms,
            queue_key=message.queue_key,
            message=message.payload,
            ending=ending,
            result=_stored_result(outcome)[1],
            stdout=outcome.stdout,
            attempt=dump_json(entry) if entry else "",
            reason=_reason(outcome, status, ending),
            record=dump_json(_outcome_record(outcome, duration_ms)),
            failure="" if outcome.failure is None else failure_values(attempt.kind, outcome.failure),
            **(_NOTHING_WANTED if wanted is None else wanted.values()),
        )
        if wanted is not None:
            wanted.attempt = _attempt(*started) if started else None
        return str(ended)

    def change(self, seen: Task, changed: NewTask, now_ms: int) -> bool:
        """waiting -> waiting (or queued, if due now) with a new spec.

        False, and nothing is changed, if the task no longer waits as it was seen.
        """
        return bool(
            self._scripts(
                "task_change",
                now_ms=now_ms,
                seen_due_ms=seen.due_ms,
                seen_revision=seen.revision,
                call=new_call(),
                task=task_values(replace(changed, trace=NO_TRACE), now_ms),  # it keeps that of its creation
            )
        )

    def stop(self, task_id: str, now_ms: int, *, force: bool = False, actor: str = "api") -> tuple[str, str]:
        """Stop a waiting or queued task. For a running task, notify its worker, or end the record with `force`.

        Returns the status before and after; both "" if there is no such task.
        """
        before, after = self._scripts(
            "stop", task_id=task_id, now_ms=now_ms, force=int(force), actor=actor, call=new_call()
        )
        return before, after

    def delete(self, task_id: str) -> str:
        """Remove every trace of a task. Returns its last status, "" if there is none.

        A running task is not removed, nor one that has a callback and has not finished (UNTOLD): it has to be stopped.
        """
        return str(self._scripts("delete", task_id=task_id, call=new_call()))

    def renew(self, held: Sequence[Attempt], lease_until_ms: int) -> list[Hold]:
        """Renew the leases of attempts, except of those that are lost."""
        named = [part for attempt in held for part in (attempt.task_id, attempt.epoch)]
        answer = self._scripts("renew", lease_until_ms=lease_until_ms, held=named)
        return [Hold(hold) for hold in answer]


def _among(kinds: Iterable[str]) -> str:
    """Kinds as the scripts take them: each surrounded by commas."""
    return f",{','.join(kinds)},"


def told(task_id: str, text: str) -> Task:
    """The full task that an inbox was told of (`told_of` in `_lib.lua`)."""
    return _whole(task_id, *json.loads(text))


def _whole(
    task_id: str,
    record: Sequence[str],
    body: str,
    program: str,
    result: str,
    stdout: str,
    attempts: Sequence[str],
    history: Sequence[str],
) -> Task:
    """The task of which Lua returns everything (`everything_of`); an empty list may also be an empty mapping."""
    task = read_task(
        task_id,
        record,
        body,
        program,
        result_json=result or None,
        stdout=stdout,
        attempts=[json.loads(entry) for entry in attempts],
    )
    return replace(task, history=read_history(task, history))


def _attempt(task_id: str, record: str, *beside: str) -> Attempt:
    """The attempt that a script has granted, from the record of its task and what is kept beside it."""
    task = read_task(task_id, json.loads(record), *beside)
    return Attempt(
        task_id=task_id,
        number=task.attempt,
        epoch=task.epoch,
        kind=task.kind,
        losses=task.losses,
        spec=task.spec,
        scheduled_task_id=task.scheduled_task_id,
        started_ms=task.started_ms or 0,
        trace=task.trace,
    )


#: The error of a task that expired and, for each kind, what `index_failure` of `_lib.lua` takes.
_EXPIRED_JSON = dump_json(
    {"error": dump_json(EXPIRED.as_json()), **{kind: failure_values(kind, EXPIRED) for kind in Kind}}
)


def task_values(task: NewTask, now_ms: int) -> list[Any]:
    """A new task in the format of the scripts: the values of TASK in `_lib.lua`, in order."""
    body = write_body(task.spec)
    record = [*write_spec(task.spec), *body.record]
    columns = {
        "retry_of": task.retry_of,
        "inbox": task.inbox,
        "traceparent": task.trace.parent,
        "tracestate": task.trace.state,
    }
    for name, value in columns.items():
        if value:
            record += (TASK[name].short, value)
    tags = task.spec.get("tags")
    values = {
        "id": task.id,
        "kind": task.kind,
        "task_type": task.task_type,
        "status": _first_status(task, now_ms),
        "due_ms": task.due_ms,
        "queue_key": task.message.queue_key,
        "message": task.message.payload,
        "body": body.beside,
        "program": body.program,
        "tags": dump_json(tags) if tags else "",
        "schedule_id": task.scheduled_task_id or "",
        "folded_name": folded(task.spec["name"]),
        "record": dump_json(record),
    }
    return [values[name] for name in TASK_VALUES]


def _first_status(task: NewTask, now_ms: int) -> Status:
    return Status.WAITING if task.due_ms > now_ms else Status.QUEUED


def _reason(outcome: Outcome, status: Status, ending: Ending) -> str:
    """The reason that the history shows for the end of an attempt."""
    if ending is Ending.RETURNED and status is not Status.STOPPED:
        return "returned by its worker"
    error_type = None if outcome.failure is None else outcome.failure.type
    return reason_of(error_type, is_stopped=status is Status.STOPPED)


def _stored_result(outcome: Outcome) -> tuple[str | None, bytes]:
    """The result as a field of the record if it is short, and what is kept beside the record. Null is not stored."""
    result = outcome.result_json
    if result is None or result == b"null":
        return None, b""
    return (result.decode(), b"") if len(result) <= INLINE_BYTES else (None, result)


def _outcome_record(outcome: Outcome, duration_ms: float) -> list[str]:
    """Fields that an ended attempt adds to the record: short name, text, …"""
    values: dict[str, Any] = {
        "result": _stored_result(outcome)[0],
        "duration_ms": round(duration_ms, 2),
        "error": None if outcome.failure is None else dump_json(outcome.failure.as_json()),
        "stdout_truncated": 1 if outcome.stdout_truncated else None,
        "cpu_ms": None if outcome.cpu_ms is None else round(outcome.cpu_ms, 2),
        "memory_kb": outcome.memory_kb,
    }
    return [part for name, value in values.items() if value is not None for part in (TASK[name].short, str(value))]


def as_created(task: NewTask, now_ms: int) -> Task:
    """The task as it would be read right after its creation."""
    status = _first_status(task, now_ms)
    return Task(
        id=task.id,
        task_type=task.task_type,
        kind=task.kind,
        status=status,
        created_ms=now_ms,
        due_ms=task.due_ms,
        spec={name: plain_number(value) for name, value in task.spec.items()},
        queued_ms=None if status is Status.WAITING else now_ms,
        scheduled_task_id=task.scheduled_task_id,
        retry_of=task.retry_of,
        history=[creation(now_ms, status, task.scheduled_task_id)],
    )
