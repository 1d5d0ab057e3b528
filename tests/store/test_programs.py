"""A program is kept once, however many tasks have it, and goes with the last record that has it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import redis

from app.domain.bulk import Of
from app.domain.ids import new_id
from app.domain.outcome import Ending
from app.settings import Settings
from app.store.admission import Conditions
from app.store.bodies import INLINE_BYTES, hash_of
from app.store.bulk import Bulk, SeenSchedule
from app.store.listing import Filters
from app.store.messages import NO_MESSAGE
from app.store.store import Store
from app.usecases.retention import Retention
from tests.conftest import VirtualClock
from tests.store.making import (
    FAILED,
    SUCCEEDED,
    changed,
    claimed,
    created,
    due,
    finished,
    firing,
    message_for,
    new_schedule,
    new_task,
    scheduled,
)

LONG = "def f(): pass\n" + "#" * INLINE_BYTES
OTHER = LONG + "!"
LONG_ARGS = ["a long text " * 20]
THREADS, ROUNDS = 4, 40


def uses(raw: redis.Redis) -> dict[str, int]:
    """The source of each program that is kept, and how many have it."""
    found: dict[str, int] = {}
    for key in raw.keys("celeriac:program:*"):
        program: Any = raw.hgetall(key)
        assert key == f"celeriac:program:{hash_of(program['text'])}"
        found[program["text"]] = int(program["uses"])
    return found


def source_of(store: Store, task_id: str) -> str:
    task = store.tasks.get(task_id)
    assert task is not None
    return str(task.spec["function_code"])


def test_a_program_is_kept_once(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    ids = [created(store, clock(), function_code=LONG) for _ in range(3)]
    created(store, clock(), function_code=OTHER)
    assert uses(raw_redis) == {LONG: 3, OTHER: 1}
    assert {source_of(store, task_id) for task_id in ids} == {LONG}
    assert len(raw_redis.dump(store.keys.task(ids[0])) or b"") < 400


@pytest.mark.parametrize("length", [1, INLINE_BYTES - 1, INLINE_BYTES, INLINE_BYTES + 1, 10_000])
@pytest.mark.parametrize("character", ["#", "ü"])
def test_every_reader_finds_it(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, length: int, character: str
) -> None:
    source, args = character * length, [character * length]
    task_id = created(store, clock(), function_code=source, args=args)
    whole, (listed,) = store.tasks.get(task_id), store.tasks.specs_of([task_id])
    assert whole is not None
    assert listed is not None
    attempt = claimed(store, task_id, clock())
    for spec in (whole.spec, listed.spec, attempt.spec):
        assert (spec["function_code"], spec["function_name"], spec["args"]) == (source, "f", args)
    assert bool(uses(raw_redis)) == (len(source.encode()) > INLINE_BYTES)


def test_tasks_of_one_moment_are_read_with_their_own(store: Store, clock: VirtualClock) -> None:
    ids = [created(store, clock(), function_code=source) for source in (LONG, "short", OTHER, LONG)]
    found = store.tasks.specs_of([*ids, new_id(clock())])
    assert [task and task.spec["function_code"] for task in found] == [LONG, "short", OTHER, LONG, None]


def test_what_is_not_created_is_not_counted(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    task, conditions = new_task(clock(), function_code=LONG), Conditions(key="k", fingerprint="f")
    assert store.tasks.create([task], clock(), conditions) == 1
    assert store.tasks.create([task], clock(), conditions) == 0
    store.tasks.create([new_task(clock(), function_code=OTHER)], clock(), conditions)
    schedule = new_schedule(clock(), function_code=LONG, key="k")
    for _ in range(2):
        store.schedules.create(schedule, clock())
        store.schedules.create(new_schedule(clock(), function_code=OTHER, key="k"), clock())
    assert uses(raw_redis) == {LONG: 2}


def test_a_batch_counts_each_task_once(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    tasks = [new_task(clock(), function_code=(LONG, OTHER)[i % 2]) for i in range(210)]
    store.batches.create("b", tasks, clock())
    store.batches.create("b", tasks, clock())
    store.batches.complete("b")
    assert uses(raw_redis) == {LONG: 105, OTHER: 105}


def test_an_attempt_that_runs_again_counts_once(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    task_id = created(store, clock(), function_code=LONG)
    attempt = claimed(store, task_id, clock())
    store.tasks.run_again(attempt, FAILED, clock(), 1.0, clock(), NO_MESSAGE, Ending.COUNTED, entry={})
    store.tasks.finish(claimed(store, task_id, clock()), SUCCEEDED, clock(), 1.0)
    assert uses(raw_redis) == {LONG: 1}
    assert source_of(store, task_id) == LONG


def test_a_change_exchanges_it(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    own = {"due_ms": clock() + 60_000, "message": NO_MESSAGE}
    task_id = created(store, clock(), function_code=LONG, args=LONG_ARGS, **own)
    for source, args, expected in (
        (LONG, [], {LONG: 1}),
        (OTHER, LONG_ARGS, {OTHER: 1}),
        ("short", [], {}),
        (LONG, LONG_ARGS, {LONG: 1}),
    ):
        seen = store.tasks.get(task_id)
        assert seen is not None
        new = new_task(clock(), id=task_id, function_code=source, args=args, **own)
        assert store.tasks.change(seen, new, clock())
        assert not store.tasks.change(seen, new_task(clock(), id=task_id, function_code="x" * 99), clock())
        assert uses(raw_redis) == expected
        task = store.tasks.get(task_id)
        assert task is not None
        assert (task.spec["function_code"], task.spec["args"]) == (source, args)


def test_a_schedule_counts_and_so_do_its_tasks(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock(), function_code=LONG, args=LONG_ARGS)
    now_ms = clock.advance(60_000)
    fired = firing(schedule.id, now_ms)
    store.firings.fire([due(schedule, firings=[fired])], now_ms)
    task = new_task(now_ms, function_code=LONG, scheduled_task_id=schedule.id)
    store.schedules.run_now(schedule.id, task, now_ms)
    assert uses(raw_redis) == {LONG: 3}
    seen = store.schedules.get(schedule.id)
    assert seen is not None
    assert store.schedules.change(seen, changed(seen, function_code=OTHER, args=[]), now_ms)
    assert uses(raw_redis) == {LONG: 2, OTHER: 1}
    store.schedules.delete(schedule.id)
    attempt = claimed(store, fired.task_id, now_ms)
    assert (attempt.spec["function_code"], attempt.spec["args"]) == (LONG, LONG_ARGS)
    store.tasks.finish(attempt, SUCCEEDED, now_ms, 1.0)
    assert uses(raw_redis) == {LONG: 2}


def by_its_caller(store: Store, clock: VirtualClock) -> None:
    for task in store.listing.page(Filters(), 10).items:
        store.tasks.delete(task.id)


def by_its_age(store: Store, clock: VirtualClock) -> None:
    Retention(store.retention, replace(Settings(), result_ttl=1.0)).trim(clock.advance(2_000))


def by_the_number_that_is_kept(store: Store, clock: VirtualClock) -> None:
    Retention(store.retention, replace(Settings(), max_finished_tasks=1)).trim(clock())
    by_its_caller(store, clock)


def by_a_bulk(store: Store, clock: VirtualClock) -> None:
    ids = [task.id for task in store.listing.page(Filters(), 10).items]
    bulk = Bulk(new_id(clock()), Of.TASKS, "delete", None, {}, clock(), matched=len(ids))
    store.bulks.collect(bulk.id, 0, ids)
    store.bulks.begin(bulk, clock())
    assert store.bulks.end_tasks(bulk, 10, clock(), "bulk") == len(ids)


@pytest.mark.parametrize("remove", [by_its_caller, by_its_age, by_the_number_that_is_kept, by_a_bulk])
def test_it_goes_with_the_last_task(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, remove: Callable[[Store, VirtualClock], None]
) -> None:
    for source in (LONG, LONG, OTHER):
        finished(store, clock.advance(1), function_code=source, args=LONG_ARGS)
    assert uses(raw_redis) == {LONG: 2, OTHER: 1}
    remove(store, clock)
    assert uses(raw_redis) == {}
    assert raw_redis.keys("celeriac:t:*") == []


def test_a_bulk_that_deletes_schedules_counts_down(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    ids = [scheduled(store, clock(), function_code=LONG).id for _ in range(2)]
    bulk = Bulk(new_id(clock()), Of.SCHEDULED_TASKS, "delete", None, {}, clock(), matched=2)
    store.bulks.collect(bulk.id, 0, ids)
    store.bulks.begin(bulk, clock())
    assert store.bulks.move_schedules(bulk, [SeenSchedule(one) for one in ids], clock()) == 2
    assert uses(raw_redis) == {}


def test_the_last_delete_and_the_next_create_may_meet(store: Store, raw_redis: redis.Redis, redis_url: str) -> None:
    wrong: list[str] = []

    def create_and_delete(number: int) -> None:
        own = Store.at(redis_url)
        try:
            for turn in range(ROUNDS):
                source = (LONG, OTHER)[(number + turn) % 2]
                task_id = created(own, 0, function_code=source, message=message_for(""))
                if source_of(own, task_id) != source:
                    wrong.append(task_id)
                own.tasks.delete(task_id)
        finally:
            own.close()

    threads = [threading.Thread(target=create_and_delete, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert uses(raw_redis) == {}
