"""Deliveries: each finish of a task with a callback makes one, and none is lost, on whatever way."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import redis

from app.domain.bulk import Of
from app.domain.deliveries import DeliveryStatus
from app.domain.ids import time_of
from app.domain.outcome import Ending, Outcome
from app.domain.status import Status
from app.store.bulk import Bulk
from app.store.deliveries import Delivery, DeliveryFilters, NewDelivery, Try
from app.store.messages import NO_MESSAGE
from app.store.store import Store
from app.store.tasks import UNTOLD
from tests.conftest import VirtualClock
from tests.store.making import (
    FAILED,
    LEASE_MS,
    STOPPED,
    SUCCEEDED,
    WORKER_LOST,
    claimed,
    created,
    due,
    finished,
    scheduled,
)

URL = "https://example.com/told"
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}")
ALL = DeliveryFilters()
DELIVERED, FAILED_, PENDING = DeliveryStatus.DELIVERED, DeliveryStatus.FAILED, DeliveryStatus.PENDING
BULK_ID = "0198f3c2-5c1e-7a3b-9f21-3d0c8e6b1a42"


def listed(store: Store, **filters: Any) -> list[Delivery]:
    return store.deliveries.page(DeliveryFilters(**filters), 200).items


def told(store: Store, clock: VirtualClock, **changes: Any) -> str:
    """The id of a new task with a callback."""
    return created(store, clock(), callback_url=URL, **changes)


def the_only(store: Store) -> Delivery:
    (delivery,) = listed(store)
    return delivery


def tried(store: Store, clock: VirtualClock, status: DeliveryStatus, **more: Any) -> Delivery:
    """Claim the only due delivery and end its try."""
    (delivery,) = store.deliveries.claim(clock(), clock() + LEASE_MS, 10)
    made = Try(clock(), 200 if status is DELIVERED else 500, 1.5, None if status is DELIVERED else "no")
    assert store.deliveries.end_try(delivery, clock(), status, made=made, **more) == status
    return delivery


def settle(store: Store, clock: VirtualClock) -> None:
    while claimed_ := store.deliveries.claim(clock(), clock() + LEASE_MS, 100):
        for one in claimed_:
            store.deliveries.end_try(one, clock(), DELIVERED, made=Try(clock(), 200, 1.0, None))


# --- a finish makes a delivery -------------------------------------------------------------------------


def succeed(store: Store, clock: VirtualClock) -> str:
    store.tasks.finish(claimed(store, told(store, clock), clock()), SUCCEEDED, clock(), 1.0)
    return "succeeded"


def fail_after_a_retry(store: Store, clock: VirtualClock) -> str:
    task_id = told(store, clock)
    attempt = claimed(store, task_id, clock())
    store.tasks.run_again(attempt, FAILED, clock(), 1.0, clock(), NO_MESSAGE, Ending.COUNTED, entry=None)
    assert listed(store) == []
    store.tasks.finish(claimed(store, task_id, clock()), FAILED, clock(), 1.0)
    return "failed"


def stop_what_waits(store: Store, clock: VirtualClock) -> str:
    store.tasks.stop(told(store, clock, due_ms=clock() + 60_000), clock())
    return "stopped"


def stop_what_runs(store: Store, clock: VirtualClock) -> str:
    task_id = told(store, clock)
    attempt = claimed(store, task_id, clock())
    store.tasks.stop(task_id, clock())
    assert listed(store) == []
    store.tasks.finish(attempt, STOPPED, clock(), 1.0)
    return "stopped"


def stop_whose_worker_is_silent(store: Store, clock: VirtualClock) -> str:
    task_id = told(store, clock)
    attempt = claimed(store, task_id, clock())
    store.tasks.stop(task_id, clock(), force=True)
    assert store.tasks.finish(attempt, SUCCEEDED, clock(), 1.0) == "superseded"
    return "stopped"


def lose_too_many_workers(store: Store, clock: VirtualClock) -> str:
    claimed(store, told(store, clock), clock())
    (lost,) = store.recovery.expired_leases(clock.advance(LEASE_MS + 1), 10)
    store.recovery.take_back(lost, clock(), NO_MESSAGE, 1, WORKER_LOST, {})
    return "failed"


def expire(store: Store, clock: VirtualClock) -> str:
    told(store, clock, expires_in=1)
    assert store.tasks.expire(clock.advance(2_000), 10, "beat") == 1
    return "failed"


def expire_at_the_claim(store: Store, clock: VirtualClock) -> str:
    task_id = told(store, clock, expires_in=1)
    clock.advance(2_000)
    assert store.tasks.claim(task_id, "w", clock(), clock() + LEASE_MS) == "expired"
    return "failed"


def stop_in_bulk(store: Store, clock: VirtualClock) -> str:
    _bulk(store, clock, "stop", told(store, clock))
    return "stopped"


def delete_in_bulk(store: Store, clock: VirtualClock) -> str:
    _bulk(store, clock, "delete", told(store, clock))
    return "stopped"


def delete_in_bulk_what_runs(store: Store, clock: VirtualClock) -> str:
    task_id = told(store, clock)
    claimed(store, task_id, clock())
    _bulk(store, clock, "delete", task_id)
    return "stopped"


def stop_by_the_next_firing(store: Store, clock: VirtualClock) -> str:
    schedule = scheduled(store, clock(), callback_url=URL, overlap="stop_previous")
    clock.advance(60_000)
    assert store.firings.fire([due(schedule, overlap="stop_previous")], clock()) == 1
    again = store.schedules.get(schedule.id)
    assert again is not None
    clock.advance(60_000)
    assert store.firings.fire([due(again, overlap="stop_previous")], clock()) == 1
    return "stopped"


def _bulk(store: Store, clock: VirtualClock, action: str, task_id: str) -> None:
    bulk = Bulk(BULK_ID, Of.TASKS, action, None, {}, clock(), matched=1)
    store.bulks.collect(bulk.id, 0, [task_id])
    store.bulks.begin(bulk, clock())
    assert store.bulks.end_tasks(bulk, 10, clock(), "bulk") == 1
    assert store.bulks.end_tasks(bulk, 10, clock(), "bulk") == 0


ENDS: list[Callable[[Store, VirtualClock], str]] = [
    succeed,
    fail_after_a_retry,
    stop_what_waits,
    stop_what_runs,
    stop_whose_worker_is_silent,
    lose_too_many_workers,
    expire,
    expire_at_the_claim,
    stop_in_bulk,
    delete_in_bulk,
    delete_in_bulk_what_runs,
    stop_by_the_next_firing,
]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_each_finish_makes_one_delivery(
    store: Store, clock: VirtualClock, end: Callable[[Store, VirtualClock], str]
) -> None:
    status = end(store, clock)
    delivery = the_only(store)
    assert (delivery.type, delivery.url, delivery.channel) == (f"task.{status}", URL, None)
    assert (delivery.status, delivery.created_ms, delivery.next_try_ms) == (PENDING, clock(), clock())
    assert UUID7.fullmatch(delivery.id)
    assert time_of(delivery.id) == clock()
    assert delivery.event_id == f"msg_{delivery.id}"
    task = store.deliveries.subject(delivery)
    assert task is not None
    assert (task.id, task.status, task.finished_ms) == (delivery.task_id, status, clock())
    assert delivery.scheduled_task_id == task.scheduled_task_id


def test_couriers_are_told_of_the_first_that_is_due_and_find_the_others_with_it(
    store: Store, clock: VirtualClock, raw_redis: redis.Redis
) -> None:
    with raw_redis.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe("celeriac:deliveries")
        assert channel.get_message(timeout=5) is None  # the subscription
        for number in ("first", "second"):
            finished(store, clock(), callback_url=URL)
            raw_redis.publish("celeriac:deliveries", number)
        told = [channel.get_message(timeout=5) for _ in range(3)]
    assert [message and message["data"] for message in told] == ["due", "first", "second"]


@pytest.mark.parametrize("status", ["succeeded", "failed", "stopped"])
def test_callback_on_names_the_finishes(store: Store, clock: VirtualClock, status: str) -> None:
    outcome = {"succeeded": SUCCEEDED, "failed": FAILED, "stopped": STOPPED}[status]
    named = {
        finished(store, clock(), outcome, callback_url=URL, callback_on=on): status in on
        for on in (["succeeded"], ["failed", "stopped"])
    }
    delivery = the_only(store)
    assert delivery.type == f"task.{status}"
    assert named[delivery.task_id or ""]


def test_a_task_without_a_callback_makes_none(store: Store, clock: VirtualClock, raw_redis: redis.Redis) -> None:
    finished(store, clock())
    assert raw_redis.keys("celeriac:d*") == []


def test_an_unfinished_task_with_a_callback_is_not_deleted_before_it_is_stopped(
    store: Store, clock: VirtualClock
) -> None:
    for task_id in (told(store, clock), told(store, clock, due_ms=clock() + 60_000)):
        assert store.tasks.delete(task_id) == UNTOLD
        store.tasks.stop(task_id, clock())
        assert store.tasks.delete(task_id) == Status.STOPPED
    assert [delivery.type for delivery in listed(store)] == ["task.stopped"] * 2


@pytest.mark.parametrize(
    ("outcome", "status"), [(SUCCEEDED, Status.SUCCEEDED), (FAILED, Status.FAILED), (STOPPED, Status.STOPPED)]
)
def test_a_finished_task_with_a_callback_is_deleted(
    store: Store, clock: VirtualClock, outcome: Outcome, status: Status
) -> None:
    assert store.tasks.delete(finished(store, clock(), outcome, callback_url=URL)) == status


# --- tries ---------------------------------------------------------------------------------------------


def test_a_delivery_is_claimed_once_and_delivered(store: Store, clock: VirtualClock, raw_redis: redis.Redis) -> None:
    succeed(store, clock)
    delivery = tried(store, clock, DELIVERED)
    assert store.deliveries.claim(clock(), clock() + LEASE_MS, 10) == []
    read = store.deliveries.get(delivery.id)
    assert read is not None
    assert (read.status, read.finished_ms, read.next_try_ms, read.tried) == (DELIVERED, clock(), None, 1)
    assert list(read.tries) == [read.last_try] == [Try(clock(), 200, 1.5, None)]
    assert raw_redis.exists("celeriac:deliveries:due", "celeriac:deliveries:leases") == 0


def test_notices_are_claimed_before_callbacks_that_have_waited_longer(
    store: Store, clock: VirtualClock, raw_redis: redis.Redis
) -> None:
    for _ in range(3):
        succeed(store, clock)
    notice = store.deliveries.add(NewDelivery(type="alert.failed", channel="ops", data={}), clock.advance(1_000))

    def channels(limit: int) -> list[str | None]:
        return [one.channel for one in store.deliveries.claim(clock(), clock() + LEASE_MS, limit)]

    assert channels(2) == ["ops", None]
    assert channels(1) == [None]
    store.deliveries.take_back(clock.advance(LEASE_MS + 1), 100)  # its worker died
    assert channels(1) == ["ops"]
    store.deliveries.take_back(clock.advance(LEASE_MS + 1), 100)
    (again,) = store.deliveries.claim(clock(), clock() + LEASE_MS, 1)
    store.deliveries.end_try(again, clock(), PENDING, next_try_ms=clock() + 1_000, made=None)
    assert channels(3) == [None, None, None]
    assert channels(1) == []
    clock.advance(1_000)
    assert channels(3) == ["ops"]
    assert raw_redis.exists("celeriac:deliveries:due", "celeriac:deliveries:due:notices") == 0
    store.deliveries.take_back(clock.advance(LEASE_MS + 1), 100)
    store.deliveries.trim(clock() + 1, 0, 100)
    assert store.deliveries.get(notice) is None
    assert raw_redis.exists("celeriac:deliveries:due", "celeriac:deliveries:due:notices") == 0


def test_a_notice_that_a_version_without_its_index_took_is_not_claimed_again(
    store: Store, clock: VirtualClock, raw_redis: redis.Redis
) -> None:
    """It takes it out of the index of all alone: versions of one form work side by side (docs/upgrade.md)."""
    notice = store.deliveries.add(NewDelivery(type="alert.failed", channel="ops", data={}), clock())
    assert raw_redis.zrem("celeriac:deliveries:due", notice) == 1
    assert store.deliveries.claim(clock(), clock() + LEASE_MS, 1) == []
    assert raw_redis.exists("celeriac:deliveries:due:notices") == 0


@pytest.mark.parametrize(("field", "value"), [("status", "unheard of"), ("data", "{")])
def test_one_that_can_not_be_read_does_not_hold_up_the_others(
    store: Store,
    clock: VirtualClock,
    raw_redis: redis.Redis,
    caplog: pytest.LogCaptureFixture,
    field: str,
    value: str,
) -> None:
    ids = [store.deliveries.add(NewDelivery("test", channel="ops", data={"n": n}), clock()) for n in range(3)]
    raw_redis.hset(f"celeriac:d:{ids[1]}", field, value)
    found = store.deliveries.claim(clock(), clock() + LEASE_MS, 10)
    assert [delivery.id for delivery in found] == [ids[0], ids[2]]
    assert [record.__dict__["delivery_id"] for record in caplog.records] == [ids[1]]
    for delivery in found:
        store.deliveries.end_try(delivery, clock(), DELIVERED)
    assert store.deliveries.take_back(clock.advance(LEASE_MS + 1), 10) == 1, "its lease has ended"


def test_a_failed_try_is_repeated_when_it_is_due(store: Store, clock: VirtualClock) -> None:
    succeed(store, clock)
    tried(store, clock, PENDING, next_try_ms=clock() + 5_000)
    assert store.deliveries.claim(clock.advance(4_999), clock() + LEASE_MS, 10) == []
    tried(store, clock_at(clock, 1), FAILED_)
    read = store.deliveries.get(the_only(store).id)
    assert read is not None
    assert (read.status, read.tried, [one.status for one in read.tries]) == (FAILED_, 2, [500, 500])


def clock_at(clock: VirtualClock, later_ms: int) -> VirtualClock:
    clock.advance(later_ms)
    return clock


def test_a_try_that_does_not_count_leaves_no_trace(store: Store, clock: VirtualClock) -> None:
    succeed(store, clock)
    (delivery,) = store.deliveries.claim(clock(), clock() + LEASE_MS, 10)
    store.deliveries.end_try(delivery, clock(), PENDING, next_try_ms=clock() + 7)
    read = the_only(store)
    assert (read.tried, read.last_try, read.next_try_ms) == (0, None, clock() + 7)


def test_a_lost_try_is_put_back_and_its_late_report_is_refused(store: Store, clock: VirtualClock) -> None:
    succeed(store, clock)
    (lost,) = store.deliveries.claim(clock(), clock() + LEASE_MS, 10)
    assert store.deliveries.take_back(clock.advance(LEASE_MS), 10) == 0
    assert store.deliveries.take_back(clock.advance(1), 10) == 1
    assert store.deliveries.end_try(lost, clock(), FAILED_) == "superseded"
    (again,) = store.deliveries.claim(clock(), clock() + LEASE_MS, 10)
    assert (again.id, again.event_id, again.tried) == (lost.id, lost.event_id, 0)
    assert store.deliveries.end_try(lost, clock(), FAILED_) == "superseded"
    assert store.deliveries.end_try(again, clock(), DELIVERED) == DELIVERED
    assert store.deliveries.end_try(again, clock(), DELIVERED) == "superseded", "the report came twice"


def test_no_more_are_claimed_than_asked_for_earliest_first(store: Store, clock: VirtualClock) -> None:
    ids = []
    for _ in range(5):
        ids.append(store.deliveries.add(NewDelivery("test", channel="ops", data={}), clock.advance(1)))
    first = store.deliveries.claim(clock(), clock() + LEASE_MS, 3)
    assert [delivery.id for delivery in first] == ids[:3]
    assert [delivery.id for delivery in store.deliveries.claim(clock(), clock() + LEASE_MS, 3)] == ids[3:]


def test_only_the_newest_tries_are_kept(store: Store, clock: VirtualClock) -> None:
    succeed(store, clock)
    for _ in range(25):
        tried(store, clock_at(clock, 1), PENDING, next_try_ms=clock())
    read = store.deliveries.get(the_only(store).id)
    assert read is not None
    assert (len(read.tries), read.tried) == (20, 25)
    assert read.tries[-1].at_ms == clock()


# --- replay --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ended", [DELIVERED, FAILED_])
def test_a_replay_sends_the_same_event_again(store: Store, clock: VirtualClock, ended: DeliveryStatus) -> None:
    succeed(store, clock)
    first = tried(store, clock, ended)
    assert store.deliveries.replay(first.id, clock.advance(1)) == "pending"
    assert [delivery.id for delivery in listed(store, status=PENDING)] == [first.id]
    assert listed(store, status=ended) == []
    again = tried(store, clock, DELIVERED)
    assert (again.event_id, again.tried) == (first.event_id, 0)
    read = store.deliveries.get(first.id)
    assert read is not None
    assert (read.tried, len(read.tries)) == (1, 2)


def test_a_replay_of_a_pending_delivery_sends_it_at_once(store: Store, clock: VirtualClock) -> None:
    succeed(store, clock)
    tried(store, clock, PENDING, next_try_ms=clock() + 5_000)
    assert store.deliveries.replay(the_only(store).id, clock()) == "pending"
    (delivery,) = store.deliveries.claim(clock(), clock() + LEASE_MS, 10)
    assert store.deliveries.replay(delivery.id, clock()) == "pending"
    assert store.deliveries.claim(clock(), clock() + LEASE_MS, 10) == [], "it is being tried already"
    assert (delivery.tried, delivery.epoch) == (1, 2)


def test_there_is_no_replay_of_what_is_gone(store: Store, clock: VirtualClock) -> None:
    assert store.deliveries.replay(BULK_ID, clock()) == ""
    succeed(store, clock)
    delivery = tried(store, clock, DELIVERED)
    assert delivery.task_id is not None
    store.tasks.delete(delivery.task_id)
    assert store.deliveries.replay(delivery.id, clock()) == "gone"
    assert the_only(store).status is DELIVERED
    notice = store.deliveries.add(NewDelivery("schedule.late", channel="ops", data={"n": 1}), clock())
    tried(store, clock, FAILED_)
    assert store.deliveries.replay(notice, clock()) == "pending", "a notice says all by itself"


# --- the task is removed -------------------------------------------------------------------------------


def test_a_pending_delivery_outlives_its_task_and_leaves_nothing(
    store: Store, clock: VirtualClock, raw_redis: redis.Redis
) -> None:
    task_id = told(store, clock, tags=("a",))
    store.tasks.finish(claimed(store, task_id, clock()), SUCCEEDED, clock(), 1.0)
    before = store.deliveries.subject(the_only(store))
    assert before is not None
    assert (before.result_json, before.stdout) == ("7", "out\n")
    store.tasks.delete(task_id)
    assert raw_redis.keys("celeriac:t:*") == []
    assert store.deliveries.subject(the_only(store)) == before
    tried(store, clock, PENDING, next_try_ms=clock())
    assert store.deliveries.subject(the_only(store)) == before
    delivery = tried(store, clock, DELIVERED)
    assert store.deliveries.subject(delivery) is None
    assert sorted(raw_redis.keys("celeriac:d:*")) == [f"celeriac:d:{delivery.id}", f"celeriac:d:{delivery.id}:tries"]


def test_the_callback_inherits_a_task_that_notices_are_about_as_well(store: Store, clock: VirtualClock) -> None:
    task_id = told(store, clock)
    notice = NewDelivery("alert.late", channel="ops", task_id=task_id, data={})
    store.deliveries.add(notice, clock())
    store.tasks.finish(claimed(store, task_id, clock()), SUCCEEDED, clock(), 1.0)
    store.deliveries.add(notice, clock())
    _, callback, _ = listed(store)
    assert callback.url == URL
    subject = store.deliveries.subject(callback)
    assert subject is not None
    store.tasks.delete(task_id)
    assert store.deliveries.subject(callback) == subject


def test_an_ended_delivery_inherits_nothing(store: Store, clock: VirtualClock, raw_redis: redis.Redis) -> None:
    succeed(store, clock)
    delivery = tried(store, clock, FAILED_)
    assert delivery.task_id is not None
    store.tasks.delete(delivery.task_id)
    assert raw_redis.keys(f"celeriac:d:{delivery.id}:task") == []
    assert store.deliveries.subject(delivery) is None


# --- lists ---------------------------------------------------------------------------------------------


def test_filters_and_pages(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    for number in range(7):
        clock.advance(1)
        finished(store, clock(), callback_url=URL, scheduled_task_id=schedule.id if number % 2 else None)
        store.deliveries.add(NewDelivery("test", channel=f"c{number % 3}", data={}), clock())
    tried_ = store.deliveries.claim(clock(), clock() + LEASE_MS, 4)
    for delivery in tried_:
        store.deliveries.end_try(delivery, clock(), DELIVERED)
    everything = listed(store)
    assert [delivery.id for delivery in everything] == sorted((one.id for one in everything), reverse=True)
    assert len(everything) == 14
    for name in ("task_id", "scheduled_task_id", "channel", "status"):
        for value in {getattr(delivery, name) for delivery in everything} - {None}:
            expected = [delivery for delivery in everything if getattr(delivery, name) == value]
            assert listed(store, **{name: value}) == expected
            assert paged(store, DeliveryFilters(**{name: value}), 2) == expected
            both = [delivery for delivery in expected if delivery.status is PENDING]
            if name != "status":
                assert paged(store, DeliveryFilters(**{name: value, "status": PENDING}), 1) == both
    assert paged(store, ALL, 3) == everything
    assert listed(store, channel="none") == []


def paged(store: Store, filters: DeliveryFilters, limit: int) -> list[Delivery]:
    found, cursor = [], None
    for _ in range(100):
        page = store.deliveries.page(filters, limit, cursor)
        assert len(page.items) <= limit
        found += page.items
        cursor = page.cursor
        if cursor is None:
            return found
    raise AssertionError("the list does not end")


def test_a_page_examines_a_bounded_number(store: Store, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.store.deliveries.SCAN_PER_PAGE", 3)
    wanted = store.deliveries.add(NewDelivery("test", channel="a", data={}), clock())
    task_id = finished(store, clock(), callback_url=URL)
    filters = DeliveryFilters(task_id=task_id, channel="a")
    assert paged(store, filters, 10) == []
    for _ in range(5):
        store.deliveries.add(NewDelivery("test", channel="a", data={}), clock.advance(1))
    store.deliveries.add(NewDelivery("test", channel="b", data={}), clock.advance(1))
    (first,) = store.deliveries.claim(clock(), clock() + LEASE_MS, 1)
    store.deliveries.end_try(first, clock(), DELIVERED)
    assert [one.id for one in paged(store, DeliveryFilters(channel="a", status=DELIVERED), 10)] == [wanted]
    assert len(paged(store, ALL, 2)) == 8


def test_a_foreign_cursor_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="cursor"):
        store.deliveries.page(ALL, 10, "x")


# --- retention -----------------------------------------------------------------------------------------


def test_old_deliveries_go_and_leave_nothing(store: Store, clock: VirtualClock, raw_redis: redis.Redis) -> None:
    schedule = scheduled(store, clock())
    finished(store, clock(), callback_url=URL, scheduled_task_id=schedule.id)
    store.deliveries.add(NewDelivery("test", channel="ops", data={}), clock())
    settle(store, clock)
    created_ms = clock()
    assert store.deliveries.trim(created_ms, 100, 10) == (0, 0)
    assert store.deliveries.trim(created_ms + 1, 100, 10) == (2, 0)
    assert raw_redis.keys("celeriac:d:*") == raw_redis.keys("celeriac:deliveries*") == []


def test_pending_deliveries_do_not_age(store: Store, clock: VirtualClock) -> None:
    succeed(store, clock)
    assert store.deliveries.trim(clock() + 10**9, 100, 10) == (0, 0)
    assert the_only(store).status is PENDING


def test_beyond_the_limit_those_go_first_that_have_ended(store: Store, clock: VirtualClock) -> None:
    ids = []
    for number in range(6):
        ids.append(store.deliveries.add(NewDelivery("test", channel="ops", data={}), clock.advance(1)))
        if number % 2:
            ended = store.deliveries.claim(clock(), clock() + LEASE_MS, 10)[-1]
            store.deliveries.end_try(ended, clock(), DELIVERED)
    assert store.deliveries.trim(0, 6, 10) == (0, 0)
    assert store.deliveries.trim(0, 4, 10) == (2, 0)
    assert {one.id for one in listed(store)} == {ids[0], ids[2], ids[4], ids[5]}
    assert store.deliveries.trim(0, 1, 1) == (1, 0), "no more than asked for at a time"
    assert store.deliveries.trim(0, 1, 10) == (2, 2), "the oldest pending ones, since there is nothing else"
    assert [one.id for one in listed(store)] == [ids[4]]


def test_a_removed_delivery_is_not_sent(store: Store, clock: VirtualClock, raw_redis: redis.Redis) -> None:
    succeed(store, clock)
    (delivery,) = store.deliveries.claim(clock(), clock() + LEASE_MS, 10)
    store.deliveries.trim(0, 0, 10)
    assert store.deliveries.get(delivery.id) is None
    assert store.deliveries.end_try(delivery, clock(), DELIVERED) == ""
    assert store.deliveries.take_back(clock.advance(10 * LEASE_MS), 10) == 0
    assert raw_redis.keys("celeriac:d*") == []


def test_a_removed_delivery_that_was_due_leaves_nothing(
    store: Store, clock: VirtualClock, raw_redis: redis.Redis
) -> None:
    succeed(store, clock)
    store.deliveries.trim(0, 0, 10)
    assert raw_redis.keys("celeriac:d*") == []
    assert store.deliveries.claim(clock(), clock() + LEASE_MS, 10) == []


def test_every_delivery_is_an_event_of_its_own_unless_it_says_so(store: Store, clock: VirtualClock) -> None:
    new = NewDelivery("test", channel="ops", data={"a": [1, "ü"]})
    first, second = (store.deliveries.add(new, clock()) for _ in range(2))
    shared = store.deliveries.add(replace(new, event_id="evt_1"), clock())
    read = {one.id: one for one in listed(store)}
    assert len({read[first].event_id, read[second].event_id, read[shared].event_id}) == 3
    assert read[shared].event_id == "evt_1"
    assert read[first].data == {"a": [1, "ü"]}
