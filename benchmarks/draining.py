"""How fast a worker empties a queue: it stands still while the queue fills, and the clock runs once it may move.

So neither its start nor the filling is in the figure, and every system is treated alike, whatever it is made of.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import redis

from benchmarks.processes import cpu_seconds, held, server_pid

POLL_SECONDS = 0.01
PATIENCE_SECONDS = 120


class Queue(Protocol):
    """The queue of one system."""

    def add(self, count: int) -> None:
        """Queue so many tasks."""

    def left(self) -> int:
        """How many tasks have not ended."""


def drain(pid: int, queue: Queue, count: int) -> float:
    """Seconds in which the worker `pid`, with all below it, ends so many tasks."""
    with held(pid):
        queue.add(count)
    began = time.perf_counter()
    _wait(queue.left, began + PATIENCE_SECONDS)
    return time.perf_counter() - began


def drain_round(pid: int, redis_url: str, queue: Queue, count: int) -> dict[str, float]:
    """Tasks per second, and the processor time of worker and server per task."""
    server = server_pid(redis_url)
    with held(pid):
        queue.add(count)
        workers, servers = cpu_seconds(pid), cpu_seconds(server)
    began = time.perf_counter()
    _wait(queue.left, began + PATIENCE_SECONDS)
    seconds = time.perf_counter() - began
    return {
        "rate": count / seconds,
        "worker": (cpu_seconds(pid) - workers) / count * 1e6,
        "server": (cpu_seconds(server) - servers) / count * 1e6,
    }


def _wait(left: Callable[[], int], deadline: float) -> None:
    while found := left():
        if time.perf_counter() > deadline:
            raise RuntimeError(f"{found} tasks are left after {PATIENCE_SECONDS} s")
        time.sleep(POLL_SECONDS)


def lengths(client: redis.Redis, **keys: str) -> int:
    """The sum of the lengths of keys, by the command that counts each: `llen="queue"`."""
    with client.pipeline(transaction=False) as pipeline:
        for command, key in keys.items():
            getattr(pipeline, command)(key)
        found: list[Any] = pipeline.execute()
    return sum(map(int, found))
