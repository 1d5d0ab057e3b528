"""Real beats take each firing once, however many beats there are."""

from __future__ import annotations

import signal
from itertools import pairwise

import redis

from app.domain.cron import zone_version
from app.domain.ids import firing_id
from app.domain.status import Status
from app.store.listing import Filters
from app.store.record import Task
from app.store.store import Store
from app.usecases.schedules import ScheduleService
from app.usecases.tasks import TaskService
from tests.lateness import Lateness
from tests.servers import wait_until
from tests.worker.conftest import Start

CODE = {"name": "tick", "function_code": "def f(): return 1", "function_name": "f"}
EVERY_SECOND = {**CODE, "cron_expression": "* * * * * *"}


def tasks_of(store: Store, schedule_id: str) -> list[Task]:
    """The tasks that a schedule created, oldest first."""
    return list(reversed(store.listing.page(Filters(scheduled_task_id=schedule_id), 200).items))


def test_two_beats_create_one_task_for_each_second(store: Store, schedules: ScheduleService, start: Start) -> None:
    beats = [start("beat") for _ in range(2)]
    for beat in beats:
        beat.wait_for("beat: Starting...")
    wait_until(lambda: store.liveness.last_beat(), 15, "a tick")
    with Lateness() as late:
        schedule = schedules.create({**EVERY_SECOND, "catch_up": "all"})  # whatever a beat that stands still misses
        wait_until(lambda: len(tasks_of(store, schedule.id)) >= 4, 15, "four firings")
    in_time = tasks_of(store, schedule.id)
    for beat in beats:
        beat.signal(signal.SIGTERM)
        assert beat.wait(10) == 0
    tasks = tasks_of(store, schedule.id)
    due_ms = [task.due_ms for task in tasks]
    assert due_ms[0] == schedule.next_run_ms, "the first firing was missed"
    assert all(later - earlier == 1_000 for earlier, later in pairwise(due_ms)), due_ms
    assert [task.id for task in tasks] == [firing_id(schedule.id, due) for due in due_ms]
    limit_ms = 800 + late.seconds * 1000
    assert all(task.created_ms - task.due_ms < limit_ms for task in in_time), "late by more than a wake-up"
    assert schedules.get(schedule.id).run_count == len(tasks)
    assert store.liveness.last_beat() is None, "a beat signs off when it ends"


def test_a_schedule_that_can_not_be_fired_delays_nothing_else(
    store: Store, service: TaskService, schedules: ScheduleService, raw_redis: redis.Redis, start: Start
) -> None:
    broken, whole = schedules.create(EVERY_SECOND), schedules.create(EVERY_SECOND)
    terms = raw_redis.hget(store.keys.schedule(broken.id), "te")
    assert '"timezone":"UTC"' in str(terms)
    raw_redis.hset(store.keys.schedule(broken.id), "te", str(terms).replace('"UTC"', '"Gone/Away"'))
    task = service.create({**CODE, "task_type": "delayed", "delay_seconds": 2.5})
    beat = start("beat")
    wait_until(lambda: len(tasks_of(store, whole.id)) >= 2, 15, "firings of the other schedule")
    wait_until(lambda: not store.recovery.waiting_until(task.due_ms, 10), 15, "the message of a delayed task")
    assert tasks_of(store, broken.id) == []
    assert f"scheduled task {broken.id}" in beat.output
    assert beat.process.poll() is None


def test_next_firings_follow_an_update_of_the_time_zones(
    store: Store, schedules: ScheduleService, raw_redis: redis.Redis, start: Start
) -> None:
    schedule = schedules.create({**CODE, "cron_expression": "0 12 * * *", "start_at": "2090-01-01T00:00:00Z"})
    assert schedule.next_run_ms is not None
    store.schedules.retime([(schedule, schedule.next_run_ms + 3_600_000)], schedule.created_ms, "2020.1")
    beat = start("beat")
    beat.wait_for("changed: 1")
    assert schedules.get(schedule.id).next_run_ms == schedule.next_run_ms
    assert raw_redis.get(store.keys.zones) == zone_version()


def test_a_beat_sends_a_delay_when_it_is_near(store: Store, service: TaskService, start: Start) -> None:
    task = service.create({**CODE, "task_type": "delayed", "delay_seconds": 2.5})
    assert store.recovery.waiting_until(task.due_ms, 10)
    start("beat")
    wait_until(lambda: not store.recovery.waiting_until(task.due_ms, 10), 15, "the message")
    assert service.get(task.id).status in (Status.WAITING, Status.QUEUED)
