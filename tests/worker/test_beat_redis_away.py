"""Beat survives an outage of Redis; without a beat, delayed tasks run, cron does not, and health says why."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.clock import system_clock
from app.domain.errors import Unavailable
from app.domain.status import Status
from app.store.store import Store
from app.usecases.outages import REPORT_SECONDS, Outages
from app.usecases.schedules import ScheduleService
from app.usecases.tasks import TaskService
from celery_app import celery
from tasks.beat import StoreScheduler
from tests.lateness import Lateness
from tests.servers import CeleryProcess, RedisServer, wait_until
from tests.store.making import claimed, created
from tests.worker.conftest import HORIZON_SECONDS, Start, composed

CODE = {"name": "tick", "function_code": "def f(): return 1", "function_name": "f"}
EVERY_SECOND = {**CODE, "cron_expression": "* * * * * *"}


@pytest.fixture
def own_store(own_server: RedisServer) -> Iterator[Store]:
    store = Store.at(own_server.url)
    yield store
    store.close()


def runs_of(schedules: ScheduleService, schedule_id: str) -> Callable[[int], bool]:
    """A check for whether a schedule has fired at least a given number of times."""
    return lambda count: schedules.get(schedule_id).run_count >= count


def answers(store: Store) -> bool:
    """Whether a store reaches its Redis."""
    try:
        store.liveness.ping()
    except Unavailable:
        return False
    return True


@pytest.mark.parametrize("how", ["stopped", "hanging"])
def test_a_beat_outlives_its_redis(own_server: RedisServer, own_store: Store, tmp_path: Path, how: str) -> None:
    schedules = composed(own_store).schedules
    beat = CeleryProcess(tmp_path, own_server.url, "beat", "--loglevel=info")
    try:
        wait_until(own_store.liveness.last_beat, 30, "a first tick")
        before = runs_of(schedules, schedules.create(EVERY_SECOND).id)
        wait_until(lambda: before(2), 15, "two firings")
        if how == "stopped":
            own_server.stop()
        else:
            own_server.send_signal(signal.SIGSTOP)
        beat.wait_for("Redis can't be reached action=redis_away reason=")
        assert not answers(own_store)
        if how == "stopped":
            own_server.start()
        else:
            own_server.send_signal(signal.SIGCONT)
        wait_until(lambda: answers(own_store), 15, "the store is back")
        created = schedules.create(EVERY_SECOND)
        after = runs_of(schedules, created.id)
        with Lateness() as late:
            wait_until(lambda: after(2), 30, "two firings after Redis came back")
        assert late.taken_seconds < 8
        beat.wait_for("Redis is back")
        assert beat.process.poll() is None
        assert beat.output.count("Redis can't be reached") == 1, "the outage is logged once, not at each attempt"
    finally:
        beat.kill()


def test_a_beat_that_is_told_to_end_while_it_fires_ends_although_redis_goes_away(
    own_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Celery ends beat by a SystemExit at whatever it does. What beat does after a failure must not hide that."""
    monkeypatch.setenv("REDIS_URL", own_server.url)
    beat = StoreScheduler(celery)

    def interrupted() -> None:
        own_server.stop()
        raise SystemExit

    monkeypatch.setattr(beat, "_fire", interrupted)
    with pytest.raises(SystemExit):
        beat.tick()
    beat.close()


def test_a_beat_that_starts_leaves_workers_time_to_report(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis may have been away until then."""
    now_ms = system_clock()
    claimed(store, task_id := created(store, now_ms), now_ms - 60_000)
    monkeypatch.setenv("REDIS_URL", redis_url)
    beat = StoreScheduler(celery)
    seconds = 0.0
    beat._maintenance.recovery.outages = Outages(lambda: seconds)

    def status_after_tick() -> Status | None:
        beat._watch.notify(None)  # it does not sleep
        beat.tick()
        return store.tasks.status(task_id)

    try:
        assert status_after_tick() is Status.RUNNING
        seconds = REPORT_SECONDS
        assert status_after_tick() is Status.QUEUED
    finally:
        beat.close()


def test_without_a_beat_delayed_tasks_run_and_health_says_why_cron_does_not(
    store: Store, service: TaskService, schedules: ScheduleService, start_worker: Start
) -> None:
    health = composed(store).health
    start_worker()
    schedule = schedules.create(EVERY_SECOND)
    task = service.create({**CODE, "task_type": "delayed", "delay_seconds": HORIZON_SECONDS + 1})
    wait_until(lambda: service.get(task.id).status is Status.SUCCEEDED, 20, "the delayed task")
    assert schedules.get(schedule.id).run_count == 0
    report = health.report()
    assert report["status"] == "degraded"
    assert report["beat"] == {
        "status": "down",
        "detail": "no beat is running, so scheduled tasks do not fire",
        "last_tick_at": None,
    }
    assert report["workers"]["status"] == "ok"


def test_with_a_beat_health_says_that_it_ticks(store: Store, start: Start) -> None:
    health = composed(store).health
    start("beat")
    wait_until(lambda: health.report()["beat"]["status"] == "ok", 20, "a tick")
    beat = health.report()["beat"]
    assert beat["age_seconds"] < 10
    assert beat["lag_seconds"] == 0
