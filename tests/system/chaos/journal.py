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

STARTED = "task_started"
#: What a worker says at the end of an attempt, beside `task_STATUS`.
ENDED = ("task_retried", "task_given_back", "attempt_fenced", "task_succeeded", "task_failed", "task_stopped")


@dataclass(slots=True)
class Run:
    """One attempt as its worker ran it, in ms since 1970.

    An end is written down when the record has it. Without one the attempt ended with its worker, or, if that could not
    reach Redis meanwhile, nobody knows when: `is_end_unknown`.
    """

    task_id: str
    attempt: int
    worker: str
    life: Life
    began_ms: float
    ended_ms: float
    end: str = "died"  # or the action of its last line
    is_end_unknown: bool = False


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
    for name in cluster.workers:
        for life in cluster[name].lives:
            for run in _runs_of(name, life, cluster[name].ahead_ms):
                runs[run.task_id].append(run)
    redis_away = cluster.redis_silences()
    for found in runs.values():
        found.sort(key=lambda run: run.began_ms)
        for run in found:
            run.is_end_unknown = run.end == "died" and _meets(run, [*redis_away, *run.life.cut_off])
    return runs


def _meets(run: Run, times: list[tuple[float, float]]) -> bool:
    return any(from_ms <= run.ended_ms and run.began_ms <= until_ms for from_ms, until_ms in times)


def _runs_of(worker: str, life: Life, ahead_ms: float) -> list[Run]:
    runs: list[Run] = []
    running: dict[tuple[str, int], Run] = {}
    assert life.ended_ms is not None
    for line in log_lines(life.log):
        action, key = line.get("action"), (str(line.get("task_id")), int(line.get("attempt", 0)))
        if action == STARTED:
            run = Run(*key, worker, life, parse_rfc3339(line["time"]) - ahead_ms, life.ended_ms)
            runs.append(run)
            running[key] = run
        elif action in ENDED and key in running:
            run = running.pop(key)
            # The line is written when the record took the end, which can be long after it.
            run.ended_ms = min(parse_rfc3339(line["time"]) - ahead_ms, run.began_ms + line["duration_ms"])
            run.end = action
    return runs
