"""What a batch and a retry cost beside a create: calls of a real API over HTTP, one client, alternating.

    create   POST /api/tasks
    batch    POST /api/tasks/batch with 1,000 tasks, per task
    retry    POST /api/tasks/{id}/retry without a body

Compared by the processor time of the API and its Redis together: on a busy machine, a call of 100 ms is interrupted
and one of a millisecond is not, so times by the clock are not comparable.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.service import Service, service

ROUNDS = 3
CALLS = 1_000
BATCHES = 10
BATCH = 1_000
MIN_BATCH_RATIO = 8.0
MAX_RETRY_RATIO = 1.3
TASK: dict[str, Any] = {
    "name": "benchmark",
    "function_code": "def main(a):\n    return a\n",
    "function_name": "main",
    "args": [1],
}
SPECS = [{**TASK, "name": f"task {number}", "args": [number]} for number in range(BATCH)]


def run() -> Sequence[str]:
    """The lines to print; a figure that misses its target says so."""
    with service() as started:
        return _lines(_Measured(started))


class _Measured:
    """The processor time of each kind of call, in µs for each task."""

    def __init__(self, started: Service) -> None:
        self._service, api = started, started.api
        finished = api.call("POST", "/api/tasks", TASK)["id"]
        api.call("POST", f"/api/tasks/{finished}/stop", None, 200)
        api.call("POST", "/api/tasks/batch", {"tasks": SPECS})
        self.found: dict[str, list[float]] = {"create": [], "batch": [], "retry": []}
        for _ in range(ROUNDS):
            self._measure("create", CALLS, 1, lambda: api.call("POST", "/api/tasks", SPECS[0]))
            self._measure("batch", BATCHES, BATCH, lambda: api.call("POST", "/api/tasks/batch", {"tasks": SPECS}))
            self._measure("retry", CALLS, 1, lambda: api.call("POST", f"/api/tasks/{finished}/retry", None))

    def _measure(self, name: str, calls: int, tasks: int, call: Callable[[], Any]) -> None:
        before = self._service.processor_seconds()
        for _ in range(calls):
            call()
        used_us = (self._service.processor_seconds() - before) * 1e6
        self.found[name].append(used_us / (calls * tasks))


def _lines(measured: _Measured) -> list[str]:
    create, batch, retry = (statistics.median(found) for found in measured.found.values())
    batch_missed = "; MISSED" if create / batch < MIN_BATCH_RATIO else ""
    retry_missed = "; MISSED" if retry / create > MAX_RETRY_RATIO else ""
    return [
        f"create  {create:.0f} µs of processor time",
        f"batch   {batch:.0f} µs per task: {create / batch:.1f}× as many (at least {MIN_BATCH_RATIO:g}×{batch_missed})",
        f"retry   {retry:.0f} µs: {retry / create:.2f}× a create (at most {MAX_RETRY_RATIO:g}×{retry_missed})",
    ]
