"""What a batch and a retry cost beside a create: calls of a real API over HTTP, one client.

Compared by the processor time of the API and its Redis together: on a busy machine, a call of 100 ms is interrupted
and one of a millisecond is not, so times by the clock are not comparable.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.measurement import Better, By, Figure, Measurement, Round, Side, at_least, at_most
from benchmarks.service import Service, service

SETUP = "start.py api on a server of its own, one connection"
TASK: dict[str, Any] = {
    "name": "benchmark",
    "function_code": "def main(a):\n    return a\n",
    "function_name": "main",
    "args": [1],
}


@dataclass(frozen=True, slots=True)
class Size:
    """Calls of each kind in a round, and tasks in a batch."""

    calls: int
    batches: int
    tasks_per_batch: int = 1_000


def specs(count: int) -> list[dict[str, Any]]:
    """Tasks that differ in name and argument."""
    return [{**TASK, "name": f"task {number}", "args": [number]} for number in range(count)]


def _used_us(started: Service, calls: int, tasks: int, call: Callable[[], Any]) -> float:
    """Processor time per task, in µs."""
    before = started.processor_seconds()
    for _ in range(calls):
        call()
    return (started.processor_seconds() - before) * 1e6 / (calls * tasks)


@contextlib.contextmanager
def create(size: Size) -> Iterator[Round]:
    """POST /api/tasks."""
    with service() as started:
        spec = specs(1)[0]
        yield lambda: _used_us(started, size.calls, 1, lambda: started.api.call("POST", "/api/tasks", spec))


@contextlib.contextmanager
def batch(size: Size) -> Iterator[Round]:
    """POST /api/tasks/batch."""
    body = {"tasks": specs(size.tasks_per_batch)}
    with service() as started:
        yield lambda: _used_us(
            started, size.batches, size.tasks_per_batch, lambda: started.api.call("POST", "/api/tasks/batch", body)
        )


@contextlib.contextmanager
def retry(size: Size) -> Iterator[Round]:
    """POST /api/tasks/{id}/retry without a body."""
    with service() as started:
        finished = started.api.call("POST", "/api/tasks", TASK)["id"]
        started.api.call("POST", f"/api/tasks/{finished}/stop", None, 200)
        path = f"/api/tasks/{finished}/retry"
        yield lambda: _used_us(started, size.calls, 1, lambda: started.api.call("POST", path, None))


CREATE = Side("a single create", f"POST /api/tasks; {SETUP}", create)

MEASUREMENTS = (
    Measurement(
        name="creation.batch",
        question="Processor time of the API and Redis for a task of a batch of 1,000",
        figures=(Figure("µs", Better.LOWER, (at_least(8.0, CREATE.name, By.SAVING),)),),
        ours=Side("Celeriac", f"POST /api/tasks/batch; {SETUP}", batch),
        baselines=(CREATE,),
        full=Size(calls=500, batches=5),
        quick=Size(calls=100, batches=1),
    ),
    Measurement(
        name="creation.retry",
        question="Processor time of the API and Redis for a retry of a task",
        figures=(Figure("µs", Better.LOWER, (at_most(1.3, CREATE.name),)),),
        ours=Side("Celeriac", f"POST /api/tasks/ID/retry without a body; {SETUP}", retry),
        baselines=(CREATE,),
        full=Size(calls=500, batches=0),
        quick=Size(calls=100, batches=0),
    ),
)
