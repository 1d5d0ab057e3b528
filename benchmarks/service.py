"""The service as a measurement sees it: a real API with or without the rest, one client of it, its processor time."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmarks.processes import cpu_seconds, folder, free_port, running, server, server_pid, wait_for_http

START_SECONDS = 60
IDLE_SECONDS = 5
NOTHING: Mapping[str, str] = MappingProxyType({})


class Service:
    """The API on `port` and the Redis at `redis_url`, whose processes are `pids`."""

    def __init__(self, port: int, redis_url: str, pids: list[int], log: Path) -> None:
        self.port = port
        self.redis_url = redis_url
        self.pids = pids
        self.api = Api(port, log)

    def processor_seconds(self) -> float:
        """The processor time that all its processes have used until now, in seconds."""
        return sum(map(cpu_seconds, self.pids))


@contextlib.contextmanager
def service(settings: Mapping[str, str] = NOTHING) -> Iterator[Service]:
    """An API without workers and without limits on tasks, with further settings, ended with the block."""
    with folder() as path, server(path / "redis") as redis_url, part("api", redis_url, path, settings) as started:
        yield started


@contextlib.contextmanager
def whole_service(redis_url: str, path: Path, settings: Mapping[str, str] = NOTHING) -> Iterator[Service]:
    """`start.py` as a user starts it, on a server of its own, ready to run tasks."""
    with part("all", redis_url, path, settings) as started:
        started.api.wait_until_ready()
        yield started


@contextlib.contextmanager
def part(role: str, redis_url: str, path: Path, settings: Mapping[str, str] = NOTHING) -> Iterator[Service]:
    """`start.py ROLE` for a role that has an API, which answers; files go into the folder `path`."""
    port, log = free_port(), path / f"{role}.log"
    env = {
        "REDIS_URL": redis_url,
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "VAR_DIR": str(path / "var"),
        "MAX_QUEUED_TASKS": "10000000",
        "LOG_LEVEL": "WARNING",
    }
    with running(("start.py", role), env | dict(settings), log) as process:
        wait_for_http(port, "/health/live", process, log)
        started = Service(port, redis_url, [process.pid, server_pid(redis_url)], log)
        with contextlib.closing(started.api):
            yield started


class Api:
    """One connection to the API."""

    def __init__(self, port: int, log: Path) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._used_at = time.monotonic()
        self._log = log

    def call(self, method: str, path: str, body: Any, status: int = 201, **headers: str) -> Any:
        """The JSON of the response, which has this status."""
        return json.loads(self.send(method, path, None if body is None else json.dumps(body), status, **headers))

    def send(self, method: str, path: str, body: str | None, status: int = 201, **headers: str) -> bytes:
        """The response to a body that is JSON already."""
        if time.monotonic() - self._used_at > IDLE_SECONDS:
            self._connection.close()  # the API may have closed it; the request opens another
        given = {} if body is None else {"Content-Type": "application/json"}
        self._connection.request(method, path, body, given | headers)
        response = self._connection.getresponse()
        text = response.read()
        self._used_at = time.monotonic()
        if response.status != status:
            raise RuntimeError(f"{method} {path} was answered with {response.status}: {text[:500]!r}")
        return text

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def wait_until_ready(self) -> None:
        """Wait until everything that tasks need is there."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            self._connection.request("GET", "/health/ready")
            response = self._connection.getresponse()
            response.read()
            if response.status == 200:
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"the service is not ready; its log ends with\n{self._log.read_text()[-3000:]}")
            time.sleep(0.05)
