"""The members that every account of a task or attempt has: records, responses, lists and callbacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.domain.times import to_rfc3339
from app.store.record import Task


def time_or_none(ms: int | None) -> str | None:
    """The time in RFC 3339, or None."""
    return None if ms is None else to_rfc3339(ms)


def task_facts(task: Task) -> dict[str, Any]:
    """What has become of a task, without its spec, its result and its error."""
    return {
        "id": task.id,
        "task_type": task.task_type,
        "kind": task.kind,
        "status": task.status,
        "scheduled_task_id": task.scheduled_task_id,
        "retry_of": task.retry_of,
        "created_at": to_rfc3339(task.created_ms),
        "due_at": to_rfc3339(task.due_ms),
        "queued_at": time_or_none(task.queued_ms),
        "started_at": time_or_none(task.started_ms),
        "finished_at": time_or_none(task.finished_ms),
        "duration_ms": task.duration_ms,
        "attempt": task.attempt,
        "worker": task.worker,
    }


def end_facts(task: Task) -> dict[str, Any]:
    """What the last attempt of a task has left, without its result."""
    return {
        "error": task.error,
        "stdout": task.stdout,
        "stdout_truncated": task.stdout_truncated,
        "cpu_ms": task.cpu_ms,
        "memory_kb": task.memory_kb,
    }


def attempt_facts(
    *,
    number: int,
    started_ms: int,
    finished_ms: int | None,
    duration_ms: float | None,
    worker: str | None,
    error: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """What has become of one attempt, as the list beside a record has it and responses show it."""
    return {
        "attempt": number,
        "started_at": to_rfc3339(started_ms),
        "finished_at": time_or_none(finished_ms),
        "duration_ms": duration_ms,
        "worker": worker,
        "error": error,
    }
