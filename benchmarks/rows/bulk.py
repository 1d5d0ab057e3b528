"""One bulk that stops many waiting tasks.

A real API and a real beat, which carries the bulk out.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.made import WAITING_TASK
from benchmarks.measurement import Better, Figure, Measurement, Round, Side, at_least
from benchmarks.processes import folder
from benchmarks.service import Service, service
from benchmarks.workers import beat

BATCH = 1_000
WAIT_SECONDS = 60
STOP = {"action": "stop", "filter": {"status": "waiting"}}


@contextlib.contextmanager
def stop(tasks: int) -> Iterator[Round]:
    """Each round creates the tasks, and measures the bulk that stops them all."""
    with service() as started, folder() as path, beat(started.redis_url, path):
        _stopped(started, 0)  # from now on a beat carries bulks out
        yield lambda: _round(started, tasks)


def _round(started: Service, tasks: int) -> float:
    """Stopped tasks per second."""
    for _ in range(tasks // BATCH):
        started.api.call("POST", "/api/tasks/batch", {"tasks": [WAITING_TASK] * BATCH})
    return tasks / _stopped(started, tasks)


def _stopped(started: Service, tasks: int) -> float:
    before = time.monotonic()
    began = started.api.call("POST", "/api/bulk", STOP, 202)
    ended: Any = started.api.call("GET", f"/api/bulk/{began['id']}?wait={WAIT_SECONDS}", None, 200)
    seconds = time.monotonic() - before
    if (ended["status"], ended["done"]) != ("completed", tasks):
        raise RuntimeError(f"the bulk did not stop {tasks} tasks: {ended}")
    return seconds


MEASUREMENTS = (
    Measurement(
        name="bulk",
        question="Waiting tasks that one bulk stops, from POST /api/bulk until the last is stopped",
        figures=(Figure("tasks/s", Better.HIGHER, (at_least(10_000),)),),
        ours=Side("Celeriac", "start.py api and one beat on a server of their own", stop),
        baselines=(),
        full=40_000,
        quick=2_000,
        warm_up_rounds=0,
    ),
)
