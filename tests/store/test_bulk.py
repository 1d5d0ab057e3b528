"""Bulks on the real store: each step is taken once, whoever takes it; and the process that takes them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
import redis

from app.domain.bulk import BulkStatus, Of
from app.domain.errors import Busy, Unavailable
from app.domain.ids import bulk_task_id, new_id
from app.domain.status import Kind, ScheduleStatus, Status, TaskType
from app.settings import Settings
from app.store.bulk import MOST_KEPT, MOST_RUNNING, Bulk, SeenSchedule
from app.store.listing import Filters
from app.store.messages import NO_MESSAGE
from app.store.store import Store
from app.usecases.alerts import AlertWork
from app.usecases.bulk_work import READ, ROUND_SECONDS, STEP, BulkWork
from app.usecases.dispatch import Dispatcher
from app.usecases.maintenance import Maintenance
from tests.conftest import VirtualClock
from tests.store.making import COUNTERS, FAILED, PlainMessages, created, finished, new_task, scheduled


def dispatcher() -> Dispatcher:
    return Dispatcher(PlainMessages(), 5.0)


@pytest.fixture
def work(store: Store) -> BulkWork:
    return BulkWork(store, dispatcher(), Settings(), "beat@test")


def begun(store: Store, now_ms: int, action: str, ids: list[str], of: Of = Of.TASKS) -> Bulk:
    """A bulk over `ids`, the first of which comes first."""
    bulk = Bulk(new_id(now_ms), of, action, None, {}, now_ms)
    store.bulks.collect(bulk.id, 0, ids[::-1])
    bulk = replace(bulk, matched=len(ids))
    assert store.bulks.begin(bulk, now_ms) is None
    return bulk


def found(store: Store, bulk: Bulk) -> Bulk:
    again = store.bulks.get(bulk.id)
    assert again is not None
    return again


def retries(store: Store) -> list[str]:
    """What was run again, by `retry_of`."""
    page = store.listing.page(Filters(status=Status.QUEUED), 1_000)
    return [str(task.retry_of) for task in page.items]


def test_a_step_that_arrives_twice_is_taken_once(store: Store, clock: VirtualClock) -> None:
    ids = [created(store, clock()) for _ in range(5)]
    bulk = begun(store, clock(), "stop", ids)
    assert store.bulks.end_tasks(bulk, 2, clock(), "test") == 2
    assert store.bulks.end_tasks(bulk, 2, clock(), "test") == 0
    assert [str(store.tasks.status(task_id)) for task_id in ids] == ["stopped"] * 2 + ["queued"] * 3
    assert (found(store, bulk).done, found(store, bulk).failed) == (2, 0)
    assert store.bulks.next_ids(bulk.id, 9) == ids[2:]


def test_ids_that_are_done_and_ids_that_fail_are_settled_alike(store: Store, clock: VirtualClock) -> None:
    ids = [new_id(clock()), created(store, clock()), new_id(clock())]
    bulk = begun(store, clock(), "stop", ids)
    for settled in range(len(ids)):
        assert store.bulks.next_ids(bulk.id, 9) == ids[settled:]
        assert store.bulks.end_tasks(found(store, bulk), 1, clock.advance(1), "test") == 1
    ended = found(store, bulk)
    assert (ended.done, ended.failed, ended.status, ended.finished_ms) == (1, 2, BulkStatus.COMPLETED, clock())


def test_a_step_that_creates_is_taken_once(store: Store, clock: VirtualClock) -> None:
    ids = [finished(store, clock()) for _ in range(2)]
    bulk = begun(store, clock(), "retry", ids)
    retry = new_task(clock(), id=bulk_task_id(bulk.id, ids[0]), retry_of=ids[0])
    assert [store.bulks.create_tasks(bulk, 1, [retry], clock(), 100) for _ in range(2)] == [1, 0]
    assert retries(store) == [ids[0]]


def test_many_processes_work_on_one_bulk_and_nothing_is_done_twice(store: Store, clock: VirtualClock) -> None:
    ids = [finished(store, clock(), FAILED) for _ in range(STEP * 3 + 7)]
    bulk = begun(store, clock(), "retry", ids)

    def work_off() -> None:
        work = BulkWork(store, dispatcher(), Settings(), "one name, so that the lease keeps none")
        while found(store, bulk).status is BulkStatus.RUNNING:
            work.work_off(clock())

    workers = [threading.Thread(target=work_off) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert (found(store, bulk).done, found(store, bulk).failed) == (len(ids), 0)
    assert sorted(retries(store)) == sorted(ids)


def test_one_process_at_a_time_works_on_bulks(store: Store, clock: VirtualClock, work: BulkWork) -> None:
    other = BulkWork(store, dispatcher(), Settings(), "another")
    steps_of_other = list[int]()

    def steady() -> float:
        """The time, which `work` asks for before each step."""
        before = found(store, bulk).position
        other.work_off(clock())
        steps_of_other.append(found(store, bulk).position - before)
        return 0.0

    work.steady = steady
    bulk = begun(store, clock(), "stop", [created(store, clock()) for _ in range(STEP * 2)])
    work.work_off(clock())
    assert found(store, bulk).status is BulkStatus.COMPLETED
    assert set(steps_of_other) == {0}
    assert not other.is_busy, "it does not spin"
    bulk = begun(store, clock(), "stop", [created(store, clock())])
    other.work_off(clock())
    assert found(store, bulk).status is BulkStatus.COMPLETED, "the first one has given the lease up"


def test_the_lease_of_a_process_that_is_killed_runs_out(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, work: BulkWork
) -> None:
    bulk = begun(store, clock(), "stop", [created(store, clock())])
    assert store.bulks.lease.take("killed")
    work.work_off(clock())
    assert found(store, bulk).position == 0
    assert 0 < raw_redis.pttl(f"{store.keys.bulks}:lease") <= 1_000
    raw_redis.delete(f"{store.keys.bulks}:lease")
    work.work_off(clock())
    assert found(store, bulk).status is BulkStatus.COMPLETED


def test_no_lease_is_taken_where_there_is_nothing_to_do(store: Store, raw_redis: redis.Redis, work: BulkWork) -> None:
    alerts = AlertWork(store.alerts, None, "beat@test")
    alerts.run(0)  # stores that there is no default rule
    raw_redis.config_resetstat()
    work.work_off(0)
    alerts.run(0)
    assert "cmdstat_set" not in raw_redis.info("commandstats")


def test_nothing_but_the_record_is_left_of_a_bulk_that_has_ended(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, work: BulkWork
) -> None:
    bulk = begun(store, clock(), "delete", [created(store, clock(), tags=("x",))])
    work.work_off(clock())
    assert found(store, bulk).status is BulkStatus.COMPLETED
    left = {key for key in raw_redis.keys("*") if not key.startswith((*COUNTERS, "celeriac:celeriac."))}
    assert left == {"celeriac:seq", store.keys.bulks, store.keys.bulk(bulk.id)}


def test_an_aborted_bulk_is_told_and_forgets_its_ids(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    bulk = begun(store, clock(), "stop", [created(store, clock())])
    with raw_redis.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe(store.keys.done(bulk.id))
        assert channel.get_message(timeout=5) is None  # the subscription
        assert store.bulks.abort(bulk.id, clock.advance(1)) == "running"
        told = channel.get_message(timeout=5)
    assert told
    assert told["data"] == "aborted"
    assert (found(store, bulk).status, found(store, bulk).finished_ms) == (BulkStatus.ABORTED, clock())
    assert raw_redis.keys(f"{store.keys.bulk(bulk.id)}*") == [store.keys.bulk(bulk.id)]
    assert raw_redis.exists(f"{store.keys.bulks}:running") == 0


def test_ids_of_a_bulk_that_never_began_expire(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    bulk_id = new_id(clock())
    assert store.bulks.collect(bulk_id, 0, ["a", "b"]) == 2
    key = f"{store.keys.bulk(bulk_id)}:ids"
    assert 0 < raw_redis.ttl(key) <= 600
    raw_redis.delete(key)
    with pytest.raises(Unavailable):
        store.bulks.collect(bulk_id, 2, ["c"])
    with pytest.raises(Unavailable):
        store.bulks.begin(Bulk(bulk_id, Of.TASKS, "stop", None, {}, clock(), matched=2), clock())
    assert store.bulks.newest() == []


def test_ids_that_arrive_twice_are_collected_once(store: Store, clock: VirtualClock) -> None:
    bulk_id = new_id(clock())
    assert [store.bulks.collect(bulk_id, 0, ["b", "a"]) for _ in range(2)] == [2, 2]
    assert store.bulks.collect(bulk_id, 2, ["0"] * 600) == 602
    assert store.bulks.next_ids(bulk_id, 1_000)[-2:] == ["a", "b"]


def test_the_newest_hundred_are_kept_and_those_that_run(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    running = begun(store, clock(), "stop", [created(store, clock())])
    ended = [begun(store, clock.advance(1), "stop", []) for _ in range(MOST_KEPT)]
    kept = [bulk.id for bulk in store.bulks.newest()]
    assert kept == [bulk.id for bulk in ended[:0:-1]] + [running.id]
    assert raw_redis.exists(store.keys.bulk(ended[0].id)) == 0


def test_too_many_that_run_are_refused(store: Store, clock: VirtualClock) -> None:
    task_id = created(store, clock())
    bulks = [begun(store, clock(), "stop", [task_id]) for _ in range(MOST_RUNNING)]
    with pytest.raises(Busy, match="100 bulks are running"):
        begun(store, clock(), "stop", [task_id])
    assert store.bulks.abort(bulks[0].id, clock()) == "running"
    begun(store, clock(), "stop", [task_id])


def test_a_bulk_that_finds_no_room_goes_on_when_there_is_some(
    store: Store, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    ids = [finished(store, clock()) for _ in range(3)]
    blocking = [created(store, clock()) for _ in range(2)]
    work = BulkWork(store, dispatcher(), replace(Settings(), max_queued_tasks=3), "beat@test")
    bulk = begun(store, clock(), "retry", ids)
    stopping = begun(store, clock(), "stop", [blocking[0]])
    for _ in range(3):
        work.work_off(clock())
    assert not work.is_busy, "it does not spin"
    assert found(store, bulk).position == 0
    assert found(store, stopping).status is BulkStatus.COMPLETED, "others go on"
    assert [vars(record).get("action") for record in caplog.records].count("bulk_put_off") == 1
    store.tasks.stop(blocking[1], clock())
    work.work_off(clock())
    assert found(store, bulk).status is BulkStatus.COMPLETED
    assert sorted(retries(store)) == sorted(ids)


def test_a_round_is_bounded_and_bulks_take_turns(store: Store, clock: VirtualClock) -> None:
    large = begun(store, clock(), "stop", [created(store, clock(), message=NO_MESSAGE) for _ in range(STEP * 4)])
    small = begun(store, clock(), "stop", [created(store, clock())])
    seconds: Iterator[float] = count(0, ROUND_SECONDS / 2)  # type: ignore[assignment]
    maintenance = Maintenance(store, dispatcher(), Settings(), "test")
    maintenance.bulks.steady = lambda: next(seconds)
    assert maintenance.run(clock()), "there is more to do"
    assert found(store, large).position == STEP
    assert found(store, small).status is BulkStatus.COMPLETED
    while maintenance.run(clock()):
        pass
    assert found(store, large).status is BulkStatus.COMPLETED


def test_a_bulk_that_fails_does_not_stop_the_others(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, work: BulkWork, caplog: pytest.LogCaptureFixture
) -> None:
    broken = begun(store, clock(), "retry", [finished(store, clock())])
    raw_redis.hset(store.keys.bulk(broken.id), "changes", "[1]")
    fine = begun(store, clock(), "stop", [created(store, clock())])
    work.work_off(clock())
    assert found(store, fine).status is BulkStatus.COMPLETED
    assert not work.is_busy
    assert "bulk_step_failed" in [vars(record).get("action") for record in caplog.records]


def test_large_tasks_are_created_in_small_steps(store: Store, clock: VirtualClock, work: BulkWork) -> None:
    code = f"def f(): pass\n#{'x' * 200_000}"
    ids = [finished(store, clock(), function_code=code) for _ in range(READ + 2)]
    bulk = begun(store, clock(), "retry", ids)
    assert work._step(bulk.id, clock())
    assert found(store, bulk).position == READ, "more than a million characters went out at once"


def test_a_schedule_that_changed_meanwhile_is_looked_at_again(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    store.schedules.move(schedule.id, clock(), ScheduleStatus.ACTIVE, ScheduleStatus.PAUSED, None)
    bulk = begun(store, clock(), "resume", [schedule.id], Of.SCHEDULED_TASKS)
    assert store.bulks.move_schedules(bulk, [SeenSchedule(schedule.id, "1", clock() + 60_000)], clock()) == 0
    assert found(store, bulk).position == 0
    assert store.bulks.move_schedules(bulk, [SeenSchedule(schedule.id, "2", clock() + 60_000)], clock()) == 1
    assert found(store, bulk).done == 1


def test_a_run_of_a_schedule_that_was_just_deleted_fails(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    bulk = begun(store, clock(), "run", [schedule.id], Of.SCHEDULED_TASKS)
    task = new_task(clock(), scheduled_task_id=schedule.id)
    store.schedules.delete(schedule.id)
    assert store.bulks.create_tasks(bulk, 1, [task], clock(), 100) == 1
    assert (found(store, bulk).done, found(store, bulk).failed) == (0, 1)
    assert store.tasks.get(task.id) is None


@pytest.mark.parametrize(
    "filters",
    [
        Filters(status=Status.QUEUED),
        Filters(status=Status.SUCCEEDED, kind=Kind.API),
        Filters(status=Status.WAITING, task_type=TaskType.DELAYED),
        Filters(tag="x"),
        Filters(scheduled_task_id="s"),
    ],
)
def test_indexes_tell_the_same_as_the_list(store: Store, clock: VirtualClock, filters: Filters) -> None:
    for number in range(40):
        changes: dict[str, Any] = {"kind": Kind.API} if number % 3 else {}
        changes |= {"tags": ("x",)} if number % 5 == 0 else {"scheduled_task_id": "s"}
        if number % 4 == 0:
            created(store, clock(), due_ms=clock() + 9_000, task_type=TaskType.DELAYED, message=NO_MESSAGE, **changes)
        else:
            (created if number % 2 else finished)(store, clock(), **changes)
    indexes = store.bulks.indexes_of(filters)
    listed = [task.id for task in store.listing.page(filters, 100).items]
    assert listed
    for limit in (1, 2, 7, 100):
        assert [one for some in store.bulks.members(indexes, limit) for one in some] == listed


@pytest.mark.parametrize(
    "filters",
    [
        Filters(kind=Kind.API),
        Filters(status=Status.QUEUED, name="x"),
        Filters(status=Status.QUEUED, tag="x"),
        Filters(tag="x", scheduled_task_id="s"),
        Filters(tag="x", created_after_ms=1),
    ],
)
def test_no_index_tells_all_of_these(store: Store, filters: Filters) -> None:
    assert store.bulks.indexes_of(filters) == []


def test_the_tasks_of_another_kind_are_not_touched(store: Store, clock: VirtualClock, work: BulkWork) -> None:
    code, call = created(store, clock()), created(store, clock(), kind=Kind.API)
    begun(store, clock(), "stop", [code])
    work.work_off(clock())
    assert (store.tasks.status(code), store.tasks.status(call)) == (Status.STOPPED, Status.QUEUED)
