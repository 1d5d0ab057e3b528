"""What the workers' logs say of attempts: who ran what, from when to when."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.domain.times import parse_rfc3339
from tests.system.chaos.cluster import Cluster, Life
from tests.system.chaos.plan import WORKERS

STARTED = "task_started"
#: What a worker says at the end of an attempt, beside `task_STATUS`.
ENDED = ("task_retried", "task_given_back", "attempt_fenced", "task_succeeded", "task_failed", "task_stopped")


@dataclass(slots=True)
class Run:
    """One attempt as its worker ran it, in ms since 1970. Without an end of its own it ended with its worker."""

    task_id: str
    attempt: int
    worker: str
    life: Life
    began_ms: float
    ended_ms: float
    end: str = "died"  # or the action of its last line


def log_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a log that are our own; a last one may be cut off by a kill."""
    for line in path.read_text(errors="replace").splitlines():
        if line.startswith("{"):
            try:
                yield json.loads(line)
            except ValueError:
                continue


def read_runs(cluster: Cluster) -> dict[str, list[Run]]:
    """All attempts, by task, in the order of their start. Call it when the workers have ended."""
    runs = defaultdict(list)
    for name in WORKERS:
        for life in cluster[name].lives:
            for run in _runs_of(name, life):
                runs[run.task_id].append(run)
    for found in runs.values():
        found.sort(key=lambda run: run.began_ms)
    return runs


def _runs_of(worker: str, life: Life) -> list[Run]:
    runs: list[Run] = []
    running: dict[tuple[str, int], Run] = {}
    assert life.ended_ms is not None
    for line in log_lines(life.log):
        action, key = line.get("action"), (str(line.get("task_id")), int(line.get("attempt", 0)))
        if action == STARTED:
            run = Run(*key, worker, life, parse_rfc3339(line["time"]), life.ended_ms)
            runs.append(run)
            running[key] = run
        elif action in ENDED and key in running:
            run = running.pop(key)
            # The line is written when the record took the end, which can be long after it.
            run.ended_ms = min(parse_rfc3339(line["time"]), run.began_ms + line["duration_ms"])
            run.end = action
    return runs
