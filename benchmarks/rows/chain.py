"""Small tasks one after another, each sent when the one before has its result: what a chain of steps costs.

Workflow engines publish how long they take for 40 or 400 steps of fibo(10); their figures come from their machines.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.measurement import Better, Figure, Measurement, Published, Round, Side, at_most
from benchmarks.peers.celery import CELERY, bare_worker, replying
from benchmarks.processes import folder, server
from benchmarks.service import whole_service

NUMBER, ANSWER = 10, 55
WAIT_SECONDS = 10
TASK = {
    "name": "fibo",
    "function_code": "def fibo(n):\n    return n if n < 2 else fibo(n - 1) + fibo(n - 2)\n",
    "function_name": "fibo",
    "args": [NUMBER],
}
PUBLISHED_BY = "Windmill's comparison of engines, Go, one worker, its machines"


@dataclass(frozen=True, slots=True)
class Size:
    """Tasks in a short and in a long chain; no long one if 0."""

    short: int = 40
    long: int = 400


def _round(call: Callable[[], None], size: Size) -> dict[str, float]:
    found = {"each of 40": _seconds(call, size.short) / size.short * 1000}
    return found | ({"all of 400": _seconds(call, size.long)} if size.long else {})


def _seconds(call: Callable[[], None], count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        call()
    return time.perf_counter() - began


@contextlib.contextmanager
def ours(size: Size) -> Iterator[Round]:
    """POST with `Prefer: wait`, one after another."""
    body = json.dumps(TASK)
    with folder() as path, server(path / "redis") as url, whole_service(url, path) as service:

        def call() -> None:
            task = json.loads(service.api.send("POST", "/api/tasks", body, 201, Prefer=f"wait={WAIT_SECONDS}"))
            if task["result"] != ANSWER:
                raise RuntimeError(f"the service answered {json.dumps(task)[:500]}")

        yield lambda: _round(call, size)


@contextlib.contextmanager
def bare(size: Size) -> Iterator[Round]:
    """The same function as a Celery task that LPUSHes its result."""
    with contextlib.ExitStack() as stack:
        path = stack.enter_context(folder())
        url = stack.enter_context(server(path / "redis"))
        app, _ = stack.enter_context(bare_worker(url, path, "--pool", "prefork", "-c", "2"))
        call = replying(app, url, "fibo", NUMBER)
        yield lambda: _round(call, size)


MEASUREMENTS = (
    Measurement(
        name="chain",
        question=f"fibo({NUMBER}) 40 and 400 times, each sent when the one before has its result",
        figures=(
            Figure("ms", Better.LOWER, (at_most(4.5),), "each of 40"),
            Figure("s", Better.LOWER, (), "all of 400"),
        ),
        ours=Side("Celeriac", "start.py with its defaults; POST with Prefer: wait=10 on one connection", ours),
        baselines=(
            Side(CELERY, "worker --pool prefork -c 2, default acks; the task LPUSHes its result", bare, ("celery",)),
        ),
        full=Size(),
        quick=Size(40, 0),
        published=(
            Published("Windmill", 19.702, PUBLISHED_BY),
            Published("Hatchet", 35.845, PUBLISHED_BY),
            Published("Temporal", 39.016, PUBLISHED_BY),
        ),
        is_headline=True,
    ),
)
