"""Tasks: the promises of each method of the store."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import redis

from app.domain.outcome import Ending, Failure, Outcome
from app.domain.status import Kind, Status, TaskType
from app.store.columns import SHORT_NAMES
from app.store.messages import NO_MESSAGE
from app.store.record import Change, Task
from app.store.store import Store
from app.store.tasks import Attempt, Hold
from tests.conftest import VirtualClock
from tests.store.making import (
    API_SPEC,
    COUNTERS,
    ENTRY,
    FAILED,
    LEASE_MS,
    MESSAGE,
    STOPPED,
    SUCCEEDED,
    WORKER,
    changed,
    claimed,
    created,
    finished,
    message_for,
    new_task,
    scheduled,
    send_twice,
)

NOBODY = "01a20786-bb40-7dea-8c0d-e64779664cff"


def read(store: Store, task_id: str) -> Task:
    task = store.tasks.get(task_id)
    assert task is not None
    return task


# --- create and get ------------------------------------------------------------------------------


def test_a_new_task_is_read_as_it_was_written(store: Store, clock: VirtualClock) -> None:
    task_id = created(
        store,
        clock(),
        name='ä "b"\n\0 💡',
        kind=Kind.API,
        task_type=TaskType.DELAYED,
        due_ms=clock() + 1_000,
        spec={"api_url": "http://x/", "method": "GET", "data": ["ü", None, 1.5, {}]},
        max_retries=3,
        timeout=0.5,
        priority=9,
        tags=["a:b", '"', "ü", "*"],
        scheduled_task_id=NOBODY,
        retry_of=NOBODY,
    )
    assert store.tasks.get(task_id) == Task(
        id=task_id,
        task_type=TaskType.DELAYED,
        kind=Kind.API,
        status=Status.WAITING,
        created_ms=clock(),
        due_ms=clock() + 1_000,
        scheduled_task_id=NOBODY,
        retry_of=NOBODY,
        spec={
            **API_SPEC,
            "name": 'ä "b"\n\0 💡',
            "max_retries": 3,
            "timeout": 0.5,
            "priority": 9,
            "tags": ["a:b", '"', "ü", "*"],
            "api_url": "http://x/",
            "method": "GET",
            "data": ["ü", None, 1.5, {}],
        },
        attempts=[],
        history=[Change(clock(), None, Status.WAITING, f"schedule {NOBODY}", "created")],
    )


@pytest.mark.parametrize("name", ["program_hash", "expires_in", "alert", "duration_ms"])
def test_a_name_like_that_of_a_field_means_nothing(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, name: str
) -> None:
    """Scripts look for fields in lists of names and values."""
    task_id = finished(store, clock(), name=SHORT_NAMES[name], scheduled_task_id=scheduled(store, clock()).id)
    assert read(store, task_id).name == SHORT_NAMES[name]
    assert raw_redis.keys("celeriac:program:*") + raw_redis.keys("celeriac:expiring") == []
    assert raw_redis.keys("celeriac:alerts:*") == []


def test_a_thousand_tasks_of_one_call_have_one_message_each_the_first_served_first(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    """Lua passes at most 1,000 arguments to one command."""
    tasks = [new_task(clock(), tags=["a"]) for _ in range(1_001)]
    assert store.tasks.create(tasks, clock()) == 1_001
    served = raw_redis.lrange(MESSAGE.queue_key, 0, -1)[::-1]
    assert served == [task.message.payload for task in tasks]
    assert [member for member, _ in raw_redis.zrange("celeriac:tag:a", 0, -1, withscores=True)] == [
        task.id for task in tasks
    ]


def test_a_task_that_is_due_is_queued_at_once(store: Store, clock: VirtualClock) -> None:
    task = read(store, created(store, clock()))
    assert (task.status, task.queued_ms, task.due_ms) == (Status.QUEUED, clock(), clock())


def test_record_and_message_are_written_together(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    task_id = created(store, clock())
    assert raw_redis.lrange(MESSAGE.queue_key, 0, -1) == [message_for(task_id).payload]
    created(store, clock(), due_ms=clock() + 60_000, message=NO_MESSAGE)
    assert raw_redis.llen(MESSAGE.queue_key) == 1


def test_an_existing_id_is_left_unchanged(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    task = new_task(clock())
    assert store.tasks.create([task], clock()) == 1
    before = read(store, task.id)
    others = [changed(task, name="other"), new_task(clock())]
    assert store.tasks.create(others, clock.advance(5)) == 1
    assert read(store, task.id) == before
    assert raw_redis.llen(MESSAGE.queue_key) == 2


def test_an_unknown_id_has_no_task(store: Store) -> None:
    assert store.tasks.get(NOBODY) is None
    assert store.tasks.status(NOBODY) is None


# --- claim ---------------------------------------------------------------------------------------


def test_a_claim_returns_all_that_the_worker_needs(store: Store, clock: VirtualClock) -> None:
    task_id = created(store, clock(), max_retries=2, timeout=7, priority=8, spec={"function_code": "ü"})
    attempt = store.tasks.claim(task_id, WORKER, clock.advance(3), clock() + LEASE_MS)
    assert isinstance(attempt, Attempt)
    assert (attempt.task_id, attempt.number, attempt.kind, attempt.losses) == (task_id, 1, "code", 0)
    assert (attempt.name, attempt.timeout, attempt.priority) == ("report", 7, 8)
    assert {**attempt.spec, "function_code": "ü", "max_retries": 2, "on_worker_lost": "retry"} == attempt.spec
    task = read(store, task_id)
    assert (task.status, task.attempt, task.worker, task.started_ms) == (Status.RUNNING, 1, WORKER, clock())


def test_a_claim_is_refused_with_the_status_that_prevents_it(store: Store, clock: VirtualClock) -> None:
    task_id = created(store, clock())
    attempt = claimed(store, task_id, clock())
    assert store.tasks.claim(task_id, "w2", clock(), clock() + LEASE_MS) == "running"
    store.tasks.finish(attempt, SUCCEEDED, clock(), 1.0)
    assert store.tasks.claim(task_id, "w2", clock(), clock() + LEASE_MS) == "succeeded"
    assert store.tasks.claim(NOBODY, "w2", clock(), clock() + LEASE_MS) == ""


def test_a_claim_that_is_sent_again_without_a_reply_counts_once(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the task would run nowhere until its lease expired, and count as lost with a worker."""
    task_id, once = created(store, clock()), store.tasks._scripts

    def twice(script: str, **values: Any) -> Any:
        once(script, **values)
        return once(script, **values)

    with monkeypatch.context() as patch:
        patch.setattr(store.tasks, "_scripts", twice)
        attempt = claimed(store, task_id, clock())
    assert (attempt.number, read(store, task_id).attempt) == (1, 1)
    assert len(read(store, task_id).history) == 2
    assert store.tasks.claim(task_id, WORKER, clock(), clock() + LEASE_MS) == "running"
    store.tasks.run_again(attempt, FAILED, clock(), 1, clock(), NO_MESSAGE, Ending.RETURNED, entry=None)
    store.tasks.finish(claimed(store, task_id, clock()), SUCCEEDED, clock(), 1)
    assert raw_redis.hmget(store.keys.task(task_id), "cl", "ep", "ls") == [None] * 3


@pytest.mark.parametrize(("later_ms", "status"), [(0, "queued"), (60_000, "waiting")])
def test_a_change_that_is_sent_again_without_a_reply_was_made(
    store: Store, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, later_ms: int, status: str
) -> None:
    task_id = created(store, clock(), due_ms=clock() + 60_000, message=NO_MESSAGE)
    seen, more = read(store, task_id), {"message": NO_MESSAGE} if later_ms else {}
    new = new_task(clock(), id=task_id, name="new", due_ms=clock() + later_ms, **more)
    send_twice(monkeypatch, store.tasks, store.schedules)
    assert store.tasks.change(seen, new, clock())
    assert (read(store, task_id).name, read(store, task_id).status) == ("new", status)


def test_a_task_that_a_beat_has_queued_since_it_was_seen_is_not_changed(store: Store, clock: VirtualClock) -> None:
    task_id = created(store, clock(), due_ms=clock() + 1_000)
    seen = read(store, task_id)
    store.recovery.mark_overdue(clock.advance(2_000), clock(), 10, "beat")
    assert not store.tasks.change(seen, new_task(clock(), id=task_id, name="new"), clock())
    assert (read(store, task_id).name, read(store, task_id).status) == (seen.name, Status.QUEUED)


def test_a_stop_or_deletion_that_is_sent_again_gets_the_same_answer(
    store: Store, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id, running, schedule = created(store, clock()), created(store, clock()), scheduled(store, clock())
    claimed(store, running, clock())
    send_twice(monkeypatch, store.tasks, store.schedules)
    assert store.tasks.stop(task_id, clock()) == ("queued", "stopped")
    assert store.tasks.stop(task_id, clock()) == ("stopped", "stopped"), "another call finds it stopped"
    assert store.tasks.delete(task_id) == "stopped"
    assert store.tasks.delete(task_id) == ""
    assert store.tasks.stop(running, clock()) == ("running", "running")
    assert store.tasks.stop(running, clock(), force=True) == ("running", "stopped")
    assert store.schedules.delete(schedule.id)
    assert not store.schedules.delete(schedule.id)


def test_a_worker_starts_no_task_of_another_kind(store: Store, clock: VirtualClock) -> None:
    """A message may arrive for a task that was changed from a call to a program after the message was sent."""
    task_id = created(store, clock(), kind=Kind.API)
    before = read(store, task_id)
    assert store.tasks.claim(task_id, WORKER, clock(), clock() + LEASE_MS, [Kind.CODE]) == "elsewhere"
    assert store.tasks.claim(task_id, WORKER, clock(), clock() + LEASE_MS, []) == "elsewhere"
    assert read(store, task_id) == before
    assert isinstance(store.tasks.claim(task_id, WORKER, clock(), clock() + LEASE_MS, [Kind.API]), Attempt)


def test_a_claim_before_the_due_time_makes_beat_send_it_again(store: Store, clock: VirtualClock) -> None:
    task_id = created(store, clock(), due_ms=clock() + 2_000)
    assert store.recovery.waiting_until(clock() + 5_000, 10) == []
    assert store.tasks.claim(task_id, WORKER, clock(), clock() + LEASE_MS) == "early"
    assert [task.task_id for task in store.recovery.waiting_until(clock() + 5_000, 10)] == [task_id]
    assert store.tasks.claim(task_id, WORKER, clock(), clock() + LEASE_MS) == "early"


def test_a_countdown_is_claimed_when_due_and_counts_as_queued_since_then(store: Store, clock: VirtualClock) -> None:
    task_id = created(store, clock(), due_ms=clock() + 2_000)
    due_ms = clock.advance(2_000)
    claimed(store, task_id, clock.advance(4))
    task = read(store, task_id)
    assert (task.status, task.queued_ms, task.started_ms) == (Status.RUNNING, due_ms, due_ms + 4)


def test_of_many_workers_one_gets_the_task(redis_url: str, store: Store, clock: VirtualClock) -> None:
    threads_per_task, task_ids = 8, [created(store, clock()) for _ in range(20)]
    barrier, won = threading.Barrier(threads_per_task), []

    def work(number: int) -> None:
        for task_id in task_ids:
            barrier.wait(10)
            answer = store.tasks.claim(task_id, f"w{number}", clock(), clock() + LEASE_MS)
            if isinstance(answer, Attempt):
                won.append(task_id)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(threads_per_task)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(won) == sorted(task_ids)


# --- finish and run_again ------------------------------------------------------------------------


def test_a_success_is_stored_with_its_resource_usage(store: Store, clock: VirtualClock) -> None:
    task_id = created(store, clock())
    attempt = claimed(store, task_id, clock())
    assert store.tasks.finish(attempt, SUCCEEDED, clock.advance(9), 8.765) == "succeeded"
    task = read(store, task_id)
    assert (task.status, task.finished_ms, task.duration_ms) == (Status.SUCCEEDED, clock(), 8.77)
    assert (task.result_json, task.stdout, task.stdout_truncated) == ("7", "out\n", False)
    assert (task.cpu_ms, task.memory_kb, task.error) == (0.8, 5120, None)


def test_a_failure_keeps_its_result_beside_the_error(store: Store, clock: VirtualClock) -> None:
    outcome = Outcome(b'{"status_code":500}', Failure("HTTPStatusError", "ü", 3, "t"), stdout_truncated=True)
    task = read(store, finished(store, clock(), outcome))
    assert task.status is Status.FAILED
    assert task.error == {"type": "HTTPStatusError", "message": "ü", "line": 3, "traceback": "t"}
    assert (task.result_json, task.stdout_truncated) == ('{"status_code":500}', True)


def test_a_stopped_outcome_stops_the_task(store: Store, clock: VirtualClock) -> None:
    assert read(store, finished(store, clock(), STOPPED)).status is Status.STOPPED


def test_the_end_of_an_attempt_is_recorded_once(store: Store, clock: VirtualClock) -> None:
    task_id = created(store, clock())
    attempt = claimed(store, task_id, clock())
    store.tasks.finish(attempt, SUCCEEDED, clock(), 1.0)
    before = read(store, task_id)
    assert store.tasks.finish(attempt, FAILED, clock.advance(1), 2.0) == "superseded"
    assert read(store, task_id) == before


@pytest.mark.parametrize(("pause_ms", "status", "queued"), [(0, Status.QUEUED, True), (60_000, Status.WAITING, False)])
def test_a_retry_is_another_attempt_of_the_same_task(
    store: Store, clock: VirtualClock, pause_ms: int, status: Status, queued: bool
) -> None:
    task_id = created(store, clock(), max_retries=1)
    attempt = claimed(store, task_id, clock())
    due_ms = clock.advance(5) + pause_ms
    message = message_for(task_id) if queued else NO_MESSAGE
    outcome = replace(FAILED, result_json=b"1", stdout="out\n", stdout_truncated=True, cpu_ms=1, memory_kb=1)
    answer = store.tasks.run_again(attempt, outcome, clock(), 4.0, due_ms, message, Ending.COUNTED, entry=ENTRY)
    task = read(store, task_id)
    assert answer == task.status == status
    assert (task.result_json, task.stdout) == ("1", "out\n")
    assert (task.due_ms, task.queued_ms) == (due_ms, clock() if queued else None)
    assert (task.attempt, task.worker, task.started_ms, task.finished_ms) == (1, None, None, None)
    assert task.attempts == [ENTRY]
    clock.advance(pause_ms)
    second = claimed(store, task_id, clock())
    assert (second.number, second.losses) == (2, 0)
    task = read(store, task_id)
    assert (task.error, task.result_json, task.stdout) == (None, None, ""), "data of the previous attempt remained"
    assert (task.stdout_truncated, task.duration_ms, task.cpu_ms, task.memory_kb) == (False, None, None, None)
    store.tasks.finish(second, SUCCEEDED, clock(), 1.0)
    assert read(store, task_id).attempt == 2


def test_the_last_19_attempts_before_the_current_one_are_kept(store: Store, clock: VirtualClock) -> None:
    task_id = created(store, clock(), max_retries=100)
    for number in range(1, 25):
        entry = {"attempt": number}
        attempt = claimed(store, task_id, clock())
        store.tasks.run_again(attempt, FAILED, clock(), 1.0, clock(), MESSAGE, Ending.COUNTED, entry=entry)
    assert [entry["attempt"] for entry in read(store, task_id).attempts] == list(range(6, 25))


@pytest.mark.parametrize(("ending", "number", "losses"), [(Ending.RETURNED, 1, 0), (Ending.LOST, 2, 1)])
def test_a_repeated_attempt_may_keep_its_number_but_not_its_epoch(
    store: Store, clock: VirtualClock, ending: Ending, number: int, losses: int
) -> None:
    task_id = created(store, clock())
    first = claimed(store, task_id, clock())
    again: Callable[[Attempt], str] = lambda attempt: store.tasks.run_again(  # noqa: E731
        attempt,
        FAILED,
        clock(),
        1.0,
        clock(),
        MESSAGE,
        ending,
        entry=ENTRY,
    )
    assert again(first) == "queued"
    second = claimed(store, task_id, clock())
    assert (second.number, second.losses) == (number, losses)
    assert again(first) == "superseded", "a repeated report must not end another attempt"
    assert store.tasks.finish(first, SUCCEEDED, clock(), 1.0) == "superseded"
    assert store.tasks.renew([first, second], clock() + 1) == [Hold.LOST, Hold.RENEWED]
    assert store.tasks.finish(second, SUCCEEDED, clock(), 1.0) == "succeeded"


def test_an_attempt_that_redis_has_forgotten_in_a_failover_ends_no_later_one(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    """The new master did not have the first claim yet, so another worker got the task. Both run its attempt 1."""
    task_id = created(store, clock())
    copied = [(key, f"replica:{key}") for key in raw_redis.keys("celeriac:*")]
    for key, copy in copied:
        raw_redis.copy(key, copy)
    forgotten = claimed(store, task_id, clock(), "celery@forgotten")
    raw_redis.delete(*raw_redis.keys("celeriac:*"))
    for key, copy in copied:
        raw_redis.rename(copy, key)
    attempt = claimed(store, task_id, clock(), "celery@other")
    assert (forgotten.number, attempt.number) == (1, 1)
    assert store.tasks.renew([forgotten, attempt], clock() + LEASE_MS) == [Hold.LOST, Hold.RENEWED]
    assert not store.events.write_output(task_id, forgotten.epoch, 0, "late")
    assert store.tasks.finish(forgotten, FAILED, clock(), 1.0) == "superseded"
    assert store.tasks.finish(attempt, SUCCEEDED, clock(), 1.0) == "succeeded"


def test_a_returned_attempt_leaves_the_task_as_it_was_but_queued_since_now(store: Store, clock: VirtualClock) -> None:
    outcome = replace(FAILED, result_json=b"1" * 100, stdout="out\n", stdout_truncated=True, cpu_ms=1, memory_kb=1)
    small = replace(outcome, result_json=b"1")
    for returned in (outcome, small):
        task_id = created(store, clock())
        before = read(store, task_id)
        attempt = claimed(store, task_id, clock.advance(10))
        now_ms = clock.advance(10)
        store.tasks.run_again(attempt, returned, now_ms, 9.0, now_ms, MESSAGE, Ending.RETURNED, entry=None)
        after = read(store, task_id)
        assert after == replace(before, queued_ms=now_ms, epoch=after.epoch, history=after.history)


def test_a_task_that_waits_for_its_retry_is_not_queued_since_its_last_one(store: Store, clock: VirtualClock) -> None:
    task_id = created(store, clock())
    for pause_ms in (0, 60_000):
        attempt = claimed(store, task_id, clock.advance(10))
        due_ms = clock() + pause_ms
        store.tasks.run_again(attempt, FAILED, clock(), 1.0, due_ms, MESSAGE, Ending.COUNTED, entry=ENTRY)
        assert read(store, task_id).queued_ms == (None if pause_ms else clock())


def test_nothing_is_written_for_a_deleted_task(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    task_id = created(store, clock())
    attempt = claimed(store, task_id, clock())
    store.tasks.stop(task_id, clock(), force=True)
    store.tasks.delete(task_id)
    before = sorted(raw_redis.keys("*"))
    assert store.tasks.finish(attempt, SUCCEEDED, clock(), 1.0) == ""
    assert sorted(raw_redis.keys("*")) == before


# --- stop, delete, renew -------------------------------------------------------------------------


def test_a_task_that_has_not_started_is_stopped_at_once(store: Store, clock: VirtualClock) -> None:
    queued, waiting = created(store, clock()), created(store, clock(), due_ms=clock() + 60_000)
    assert store.tasks.stop(queued, clock()) == ("queued", "stopped")
    assert store.tasks.stop(waiting, clock()) == ("waiting", "stopped")
    assert read(store, queued).finished_ms == clock()
    assert store.tasks.claim(queued, WORKER, clock(), clock() + LEASE_MS) == "stopped"
    assert store.recovery.lists_with_old(clock()) == store.recovery.waiting_until(clock() + 99_000, 10) == []


def test_a_running_task_is_notified_and_its_retry_becomes_a_stop(store: Store, clock: VirtualClock) -> None:
    task_id = created(store, clock(), max_retries=5)
    attempt = claimed(store, task_id, clock())
    with store.subscriber.watch(store.keys.stop) as watch:
        assert store.subscriber.confirm(store.keys.stop, 15)
        assert store.tasks.stop(task_id, clock()) == ("running", "running")
        assert watch.wait(5), "the workers were not notified"
    assert store.tasks.renew([attempt], clock() + LEASE_MS) == [Hold.STOPPING]
    answer = store.tasks.run_again(attempt, FAILED, clock(), 1.0, clock() + 1, MESSAGE, Ending.COUNTED, entry=ENTRY)
    assert answer == read(store, task_id).status == "stopped"


def test_force_ends_the_record_and_refuses_later_reports(store: Store, clock: VirtualClock) -> None:
    task_id = created(store, clock())
    attempt = claimed(store, task_id, clock())
    with store.subscriber.watch(store.keys.stop) as watch:
        assert store.subscriber.confirm(store.keys.stop, 15)
        assert store.tasks.stop(task_id, clock(), force=True) == ("running", "stopped")
        assert watch.wait(5), "the workers were not notified"
    assert store.tasks.finish(attempt, SUCCEEDED, clock(), 1.0) == "superseded"
    assert read(store, task_id).result_json is None


def test_a_finished_record_has_no_fields_of_unfinished_tasks(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    task_id = created(store, clock(), inbox="somebody")
    attempt = claimed(store, task_id, clock())
    store.tasks.stop(task_id, clock())
    store.tasks.finish(attempt, STOPPED, clock(), 1.0)
    assert raw_redis.hmget(store.keys.task(task_id), "ls", "ep", "cl", "stop", "ib") == [None] * 5


def test_a_finished_task_can_not_be_stopped(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    task_id = finished(store, clock())
    before = read(store, task_id)
    assert store.tasks.stop(task_id, clock.advance(1), force=True) == ("succeeded", "succeeded")
    assert read(store, task_id) == before
    assert store.tasks.stop(NOBODY, clock()) == ("", "")
    assert raw_redis.keys("celeriac:call:*") == [], "there is no answer that another would contradict"


def test_a_deleted_task_leaves_no_trace(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    task_id = created(store, clock(), tags=["a:b", "ü"], scheduled_task_id=NOBODY, max_retries=1)
    store.tasks.run_again(
        claimed(store, task_id, clock()), FAILED, clock(), 1.0, clock(), NO_MESSAGE, Ending.COUNTED, entry=ENTRY
    )
    store.tasks.finish(claimed(store, task_id, clock()), SUCCEEDED, clock(), 1.0)
    assert store.tasks.delete(task_id) == "succeeded"
    assert store.tasks.get(task_id) is None
    left = {key for key in raw_redis.keys("*") if not key.startswith((*COUNTERS, "celeriac:call:"))}
    assert left == {store.keys.seq, MESSAGE.queue_key}
    assert store.tasks.delete(task_id) == ""


def test_a_running_task_is_not_deleted(store: Store, clock: VirtualClock) -> None:
    task_id = created(store, clock())
    claimed(store, task_id, clock())
    assert store.tasks.delete(task_id) == "running"
    assert store.tasks.status(task_id) is Status.RUNNING


def test_the_end_wakes_waiting_threads(store: Store, clock: VirtualClock) -> None:
    ends: list[Callable[[str], object]] = [
        lambda task_id: store.tasks.finish(claimed(store, task_id, clock()), SUCCEEDED, clock(), 1.0),
        lambda task_id: store.tasks.stop(task_id, clock()),
        lambda task_id: store.tasks.delete(task_id),
    ]
    for end in ends:
        task_id = created(store, clock())
        channel = store.keys.done(task_id)
        with store.subscriber.watch(channel) as watch:
            assert store.subscriber.confirm(channel, 15)
            end(task_id)
            assert watch.wait(5)


def test_a_renewed_lease_has_not_expired(store: Store, clock: VirtualClock) -> None:
    one, other = (claimed(store, created(store, clock()), clock()) for _ in range(2))
    clock.advance(LEASE_MS)
    assert store.tasks.renew([one], clock() + LEASE_MS) == [Hold.RENEWED]
    clock.advance(1)
    assert [lost.task_id for lost in store.recovery.expired_leases(clock(), 10)] == [other.task_id]
    assert store.tasks.renew([], clock()) == []


def test_each_change_of_status_is_told_while_it_happens(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    task_id = created(store, clock())
    with raw_redis.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe(f"celeriac:changed:{task_id}")
        assert channel.get_message(timeout=5) is None  # the subscription
        for pause_ms in (0, 1):
            attempt, due_ms = claimed(store, task_id, clock()), clock() + pause_ms
            store.tasks.run_again(attempt, FAILED, clock(), 1.0, due_ms, MESSAGE, Ending.COUNTED, entry=ENTRY)
        told = [channel.get_message(timeout=5) for _ in range(4)]
    assert [message and message["data"] for message in told] == ["running", "queued", "running", "waiting"]


def test_each_change_of_status_is_an_event_while_a_stream_is_open(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    finished(store, clock())
    assert not raw_redis.exists("celeriac:events")
    raw_redis.set("celeriac:events:since", clock())
    task_id, created_ms = created(store, clock(), tags=["a"]), clock()
    attempt = claimed(store, task_id, clock.advance(1))
    with raw_redis.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe("celeriac:events")
        assert channel.get_message(timeout=5) is None  # the subscription
        store.tasks.finish(attempt, FAILED, clock.advance(1), 1.0)
        told = channel.get_message(timeout=5)
    whole = raw_redis.xrange("celeriac:events")
    events = [json.loads(fields["event"]) for _, fields in whole]
    assert [(event["at_ms"], event["before"], event["after"], event["who"], event["why"]) for event in events] == [
        (str(created_ms), "", "queued", "api", "created"),
        (str(created_ms + 1), "queued", "running", WORKER, "attempt 1 starts"),
        (str(created_ms + 2), "running", "failed", WORKER, "ValueError"),
    ]
    about = {"task_id": task_id, "kind": "code", "task_type": "immediate", "name": "report", "tags": '["a"]'}
    assert all(about.items() <= event.items() and event["scheduled_task_id"] is False for event in events)
    assert told is not None
    assert told["data"] == f"{whole[-1][0]} {whole[-1][1]['event']}"
    assert 0 < raw_redis.ttl("celeriac:events") <= 120
