"""Creating tasks over HTTP, against the least that could take them: Flask, get_json and apply_async."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from benchmarks.http_load import CLIENT, requests_per_second
from benchmarks.made import NO_OP
from benchmarks.measurement import Better, Figure, Measurement, Round, Side, at_least
from benchmarks.peers.thin import PROCESSES, THREADS, thin
from benchmarks.processes import cpu_seconds, folder, server, server_pid
from benchmarks.service import service

CONNECTIONS = 32
THIN = "thin"
BODY = json.dumps(NO_OP)


@contextlib.contextmanager
def ours(seconds: float) -> Iterator[Round]:
    """POST /api/tasks of a no-op code task; no worker runs."""
    with folder() as path, service() as started:
        yield lambda: _round(started.port, started.redis_url, started.pids[0], seconds, path)


@contextlib.contextmanager
def bare(seconds: float) -> Iterator[Round]:
    """The same body to the thin API; no worker runs."""
    with folder() as path, server(path / "redis") as url, thin(url, path) as (port, pid):
        yield lambda: _round(port, url, pid, seconds, path)


def _round(port: int, redis_url: str, pid: int, seconds: float, path: Path) -> dict[str, float]:
    redis_pid = server_pid(redis_url)
    before, redis_before = cpu_seconds(pid), cpu_seconds(redis_pid)
    rate = requests_per_second(port, "/api/tasks", BODY, CONNECTIONS, seconds, path)
    count = rate * max(1, round(seconds))
    return {
        "rate": rate,
        "CPU of the API per task": (cpu_seconds(pid) - before) / count * 1e6,
        "CPU of Redis per task": (cpu_seconds(redis_pid) - redis_before) / count * 1e6,
    }


MEASUREMENTS = (
    Measurement(
        name="create",
        question=f"Creating code tasks over HTTP, {CONNECTIONS} connections, requests by {CLIENT} on the same cores",
        figures=(
            Figure("tasks/s", Better.HIGHER, (at_least(1.7, THIN, stretch=2.0),), "rate"),
            Figure("µs", Better.LOWER, (), "CPU of the API per task"),
            Figure("µs", Better.LOWER, (), "CPU of Redis per task"),
        ),
        ours=Side("Celeriac", "start.py api, a process for each core: checks, a record, its message", ours),
        baselines=(
            Side(
                THIN,
                f"Flask on gunicorn, {PROCESSES} processes × {THREADS} threads: get_json and apply_async, nothing else",
                bare,
                ("flask", "gunicorn", "celery"),
            ),
        ),
        full=4.0,
        quick=1.0,
        is_headline=True,
    ),
)
