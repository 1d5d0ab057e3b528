"""What a batch and a retry cost beside a create: calls of a real API over HTTP, one client, alternating.

    create   POST /api/tasks
    batch    POST /api/tasks/batch with 1,000 tasks, per task
    retry    POST /api/tasks/{id}/retry without a body

Compared by the processor time of the API and its Redis together: on a busy machine, a call of 100 ms is interrupted
and one of a millisecond is not, so times by the clock are not comparable.
"""

from __future__ import annotations

import http.client
import json
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import redis

from benchmarks.processes import running, server

ROUNDS = 3
CALLS = 1_000
BATCHES = 10
BATCH = 1_000
MIN_BATCH_RATIO = 8.0
MAX_RETRY_RATIO = 1.3
START_SECONDS = 20
TICKS_PER_SECOND = 100
TASK: dict[str, Any] = {"name": "benchmark", "function_code": "def main(a):\n    return a\n", "function_name": "main"}
SPECS = [{**TASK, "name": f"task {number}", "args": [number]} for number in range(BATCH)]


def run() -> Sequence[str]:
    """The lines to print; a figure that misses its target says so."""
    with tempfile.TemporaryDirectory(prefix="celeriac-") as name, server(Path(name) / "redis") as redis_url:
        port = _free_port()
        env = {"REDIS_URL": redis_url, "PORT": str(port), "MAX_QUEUED_TASKS": "10000000", "LOG_LEVEL": "WARNING"}
        with running(("start.py", "api"), env, Path(name) / "log") as api:
            return _lines(_Measured(_Api(port), [api.pid, _server_pid(redis_url)]))


class _Api:
    """One connection to the API."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.call("GET", "/health/live", None, 200)
                return
            except OSError:
                self._connection.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def call(self, method: str, path: str, body: Any, status: int = 201) -> Any:
        """The JSON of the response, which has this status."""
        headers = {} if body is None else {"Content-Type": "application/json"}
        self._connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = self._connection.getresponse()
        text = response.read()
        assert response.status == status, text[:500]
        return json.loads(text)


class _Measured:
    """The processor time of each kind of call, in µs for each task."""

    def __init__(self, api: _Api, pids: Sequence[int]) -> None:
        self._pids = pids
        finished = api.call("POST", "/api/tasks", TASK)["id"]
        api.call("POST", f"/api/tasks/{finished}/stop", None, 200)
        api.call("POST", "/api/tasks/batch", {"tasks": SPECS})
        self.found: dict[str, list[float]] = {"create": [], "batch": [], "retry": []}
        for _ in range(ROUNDS):
            self._measure("create", CALLS, 1, lambda: api.call("POST", "/api/tasks", SPECS[0]))
            self._measure("batch", BATCHES, BATCH, lambda: api.call("POST", "/api/tasks/batch", {"tasks": SPECS}))
            self._measure("retry", CALLS, 1, lambda: api.call("POST", f"/api/tasks/{finished}/retry", None))

    def _measure(self, name: str, calls: int, tasks: int, call: Callable[[], Any]) -> None:
        before = self._ticks()
        for _ in range(calls):
            call()
        used_us = (self._ticks() - before) / TICKS_PER_SECOND * 1e6
        self.found[name].append(used_us / (calls * tasks))

    def _ticks(self) -> int:
        return sum(_ticks_of(pid) for pid in self._pids)


def _ticks_of(pid: int) -> int:
    """Processor time of a process and its children."""
    folder = Path(f"/proc/{pid}")
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    children = (folder / "task" / str(pid) / "children").read_text().split()
    return int(fields[11]) + int(fields[12]) + sum(_ticks_of(int(child)) for child in children)


def _lines(measured: _Measured) -> list[str]:
    create, batch, retry = (statistics.median(found) for found in measured.found.values())
    batch_missed = "; MISSED" if create / batch < MIN_BATCH_RATIO else ""
    retry_missed = "; MISSED" if retry / create > MAX_RETRY_RATIO else ""
    return [
        f"create  {create:.0f} µs of processor time",
        f"batch   {batch:.0f} µs per task: {create / batch:.1f}× as many (at least {MIN_BATCH_RATIO:g}×{batch_missed})",
        f"retry   {retry:.0f} µs: {retry / create:.2f}× a create (at most {MAX_RETRY_RATIO:g}×{retry_missed})",
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _server_pid(redis_url: str) -> int:
    with redis.Redis.from_url(redis_url) as client:
        info: Any = client.info("server")
        return int(info["process_id"])
