"""The recovery work of a beat (or of a worker without one), on a real store with a virtual clock."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
import redis

from app.clock import ClockSteps
from app.domain.deliveries import DeliveryStatus
from app.domain.ids import new_id
from app.domain.outcome import Ending
from app.domain.status import Kind, Status, TaskType
from app.settings import Settings
from app.store.deliveries import NewDelivery
from app.store.listing import Filters
from app.store.messages import EXECUTE, NO_MESSAGE, TASK_ID, Message, MessageTemplate
from app.store.store import Store
from app.store.tasks import MAX_LOSSES, Attempt, Hold
from app.usecases.dispatch import Dispatcher
from app.usecases.maintenance import Maintenance
from app.usecases.outages import GAP_SECONDS, REPORT_SECONDS, Outages
from app.usecases.recovery import CLOCK_TOLERANCE_MS, FETCH_GRACE_MS, OVERDUE_MS, STEPS_SECONDS
from app.usecases.retention import MAX_TRIMMED, TRIM_EVERY_MS
from tasks.leases.guard import CHECK_INTERVAL, MARGIN
from tests.conftest import VirtualClock
from tests.store.making import FAILED, LEASE_MS, SUCCEEDED, WORKER_LOST, claimed, created, finished, new_task

HORIZON_MS = 5_000
ANY = Message("celeriac:elsewhere", "a message")
QUEUES = {Kind.CODE: "celeriac.code", Kind.API: "celeriac.api"}


class Messages:
    """Makes messages that contain their own parameters."""

    def __init__(self, store: Store) -> None:
        self.keys = store.keys

    def __call__(self, task_id: str, kind: str, priority: int, due_ms: int | None) -> Message:
        payload = {"headers": {"task": EXECUTE, "id": task_id}, "due_ms": due_ms}
        return Message(self.keys.queue(QUEUES[Kind(kind)], 9 - priority), json.dumps(payload))

    def template(self, kind: str, priority: int) -> MessageTemplate:
        message = self(TASK_ID, kind, priority, None)
        return MessageTemplate(message.queue_key, tuple(re.split(f"({TASK_ID})", message.payload)))


@pytest.fixture
def maintenance(store: Store) -> Maintenance:
    return Maintenance(store, Dispatcher(Messages(store), HORIZON_MS / 1000), Settings(), "beat@test")


@pytest.fixture
def make_message(store: Store) -> Messages:
    return Messages(store)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """One step takes few tasks, so that a test needs few for several steps."""
    monkeypatch.setattr("app.usecases.recovery.BATCH", 10)


def status(store: Store, task_id: str) -> Status | None:
    return store.tasks.status(task_id)


def messages(raw: redis.Redis, store: Store, priority: int = 5) -> list[tuple[str, int | None]]:
    """(task id, until when a worker holds it) of the messages on the list of code tasks, the next one first."""
    found = raw.lrange(store.keys.queue("celeriac.code", 9 - priority), 0, -1)
    return [(body["headers"]["id"], body["due_ms"]) for body in map(json.loads, reversed(found))]


def fetch(raw: redis.Redis, store: Store, priority: int = 5) -> None:
    """A worker takes the next message from the list of code tasks, and dies."""
    assert raw.rpop(store.keys.queue("celeriac.code", 9 - priority))


# --- promotion -----------------------------------------------------------------------------------


def test_a_delay_is_sent_as_a_countdown_within_the_horizon(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, maintenance: Maintenance
) -> None:
    task_id = created(store, clock(), due_ms=clock() + 60_000, message=NO_MESSAGE)
    clock.advance(60_000 - HORIZON_MS - 1)
    assert maintenance.recovery.promote(clock()) == 0
    assert maintenance.recovery.promote(clock.advance(1_001)) == 1
    assert messages(raw_redis, store) == [(task_id, clock() + 4_000)]
    assert status(store, task_id) is Status.WAITING
    assert maintenance.recovery.promote(clock()) == 0, "the message was sent twice"


def test_overdue_tasks_are_queued_without_countdown_earliest_first(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, maintenance: Maintenance
) -> None:
    later, sooner = (created(store, clock(), due_ms=clock() + ms, message=NO_MESSAGE) for ms in (90_000, 60_000))
    assert maintenance.recovery.promote(clock.advance(100_000)) == 2
    assert messages(raw_redis, store) == [(sooner, None), (later, None)]
    task = store.tasks.get(sooner)
    assert task is not None
    assert (task.status, task.queued_ms) == (Status.QUEUED, task.due_ms)


def test_the_age_of_a_message_is_unknown_once_another_came_early(
    store: Store, clock: VirtualClock, maintenance: Maintenance
) -> None:
    early, punctual = (
        created(store, clock(), due_ms=clock() + 1_000, message=message) for message in (ANY, NO_MESSAGE)
    )
    assert store.tasks.claim(early, "w", clock(), clock() + LEASE_MS) == "early"
    assert maintenance.recovery.promote(clock.advance(1_000)) == 2
    assert store.recovery.message_ms(Kind.CODE, 5, punctual) == clock()
    assert store.recovery.message_ms(Kind.CODE, 5, early) == 0


def test_a_countdown_that_no_worker_starts_becomes_queued(
    store: Store, clock: VirtualClock, maintenance: Maintenance
) -> None:
    task_id = created(store, clock(), due_ms=clock() + 1_000)
    maintenance.run(clock.advance(1_000 + OVERDUE_MS - 1))
    assert status(store, task_id) is Status.WAITING
    maintenance.run(clock.advance(1))
    assert status(store, task_id) is Status.QUEUED
    task = store.tasks.get(task_id)
    assert task is not None
    assert store.recovery.queued_ms(Kind.CODE, 5, task_id) == task.due_ms, "its message was sent by then, at the latest"
    assert store.recovery.message_ms(Kind.CODE, 5, task_id) == 0, "or earlier"
    assert store.recovery.mark_overdue(clock(), clock(), 10) == 0


@pytest.mark.parametrize("is_overdue", [False, True], ids=["waiting", "held as countdowns"])
def test_many_tasks_that_are_due_at_once_are_all_queued_in_one_round(
    store: Store, clock: VirtualClock, maintenance: Maintenance, few: None, is_overdue: bool
) -> None:
    message = ANY if is_overdue else NO_MESSAGE
    ids = [created(store, clock(), due_ms=clock() + 60_000, message=message) for _ in range(45)]
    maintenance.recovery.steady = lambda: 0.0
    assert not maintenance.run(clock.advance(60_000 + OVERDUE_MS))
    assert {status(store, task_id) for task_id in ids} == {Status.QUEUED}


@pytest.mark.parametrize("is_overdue", [False, True], ids=["waiting", "held as countdowns"])
def test_a_round_that_ran_out_of_time_is_followed_at_once_by_another(
    store: Store, clock: VirtualClock, maintenance: Maintenance, few: None, is_overdue: bool
) -> None:
    """Beat has cron to look after, and whoever else uses Redis is not to wait."""
    message = ANY if is_overdue else NO_MESSAGE
    ids = [created(store, clock(), due_ms=clock() + 60_000, message=message) for _ in range(25)]
    maintenance.recovery.steady = count(0, STEPS_SECONDS / 2).__next__
    clock.advance(60_000 + OVERDUE_MS)
    for is_busy, queued in ((True, 20), (False, 25)):
        assert maintenance.run(clock()) is is_busy
        assert [status(store, task_id) for task_id in ids].count(Status.QUEUED) == queued


def test_a_round_is_not_repeated_while_another_process_sends_the_same_tasks(
    store: Store, clock: VirtualClock, maintenance: Maintenance, few: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(25):
        created(store, clock(), due_ms=clock() + 60_000, message=NO_MESSAGE)
    monkeypatch.setattr(type(store.recovery), "send", lambda *_: 0)
    maintenance.recovery.steady = count(0, STEPS_SECONDS).__next__
    assert not maintenance.run(clock.advance(60_000))


# --- tasks that a worker returns -----------------------------------------------------------------


def test_a_fetched_task_returns_to_the_front_of_its_list_with_its_age(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, maintenance: Maintenance, make_message: Messages
) -> None:
    fetched, later = created(store, clock(), message=NO_MESSAGE), created(store, clock.advance(10), message=NO_MESSAGE)
    raw_redis.lpush(store.keys.queue("celeriac.code", 4), make_message(later, "code", 5, None).payload)
    (task,) = store.recovery.sendable([fetched])
    assert store.recovery.hand_back([(task, make_message(fetched, "code", 5, None))]) == 1
    assert messages(raw_redis, store) == [(fetched, None), (later, None)]
    assert store.recovery.queued_ms(Kind.CODE, 5, fetched) == clock() - 10
    assert maintenance.recovery.resend_lost(clock.advance(60_000)) == 0


def test_a_returned_countdown_waits_in_redis_again(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, maintenance: Maintenance, make_message: Messages
) -> None:
    task_id = created(store, clock(), due_ms=clock() + 3_000)  # its message is on a separate list, as if fetched
    (task,) = store.recovery.sendable([task_id])
    assert store.recovery.hand_back([(task, make_message(task_id, "code", 5, None))]) == 1
    assert messages(raw_redis, store) == []
    assert maintenance.recovery.promote(clock()) == 1
    assert messages(raw_redis, store) == [(task_id, clock() + 3_000)]


def test_several_tasks_return_in_one_call_and_none_twice(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, make_message: Messages
) -> None:
    queued = [created(store, clock.advance(1), message=NO_MESSAGE) for _ in range(2)]
    countdown = created(store, clock(), due_ms=clock() + 3_000)
    returned = [
        (task, make_message(task.task_id, "code", 5, None)) for task in store.recovery.sendable([*queued, countdown])
    ]
    assert store.recovery.hand_back(returned) == 3
    assert messages(raw_redis, store) == [(queued[0], None), (queued[1], None)]
    assert [task.task_id for task in store.recovery.waiting_until(clock() + 3_000, 10)] == [countdown]
    assert store.recovery.hand_back(returned[2:]) == 0, "no worker has it any more"


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (2, 0, 4, 1, 3)])
def test_returned_tasks_are_served_in_their_order_whoever_is_first(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, make_message: Messages, order: tuple[int, ...]
) -> None:
    """Also those of one millisecond, and where a message of a task that is stopped by now stands in front."""
    ids = [created(store, clock.advance(number // 2), message=NO_MESSAGE) for number in range(5)]
    later, stopped = created(store, clock.advance(10), message=NO_MESSAGE), created(store, clock())
    store.tasks.stop(stopped, clock())
    queue = store.keys.queue("celeriac.code", 4)
    raw_redis.delete(queue)
    raw_redis.lpush(queue, *(make_message(task_id, "code", 5, None).payload for task_id in (stopped, later)))
    for place in order:
        (task,) = store.recovery.sendable([ids[place]])
        assert store.recovery.hand_back([(task, make_message(task.task_id, "code", 5, None))]) == 1
    served = [task_id for task_id, _ in messages(raw_redis, store)]
    assert served == [stopped, *ids, later]


def test_running_and_deleted_tasks_are_not_returned(store: Store, clock: VirtualClock, make_message: Messages) -> None:
    runs, gone = created(store, clock()), created(store, clock())
    tasks = store.recovery.sendable([runs, gone])
    claimed(store, runs, clock())
    store.tasks.delete(gone)
    assert store.recovery.hand_back([(task, make_message(task.task_id, "code", 5, None)) for task in tasks]) == 0
    assert store.recovery.sendable([gone]) == []


# --- lost messages -------------------------------------------------------------------------------


def test_a_message_lost_with_its_worker_is_sent_again(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, maintenance: Maintenance, make_message: Messages
) -> None:
    task_id = created(store, clock(), message=NO_MESSAGE)
    assert maintenance.recovery.resend_lost(clock.advance(FETCH_GRACE_MS - 1)) == 0, (
        "it may be on its way to its worker"
    )
    assert maintenance.recovery.resend_lost(clock.advance(1)) == 1
    assert messages(raw_redis, store) == [(task_id, None)]
    assert store.recovery.message_ms(Kind.CODE, 5, task_id) == 0, "the first one may still come"
    assert maintenance.recovery.resend_lost(clock.advance(FETCH_GRACE_MS)) == 0, "the message is on its list"
    fetch(raw_redis, store)
    assert maintenance.recovery.resend_lost(clock()) == 1


def test_a_message_still_on_its_list_is_not_sent_twice(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, maintenance: Maintenance, make_message: Messages
) -> None:
    ids = []
    for _ in range(3):
        clock.advance(CLOCK_TOLERANCE_MS + 1)
        ids.append(created(store, clock(), message=NO_MESSAGE))
    for task_id in ids:
        raw_redis.lpush(store.keys.queue("celeriac.code", 4), make_message(task_id, "code", 5, None).payload)
    assert maintenance.recovery.resend_lost(clock.advance(60_000)) == 0
    fetch(raw_redis, store)
    assert maintenance.recovery.resend_lost(clock()) == 1, "younger messages are next, so the first message is lost"
    assert [task_id for task_id, _ in messages(raw_redis, store)] == [*ids[1:], ids[0]]


def test_a_sender_whose_clock_is_behind_loses_no_message(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, maintenance: Maintenance, make_message: Messages
) -> None:
    """Its message came later than the first of its list, and seems to be older."""
    first = created(store, clock(), message=NO_MESSAGE)
    second = created(store, clock() - CLOCK_TOLERANCE_MS, message=NO_MESSAGE)
    for task_id in (first, second):
        raw_redis.lpush(store.keys.queue("celeriac.code", 4), make_message(task_id, "code", 5, None).payload)
    assert maintenance.recovery.resend_lost(clock.advance(60_000)) == 0


@pytest.mark.parametrize("lease_seconds", [1.0, 3.0, 15.0])
@pytest.mark.parametrize("behind_ms", [0, CLOCK_TOLERANCE_MS])
def test_a_worker_ends_its_attempt_before_it_is_given_away_by_a_clock_that_is_ahead(
    store: Store, clock: VirtualClock, maintenance: Maintenance, lease_seconds: float, behind_ms: int
) -> None:
    """The worker, whose clock is behind that of the beat, can't be reached any more."""
    task_id = created(store, clock(), message=NO_MESSAGE)
    lease_ms = round(lease_seconds * 1000)
    store.tasks.claim(task_id, "cut@off", clock() - behind_ms, clock() - behind_ms + lease_ms)
    ends_ms = clock() + lease_ms * (1 - MARGIN + CHECK_INTERVAL)
    while not maintenance.recovery.take_back_lost(clock.advance(10)):
        assert clock() < ends_ms + 2 * CLOCK_TOLERANCE_MS + lease_ms
    assert clock() > ends_ms


def test_other_priorities_and_queues_are_no_evidence_of_a_lost_message(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, maintenance: Maintenance, make_message: Messages
) -> None:
    waiting = created(store, clock(), priority=0, message=NO_MESSAGE)
    raw_redis.lpush(store.keys.queue("celeriac.code", 9), make_message(waiting, "code", 0, None).payload)
    lost = created(store, clock.advance(1), priority=9, message=NO_MESSAGE)
    assert maintenance.recovery.resend_lost(clock.advance(FETCH_GRACE_MS)) == 1
    assert messages(raw_redis, store, priority=9) == [(lost, None)]
    assert messages(raw_redis, store, priority=0) == [(waiting, None)]


def test_a_long_backlog_does_not_hide_a_lost_message(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, maintenance: Maintenance, make_message: Messages
) -> None:
    """API tasks and urgent ones pile up, older than the code task whose worker was killed. It is found at once."""
    for kind, priority in ((Kind.API, 5), (Kind.CODE, 9)):
        for _ in range(6):
            tasks = [new_task(clock(), kind=kind, priority=priority, message=NO_MESSAGE) for _ in range(500)]
            store.tasks.create(tasks, clock())
            payloads = [make_message(task.id, kind, priority, None).payload for task in tasks]
            raw_redis.lpush(store.keys.queue(QUEUES[kind], 9 - priority), *payloads)
    lost = created(store, clock.advance(1), message=NO_MESSAGE)
    assert maintenance.recovery.resend_lost(clock.advance(FETCH_GRACE_MS)) == 1
    assert messages(raw_redis, store) == [(lost, None)]


def test_no_message_is_sent_for_a_task_that_ran_and_was_postponed(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, make_message: Messages
) -> None:
    task_id = created(store, clock(), message=NO_MESSAGE)
    (seen,) = store.recovery.queued_until(Kind.CODE, 5, clock(), 10)
    attempt = claimed(store, task_id, clock.advance(1))
    store.tasks.run_again(attempt, FAILED, clock(), 1.0, clock(), NO_MESSAGE, Ending.COUNTED, entry={"attempt": 1})
    assert store.recovery.send([(seen, make_message(task_id, "code", 5, None))], clock()) == 0
    assert messages(raw_redis, store) == []


# --- messages of tasks that are over ----------------------------------------------------------------


def queued(store: Store, clock: VirtualClock, make_message: Messages, kind: Kind = Kind.CODE, priority: int = 5) -> str:
    """A task whose message is on its list."""
    task = new_task(clock(), kind=kind, priority=priority)
    message = make_message(task.id, kind, priority, None)
    return created(store, clock(), id=task.id, kind=kind, priority=priority, message=message)


def stopped(store: Store, clock: VirtualClock, *made: Any) -> None:
    assert store.tasks.stop(queued(store, clock, *made), clock()) == ("queued", "stopped")


def test_messages_of_tasks_that_are_over_leave_their_lists_though_no_worker_is_there(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, maintenance: Maintenance, make_message: Messages
) -> None:
    for kind, priority in ((Kind.CODE, 5), (Kind.CODE, 0), (Kind.API, 9)):
        for _ in range(3):
            stopped(store, clock, make_message, kind, priority)
    store.tasks.delete(queued(store, clock, make_message))
    alive = queued(store, clock, make_message)
    stopped(store, clock, make_message)
    assert not maintenance.run(clock())
    (front, _), *behind = messages(raw_redis, store)
    assert (front, len(behind)) == (alive, 1), "the last one is removed when it comes in front"
    assert not raw_redis.exists(store.keys.queue("celeriac.code", 9), store.keys.queue("celeriac.api", 0))


def _foreign(store: Store, clock: VirtualClock, make_message: Messages) -> str:
    task_id = queued(store, clock, make_message)
    return make_message(task_id, "code", 5, None).payload.replace(EXECUTE, "others.task")


def _running(store: Store, clock: VirtualClock, make_message: Messages) -> str:
    task_id = queued(store, clock, make_message)
    claimed(store, task_id, clock())
    return make_message(task_id, "code", 5, None).payload


def _waiting(store: Store, clock: VirtualClock, make_message: Messages) -> str:
    task_id = created(store, clock(), due_ms=clock() + 60_000, message=NO_MESSAGE)
    return make_message(task_id, "code", 5, None).payload


def _no_json(*_: object) -> str:
    return "no json"


@pytest.mark.parametrize("make", [_foreign, _running, _waiting, _no_json])
def test_any_other_message_is_left_to_celery(
    store: Store,
    raw_redis: redis.Redis,
    clock: VirtualClock,
    maintenance: Maintenance,
    make_message: Messages,
    make: Callable[[Store, VirtualClock, Messages], str],
) -> None:
    payload, key = make(store, clock, make_message), store.keys.queue("celeriac.code", 4)
    raw_redis.delete(key)
    raw_redis.rpush(key, payload)
    assert maintenance.recovery.drop_messages(clock()) == 0
    assert raw_redis.lrange(key, 0, -1) == [payload]


def test_a_round_drops_messages_until_its_time_is_over(
    store: Store,
    raw_redis: redis.Redis,
    clock: VirtualClock,
    maintenance: Maintenance,
    make_message: Messages,
    few: None,
) -> None:
    for _ in range(25):
        stopped(store, clock, make_message)
    maintenance.recovery.steady = count(0, STEPS_SECONDS / 2).__next__
    for is_busy, left in ((True, 5), (False, 0)):
        assert maintenance.run(clock()) is is_busy
        assert len(messages(raw_redis, store)) == left


def test_stopped_tasks_in_front_hide_no_lost_message(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, maintenance: Maintenance, make_message: Messages
) -> None:
    lost = created(store, clock(), message=NO_MESSAGE)
    stopped(store, clock, make_message)
    maintenance.run(clock.advance(FETCH_GRACE_MS + 1))
    assert messages(raw_redis, store) == [(lost, None)]


# --- lost workers --------------------------------------------------------------------------------


def test_an_attempt_of_a_lost_worker_runs_again(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, maintenance: Maintenance
) -> None:
    task_id = created(store, clock(), message=NO_MESSAGE)
    attempt = claimed(store, task_id, clock(), worker="celery@gone")
    assert maintenance.recovery.take_back_lost(clock.advance(LEASE_MS + CLOCK_TOLERANCE_MS)) == 0
    assert maintenance.recovery.take_back_lost(clock.advance(1)) == 1
    assert maintenance.recovery.take_back_lost(clock()) == 0
    task = store.tasks.get(task_id)
    assert task is not None
    assert (task.status, task.worker, task.started_ms) == (Status.QUEUED, None, None)
    assert [(entry["attempt"], entry["worker"], entry["error"]["type"]) for entry in task.attempts] == [
        (1, "celery@gone", "WorkerLostError")
    ]
    assert messages(raw_redis, store) == [(task_id, None)]
    assert store.tasks.finish(attempt, SUCCEEDED, clock(), 1.0) == "superseded", "the worker was alive, but silent"
    assert claimed(store, task_id, clock()).losses == 1


def test_a_stale_view_of_an_expired_lease_ends_no_later_attempt(store: Store, clock: VirtualClock) -> None:
    task_id = created(store, clock())
    claimed(store, task_id, clock())
    (seen,) = store.recovery.expired_leases(clock.advance(LEASE_MS + 1), 10)
    assert store.recovery.take_back(seen, clock(), NO_MESSAGE, MAX_LOSSES, WORKER_LOST, {}) == "queued"
    task = store.tasks.get(task_id)
    assert task is not None
    assert (task.queued_ms, task.started_ms, task.worker) == (clock(), None, None)
    assert store.recovery.expired_leases(clock(), 10) == []
    assert store.recovery.take_back(seen, clock(), NO_MESSAGE, MAX_LOSSES, WORKER_LOST, {}) == ""
    claimed(store, task_id, clock())
    assert store.recovery.take_back(seen, clock.advance(LEASE_MS + 1), NO_MESSAGE, MAX_LOSSES, WORKER_LOST, {}) == ""


def test_a_lease_renewed_after_it_was_seen_expired_remains(store: Store, clock: VirtualClock) -> None:
    attempt = claimed(store, created(store, clock()), clock())
    (seen,) = store.recovery.expired_leases(clock.advance(LEASE_MS + 1), 10)
    for lease_until_ms in (clock() + LEASE_MS, clock()):
        assert store.tasks.renew([attempt], lease_until_ms) == [Hold.RENEWED]
        assert store.recovery.take_back(seen, clock(), NO_MESSAGE, MAX_LOSSES, WORKER_LOST, {}) == ""
    assert store.tasks.finish(attempt, SUCCEEDED, clock(), 1.0) == "succeeded"


def test_a_task_that_ends_between_reading_its_lease_and_its_record_is_not_lost(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    attempt = claimed(store, created(store, clock()), clock())
    store.tasks.finish(attempt, SUCCEEDED, clock(), 1.0)
    raw_redis.zadd(store.keys.leases, {attempt.task_id: clock()})  # the lease as read shortly before the end
    assert store.recovery.expired_leases(clock.advance(LEASE_MS + 1), 10) == []


def test_an_attempt_that_has_ended_has_no_lease(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    finished(store, clock())
    task_id = created(store, clock())
    claimed(store, task_id, clock())
    assert raw_redis.zrange(store.keys.leases, 0, -1) == [task_id]
    store.tasks.stop(task_id, clock(), force=True)
    assert raw_redis.exists(store.keys.leases) == 0


def test_a_task_that_cost_three_workers_is_not_tried_a_fourth_time(
    store: Store, clock: VirtualClock, maintenance: Maintenance
) -> None:
    task_id = created(store, clock(), max_retries=100)
    for _ in range(MAX_LOSSES):
        claimed(store, task_id, clock())
        assert maintenance.recovery.take_back_lost(clock.advance(LEASE_MS + CLOCK_TOLERANCE_MS + 1)) == 1
    task = store.tasks.get(task_id)
    assert task is not None
    assert task.status is Status.FAILED
    assert task.error is not None
    assert (task.error["type"], task.finished_ms) == ("WorkerLostError", clock())


def test_a_task_with_on_worker_lost_fail_is_not_tried_again(
    store: Store, clock: VirtualClock, maintenance: Maintenance
) -> None:
    task_id = created(store, clock(), spec={"function_code": "", "on_worker_lost": "fail"})
    claimed(store, task_id, clock())
    assert maintenance.recovery.take_back_lost(clock.advance(LEASE_MS + CLOCK_TOLERANCE_MS + 1)) == 1
    task = store.tasks.get(task_id)
    assert task is not None
    assert (task.status, task.error and task.error["type"]) == (Status.FAILED, "WorkerLostError")


def test_a_lost_attempt_with_a_stop_request_is_stopped(
    store: Store, clock: VirtualClock, maintenance: Maintenance
) -> None:
    task_id = created(store, clock())
    claimed(store, task_id, clock())
    store.tasks.stop(task_id, clock())
    maintenance.run(clock.advance(LEASE_MS + CLOCK_TOLERANCE_MS + 1))
    assert status(store, task_id) is Status.STOPPED


# --- retention -----------------------------------------------------------------------------------


def kept(store: Store) -> list[str]:
    return [task.id for task in reversed(store.listing.page(Filters(), 200).items)]


def test_finished_tasks_are_removed_after_the_retention_time(
    store: Store, clock: VirtualClock, maintenance: Maintenance
) -> None:
    maintenance.retention.settings = replace(maintenance.retention.settings, result_ttl=60.0)
    running = created(store, clock())
    attempt = claimed(store, running, clock())
    waiting = created(store, clock(), due_ms=clock() + 10_000_000, message=NO_MESSAGE)
    for kind in Kind:
        for task_type in TaskType:
            for outcome in (SUCCEEDED, FAILED):
                finished(store, clock(), outcome, kind=kind, task_type=task_type)
    assert maintenance.retention.trim(clock.advance(60_000)) == 0
    late = finished(store, clock())
    store.tasks.finish(attempt, SUCCEEDED, clock(), 1.0)  # created early, finished late
    assert maintenance.retention.trim(clock.advance(1)) == 12
    assert kept(store) == [running, waiting, late]
    assert maintenance.retention.trim(clock.advance(60_000)) == 2
    assert kept(store) == [waiting]


def test_the_oldest_excess_tasks_of_any_kind_are_removed(
    store: Store, clock: VirtualClock, maintenance: Maintenance
) -> None:
    maintenance.retention.settings = replace(maintenance.retention.settings, max_finished_tasks=4)
    old = [finished(store, clock.advance(1), SUCCEEDED) for _ in range(4)]
    young = [finished(store, clock.advance(1), FAILED) for _ in range(3)]
    queued = created(store, clock())
    assert maintenance.retention.trim(clock()) == 3
    assert kept(store) == [old[3], *young, queued]
    assert maintenance.retention.trim(clock()) == 0


def test_a_round_of_trimming_is_bounded_and_continues_in_the_next(
    store: Store, clock: VirtualClock, maintenance: Maintenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.usecases.retention.MAX_TRIMMED", 20)
    monkeypatch.setattr("app.usecases.retention.TRIM_BATCH", 10)
    assert MAX_TRIMMED == 10_000
    for _ in range(50):
        finished(store, clock())
    clock.advance(round(maintenance.retention.settings.result_ttl * 1000) + 1)
    rounds = [maintenance.retention.trim(clock()) for _ in range(4)]
    assert max(rounds) == 20
    assert (sum(rounds), kept(store)) == (50, [])


def test_trimming_takes_place_once_a_second(store: Store, clock: VirtualClock, maintenance: Maintenance) -> None:
    maintenance.retention.settings = replace(maintenance.retention.settings, max_finished_tasks=1)
    maintenance.run(clock())
    for _ in range(2):
        finished(store, clock())
    maintenance.run(clock.advance(TRIM_EVERY_MS - 1))
    assert len(kept(store)) == 2
    maintenance.run(clock.advance(1))
    assert len(kept(store)) == 1


def test_a_foreign_message_hides_no_lost_message_and_blocks_no_work(
    store: Store, maintenance: Maintenance, make_message: Messages, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    task_id = created(store, clock(), message=NO_MESSAGE)
    key = make_message(task_id, Kind.CODE, 5, None).queue_key
    for foreign in ("no json", "[]", '{"headers": {}}'):
        raw_redis.rpush(key, foreign)
        assert store.recovery.oldest_message(key) == ""
        maintenance.run(clock.advance(FETCH_GRACE_MS + 1))
        raw_redis.delete(key)
    maintenance.run(clock())
    assert messages(raw_redis, store) == [(task_id, None)]


def test_a_defect_in_one_part_does_not_block_the_others(
    store: Store,
    maintenance: Maintenance,
    clock: VirtualClock,
    caplog: pytest.LogCaptureFixture,
    raw_redis: redis.Redis,
) -> None:
    broken, old = created(store, clock(), due_ms=clock() + 60_000, message=NO_MESSAGE), finished(store, clock())
    lost = created(store, clock())
    claimed(store, lost, clock())
    raw_redis.hset(store.keys.task(broken), "p", "no number")
    maintenance.run(clock.advance(round(Settings().result_ttl * 1000) + 1))
    assert (status(store, old), status(store, lost)) == (None, Status.QUEUED)
    assert [
        vars(record)["part"] for record in caplog.records if vars(record).get("action") == "maintenance_failed"
    ] == ["promote"]


def test_after_a_clock_step_workers_have_time_to_renew(
    store: Store, maintenance: Maintenance, clock: VirtualClock
) -> None:
    """The machine slept, or its clock was set: all leases expire at once, although all workers are alive."""
    steady = 0.0
    maintenance.recovery.steps = ClockSteps(clock(), lambda: steady)
    alive, dead = created(store, clock()), created(store, clock())
    attempt = claimed(store, alive, clock())
    claimed(store, dead, clock())
    maintenance.run(clock.advance(3_600_000))
    assert store.tasks.renew([attempt], clock() + 2 * LEASE_MS) == [Hold.RENEWED]
    for _ in range(14):
        steady += 1
        maintenance.run(clock.advance(1_000))
    assert (status(store, alive), status(store, dead)) == (Status.RUNNING, Status.RUNNING)
    steady += 1.5
    maintenance.run(clock.advance(1_500))
    assert (status(store, alive), status(store, dead)) == (Status.RUNNING, Status.QUEUED)
    clock.advance(-3_600_000)
    attempt = claimed(store, dead, clock())
    steady += LEASE_MS / 1000 + 3
    maintenance.run(clock.advance(LEASE_MS + 3_000))
    assert status(store, dead) == Status.QUEUED, "setting the clock back delays nothing"


class Ticks:
    """The ticks of one process: Redis takes a write, then there is a round. `seconds`: its steady clock."""

    def __init__(self, maintenance: Maintenance, clock: VirtualClock) -> None:
        self.maintenance, self.clock, self.seconds = maintenance, clock, 100.0
        maintenance.recovery.outages = Outages(lambda: self.seconds)

    def __call__(self, after_seconds: float, *, with_round: bool = True) -> None:
        self.seconds += after_seconds
        self.clock.advance(round(after_seconds * 1000))
        self.maintenance.begin_tick()
        if with_round:
            self.maintenance.run(self.clock())


@pytest.mark.parametrize("is_new", [False, True], ids=["it ticked before", "it was started meanwhile"])
def test_after_an_outage_of_redis_workers_have_time_to_report(
    store: Store, maintenance: Maintenance, clock: VirtualClock, is_new: bool
) -> None:
    """Both attempts ended while Redis was away, or their workers died. One worker lives and has kept the result."""
    tick = Ticks(maintenance, clock)
    alive, dead = created(store, clock()), created(store, clock())
    attempt = claimed(store, alive, clock())
    claimed(store, dead, clock())
    store.deliveries.add(NewDelivery("test", channel="ops", data={}), clock())
    (delivery,) = store.deliveries.claim(clock(), clock() + LEASE_MS, 10)
    if not is_new:
        tick(0)
    tick((LEASE_MS + CLOCK_TOLERANCE_MS) / 1000 + 1)
    tick(1)
    tick(REPORT_SECONDS - 1.1)
    assert store.tasks.finish(attempt, SUCCEEDED, clock(), 1.0) == "succeeded"
    assert store.deliveries.end_try(delivery, clock(), DeliveryStatus.DELIVERED) == "delivered"
    assert status(store, dead) is Status.RUNNING
    tick(0.1)
    assert status(store, dead) is Status.QUEUED


@pytest.mark.parametrize("with_round", [True, False], ids=["rounds", "a beat does the rounds"])
def test_without_an_outage_a_lost_attempt_is_taken_back_at_once(
    store: Store, maintenance: Maintenance, clock: VirtualClock, with_round: bool
) -> None:
    tick = Ticks(maintenance, clock)
    tick(0)
    tick(GAP_SECONDS, with_round=with_round)
    task_id = created(store, clock())
    claimed(store, task_id, clock())
    for _ in range((LEASE_MS + CLOCK_TOLERANCE_MS) // 1000):
        tick(1, with_round=with_round)
        assert status(store, task_id) is Status.RUNNING
    tick(0.001)
    assert status(store, task_id) is Status.QUEUED


def test_a_tick_that_takes_long_is_no_outage(store: Store, maintenance: Maintenance, clock: VirtualClock) -> None:
    tick = Ticks(maintenance, clock)
    tick(0)
    tick.seconds += 60  # beat fires many schedules
    maintenance.run(clock())
    claimed(store, task_id := created(store, clock()), clock() - LEASE_MS - CLOCK_TOLERANCE_MS)
    tick(1)
    assert status(store, task_id) is Status.QUEUED


def test_no_message_in_a_long_queue_is_mistaken_for_lost(
    store: Store,
    maintenance: Maintenance,
    make_message: Messages,
    raw_redis: redis.Redis,
    clock: VirtualClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A countdown's message is older than its queued task. If that message is next, younger messages are not lost.

    Otherwise each of them would be sent again, and would in turn make all messages behind it be sent again.
    """
    key = make_message("", Kind.CODE, 5, None).queue_key
    for number in range(60):
        clock.advance(100)
        task_id = new_id(clock())
        ahead_ms = 3_000 if number % 3 == 0 else 0
        created(
            store, clock(), id=task_id, due_ms=clock() + ahead_ms, message=make_message(task_id, Kind.CODE, 5, None)
        )
    raw_redis.rpush(key, str(raw_redis.lindex(key, 30)))  # one message is on the list twice
    served = 0
    while payload := raw_redis.rpop(key):
        served += 1
        attempt = store.tasks.claim(json.loads(str(payload))["headers"]["id"], "w", clock(), clock() + 10**9)
        if isinstance(attempt, Attempt):
            store.tasks.finish(attempt, SUCCEEDED, clock(), 1)
        for _ in range(7):
            maintenance.run(clock.advance(1_000))
    assert served == 60, "the second message of the one task is dropped when it comes in front"
    assert "messages_resent" not in {vars(record).get("action") for record in caplog.records}
    assert raw_redis.keys("celeriac:queued:*") + raw_redis.keys(store.keys.sent) == []


def test_a_task_postponed_since_it_was_seen_is_not_sent(
    store: Store, make_message: Messages, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    waiting = created(store, clock(), due_ms=clock() + 3_000, message=NO_MESSAGE)
    queued = created(store, clock(), message=NO_MESSAGE)
    for seen in store.recovery.sendable([waiting, queued]):
        message = make_message(seen.task_id, seen.kind, seen.priority, None)
        assert store.recovery.send([(replace(seen, due_ms=seen.due_ms - 1), message)], clock()) == 0
        assert messages(raw_redis, store) == []
        assert store.recovery.send([(seen, message)], clock()) == 1
        raw_redis.delete(message.queue_key)
    assert store.recovery.waiting_until(clock() + 10_000, 10) == [], "its message was sent"
