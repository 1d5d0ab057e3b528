"""From `POST /api/tasks` to the finished result, against a bare Celery round trip: one client each.

The service is `start.py` as a user starts it: HTTP, checks, record, sandbox. Each side has a server of its own, of the
same program with the same options.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator

from benchmarks.measurement import Better, Figure, Measurement, Round, Side, at_most
from benchmarks.peers.celery import CELERY, bare_worker, replying
from benchmarks.processes import folder, server
from benchmarks.series import percentile
from benchmarks.service import Service, whole_service

REPLY_SECONDS = 10

TASK = {"name": "benchmark", "function_code": "def main():\n    return 1 + 2 * 3", "function_name": "main"}


def timed(call: Callable[[], None], calls: int) -> dict[str, float]:
    """Percentiles of so many calls, one after another, in ms."""
    taken = []
    for _ in range(calls):
        began = time.perf_counter()
        call()
        taken.append((time.perf_counter() - began) * 1000)
    return {"p50": percentile(taken, 0.5), "p99": percentile(taken, 0.99)}


def our_call(service: Service) -> Callable[[], None]:
    """POST with `Prefer: wait`; the answer has the result."""
    body = json.dumps(TASK)

    def call() -> None:
        task = json.loads(service.api.send("POST", "/api/tasks", body, 201, Prefer=f"wait={REPLY_SECONDS}"))
        if task["result"] != 7:
            raise RuntimeError(f"the service answered {json.dumps(task)[:500]}")

    return call


@contextlib.contextmanager
def ours(calls: int) -> Iterator[Round]:
    """The whole service."""
    with folder() as path, server(path / "redis") as url, whole_service(url, path) as service:
        call = our_call(service)
        yield lambda: timed(call, calls)


@contextlib.contextmanager
def bare(calls: int) -> Iterator[Round]:
    """Sending a task that LPUSHes a reply; the client's BLPOP has it."""
    with contextlib.ExitStack() as stack:
        path = stack.enter_context(folder())
        url = stack.enter_context(server(path / "redis"))
        app, _ = stack.enter_context(bare_worker(url, path, "--pool", "threads", "-c", "2"))
        call = replying(app, url, "reply")
        yield lambda: timed(call, calls)


MEASUREMENTS = (
    Measurement(
        name="round_trip",
        question="From POST /api/tasks of `return 1 + 2 * 3` to the finished result, one client",
        figures=(
            Figure("ms", Better.LOWER, (at_most(2.2, CELERY),), "p50"),
            Figure("ms", Better.LOWER, (), "p99"),
        ),
        ours=Side("Celeriac", "start.py with its defaults; POST with Prefer: wait=10 on one connection", ours),
        baselines=(
            Side(
                CELERY,
                "a worker with 2 threads, default acks, no result backend; apply_async, the task LPUSHes a reply, "
                "the client BLPOPs it",
                bare,
                ("celery",),
            ),
        ),
        full=150,
        quick=30,
        is_headline=True,
    ),
)
