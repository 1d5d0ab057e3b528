"""One bulk that stops 100,000 waiting tasks: the time from POST /api/bulk until the last is stopped.

A real API and a real beat, which carries the bulk out.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.processes import running
from benchmarks.service import WAITING_TASK, Service, service

TASKS = 100_000
BATCH = 1_000
MAX_SECONDS = 10.0
WAIT_SECONDS = 60
STOP = {"action": "stop", "filter": {"status": "waiting"}}


def run() -> Sequence[str]:
    """The lines to print; a figure that misses its target says so."""
    with service() as started, tempfile.TemporaryDirectory(prefix="celeriac-") as name:
        for _ in range(TASKS // BATCH):
            started.api.call("POST", "/api/tasks/batch", {"tasks": [WAITING_TASK] * BATCH})
        words = ["-m", "celery", "-A", "celery_app", "beat", "--schedule", str(Path(name) / "schedule")]
        with running(words, {"REDIS_URL": started.redis_url, "LOG_LEVEL": "WARNING"}, Path(name) / "beat.log"):
            _wait_for_beat(started)
            seconds = _seconds(started)
    missed = "; MISSED" if seconds > MAX_SECONDS else ""
    return [f"stop of {TASKS:,} waiting tasks: {seconds:.1f} s (at most {MAX_SECONDS:g} s{missed})"]


def _wait_for_beat(started: Service) -> None:
    """Wait until the beat carries out a bulk."""
    spec = {**WAITING_TASK, "tags": ["probe"]}
    started.api.call("POST", "/api/tasks", spec)
    began = started.api.call("POST", "/api/bulk", {"action": "stop", "filter": {"tag": "probe"}}, 202)
    _finished(started, began["id"])


def _seconds(started: Service) -> float:
    before = time.monotonic()
    began = started.api.call("POST", "/api/bulk", STOP, 202)
    ended = _finished(started, began["id"])
    seconds = time.monotonic() - before
    assert ended["matched"] == ended["done"] == TASKS, ended
    return seconds


def _finished(started: Service, bulk_id: str) -> Any:
    ended = started.api.call("GET", f"/api/bulk/{bulk_id}?wait={WAIT_SECONDS}", None, 200)
    assert ended["status"] == "completed", ended
    return ended
