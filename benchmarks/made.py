"""Tasks and schedules that are written without the API, as it would write them, and the wait for their end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.clock import system_clock
from app.domain.ids import new_id
from app.domain.spec import kept_fields, parse_schedule, parse_task
from app.domain.status import ScheduleStatus, Status, TaskType
from app.messaging.encoder import MessageEncoder
from app.settings import Settings
from app.store.listing import Filters
from app.store.record import Task
from app.store.schedules import Schedule
from app.store.store import Store
from app.usecases.dispatch import Dispatcher

HORIZON_SECONDS = Settings().countdown_horizon
TASKS_PER_WRITE = 200
HOUR_MS = 3_600_000
NO_OP: dict[str, Any] = {
    "name": "benchmark",
    "function_code": "def main():\n    return 1\n",
    "function_name": "main",
}
#: A task that stays waiting for a day.
WAITING_TASK: dict[str, Any] = {**NO_OP, "task_type": "delayed", "delay_seconds": 86_400}
SCHEDULE: dict[str, Any] = {**NO_OP, "cron_expression": "0 * * * *", "timezone": "UTC"}

#: Settings with which the service signs callbacks.
SIGNING = {"CALLBACK_SECRETS": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}


def no_problems(source: str, function_name: str, call: tuple[int, Sequence[str]] | None = None, /) -> list[Any]:
    """A checker of programs for rows in which checking them is not what is measured."""
    return []


@contextlib.contextmanager
def store_at(redis_url: str) -> Iterator[Store]:
    """A store, closed with the block."""
    store = Store.at(redis_url)
    try:
        yield store
    finally:
        store.close()


def add_tasks(store: Store, count: int, fields: Mapping[str, Any] = NO_OP) -> None:
    """Queue so many tasks, to run at once."""
    dispatcher = Dispatcher(MessageEncoder(store.keys), HORIZON_SECONDS)
    now_ms = system_clock()
    spec = parse_task(dict(fields), now_ms, lambda _: [])
    for first in range(0, count, TASKS_PER_WRITE):
        number = min(TASKS_PER_WRITE, count - first)
        tasks = [dispatcher.from_spec(spec, new_id(now_ms), TaskType.IMMEDIATE, now_ms, now_ms) for _ in range(number)]
        store.tasks.create(tasks, now_ms)


def add_schedules(store: Store, count: int, next_run_ms: int, **changes: Any) -> None:
    """Schedules, written as the API writes them, that fire next at `next_run_ms`."""
    spec = parse_schedule({**SCHEDULE, **changes}, lambda _: [])
    now_ms = system_clock()
    schedule = Schedule(
        id="",
        kind=spec.kind,
        status=ScheduleStatus.ACTIVE,
        created_ms=now_ms,
        updated_ms=now_ms,
        next_run_ms=next_run_ms,
        spec={**kept_fields(spec), "timezone": "UTC"},
    )
    for _ in range(count):
        store.schedules.create(replace(schedule, id=new_id(now_ms)), now_ms)


def count_in(store: Store, status: Status) -> int:
    """How many tasks have a status that is final."""
    indexes = [index for index in store.retention.indexes_by_creation() if index.endswith(f":{status}")]
    return store.retention.count(indexes)


def wait_for(store: Store, count: int, seconds: float, status: Status = Status.SUCCEEDED) -> None:
    """Wait until so many tasks have ended with a status."""
    deadline = time.monotonic() + seconds
    while (found := count_in(store, status)) < count:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{found} of {count} tasks ended as {status} within {seconds:g} s")
        time.sleep(0.02)


def tasks_of(store: Store, filters: Filters | None = None, limit: int | None = None) -> list[Task]:
    """The records of all tasks, or of the newest `limit`."""
    tasks: list[Task] = []
    cursor = None
    while limit is None or len(tasks) < limit:
        page = store.listing.page(filters or Filters(), 200, cursor)
        tasks += page.items
        cursor = page.cursor
        if cursor is None:
            break
    return tasks[:limit]
