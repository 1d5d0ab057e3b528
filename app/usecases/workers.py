"""`GET /api/workers`: which workers are online, and what they run."""

from __future__ import annotations

from typing import Any

from app.clock import Clock
from app.domain.times import to_rfc3339
from app.store.liveness import LivenessStore

#: What a worker reports of itself (`facts` of tasks/runtime.py) and the response repeats.
REPORTED = ("pid", "version", "queues", "concurrency", "consuming", "started_at", "sandbox")


class WorkersService:
    """Reads the workers' signs of life."""

    def __init__(self, liveness: LivenessStore, clock: Clock) -> None:
        self._liveness = liveness
        self._clock = clock

    def read(self) -> list[dict[str, Any]]:
        """The workers that are alive, by hostname, each as its last sign of life described it."""
        workers = self._liveness.workers(self._clock())
        return sorted(map(_shown, workers), key=lambda worker: str(worker["hostname"]))


def _shown(worker: dict[str, Any]) -> dict[str, Any]:
    # During an upgrade, workers of an earlier version report ids only.
    running = [attempt for attempt in worker["running"] if isinstance(attempt, dict)]
    return {
        "hostname": worker["hostname"],
        **{name: worker[name] for name in REPORTED},
        "seen_at": to_rfc3339(worker["seen_ms"]),
        "running": running,
    }
