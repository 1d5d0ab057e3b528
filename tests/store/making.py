"""Factories of tasks, attempts and schedules, with defaults for everything that a test does not set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from app.domain.fields import names_kept
from app.domain.ids import firing_id, new_id
from app.domain.outcome import Failure, Outcome
from app.domain.spec import ScheduleSpec, kept_fields, parse_schedule, parse_task
from app.domain.status import Kind, ScheduleStatus, TaskType
from app.store.firings import Firing, Firings
from app.store.messages import EXECUTE, TASK_ID, Message, MessageTemplate
from app.store.record import Task
from app.store.schedules import Schedule
from app.store.store import Store
from app.store.tasks import Attempt, NewTask

Item = TypeVar("Item", NewTask, Schedule, Task)
#: Starts of the names of keys that count what has happened, or tell the form of the data. They belong to no task.
COUNTERS = ("celeriac:minute:", "celeriac:totals", "celeriac:form")
WORKER = "celery@here"
LEASE_MS = 15_000
MESSAGE = Message("celeriac:celeriac.code", '{"headers": {"id": "none"}}')
FAILED = Outcome(failure=Failure("ValueError", "no"))
WORKER_LOST = Failure("WorkerLostError", "the worker died while running the task")
SUCCEEDED = Outcome(result_json=b"7", stdout="out\n", cpu_ms=0.8, memory_kb=5120)
STOPPED = Outcome(stopped=True)
ENTRY = {"attempt": 1, "error": None}


def message_for(task_id: str) -> Message:
    """A message as the store needs it: for a list, with the headers that it reads."""
    return Message(MESSAGE.queue_key, json.dumps({"headers": {"task": EXECUTE, "id": task_id}}))


class PlainMessages:
    """A message maker without Celery. It makes the messages of `message_for`."""

    def __call__(self, task_id: str, kind: str, priority: int, due_ms: int | None) -> Message:
        return message_for(task_id)

    def template(self, kind: str, priority: int) -> MessageTemplate:
        return TEMPLATE


_BEFORE, _, _AFTER = message_for(TASK_ID).payload.partition(TASK_ID)
TEMPLATE = MessageTemplate(MESSAGE.queue_key, (_BEFORE, TASK_ID, _AFTER))


_RAW = {"name": "report", "function_code": "def f(): pass", "function_name": "f"}
_RAW_API = {"name": "report", "api_url": "http://target.test/"}


def _task_spec(raw: Mapping[str, Any]) -> dict[str, Any]:
    return kept_fields(parse_task(dict(raw), 0, lambda _: []))


def _schedule_spec(raw: Mapping[str, Any]) -> dict[str, Any]:
    spec = parse_schedule({**raw, "name": "nightly", "cron_expression": "* * * * *"}, lambda _: [])
    return {**kept_fields(spec), "timezone": "UTC"}


SPEC, API_SPEC = _task_spec(_RAW), _task_spec(_RAW_API)
SCHEDULE_SPEC, API_SCHEDULE_SPEC = _schedule_spec(_RAW), _schedule_spec(_RAW_API)


def with_spec(base: Mapping[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The changes, with changes of declared fields moved into `spec`, on top of `base`."""
    spec = {**base, **changes.pop("spec", {})}
    declared = names_kept(ScheduleSpec)
    spec |= {name: changes.pop(name) for name in list(changes) if name in declared}
    return {**changes, "spec": spec}


def changed(item: Item, **changes: Any) -> Item:
    """`item` with some of its fields or spec fields changed."""
    return replace(item, **with_spec(item.spec, changes))


def new_task(now_ms: int, **changes: Any) -> NewTask:
    """An immediate code task with its message. Changes of declared fields (`priority=9`) go into its spec."""
    task_id = changes.pop("id", None) or new_id(now_ms)
    is_api = changes.get("kind") is Kind.API
    task = NewTask(
        id=task_id,
        kind=Kind.CODE,
        task_type=TaskType.IMMEDIATE,
        due_ms=now_ms,
        spec=API_SPEC if is_api else SPEC,
        message=message_for(task_id),
    )
    return changed(task, **changes)


def created(store: Store, now_ms: int, **changes: Any) -> str:
    """Create a task and return its id."""
    task = new_task(now_ms, **changes)
    assert store.tasks.create([task], now_ms) == 1
    return task.id


def claimed(store: Store, task_id: str, now_ms: int, worker: str = WORKER) -> Attempt:
    """Let a worker claim a task now, and return the attempt."""
    attempt = store.tasks.claim(task_id, worker, now_ms, now_ms + LEASE_MS)
    assert isinstance(attempt, Attempt), attempt
    return attempt


def finished(store: Store, now_ms: int, outcome: Outcome = SUCCEEDED, **changes: Any) -> str:
    """Create and run a task, and return its id."""
    task_id = created(store, now_ms, **changes)
    store.tasks.finish(claimed(store, task_id, now_ms), outcome, now_ms, 1.5)
    return task_id


def new_schedule(now_ms: int, **changes: Any) -> Schedule:
    """An active schedule that fires every minute. Changes of declared fields go into its spec."""
    schedule = Schedule(
        id=new_id(now_ms),
        kind=Kind.CODE,
        status=ScheduleStatus.ACTIVE,
        created_ms=now_ms,
        updated_ms=now_ms,
        next_run_ms=now_ms + 60_000,
        spec=API_SCHEDULE_SPEC if changes.get("kind") is Kind.API else SCHEDULE_SPEC,
    )
    return changed(schedule, **changes)


def scheduled(store: Store, now_ms: int, **changes: Any) -> Schedule:
    """Create a schedule and return it."""
    schedule = new_schedule(now_ms, **changes)
    store.schedules.create(schedule, now_ms)
    return schedule


def firing(schedule_id: str, at_ms: int) -> Firing:
    """A firing whose task is due immediately."""
    return Firing(at_ms, at_ms, firing_id(schedule_id, at_ms), TEMPLATE)


def due(schedule: Schedule, **changes: Any) -> Firings:
    """The request of a beat that saw `schedule`: its next firing, followed by another one a minute later."""
    at_ms = schedule.next_run_ms
    assert at_ms is not None
    asked = Firings(
        schedule.id, at_ms, schedule.revision, at_ms + 60_000, "allow", None, (), [firing(schedule.id, at_ms)]
    )
    return asked._replace(**changes)


def send_twice(monkeypatch: pytest.MonkeyPatch, *parts: Any) -> None:
    """Each command of these stores is sent again from here on, as after a lost reply. The second answer must be the
    first."""
    for part in parts:
        once = part._scripts

        def twice(script: str, once: Any = once, **values: Any) -> Any:
            first = once(script, **values)
            again = once(script, **values)
            assert again == first
            return again

        monkeypatch.setattr(part, "_scripts", twice)
