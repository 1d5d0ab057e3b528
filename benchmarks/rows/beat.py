"""Beat: many schedules at once, many that wait, and what they cost."""

from __future__ import annotations

import contextlib
import functools
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import redis
from celery import Celery

from app.api.context import compose
from app.clock import system_clock
from app.domain.kinds import QUEUES
from app.domain.status import Kind
from app.messaging.encoder import MessageEncoder
from app.messaging.queues import celery_priority
from app.settings import Settings
from app.usecases.dispatch import Dispatcher
from app.usecases.firing import FiringService
from app.usecases.schedules import ScheduleService
from benchmarks.fills import schedules_and_delays, waiting_schedules
from benchmarks.made import HORIZON_SECONDS, HOUR_MS, SCHEDULE, add_schedules, no_problems, store_at
from benchmarks.measurement import Better, By, Figure, Measurement, Round, Side, SideAbsent, at_least, at_most
from benchmarks.processes import (
    broker_url,
    cpu_seconds,
    folder,
    memory_server,
    resident_mb,
    server_pid,
    used_bytes,
)
from benchmarks.stock import stocked_server
from benchmarks.workers import beat, wait_until_it_runs, worker
from tasks.beat import SCHEDULES_PER_BATCH

REDBEAT = "celery-redbeat"


# --- dispatch ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def ours_dispatched(count: int) -> Iterator[Round]:
    """FiringService.fire_due until nothing is due."""
    with folder() as path, memory_server(path) as url, store_at(url) as store, redis.Redis.from_url(url) as client:
        dispatcher = Dispatcher(MessageEncoder(store.keys), HORIZON_SECONDS)
        queue = store.keys.queue(QUEUES[Kind.CODE], celery_priority(5))

        def measure() -> dict[str, float]:
            client.flushall()
            due_ms = system_clock() // HOUR_MS * HOUR_MS
            add_schedules(store, count, due_ms)
            service = FiringService(store, dispatcher, lambda: due_ms)

            def fire() -> None:
                while service.fire_due(SCHEDULES_PER_BATCH):
                    pass

            found = _timed_run(url, count, fire)
            _check(int(client.llen(queue)), count)
            return found

        yield measure


@contextlib.contextmanager
def redbeat_dispatched(count: int) -> Iterator[Round]:
    """RedBeatScheduler.tick, its lock switched off, which spares it a little work."""
    try:
        from redbeat import RedBeatScheduler  # type: ignore[import-untyped]
    except ImportError:
        raise SideAbsent.without(REDBEAT) from None
    with folder() as path, memory_server(path) as server_url:
        url = broker_url(server_url)
        app = _redbeat_app(url)
        with redis.Redis.from_url(url) as client:

            def measure() -> dict[str, float]:
                client.flushall()
                _add_entries(app, count)
                scheduler = RedBeatScheduler(app, lazy=False)
                found = _timed_run(url, count, scheduler.tick)
                _check(int(client.llen("celery")), count)
                return found

            yield measure


def _redbeat_app(url: str) -> Celery:
    app = Celery("peer", broker=f"redis+socket://{url.removeprefix('unix://')}", set_as_current=False)
    app.conf.update(redbeat_redis_url=url, redbeat_lock_key=None, task_ignore_result=True)
    return app


def _add_entries(app: Celery, count: int) -> None:
    """So many entries that are due now."""
    from celery.schedules import schedule
    from redbeat import RedBeatSchedulerEntry

    last_run_at = app.now() - timedelta(hours=2)
    for number in range(count):
        every_hour = schedule(run_every=HOUR_MS / 1000, app=app)
        RedBeatSchedulerEntry(f"n{number}", "peer.nothing", every_hour, app=app, last_run_at=last_run_at).save()


def _timed_run(url: str, count: int, run: Callable[[], object]) -> dict[str, float]:
    """Firings per second, and the processor time of a firing in this process and its Redis together."""
    server = server_pid(url)
    began, own, servers = time.perf_counter(), time.process_time(), cpu_seconds(server)
    run()
    seconds = time.perf_counter() - began
    used = time.process_time() - own + cpu_seconds(server) - servers
    return {"rate": count / seconds, "processor": used / count * 1e6}


def _check(found: int, expected: int) -> None:
    if found != expected:
        raise RuntimeError(f"{found} messages instead of {expected}")


# --- idle --------------------------------------------------------------------------------------------


@contextlib.contextmanager
def idle(size: tuple[int, float], *, is_full: bool) -> Iterator[Round]:
    """A real beat and a real worker, while nothing is due."""
    delays, seconds = size
    count = delays if is_full else 0
    with contextlib.ExitStack() as stack:
        path = stack.enter_context(folder())
        url = stack.enter_context(stocked_server(path, schedules_and_delays, count))
        other, process = stack.enter_context(worker(url, path)), stack.enter_context(beat(url, path))
        with store_at(url) as store:
            wait_until_it_runs(store)  # from now on both have loaded what they need

        def measure() -> dict[str, float]:
            before = cpu_seconds(process.pid)
            time.sleep(seconds)
            share = (cpu_seconds(process.pid) - before) / seconds * 100
            return {"beat": share, "beat's memory": resident_mb(process.pid), "worker": resident_mb(other.pid)}

        yield measure


# --- memory ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def our_memory(count: int) -> Iterator[Round]:
    """Bytes in Redis for a schedule that has not fired yet: the list of its firings is still to come."""
    with folder() as path, stocked_server(path, waiting_schedules, 0) as empty_url:
        empty = used_bytes(empty_url)
        with folder() as other, stocked_server(other, waiting_schedules, count) as url:
            yield lambda: (used_bytes(url) - empty) / count


@contextlib.contextmanager
def redbeat_memory(count: int) -> Iterator[Round]:
    """Bytes in Redis for an entry."""
    with folder() as path, memory_server(path) as url:
        before = used_bytes(url)
        try:
            _add_entries(_redbeat_app(broker_url(url)), count)
        except ImportError:
            raise SideAbsent.without(REDBEAT) from None
        yield lambda: (used_bytes(url) - before) / count


# --- change ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def change(size: tuple[int, int], *, schedules: int | None = None) -> Iterator[Round]:
    """The use cases behind POST, pause and DELETE, among so many schedules, and ten times as many delayed tasks."""
    others, changes = size
    count = others if schedules is None else schedules
    with folder() as path, stocked_server(path, schedules_and_delays, 10 * count) as url, store_at(url) as store:
        service = compose(Settings(), store, no_problems).schedules
        yield lambda: _changes(service, changes)


def _changes(service: ScheduleService, count: int) -> dict[str, float]:
    """Median µs of each."""
    times: dict[str, list[float]] = {"create": [], "pause": [], "delete": []}
    for _ in range(count):
        began = time.perf_counter()
        schedule = service.create(SCHEDULE)
        created = time.perf_counter()
        service.pause(schedule.id)
        paused = time.perf_counter()
        service.delete(schedule.id)
        deleted = time.perf_counter()
        for name, taken in zip(times, (created - began, paused - created, deleted - paused), strict=True):
            times[name].append(taken * 1e6)
    return {name: statistics.median(taken) for name, taken in times.items()}


# --- the rows ----------------------------------------------------------------------------------------

NOTHING_PENDING, FEW = "nothing pending", "among 100"

MEASUREMENTS = (
    Measurement(
        name="beat.dispatch",
        question="Firing schedules that are all due at one moment",
        figures=(
            Figure("firings/s", Better.HIGHER, (at_least(20.0, REDBEAT),), "rate"),
            Figure("µs", Better.LOWER, (at_least(15.0, REDBEAT, By.SAVING),), "processor"),
        ),
        ours=Side("Celeriac", "FiringService.fire_due in this process, until nothing is due", ours_dispatched),
        baselines=(Side(REDBEAT, "RedBeatScheduler.tick without its lock", redbeat_dispatched, (REDBEAT, "celery")),),
        full=4_000,
        quick=300,
        warm_up_rounds=0,
        is_headline=True,
    ),
    Measurement(
        name="beat.idle",
        question="A beat and a worker with 1,000,000 delayed tasks and 100,000 schedules that are not due",
        figures=(
            Figure("% of a core", Better.LOWER, (at_most(1.0),), "beat"),
            Figure("MB", Better.LOWER, (at_most(100.0),), "beat's memory"),
            Figure("MB", Better.LOWER, (at_most(1.05, NOTHING_PENDING),), "worker"),
        ),
        ours=Side("Celeriac", "celery beat and one code worker", functools.partial(idle, is_full=True)),
        baselines=(Side(NOTHING_PENDING, "the same on an empty server", functools.partial(idle, is_full=False)),),
        full=(1_000_000, 3.0),
        quick=(5_000, 0.5),
    ),
    Measurement(
        name="beat.memory",
        question="Memory in Redis for a schedule that waits for its first firing",
        figures=(Figure("bytes", Better.LOWER),),
        ours=Side("Celeriac", "schedules as the API writes them, without firings", our_memory),
        baselines=(Side(REDBEAT, "RedBeatSchedulerEntry.save", redbeat_memory, (REDBEAT,)),),
        full=10_000,
        quick=1_000,
        warm_up_rounds=0,
    ),
    Measurement(
        name="beat.change",
        question="Creating, pausing and deleting a schedule among 100,000",
        figures=tuple(
            Figure("µs", Better.LOWER, (at_most(1.3, FEW),), action) for action in ("create", "pause", "delete")
        ),
        ours=Side(
            "Celeriac", "the use cases behind the API, in this process; 10 delayed tasks for each schedule", change
        ),
        baselines=(Side(FEW, "the same", functools.partial(change, schedules=100)),),
        full=(100_000, 100),
        quick=(2_000, 20),
    ),
)
