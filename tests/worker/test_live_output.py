"""Live output: written in batches, never for short attempts, and seen through the API's services while a task runs."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest
import redis

from app.domain.status import Status
from app.store.store import Store
from app.store.tasks import Attempt
from app.usecases.events import EventService, TaskEvent
from app.usecases.tasks import TaskService
from tasks import live_output
from tasks.live_output import LiveOutput
from tests.conftest import VirtualClock
from tests.scarcity import no_more_threads
from tests.servers import RedisServer, wait_until
from tests.store.making import SUCCEEDED, claimed, created
from tests.worker.conftest import Start

#: Its first attempt goes on for long enough to be looked at on a busy machine.
PRINTS = """
import celeriac, time

def f():
    print('one')
    if celeriac.attempt == 1:
        time.sleep(5)
    print('two')
    return 1 / 0
"""


@pytest.fixture
def attempt(store: Store, clock: VirtualClock) -> Attempt:
    return claimed(store, created(store, clock()), clock())


def stdout(store: Store, attempt: Attempt) -> str:
    task = store.tasks.get(attempt.task_id)
    assert task is not None
    return task.stdout


def writes(raw_redis: redis.Redis) -> int:
    stats: dict[str, Any] = raw_redis.info("commandstats")  # type: ignore[assignment]
    return int(stats.get("cmdstat_setrange", {"calls": 0})["calls"])


def test_output_that_no_thread_could_write_is_written_with_the_next_piece(store: Store, attempt: Attempt) -> None:
    output = LiveOutput(store.events)
    with output.opened(attempt) as on_output:
        with no_more_threads():
            on_output("one\n")
        on_output("two\n")
        wait_until(lambda: stdout(store, attempt) == "one\ntwo\n", 15, "all of the output")
    output.close()


def test_many_pieces_are_few_writes(store: Store, attempt: Attempt, raw_redis: redis.Redis) -> None:
    output = LiveOutput(store.events)
    before, began = writes(raw_redis), time.monotonic()
    with output.opened(attempt) as on_output:
        for number in range(500):
            on_output(f"é{number}\n")
            time.sleep(0.001)
        expected = "".join(f"é{number}\n" for number in range(500))
        wait_until(lambda: stdout(store, attempt) == expected, 15, "all of it is written")
        elapsed = time.monotonic() - began
    output.close()
    assert 1 <= writes(raw_redis) - before <= elapsed / live_output.BATCH_SECONDS + 1


def test_a_short_attempt_writes_nothing(
    store: Store, attempt: Attempt, raw_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_output, "BATCH_SECONDS", 0.05)
    output, before = LiveOutput(store.events), writes(raw_redis)
    with output.opened(attempt) as on_output:
        on_output("short")
    with output.opened(attempt) as on_output:
        on_output("long")
        wait_until(lambda: stdout(store, attempt) == "long", 15, "the second is written")
    output.close()
    assert writes(raw_redis) - before == 1


def test_output_after_the_end_of_the_attempt_changes_nothing(
    store: Store, attempt: Attempt, clock: VirtualClock
) -> None:
    output = LiveOutput(store.events)
    with output.opened(attempt) as on_output:
        on_output("live")
        wait_until(lambda: stdout(store, attempt) == "live", 15, "it is written")
        store.tasks.finish(attempt, SUCCEEDED, clock(), 1.0)
        on_output("late")
        assert not store.events.write_output(attempt.task_id, attempt.epoch, 4, "late")
    output.close()
    assert stdout(store, attempt) == SUCCEEDED.stdout


def test_output_waits_for_a_redis_that_is_away(
    own_server: RedisServer, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(live_output, "_PAUSE_SECONDS", 0.05)
    store = Store.at(own_server.url)
    attempt = claimed(store, created(store, clock()), clock())
    output = LiveOutput(store.events)
    with output.opened(attempt) as on_output:
        own_server.stop()
        on_output("before ")
        wait_until(lambda: "output_deferred" in [vars(each).get("action") for each in caplog.records], 15, "a failure")
        reason = next(vars(each)["reason"] for each in caplog.records if vars(each).get("action") == "output_deferred")
        assert reason.startswith("ConnectionError: "), "and the words of the network"
        own_server.start()
        task_id = created(store, clock())
        again = claimed(store, task_id, clock())
        with output.opened(again) as on_other:
            on_other("after")
            wait_until(lambda: stdout(store, again) == "after", 15, "others are written")
    output.close()
    store.close()


def test_a_workers_output_is_seen_while_the_task_runs_and_starts_afresh_with_a_retry(
    service: TaskService, store: Store, start_worker: Start
) -> None:
    start_worker()
    raw = {"name": "n", "function_code": PRINTS, "function_name": "f", "max_retries": 1, "retry_delay": 0.1}
    task = service.create(raw)
    stream = EventService(store).of_task(task.id, "")
    assert stream is not None
    shown: list[str] = []  # each status, and what was printed in it
    was_live = False
    for event in stream:
        if not isinstance(event, TaskEvent):
            continue
        if event.change is None:
            shown[-1] += event.output
        else:
            shown.append(f"{event.change.after}: ")
        if not was_live and shown == ["queued: ", "running: one\n"]:
            now = service.get(task.id)
            assert (now.status, now.stdout) == (Status.RUNNING, "one\n")
            was_live = True
    assert was_live
    created, first, *between, second, end = shown
    assert (created, second, end) == ("queued: ", "running: one\ntwo\n", "failed: ")
    # What the first attempt prints at its end is gone once the second has begun, which may be in the same millisecond.
    assert first in ("running: one\n", "running: one\ntwo\n")
    assert between in (["waiting: "], ["waiting: ", "queued: "], ["queued: "])
    assert service.get(task.id).stdout == "one\ntwo\n"
