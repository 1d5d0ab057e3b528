"""From `POST /api/tasks` to the finished result, against a bare Celery round trip.

Two ways to have something done and to know its end, with one client each, in turns:

    service   POST return 1 + 2 * 3 with `Prefer: wait=10`  →  the answer says succeeded, 7
    bare      apply_async of a task that does nothing       →  it LPUSHes a reply, the client's BLPOP has it

The service is `start.py` as a user starts it: HTTP, checks, record, sandbox. The bare side is a plain Celery
application with a worker of its own (threads pool, Redis transport as it comes, no result backend). Each has a
server of its own, of the same program with the same options. Both sides share the machine's noise, since they
take turns: trust the ratio.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import itertools
import json
import os
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import redis
from celery import Celery

from benchmarks.processes import running, server

ROUNDS = 20
CALLS_PER_ROUND = 25
WARM_UP_CALLS = 25
READY_SECONDS = 60
REPLY_SECONDS = 10
TARGET_RATIO = 4.0
BARE_REDIS_URL = "BENCHMARK_REDIS_URL"

TASK = {"name": "benchmark", "function_code": "def main():\n    return 1 + 2 * 3", "function_name": "main"}

Call = Callable[[], None]


# --- bare Celery: this module is its application too -----------------------------------------------


def _bare_configuration() -> dict[str, object]:
    return {
        "broker_url": f"redis+socket://{os.environ[BARE_REDIS_URL].removeprefix('unix://')}",
        "task_ignore_result": True,
        "worker_pool": "threads",
        "worker_concurrency": 2,
        "broker_connection_retry_on_startup": True,
    }


bare = Celery("bare")
bare.add_defaults(_bare_configuration)


@functools.cache
def _replies() -> redis.Redis:
    return redis.Redis.from_url(os.environ[BARE_REDIS_URL])


@bare.task(name="bare.nothing")  # type: ignore[untyped-decorator]
def nothing(reply_key: str) -> None:
    """Nothing but the word that it has run."""
    _replies().lpush(reply_key, b"1")


@contextlib.contextmanager
def bare_celery(redis_url: str, folder: Path) -> Iterator[Call]:
    """One bare round trip as a function."""
    redis_url = redis_url.partition("?")[0]  # kombu takes no db from a socket's URL; 0 is the default
    os.environ[BARE_REDIS_URL] = redis_url
    words = ("-m", "celery", "-q", "-A", "benchmarks.round_trip:bare", "worker")
    numbers = itertools.count()

    def call() -> None:
        key = f"reply:{next(numbers)}"
        nothing.apply_async((key,))
        if _replies().blpop([key], timeout=REPLY_SECONDS) is None:
            raise RuntimeError("the bare worker does not answer")

    with running(words, {BARE_REDIS_URL: redis_url}, folder / "bare.log"):
        yield call


# --- the service -----------------------------------------------------------------------------------


@contextlib.contextmanager
def service(redis_url: str, folder: Path) -> Iterator[Call]:
    """One round trip through the service as a function."""
    port = _free_port()
    settings = {"REDIS_URL": redis_url, "VAR_DIR": str(folder), "PORT": str(port), "HOST": "127.0.0.1"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REPLY_SECONDS + 5)
    body = json.dumps(TASK)
    headers = {"Content-Type": "application/json", "Prefer": f"wait={REPLY_SECONDS}"}

    def call() -> None:
        connection.request("POST", "/api/tasks", body, headers)
        task = json.load(connection.getresponse())
        if task.get("result") != 7:
            raise RuntimeError(f"the service answered {json.dumps(task)[:500]}")

    with running(("start.py",), settings, folder / "service.log") as process:
        _wait_until_ready(connection, process, folder / "service.log")
        yield call
        connection.close()


def _wait_until_ready(connection: http.client.HTTPConnection, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            connection.request("GET", "/health/ready")
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                return
        except OSError:  # not up yet
            connection.close()
        time.sleep(0.1)
    raise RuntimeError(f"the service is not ready; its log ends with\n{log.read_text()[-3000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --- the measurement -------------------------------------------------------------------------------


def run() -> list[str]:
    """Measure both sides; lines to print."""
    with tempfile.TemporaryDirectory(prefix="celeriac-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        ours = stack.enter_context(service(stack.enter_context(server(folder / "ours")), folder))
        theirs = stack.enter_context(bare_celery(stack.enter_context(server(folder / "theirs")), folder))
        return _report(_in_turns({"service": ours, "bare Celery": theirs}))


def _in_turns(sides: dict[str, Call]) -> dict[str, list[float]]:
    """Seconds of every call, side by side."""
    for call in sides.values():
        for _ in range(WARM_UP_CALLS):
            call()
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, call in sides.items():
            for _ in range(CALLS_PER_ROUND):
                began = time.perf_counter()
                call()
                seconds[name].append(time.perf_counter() - began)
    return seconds


def _report(seconds: dict[str, list[float]]) -> list[str]:
    lines = []
    for name, values in seconds.items():
        percentiles = statistics.quantiles(values, n=100)
        lines.append(
            f"{name:12} p50 {percentiles[49] * 1000:6.2f} ms   p99 {percentiles[98] * 1000:6.2f} ms   "
            f"({len(values)} calls)"
        )
    ours, theirs = (statistics.median(values) for values in seconds.values())
    reached = "reached" if ours / theirs <= TARGET_RATIO else "missed"
    return [*lines, f"ratio p50    {ours / theirs:.2f}   (target: at most {TARGET_RATIO:g}; {reached})"]
