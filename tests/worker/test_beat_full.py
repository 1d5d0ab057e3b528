"""While there is no room for more tasks, beat puts firings off and does its other work."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from app.clock import system_clock
from app.store.store import Store
from app.usecases.schedules import ScheduleService
from tests.servers import wait_until
from tests.store.making import created, finished
from tests.worker.conftest import Start

EVERY_SECOND = {
    "name": "tick",
    "cron_expression": "* * * * * *",
    "function_code": "def f(): pass",
    "function_name": "f",
    "catch_up": "all",
}


@pytest.fixture
def memory(raw_redis: redis.Redis) -> Iterator[redis.Redis]:
    yield raw_redis
    raw_redis.config_set("maxmemory", "0")


def outcomes(store: Store, schedule_id: str) -> list[tuple[int, str]]:
    """The time in ms and the outcome of each firing, oldest first."""
    firings, _ = store.firings.page(schedule_id, 1_000, None)
    return [(firing.at_ms, firing.outcome) for firing in reversed(firings)]


def assert_each_second_was_fired(found: list[tuple[int, str]]) -> None:
    first = found[0][0]
    assert found == [(first + 1_000 * number, "created") for number in range(len(found))]


def test_firings_are_put_off_while_too_many_tasks_wait_and_none_is_lost(
    store: Store, schedules: ScheduleService, start: Start
) -> None:
    waiting = created(store, system_clock())
    schedule = schedules.create(EVERY_SECOND)
    beat = start("beat", MAX_QUEUED_TASKS="1")
    beat.wait_for("firings are put off")
    third_ms = (schedule.next_run_ms or 0) + 2_000
    wait_until(lambda: system_clock() > third_ms, 15, "three firings that are due")
    assert outcomes(store, schedule.id) == []
    assert store.schedules.get(schedule.id) == schedule
    store.tasks.delete(waiting)
    beat.wait_for("firings resume")
    wait_until(lambda: len(outcomes(store, schedule.id)) >= 3, 15, "the firings that were put off")
    assert_each_second_was_fired(outcomes(store, schedule.id))
    assert outcomes(store, schedule.id)[0][0] == schedule.next_run_ms


def test_retention_makes_room_where_the_memory_is_full(
    store: Store, schedules: ScheduleService, start: Start, memory: redis.Redis
) -> None:
    for _ in range(50):
        finished(store, system_clock())
    schedule = schedules.create(EVERY_SECOND)
    memory.config_set("maxmemory", "1")
    beat = start("beat", MAX_FINISHED_TASKS="1")
    beat.wait_for("firings are put off")
    retention = store.retention
    wait_until(lambda: retention.count(retention.indexes_by_creation()) == 1, 10, "the deletion of surplus tasks")
    last = store.liveness.last_beat()
    assert last is not None, "its heartbeat goes on"
    wait_until(lambda: ticked_after(store, last.tick_ms), 15, "a further tick")
    assert "can't be reached" not in beat.output
    memory.config_set("maxmemory", "0")
    beat.wait_for("firings resume")
    wait_until(lambda: outcomes(store, schedule.id) != [], 15, "a firing")
    assert_each_second_was_fired(outcomes(store, schedule.id))


def ticked_after(store: Store, tick_ms: int) -> bool:
    beat = store.liveness.last_beat()
    return beat is not None and beat.tick_ms > tick_ms


def test_beat_sleeps_while_firings_are_put_off(
    store: Store, schedules: ScheduleService, start: Start, raw_redis: redis.Redis
) -> None:
    """Firings that are due and can't be taken must not keep beat awake."""
    created(store, system_clock())
    schedules.create(EVERY_SECOND)
    start("beat", MAX_QUEUED_TASKS="1").wait_for("firings are put off")
    before = raw_redis.info("commandstats")["cmdstat_evalsha"]["calls"]
    until_ms = system_clock() + 2_000
    wait_until(lambda: system_clock() > until_ms, 15, "two seconds")
    assert raw_redis.info("commandstats")["cmdstat_evalsha"]["calls"] - before < 200
