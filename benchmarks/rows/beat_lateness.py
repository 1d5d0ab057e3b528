"""How late a beat fires: from the moment a schedule names until the task is created, and until its message is out."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import redis

from app.clock import system_clock
from app.domain.kinds import QUEUES
from app.domain.status import Kind
from app.messaging.queues import celery_priority
from app.store.store import Store
from benchmarks.made import HOUR_MS, add_schedules, store_at, tasks_of
from benchmarks.measurement import Better, By, Figure, Measurement, Round, Side, at_most
from benchmarks.processes import folder, memory_server
from benchmarks.series import percentile
from benchmarks.workers import beat

SLEEP = "a sleep in an idle process"
SECONDS_OF_A_MINUTE = 60
#: Before a round, until the one before is over for beat, too; after it, until the last messages are out.
SETTLE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Size:
    """Schedules, the cron expressions that they share out among themselves, and the seconds of a round."""

    schedules: int
    expressions: Sequence[str]
    seconds: float

    @property
    def per_second(self) -> float:
        """How many fire in a second."""
        every_second = self.expressions == EVERY_SECOND
        return self.schedules if every_second else self.schedules / SECONDS_OF_A_MINUTE


EVERY_SECOND = ("* * * * * *",)
ONCE_A_MINUTE = tuple(f"{second} * * * * *" for second in range(SECONDS_OF_A_MINUTE))


@dataclass(slots=True)
class _Seen:
    """When each task's message was on its queue, in ms."""

    at_ms: dict[str, int] = field(default_factory=dict)
    is_stopped: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def firing(size: Size) -> Iterator[Round]:
    """A real beat fires; a reader takes the messages from the queue and notes when they came."""
    with folder() as path, memory_server(path) as url, store_at(url) as store:
        _add(store, size)
        with beat(url, path), _reading(url, store) as seen:
            _wait_for_message(seen)
            yield lambda: _round(store, seen, size)


def _add(store: Store, size: Size) -> None:
    """Schedules that fire for the first time two to 62 seconds from now, at the seconds that they name."""
    first_ms = system_clock() // 1000 * 1000 + 2_000
    share = size.schedules // len(size.expressions)
    for expression in size.expressions:
        word = expression.partition(" ")[0]
        wait = 0 if word == "*" else (int(word) - first_ms // 1000) % SECONDS_OF_A_MINUTE
        add_schedules(store, share, first_ms + wait * 1000, cron_expression=expression)


def _round(store: Store, seen: _Seen, size: Size) -> dict[str, float]:
    began_ms = system_clock() + round(SETTLE_SECONDS * 1000)
    time.sleep(SETTLE_SECONDS + size.seconds + SETTLE_SECONDS)
    until_ms = began_ms + round(size.seconds * 1000)
    newest = round(size.per_second * (size.seconds + 4))
    fired = [task for task in tasks_of(store, limit=newest) if began_ms <= task.due_ms < until_ms]
    taken = [task.created_ms - task.due_ms for task in fired]
    out = [seen.at_ms[task.id] - task.due_ms for task in fired if task.id in seen.at_ms]
    if len(out) < size.per_second * size.seconds / 2:
        raise RuntimeError(f"only {len(out)} messages of {size.per_second * size.seconds:.0f} firings came")
    return {**_percentiles("taken", taken), **_percentiles("message", out)}


def _percentiles(name: str, values: Sequence[float]) -> dict[str, float]:
    return {f"{name} p50": percentile(values, 0.5), f"{name} p99": percentile(values, 0.99)}


@contextlib.contextmanager
def _reading(url: str, store: Store) -> Iterator[_Seen]:
    seen = _Seen()
    reader = threading.Thread(target=_read_messages, args=(url, store, seen), daemon=True)
    reader.start()
    try:
        yield seen
    finally:
        seen.is_stopped.set()
        reader.join(10)


def _wait_for_message(seen: _Seen) -> None:
    deadline = time.monotonic() + SECONDS_OF_A_MINUTE
    while not seen.at_ms:
        if time.monotonic() > deadline:
            raise RuntimeError("beat fires nothing")
        time.sleep(0.05)


def _read_messages(url: str, store: Store, seen: _Seen) -> None:
    """Notes when each task's message was on its queue.

    Starts the tasks when no more messages come: else beat would take them for lost. Not before: the next messages
    would be seen as late as the starts take.
    """
    queue, to_start = store.keys.queue(QUEUES[Kind.CODE], celery_priority(5)), list[str]()
    with redis.Redis.from_url(url, decode_responses=True) as client:
        while not seen.is_stopped.is_set():
            found: Any = client.blmpop(0.2, 1, queue, direction="RIGHT", count=1000)
            now_ms = system_clock()
            for message in found[1] if found else []:
                to_start.append(json.loads(message)["headers"]["id"])
                seen.at_ms[to_start[-1]] = now_ms
            while not found and to_start:
                store.tasks.claim(to_start.pop(), "benchmark", now_ms, now_ms + HOUR_MS)


@contextlib.contextmanager
def sleeping(size: Size) -> Iterator[Round]:
    """How late an otherwise idle loop wakes."""

    def measure() -> dict[str, float]:
        late = []
        event, end = threading.Event(), time.perf_counter() + size.seconds
        while (began := time.perf_counter()) < end:
            event.wait(0.02)
            late.append((time.perf_counter() - began - 0.02) * 1000)
        return _percentiles("taken", late)

    yield measure


FIGURES = (
    Figure("ms", Better.LOWER, (at_most(5.0, SLEEP, By.EXCESS),), "taken p50"),
    Figure("ms", Better.LOWER, (at_most(50.0, SLEEP, By.EXCESS),), "taken p99"),
    Figure("ms", Better.LOWER, (), "message p50"),
    Figure("ms", Better.LOWER, (), "message p99"),
)
OURS = Side("Celeriac", "a real beat; a reader notes when each message is on its queue", firing)
BASELINES = (Side(SLEEP, "threading.Event.wait(0.02), while the beat runs", sleeping),)

MEASUREMENTS = (
    Measurement(
        name="beat.lateness",
        question="How late 100 schedules fire that are due at every second",
        figures=FIGURES,
        ours=OURS,
        baselines=BASELINES,
        full=Size(100, EVERY_SECOND, 4.0),
        quick=Size(100, EVERY_SECOND, 1.0),
        warm_up_rounds=0,
    ),
    Measurement(
        name="beat.crowd",
        question="How late 10,000 schedules fire that are due once a minute each, spread over its seconds",
        figures=FIGURES,
        ours=OURS,
        baselines=BASELINES,
        full=Size(10_020, ONCE_A_MINUTE, 4.0),
        quick=Size(600, ONCE_A_MINUTE, 1.0),
        warm_up_rounds=0,
    ),
)
