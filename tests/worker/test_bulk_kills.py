"""Beats that are killed while they work bulks off: each task is retried, stopped or deleted once, and none is left out.

8 kills in the ordinary run. By hand, for long: `CELERIAC_KILLS=100 python -m pytest tests/worker/test_bulk_kills.py`;
CELERIAC_SEED repeats a run.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from app.clock import system_clock
from app.domain.bulk import BulkStatus, Of
from app.domain.ids import new_id
from app.domain.status import Status, TaskType
from app.store.bulk import Bulk
from app.store.listing import Filters
from app.store.messages import NO_MESSAGE
from app.store.record import Task
from app.store.store import Store
from tests.servers import wait_until
from tests.store.making import new_task
from tests.worker.conftest import Start

KILLS = int(os.environ.get("CELERIAC_KILLS", "8"))
TASKS = 500 * KILLS
LATER_MS = 3_600_000


def tasks(store: Store, filters: Filters) -> Iterator[Task]:
    """All that match."""
    cursor = None
    while True:
        page = store.listing.page(filters, 500, cursor)
        yield from page.items
        cursor = page.cursor
        if cursor is None:
            return


def waiting_tasks(store: Store, number: int) -> list[str]:
    """The ids of tasks that are due in an hour."""
    now_ms = system_clock()
    made = (
        new_task(now_ms, due_ms=now_ms + LATER_MS, task_type=TaskType.DELAYED, message=NO_MESSAGE)
        for _ in range(number)
    )
    ids = list[str]()
    while some := list(islice(made, 500)):
        assert store.tasks.create(some, now_ms) == len(some)
        ids += [task.id for task in some]
    return ids


def begun(store: Store, action: str, ids: Sequence[str]) -> Bulk:
    now_ms = system_clock()
    changes = {"task_type": "delayed", "delay_seconds": LATER_MS / 1000} if action == "retry" else {}
    bulk = Bulk(new_id(now_ms), Of.TASKS, action, None, changes, now_ms, matched=len(ids))
    store.bulks.collect(bulk.id, 0, ids)
    assert store.bulks.begin(bulk, now_ms) is None
    return bulk


def found(store: Store, bulk: Bulk) -> Bulk:
    again = store.bulks.get(bulk.id)
    assert again is not None
    return again


def test_beats_that_are_killed_at_random_do_all_of_a_bulk_once(store: Store, start: Start) -> None:
    seed = int(os.environ.get("CELERIAC_SEED", time.time_ns() % 1_000_000))
    print(f"CELERIAC_SEED={seed}")
    chance = random.Random(seed)
    stopped, deleted, untouched = waiting_tasks(store, TASKS), waiting_tasks(store, TASKS), waiting_tasks(store, 5)
    for task_id in stopped:
        store.tasks.stop(task_id, system_clock())
    bulks = [begun(store, "retry", stopped), begun(store, "delete", deleted)]
    beat, hits = start("beat"), 0
    for number in range(1, KILLS + 1):
        position = TASKS * number // (KILLS + 1)
        wait_until(
            lambda position=position: found(store, bulks[0]).position >= position, 60, f"{position} tasks of the bulk"
        )
        time.sleep(chance.uniform(0, 0.02))  # the random moment: anywhere within a step
        beat.signal(signal.SIGKILL)
        beat.process.wait(10)
        hits += found(store, bulks[0]).status is BulkStatus.RUNNING
        beat = start("beat")
    assert hits >= KILLS // 2, "the kills came too late to mean anything"
    for bulk in bulks:
        wait_until(lambda bulk=bulk: found(store, bulk).status is BulkStatus.COMPLETED, 60, "the end of the bulk")
        assert (found(store, bulk).done, found(store, bulk).failed) == (TASKS, 0)
    retries = Counter(task.retry_of for task in tasks(store, Filters(status=Status.WAITING)))
    assert retries.pop(None) == len(untouched)
    assert retries == Counter(stopped), "a task was retried twice, or not at all"
    assert {task.id for task in tasks(store, Filters(status=Status.STOPPED))} == set(stopped)
    assert all(store.tasks.status(task_id) is None for task_id in deleted)


def test_without_a_beat_a_worker_works_a_bulk_off(store: Store, start: Start) -> None:
    ids = waiting_tasks(store, 300)
    start("worker")
    bulk = begun(store, "stop", ids)
    wait_until(lambda: found(store, bulk).status is BulkStatus.COMPLETED, 60, "its end")
    assert {store.tasks.status(task_id) for task_id in ids} == {Status.STOPPED}
