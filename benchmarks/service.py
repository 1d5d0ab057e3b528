"""A real API on a server of its own, one client of it, and the processor time of both processes."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import redis

from benchmarks.processes import running, server

START_SECONDS = 20
TICKS_PER_SECOND = 100
#: A task that stays waiting for a day.
WAITING_TASK: dict[str, Any] = {
    "name": "benchmark",
    "function_code": "def main():\n    return 1\n",
    "function_name": "main",
    "task_type": "delayed",
    "delay_seconds": 86_400,
}


class Service:
    """The API on `port` and the Redis at `redis_url`, whose processes are `pids`."""

    def __init__(self, port: int, redis_url: str, pids: list[int]) -> None:
        self.port = port
        self.redis_url = redis_url
        self._pids = pids
        self.api = Api(port)

    def processor_seconds(self) -> float:
        """The processor time that both have used until now, in seconds."""
        return sum(_ticks_of(pid) for pid in self._pids) / TICKS_PER_SECOND


@contextlib.contextmanager
def service(settings: Mapping[str, str] = MappingProxyType({})) -> Iterator[Service]:
    """An API without workers and without limits on tasks, with further settings, ended with the block."""
    with tempfile.TemporaryDirectory(prefix="celeriac-") as name, server(Path(name) / "redis") as redis_url:
        port = _free_port()
        env = {
            "REDIS_URL": redis_url,
            "PORT": str(port),
            "MAX_QUEUED_TASKS": "10000000",
            "LOG_LEVEL": "WARNING",
        } | dict(settings)
        with running(("start.py", "api"), env, Path(name) / "log") as api:
            yield Service(port, redis_url, [api.pid, _server_pid(redis_url)])


class Api:
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


def _ticks_of(pid: int) -> int:
    """Processor time of a process and its children."""
    folder = Path(f"/proc/{pid}")
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    children = (folder / "task" / str(pid) / "children").read_text().split()
    return int(fields[11]) + int(fields[12]) + sum(_ticks_of(int(child)) for child in children)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _server_pid(redis_url: str) -> int:
    with redis.Redis.from_url(redis_url) as client:
        info: Any = client.info("server")
        return int(info["process_id"])
