"""Tasks in Redis: create, read, list, and every change of status."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from app.domain.outcome import Outcome
from app.domain.status import Kind, Status, TaskType
from app.store.admission import UNCONDITIONAL, Conditions, EarlierRequest, refusal
from app.store.arguments import checked_cursor, flat, one_or_all
from app.store.client import Client
from app.store.keys import Keys
from app.store.messages import NO_MESSAGE, Message
from app.store.record import Task, dump_json, pairs, read_history, read_task, shown_number
from app.store.scripts import Scripts

#: Records one Lua call looks at for a page, and calls made for one answer: the work for an answer is bounded,
#: and no other client of Redis waits longer than a few milliseconds.
SCAN_PER_CALL = 2_000
CALLS_PER_PAGE = 5
SEQ_PER_MS = 2048
#: How far the order of creation (seq) may run ahead of the clock: many tasks in one ms, machines that differ.
#: Only up to here does `created_before` look for the tasks whose time is earlier than their place.
SEQ_AHEAD_MS = 1_000
#: Attempts that cost a worker its life before a task is given up.
MAX_LOSSES = 3
#: Characters of a reason in the history: an exception's name may be a user's.
MAX_WHY_LENGTH = 100

#: How an attempt that runs again counts: "counts"; "free", it was given back, and so is its number; "lost", our side
#: failed: its number is used up, since it may have been seen, but no retry is.
Counts = Literal["counts", "free", "lost"]


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to be created, with the message that sends it on its way (none where it waits in Redis)."""

    id: str
    name: str
    kind: Kind
    task_type: TaskType
    due_ms: int
    spec: dict[str, Any]
    max_retries: int
    timeout: float
    priority: int
    tags: Sequence[str] = ()
    scheduled_task_id: str | None = None
    retry_of: str | None = None
    message: Message = NO_MESSAGE
    inbox: str = ""  # the name of the one in which somebody waits for its end


@dataclass(frozen=True, slots=True)
class Filters:
    """Which tasks to list; None: any. Times are ms since 1970: created_after <= created < created_before."""

    status: Status | None = None
    task_type: TaskType | None = None
    kind: Kind | None = None
    name: str | None = None
    name_is_prefix: bool = False
    tag: str | None = None
    scheduled_task_id: str | None = None
    created_after_ms: int | None = None
    created_before_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that a worker was given: it alone may end it, by its epoch (each claim of a task has its own)."""

    task_id: str
    number: int
    epoch: int
    kind: Kind
    name: str
    spec: dict[str, Any]
    max_retries: int
    timeout: float
    losses: int
    priority: int


@dataclass(frozen=True, slots=True)
class Page:
    """Some of a list; `cursor` is None at its end."""

    items: list[Task]
    cursor: str | None


class TaskStore:
    """The tasks under one prefix. Thread-safe. Every method raises Unavailable where Redis can't be reached."""

    def __init__(self, client: Client, keys: Keys, scripts: Scripts) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts

    # --- create, read, list ---------------------------------------------------------------------

    def create(
        self, tasks: Sequence[NewTask], now_ms: int, conditions: Conditions = UNCONDITIONAL
    ) -> int | EarlierRequest:
        """Write tasks (one at least) with their messages, all in one step; returns how many were new.

        Where the conditions name a request that was remembered before, nothing is written and that one is returned.
        Raises Full where more tasks would wait than the conditions permit.
        """
        args: list[Any] = [now_ms, *conditions.args(tasks[0].id, now_ms), len(tasks)]
        for task in tasks:
            args += creation_args(task, now_ms)
        answer = self._scripts("create", *args)
        return refusal(answer) or int(answer)

    def get(self, task_id: str) -> Task | None:
        """One whole task, or None."""
        record, *rest = self._scripts("read", task_id)
        if not record:
            return None
        spec, result, stdout, attempts, history = rest
        task = read_task(task_id, pairs(record))
        return replace(
            task,
            spec=json.loads(spec or "{}"),
            result_json=result or None,
            stdout=stdout,
            attempts=[json.loads(entry) for entry in attempts],
            history=read_history(task, history),
        )

    def status(self, task_id: str) -> Status | None:
        """The status alone, or None where there is no such task."""
        status = self._client.hget(self._keys.task(task_id), "st")
        return None if status is None else Status(str(status))

    def page(self, filters: Filters, limit: int, cursor: str | None = None) -> Page:
        """Newest first. `cursor` is one that an earlier page gave. Raises ValueError on any other.

        Under filters that match rarely a page may be short, or empty, and still have a cursor.
        """
        before, items = checked_cursor(cursor), list[Task]()
        for _ in range(CALLS_PER_PAGE):
            page = self._scan(filters, limit - len(items), before)
            items += page.items
            before = page.cursor or ""
            if len(items) >= limit or not before:
                break
        return Page(items, before or None)

    def _scan(self, filters: Filters, limit: int, before: str) -> Page:
        sources = self._sources(filters)
        if filters.created_before_ms is not None:
            ceiling = str((filters.created_before_ms + SEQ_AHEAD_MS) * SEQ_PER_MS)
            before = ceiling if not before else min(before, ceiling, key=int)
        chunk = limit + 1 if len(sources) == 1 else limit // len(sources) + 8
        cursor, *rows = self._scripts(
            "list",
            before or "+inf",
            "-inf" if filters.created_after_ms is None else filters.created_after_ms * SEQ_PER_MS,
            limit,
            SCAN_PER_CALL,
            chunk,
            filters.name or "",
            int(filters.name_is_prefix),
            filters.tag or "",
            filters.scheduled_task_id or "",
            filters.kind or "",
            filters.task_type or "",
            filters.status or "",
            "" if filters.created_after_ms is None else filters.created_after_ms,
            "" if filters.created_before_ms is None else filters.created_before_ms,
            len(sources),
            *sources,
        )
        items = [read_task(task_id, pairs(record)) for task_id, record in zip(rows[::2], rows[1::2], strict=True)]
        return Page(items, cursor or None)

    def _sources(self, filters: Filters) -> Sequence[str]:
        """The indexes that hold every match: the narrowest there are."""
        if filters.scheduled_task_id is not None:
            return [self._keys.created_by(filters.scheduled_task_id)]
        if filters.tag is not None:
            return [self._keys.tag(filters.tag)]
        return [
            self._keys.leaf(kind, task_type, status)
            for kind in one_or_all(filters.kind, Kind)
            for task_type in one_or_all(filters.task_type, TaskType)
            for status in one_or_all(filters.status, Status)
        ]

    # --- changes of status ----------------------------------------------------------------------

    def claim(
        self, task_id: str, worker: str, now_ms: int, lease_until_ms: int, kinds: Iterable[str] = tuple(Kind)
    ) -> Attempt | str:
        """queued -> running (or waiting -> running, when due): the attempt, or the status that forbids it.

        The status is "" where there is no such task, "early" before it is due, and "elsewhere" where it is none of
        the kinds that the worker runs.
        """
        call = secrets.token_hex(8)
        answer = self._scripts("claim", task_id, now_ms, lease_until_ms, worker, f",{','.join(kinds)},", call)
        if len(answer) == 1:
            return str(answer[0])
        _, number, epoch, kind, spec, name, max_retries, timeout, losses, priority = answer
        return Attempt(
            task_id,
            int(number),
            int(epoch),
            Kind(kind),
            name,
            json.loads(spec),
            int(max_retries),
            float(timeout),
            int(losses),
            int(priority),
        )

    def finish(self, attempt: Attempt, outcome: Outcome, now_ms: int, duration_ms: float) -> str:
        """running -> succeeded, failed or stopped.

        Returns the status it has now: "" where the task was deleted, "lost" where the attempt was no longer the
        caller's (both: nothing was written).
        """
        status = Status.SUCCEEDED
        if outcome.stopped:
            status = Status.STOPPED
        elif outcome.failure is not None:
            status = Status.FAILED
        return self._complete(attempt, outcome, status, now_ms, duration_ms, now_ms, NO_MESSAGE, counts="counts")

    def run_again(
        self,
        attempt: Attempt,
        outcome: Outcome,
        now_ms: int,
        duration_ms: float,
        due_ms: int,
        message: Message,
        *,
        counts: Counts,
        entry: dict[str, Any] | None,
    ) -> str:
        """running -> waiting (due later) or queued: a retry, or an attempt that is given back.

        A free attempt gives its number back, and is due as it was (`due_ms` is now).
        `entry` is what `attempts` shows of it. Returns as `finish`; "stopped" where a stop was asked for.
        """
        status = Status.WAITING if due_ms > now_ms else Status.QUEUED
        return self._complete(
            attempt, outcome, status, now_ms, duration_ms, due_ms, message, counts=counts, entry=entry
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
        *,
        counts: Counts,
        entry: dict[str, Any] | None = None,
    ) -> str:
        fields = _outcome_fields(outcome, duration_ms)
        return str(
            self._scripts(
                "complete",
                attempt.task_id,
                attempt.epoch,
                now_ms,
                status,
                due_ms,
                message.queue_key,
                message.payload,
                counts,
                outcome.result_json or "",
                outcome.stdout,
                dump_json(entry) if entry else "",
                _why(outcome, status, counts),
                len(fields),
                *flat(fields),
            )
        )

    def change(self, seen: Task, changed: NewTask, now_ms: int) -> str:
        """waiting -> waiting (or queued, when it is due now) with another spec.

        Returns the status: waiting or queued when it was changed, another where that forbids it, "" where it is
        gone, "other" where it was changed meanwhile.
        """
        id_, kind, task_type, status, due_ms, queue_key, payload, spec, tags, _, number, *fields = creation_args(
            changed, now_ms
        )
        return str(
            self._scripts(
                "task_change",
                id_,
                now_ms,
                seen.due_ms,
                seen.revision,
                status,
                due_ms,
                queue_key,
                payload,
                kind,
                task_type,
                spec,
                tags or "[]",
                number,
                *fields,
            )
        )

    def stop(self, task_id: str, now_ms: int, *, force: bool = False, who: str = "api") -> tuple[str, str]:
        """Stop a task that waits or is queued; tell the worker of one that runs, or with `force` end its record.

        Returns the status before and now; both "" where there is no such task.
        """
        before, after = self._scripts("stop", task_id, now_ms, int(force), who)
        return before, after

    def delete(self, task_id: str) -> str:
        """Remove every trace. Returns its last status, "" for none; "running": nothing was done."""
        return str(self._scripts("delete", task_id))

    def renew(self, held: Sequence[Attempt], lease_until_ms: int) -> list[bool]:
        """Renew the leases of attempts; False where one is no longer to be run."""
        named = (part for attempt in held for part in (attempt.task_id, attempt.epoch))
        answer = self._scripts("renew", lease_until_ms, len(held), *named)
        return [bool(kept) for kept in answer]


def creation_args(task: NewTask, now_ms: int) -> list[Any]:
    """A new task as `create` of `_lib.lua` reads it."""
    status = Status.WAITING if task.due_ms > now_ms else Status.QUEUED
    fields: dict[str, Any] = {
        "n": task.name,
        "mr": task.max_retries,
        "to": task.timeout,
        "p": task.priority,
    }
    if task.retry_of is not None:
        fields["ro"] = task.retry_of
    if task.spec.get("on_worker_lost") == "fail":
        fields["ol"] = "fail"
    if task.inbox:
        fields["ib"] = task.inbox
    return [
        task.id,
        task.kind,
        task.task_type,
        status,
        task.due_ms,
        task.message.queue_key,
        task.message.payload,
        dump_json(task.spec),
        dump_json(list(task.tags)) if task.tags else "",
        task.scheduled_task_id or "",
        len(fields),
        *flat(fields),
    ]


def _why(outcome: Outcome, status: Status, counts: Counts) -> str:
    """Why an attempt ends so, in the words of the history."""
    if status is Status.STOPPED:
        return "a stop was asked for"
    if counts == "free":
        return "its worker gives it back"
    if outcome.failure is None:
        return "it returned"
    return outcome.failure.type[:MAX_WHY_LENGTH]


def as_created(task: NewTask, now_ms: int) -> Task:
    """The record that `creation_args` makes, as it is read before anything has happened to the task."""
    is_waiting = task.due_ms > now_ms
    created = Task(
        id=task.id,
        name=task.name,
        task_type=task.task_type,
        kind=task.kind,
        status=Status.WAITING if is_waiting else Status.QUEUED,
        created_ms=now_ms,
        due_ms=task.due_ms,
        queued_ms=None if is_waiting else now_ms,
        max_retries=task.max_retries,
        timeout=shown_number(float(task.timeout)),
        priority=task.priority,
        tags=task.tags,
        scheduled_task_id=task.scheduled_task_id,
        retry_of=task.retry_of,
        spec=task.spec,
    )
    return replace(created, history=read_history(created, ()))


def _outcome_fields(outcome: Outcome, duration_ms: float) -> dict[str, Any]:
    fields: dict[str, Any] = {"dm": round(duration_ms, 2)}
    if outcome.failure is not None:
        fields["er"] = dump_json(outcome.failure.as_json())
    if outcome.stdout_truncated:
        fields["ot"] = 1
    if outcome.cpu_ms is not None:
        fields["cpu"] = round(outcome.cpu_ms, 2)
    if outcome.memory_kb is not None:
        fields["mem"] = outcome.memory_kb
    return fields
