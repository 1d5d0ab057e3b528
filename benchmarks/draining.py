"""How fast a worker empties a queue: it stands still while the queue fills, and the clock runs once it may move.

So neither its start nor the filling is in the figure, and every system is treated alike, whatever it is made of.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import redis

from benchmarks.processes import cpu_seconds, held, server_pid

RATE, WORKERS, REDIS = "rate", "CPU of workers per task", "CPU of Redis per task"
POLL_SECONDS = 0.01
PATIENCE_SECONDS = 120


class Queue(Protocol):
    """The queue of one system."""

    def add(self, count: int) -> None:
        """Queue so many tasks."""

    def left(self) -> int:
        """How many tasks have not ended."""


def drain(pids: Sequence[int], queue: Queue, count: int) -> float:
    """Seconds in which the workers `pids`, with all below them, end so many tasks."""
    with held(pids):
        queue.add(count)
    began = time.perf_counter()
    _wait(queue.left)
    return time.perf_counter() - began


def drain_round(pids: Sequence[int], redis_url: str, queue: Queue, count: int) -> dict[str, float]:
    """Tasks per second, and the processor time of workers and server per task."""
    server = server_pid(redis_url)
    with held(pids):
        queue.add(count)
        workers, servers = sum(map(cpu_seconds, pids)), cpu_seconds(server)
    rate = _rate(queue, count)
    return {
        RATE: rate,
        WORKERS: (sum(map(cpu_seconds, pids)) - workers) / count * 1e6,
        REDIS: (cpu_seconds(server) - servers) / count * 1e6,
    }


def _rate(queue: Queue, count: int) -> float:
    """Tasks per second, from the moment when the first have ended: some systems look for work only now and then."""
    began = time.perf_counter()
    first = first_at = 0.0
    while found := queue.left():
        now = time.perf_counter()
        if found < count and not first:
            first, first_at = found, now
        _check(found, began)
        time.sleep(POLL_SECONDS)
    ended = time.perf_counter()
    return first / (ended - first_at) if first else count / (ended - began)


def _wait(left: Callable[[], int]) -> None:
    began = time.perf_counter()
    while found := left():
        _check(found, began)
        time.sleep(POLL_SECONDS)


def _check(left: int, began: float) -> None:
    if time.perf_counter() - began > PATIENCE_SECONDS:
        raise RuntimeError(f"{left} tasks are left after {PATIENCE_SECONDS} s")


def lengths(client: redis.Redis, **keys: str) -> int:
    """The sum of the lengths of keys, by the command that counts each: `llen="queue"`."""
    with client.pipeline(transaction=False) as pipeline:
        for command, key in keys.items():
            getattr(pipeline, command)(key)
        found: list[Any] = pipeline.execute()
    return sum(map(int, found))
