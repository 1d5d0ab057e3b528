"""Calls to a target that takes a second each: one API worker at its default concurrency against plain threads."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import requests

from app.domain.status import Kind
from app.settings import Settings
from benchmarks.draining import drain
from benchmarks.made import store_at
from benchmarks.measurement import Better, Figure, Measurement, Round, Side, at_least, at_most
from benchmarks.processes import folder, resident_mb, server
from benchmarks.target import SLOW_SECONDS, target
from benchmarks.workers import OurQueue, wait_until_it_runs, worker

THREADS = Settings().api_concurrency
PLAIN = "plain threads"


@contextlib.contextmanager
def api_worker(calls: int) -> Iterator[Round]:
    """API tasks that wait in the queue when the worker may move."""
    with target() as url, folder() as path, server(path / "redis") as redis_url, store_at(redis_url) as store:
        fields = {"name": "call", "api_url": f"{url}slow"}
        with worker(redis_url, path, Kind.API, concurrency=THREADS) as process:
            wait_until_it_runs(store, fields)
            queue = OurQueue(store, fields)

            def measure() -> dict[str, float]:
                seconds = drain([process.pid], queue, calls)
                return {"rate": calls / seconds, "memory": resident_mb(process.pid)}

            yield measure


@contextlib.contextmanager
def plain_threads(calls: int) -> Iterator[Round]:
    """The same calls by requests.get in threads, without queue and record."""
    with target() as url:

        def measure() -> dict[str, float]:
            began = time.perf_counter()
            with ThreadPoolExecutor(THREADS) as threads:
                answers = set(threads.map(lambda _: requests.get(f"{url}slow", timeout=30).status_code, range(calls)))
            if answers != {200}:
                raise RuntimeError(f"the target answered with {answers}")
            return {"rate": calls / (time.perf_counter() - began)}

        yield measure


MEASUREMENTS = (
    Measurement(
        name="api_worker",
        question=f"API tasks that call a target which takes {SLOW_SECONDS:g} s, by one worker",
        figures=(
            Figure("tasks/s", Better.HIGHER, (at_least(0.8, PLAIN),), "rate"),
            Figure("MB", Better.LOWER, (at_most(150.0),), "memory"),
        ),
        ours=Side("Celeriac", f"one API worker with {THREADS} threads, its default", api_worker),
        baselines=(
            Side(PLAIN, f"{THREADS} threads of concurrent.futures, requests.get", plain_threads, ("requests",)),
        ),
        full=400,
        quick=200,
        warm_up_rounds=0,  # each call takes a second, so a cold start does not show
    ),
)
