"""The call that ends an attempt starts the worker's next task, if there is one that may start."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import redis

from app.domain.ids import new_id
from app.domain.outcome import Ending
from app.domain.status import Kind, Status
from app.store.messages import NO_MESSAGE, Message
from app.store.record import Task
from app.store.store import Store
from app.store.tasks import Attempt, Hold, Wanted
from tests.conftest import VirtualClock
from tests.store.making import (
    ENTRY,
    FAILED,
    LEASE_MS,
    MESSAGE,
    SUCCEEDED,
    WORKER,
    claimed,
    created,
    finished,
    message_for,
)

CODE, API = "celeriac.code", "celeriac.api"
PLACE = "abc"


def wanted(now_ms: int, number: int = 1, **changes: Any) -> Wanted:
    values = {"queues": [CODE], "kinds": [Kind.CODE], "lease_until_ms": now_ms + LEASE_MS, "name": PLACE}
    return Wanted(number=number, worker=WORKER, **{**values, **changes})


def read(store: Store, task_id: str) -> Task:
    task = store.tasks.get(task_id)
    assert task is not None
    return task


def started(ask: Wanted) -> Attempt:
    assert ask.attempt is not None
    return ask.attempt


@pytest.fixture
def running(store: Store, clock: VirtualClock, raw_redis: redis.Redis) -> Attempt:
    """An attempt whose message has been fetched."""
    attempt = claimed(store, created(store, clock()), clock())
    raw_redis.delete(MESSAGE.queue_key)
    return attempt


def test_it_starts_as_by_a_claim(store: Store, running: Attempt, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    task_id = created(store, clock(), timeout=7, spec={"function_code": "ü"})
    ask = wanted(clock.advance(3))
    assert store.tasks.finish(running, SUCCEEDED, clock(), 1.0, wanted=ask) == "succeeded"
    attempt = started(ask)
    assert (attempt.task_id, attempt.number, attempt.kind, attempt.losses) == (task_id, 1, "code", 0)
    assert (attempt.timeout, attempt.spec["function_code"], attempt.started_ms) == (7, "ü", clock())
    task = read(store, task_id)
    assert (task.status, task.attempt, task.worker, task.started_ms) == (Status.RUNNING, 1, WORKER, clock())
    assert [change.why for change in task.history] == ["created", "attempt 1 starts"]
    assert raw_redis.llen(MESSAGE.queue_key) == 0, "its message is used up"
    assert store.recovery.queued_ms(Kind.CODE, 5, task_id) is None
    assert raw_redis.zscore(store.keys.leases, task_id) == clock() + LEASE_MS
    assert store.tasks.renew([attempt], clock() + LEASE_MS) == [Hold.RENEWED]
    assert store.tasks.finish(attempt, SUCCEEDED, clock(), 1.0) == "succeeded"


def test_a_retry_and_a_lost_attempt_are_followed_by_it_too(store: Store, running: Attempt, clock: VirtualClock) -> None:
    for number, ending in enumerate((Ending.COUNTED, Ending.LOST)):
        task_id, ask = created(store, clock()), wanted(clock(), number)
        due_ms = clock() + 60_000
        store.tasks.run_again(running, FAILED, clock(), 1.0, due_ms, NO_MESSAGE, ending, wanted=ask, entry=ENTRY)
        running = started(ask)
        assert running.task_id == task_id


def test_a_task_that_is_queued_again_may_follow_itself(store: Store, running: Attempt, clock: VirtualClock) -> None:
    ask, message = wanted(clock()), message_for(running.task_id)
    store.tasks.run_again(running, FAILED, clock(), 1.0, clock(), message, Ending.COUNTED, wanted=ask, entry=ENTRY)
    assert (started(ask).task_id, started(ask).number) == (running.task_id, 2)
    assert started(ask).epoch != running.epoch


def test_there_may_be_none(store: Store, running: Attempt, clock: VirtualClock) -> None:
    ask = wanted(clock())
    assert store.tasks.finish(running, SUCCEEDED, clock(), 1.0, wanted=ask) == "succeeded"
    assert ask.attempt is None


def test_nothing_starts_for_a_worker_that_does_not_ask(store: Store, running: Attempt, clock: VirtualClock) -> None:
    task_id = created(store, clock())
    store.tasks.finish(running, SUCCEEDED, clock(), 1.0)
    store.tasks.finish(running, SUCCEEDED, clock(), 1.0, wanted=wanted(clock(), queues=[]))
    assert read(store, task_id).status is Status.QUEUED


def test_the_order_is_that_of_celery(store: Store, running: Attempt, clock: VirtualClock) -> None:
    """By priority, then in the order of the queues, then by age."""
    lists = {"low": (CODE, 9), "api": (API, 1), "code": (CODE, 1), "older": (CODE, 0), "newer": (CODE, 0)}
    ids = {name: new_id(clock()) for name in [*lists, "other"]}
    for name, (queue, priority) in {**lists, "other": ("celeriac.other", 0)}.items():
        kind = Kind.API if queue == API else Kind.CODE
        message = Message(store.keys.queue(queue, priority), message_for(ids[name]).payload)
        created(store, clock(), id=ids[name], kind=kind, message=message)
    order = []
    for number in range(5):
        ask = wanted(clock(), number, queues=[CODE, API], kinds=list(Kind))
        store.tasks.finish(running, SUCCEEDED, clock(), 1.0, wanted=ask)
        running = started(ask)
        order.append(running.task_id)
    assert order == [ids[name] for name in ("older", "newer", "code", "api", "low")]


FOREIGN = [
    "no JSON",
    "7",
    "[]",
    '{"headers": 1}',
    '{"headers": {"id": 5}}',
    "{}",
    '{"headers": {"task": "x", "id": "y"}}',
]


@pytest.mark.parametrize("payload", FOREIGN)
def test_a_foreign_message_is_left_to_celery(
    store: Store, running: Attempt, raw_redis: redis.Redis, clock: VirtualClock, payload: str
) -> None:
    raw_redis.lpush(MESSAGE.queue_key, payload)
    task_id, ask = created(store, clock()), wanted(clock())
    assert store.tasks.finish(running, SUCCEEDED, clock(), 1.0, wanted=ask) == "succeeded"
    assert (ask.attempt, raw_redis.llen(MESSAGE.queue_key)) == (None, 2)
    assert read(store, task_id).status is Status.QUEUED


def _countdown(store: Store, clock: VirtualClock) -> str:
    return created(store, clock(), due_ms=clock() + 2_000)


def _of_another_kind(store: Store, clock: VirtualClock) -> str:
    return created(store, clock(), kind=Kind.API)


def _expired(store: Store, clock: VirtualClock) -> str:
    task_id = created(store, clock(), expires_in=1)
    clock.advance(2_000)
    return task_id


def _running(store: Store, clock: VirtualClock) -> str:
    task_id = created(store, clock())
    claimed(store, task_id, clock())
    return task_id


def _waiting_for_its_retry(store: Store, clock: VirtualClock) -> str:
    task_id = created(store, clock())
    attempt, due_ms = claimed(store, task_id, clock()), clock() + 60_000
    store.tasks.run_again(attempt, FAILED, clock(), 1.0, due_ms, NO_MESSAGE, Ending.COUNTED, entry=ENTRY)
    return task_id


@pytest.mark.parametrize("make", [_countdown, _of_another_kind, _expired, _running, _waiting_for_its_retry])
def test_a_message_whose_task_can_not_start_is_left_to_celery(
    store: Store, running: Attempt, raw_redis: redis.Redis, clock: VirtualClock, make: Any
) -> None:
    task_id, ask = make(store, clock), wanted(clock())
    before = store.tasks.get(task_id)
    assert store.tasks.finish(running, SUCCEEDED, clock(), 1.0, wanted=ask) == "succeeded"
    assert (ask.attempt, raw_redis.llen(MESSAGE.queue_key)) == (None, 1)
    assert store.tasks.get(task_id) == before


def stopped(store: Store, clock: VirtualClock) -> None:
    store.tasks.stop(created(store, clock()), clock())


def deleted(store: Store, clock: VirtualClock) -> None:
    store.tasks.delete(created(store, clock()))


def expired(store: Store, clock: VirtualClock) -> None:
    created(store, clock(), expires_in=1)
    assert store.tasks.expire(clock.advance(1_001), 10, "beat@test") == 1


def ended_elsewhere(store: Store, clock: VirtualClock) -> None:
    finished(store, clock())


@pytest.mark.parametrize("make", [stopped, deleted, expired, ended_elsewhere], ids=lambda make: make.__name__)
def test_messages_of_tasks_that_are_over_do_not_stand_in_the_way(
    store: Store, running: Attempt, raw_redis: redis.Redis, clock: VirtualClock, make: Any
) -> None:
    for _ in range(10):
        make(store, clock)
    task_id = created(store, clock())
    make(store, clock)
    ask = wanted(clock())
    assert store.tasks.finish(running, SUCCEEDED, clock(), 1.0, wanted=ask) == "succeeded"
    assert (started(ask).task_id, raw_redis.llen(MESSAGE.queue_key)) == (task_id, 1)


def test_one_call_removes_a_hundred_messages_at_most(
    store: Store, running: Attempt, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    for _ in range(101):
        stopped(store, clock)
    task_id, ask = created(store, clock()), wanted(clock())
    assert store.tasks.finish(running, SUCCEEDED, clock(), 1.0, wanted=ask) == "succeeded"
    assert (ask.attempt, raw_redis.llen(MESSAGE.queue_key)) == (None, 2)
    ask = wanted(clock(), 2)
    store.tasks.finish(running, SUCCEEDED, clock(), 1.0, wanted=ask)
    assert started(ask).task_id == task_id


def test_a_worker_that_lost_its_attempt_goes_on_with_the_next(
    store: Store, running: Attempt, clock: VirtualClock
) -> None:
    store.tasks.stop(running.task_id, clock(), force=True)
    task_id, ask = created(store, clock()), wanted(clock())
    assert store.tasks.finish(running, SUCCEEDED, clock(), 1.0, wanted=ask) == "superseded"
    assert started(ask).task_id == task_id


# --- a call that is repeated, because its reply was lost -----------------------------------------


def test_a_repeated_call_has_the_same_answer_and_renews_the_lease(
    store: Store, running: Attempt, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    first, second, ask = created(store, clock()), created(store, clock()), wanted(clock())
    store.tasks.finish(running, SUCCEEDED, clock(), 1.0, wanted=ask)
    unheard, ask = started(ask), wanted(clock.advance(5_000))
    assert store.tasks.finish(running, SUCCEEDED, clock(), 1.0, wanted=ask) == "superseded"
    assert (started(ask).task_id, started(ask)) == (first, unheard)
    assert raw_redis.zscore(store.keys.leases, first) == clock() + LEASE_MS
    assert store.recovery.expired_leases(clock() + LEASE_MS - 1, 10) == []
    assert read(store, second).status is Status.QUEUED
    assert len(read(store, first).history) == 2


def test_a_lease_that_a_repeated_call_renews_is_not_taken_back(
    store: Store, running: Attempt, clock: VirtualClock
) -> None:
    created(store, clock())
    store.tasks.finish(running, SUCCEEDED, clock(), 1.0, wanted=wanted(clock()))
    (seen,) = store.recovery.expired_leases(clock.advance(LEASE_MS + 1), 10)
    store.tasks.finish(running, SUCCEEDED, clock(), 1.0, wanted=wanted(clock()))
    assert store.recovery.take_back(seen, clock(), NO_MESSAGE, 3, FAILED.failure, ENTRY) == ""  # type: ignore[arg-type]


def test_a_repeated_call_has_the_same_answer_after_its_task_was_deleted(
    store: Store, running: Attempt, clock: VirtualClock
) -> None:
    first, second = created(store, clock()), created(store, clock())
    store.tasks.finish(running, SUCCEEDED, clock(), 1.0, wanted=wanted(clock()))
    store.tasks.delete(running.task_id)
    ask = wanted(clock())
    assert store.tasks.finish(running, SUCCEEDED, clock(), 1.0, wanted=ask) == ""
    assert (started(ask).task_id, read(store, second).status) == (first, Status.QUEUED)


def test_a_repeated_call_does_not_get_what_recovery_has_taken_back(
    store: Store, running: Attempt, clock: VirtualClock
) -> None:
    task_id = created(store, clock())
    store.tasks.finish(running, SUCCEEDED, clock(), 1.0, wanted=wanted(clock()))
    (lost,) = store.recovery.expired_leases(clock.advance(LEASE_MS + 1), 10)
    store.recovery.take_back(lost, clock(), NO_MESSAGE, 3, FAILED.failure, ENTRY)  # type: ignore[arg-type]
    claimed(store, task_id, clock(), "other@there")
    ask = wanted(clock())
    assert store.tasks.finish(running, SUCCEEDED, clock(), 1.0, wanted=ask) == "superseded"
    assert ask.attempt is None


def test_a_repeated_call_that_wants_nothing_any_more_gets_what_it_has_started(
    store: Store, running: Attempt, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    """The worker is ending, for example. Otherwise nobody would run that task until its lease expired."""
    first, second, ask = created(store, clock()), created(store, clock()), wanted(clock())
    store.tasks.finish(running, SUCCEEDED, clock(), 1.0, wanted=ask)
    unheard = started(ask)
    for _ in range(2):
        ask = wanted(clock.advance(1_000), queues=[])
        assert store.tasks.finish(running, SUCCEEDED, clock(), 1.0, wanted=ask) == "superseded"
        assert (started(ask), unheard.task_id) == (unheard, first)
        assert raw_redis.zscore(store.keys.leases, first) == clock() + LEASE_MS
    store.tasks.finish(unheard, SUCCEEDED, clock(), 1.0)
    store.tasks.finish(running, SUCCEEDED, clock(), 1.0, wanted=ask)
    assert (ask.attempt, read(store, second).status) == (None, Status.QUEUED)


def test_another_call_of_the_same_thread_is_not_a_repeated_one(
    store: Store, running: Attempt, clock: VirtualClock
) -> None:
    first, second = created(store, clock()), created(store, clock())
    store.tasks.finish(running, SUCCEEDED, clock(), 1.0, wanted=wanted(clock(), 1))
    ask = wanted(clock(), 2)
    assert store.tasks.finish(running, SUCCEEDED, clock(), 1.0, wanted=ask) == "superseded"
    assert (started(ask).task_id, read(store, first).status) == (second, Status.RUNNING)


def test_many_threads_start_each_task_once(redis_url: str, store: Store, clock: VirtualClock) -> None:
    threads_number, tasks_number = 6, 120
    first = [claimed(store, created(store, clock()), clock()) for _ in range(threads_number)]
    store.tasks._client.delete(MESSAGE.queue_key)
    task_ids = [created(store, clock()) for _ in range(tasks_number)]
    ran: list[str] = []

    def work(place: int) -> None:
        attempt: Attempt | None = first[place]
        for number in range(tasks_number):
            assert attempt is not None
            ask = wanted(clock(), number, name=f"place{place}")
            store.tasks.finish(attempt, SUCCEEDED, clock(), 1.0, wanted=ask)
            attempt = ask.attempt
            if attempt is None:
                return
            ran.append(attempt.task_id)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(threads_number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(ran) == sorted(task_ids)
    assert {read(store, task_id).status for task_id in task_ids} == {Status.SUCCEEDED}


def test_a_thread_leaves_one_key_however_much_it_takes(
    store: Store, running: Attempt, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    for number in range(5):
        created(store, clock())
        ask = wanted(clock(), number)
        store.tasks.finish(running, SUCCEEDED, clock(), 1.0, wanted=ask)
        running = started(ask)
    (key,) = raw_redis.keys("celeriac:call:*")  # type: ignore[misc]
    assert 0 < raw_redis.ttl(key) <= 60  # type: ignore[operator]
