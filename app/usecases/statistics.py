"""`GET /api/tasks/stats`: counts and timings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from app.clock import Clock
from app.domain.kinds import QUEUES
from app.domain.status import Kind, Status, TaskType
from app.domain.times import to_rfc3339
from app.messaging.queues import HIGHEST_PRIORITY
from app.store.histogram import percentiles_ms
from app.store.stats import Minute, Stats, StatsStore
from app.usecases.task_facts import time_or_none

SHARES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


class StatisticsService:
    """Turns the counters of the store into the response."""

    def __init__(self, store: StatsStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def read(self) -> dict[str, Any]:
        """The body of `GET /api/tasks/stats`."""
        stats = self._store.read(QUEUES, self._clock())
        return {
            "total": sum(stats.tasks.values()),
            "by_status": _by(stats, 2, Status),
            "by_kind": _by(stats, 0, Kind),
            "by_task_type": _by(stats, 1, TaskType),
            "scheduled_tasks": {str(status): number for status, number in stats.schedules.items()},
            "queues": {queue: sum(counts.values()) for queue, counts in stats.queues.items()},
            "queued_by_priority": {queue: _by_priority(counts) for queue, counts in stats.queues.items()},
            "oldest_queued_at": {queue: time_or_none(at_ms) for queue, at_ms in stats.oldest_queued_ms.items()},
            "waiting": {
                "count": stats.waiting,
                "next_due_at": time_or_none(stats.next_due_ms),
            },
            "last_hour": _last_hour(stats),
        }


def _by_priority(counts: dict[int, int]) -> dict[str, int]:
    """Numbers by our priority; `counts` are by kombu's."""
    return {str(HIGHEST_PRIORITY - priority): number for priority, number in counts.items() if number}


def _by(stats: Stats, part: int, choices: Iterable[str]) -> dict[str, int]:
    """Numbers of tasks by one part of the names of their indexes: 0 the kind, 1 the type, 2 the status."""
    counts = Counter[str]({str(choice): 0 for choice in choices})
    for index, number in stats.tasks.items():
        counts[str(index[part])] += number
    return dict(counts)


def _last_hour(stats: Stats) -> dict[str, Any]:
    succeeded = sum(minute.succeeded for minute in stats.minutes)
    failed = sum(minute.failed for minute in stats.minutes)
    stopped = sum(minute.stopped for minute in stats.minutes)
    judged = succeeded + failed
    return {
        "finished": judged + stopped,
        "succeeded": succeeded,
        "failed": failed,
        "stopped": stopped,
        "success_rate": round(succeeded / judged, 4) if judged else None,
        "duration_ms": _percentiles(stats.durations),
        "wait_ms": _percentiles(stats.waits),
        "per_minute": [_per_minute(minute) for minute in stats.minutes],
    }


def _percentiles(counts: Counter[int]) -> dict[str, float | None]:
    return dict(zip(SHARES, percentiles_ms(counts, list(SHARES.values())), strict=True))


def _per_minute(minute: Minute) -> dict[str, Any]:
    return {
        "at": to_rfc3339(minute.at_ms),
        "succeeded": minute.succeeded,
        "failed": minute.failed,
        "stopped": minute.stopped,
    }
