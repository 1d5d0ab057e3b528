"""The contract's JSON of what the service returns."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from flask import Response

from app.domain.times import to_rfc3339
from app.store.record import Change, Task
from app.store.schedules import FiringNote, Schedule
from app.usecases.schedules import rule_of

UPCOMING = 5
HIDDEN = "***"


def answer(value: Any, status: int = 200, **headers: str) -> Response:
    """A JSON answer; `Location="…"` and the like are headers."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status, headers, content_type="application/json")


def new_task(task: Task, is_repeated: bool = False) -> Response:
    """The answer to what created a task; `is_repeated`: an earlier request with the same key did."""
    return _created(whole_task(task), f"/api/tasks/{task.id}", is_repeated)


def new_schedule(schedule: Schedule, is_repeated: bool = False) -> Response:
    """The same of a scheduled task."""
    return _created(whole_schedule(schedule), f"/api/scheduled-tasks/{schedule.id}", is_repeated)


def _created(value: dict[str, Any], location: str, is_repeated: bool) -> Response:
    response = answer(value, 201, Location=location)
    if is_repeated:
        response.headers["Idempotency-Replayed"] = "true"
    return response


def time_or_none(ms: int | None) -> str | None:
    """RFC 3339, or null."""
    return None if ms is None else to_rfc3339(ms)


def shown_spec(spec: dict[str, Any]) -> dict[str, Any]:
    """A spec as answers show it: the headers that a task sends may be credentials, so only by name."""
    if "headers" not in spec:
        return spec
    return {**spec, "headers": dict.fromkeys(spec["headers"], HIDDEN)}


def task_summary(task: Task) -> dict[str, Any]:
    """A task in a list: no result, no output, no body of its spec."""
    return {
        "id": task.id,
        "name": task.name,
        "task_type": task.task_type,
        "kind": task.kind,
        "status": task.status,
        "scheduled_task_id": task.scheduled_task_id,
        "retry_of": task.retry_of,
        "tags": list(task.tags),
        "priority": task.priority,
        "created_at": to_rfc3339(task.created_ms),
        "due_at": to_rfc3339(task.due_ms),
        "queued_at": time_or_none(task.queued_ms),
        "started_at": time_or_none(task.started_ms),
        "finished_at": time_or_none(task.finished_ms),
        "duration_ms": task.duration_ms,
        "attempt": task.attempt,
        "max_retries": task.max_retries,
        "timeout": task.timeout,
        "worker": task.worker,
        "error": task.error,
    }


def whole_task(task: Task) -> dict[str, Any]:
    """One task with everything."""
    return {
        **task_summary(task),
        **shown_spec(task.spec),
        "result": None if task.result_json is None else json.loads(task.result_json),
        "stdout": task.stdout,
        "stdout_truncated": task.stdout_truncated,
        "cpu_ms": task.cpu_ms,
        "memory_kb": task.memory_kb,
        "attempts": list(_attempts(task)),
        "history": [_change(change) for change in task.history],
    }


def _attempts(task: Task) -> Iterable[dict[str, Any]]:
    """The earlier attempts as they were written when they ended, then the one the record speaks of."""
    yield from task.attempts
    if task.started_ms is not None:
        yield {
            "attempt": task.attempt,
            "started_at": to_rfc3339(task.started_ms),
            "finished_at": time_or_none(task.finished_ms),
            "duration_ms": task.duration_ms,
            "worker": task.worker,
            "error": task.error,
        }


def _change(change: Change) -> dict[str, Any]:
    return {
        "at": to_rfc3339(change.at_ms),
        "from": change.before,
        "to": change.after,
        "who": change.who,
        "why": change.why,
    }


def schedule_summary(schedule: Schedule) -> dict[str, Any]:
    """A scheduled task in a list: no body of its spec."""
    return {
        "id": schedule.id,
        "name": schedule.name,
        "task_type": "scheduled",
        "kind": schedule.kind,
        "status": schedule.status,
        "cron_expression": schedule.cron_expression,
        "timezone": schedule.timezone,
        "tags": list(schedule.tags),
        "priority": schedule.priority,
        "timeout": schedule.timeout,
        "max_retries": schedule.max_retries,
        "created_at": to_rfc3339(schedule.created_ms),
        "updated_at": to_rfc3339(schedule.updated_ms),
        "next_run_at": time_or_none(schedule.next_run_ms),
        "last_task_id": schedule.last_task_id,
        "run_count": schedule.run_count,
        "skipped_count": schedule.skipped_count,
        "missed_count": schedule.missed_count,
        "key": schedule.key,
    }


def whole_schedule(schedule: Schedule) -> dict[str, Any]:
    """One scheduled task with everything; `next_runs` are empty while it does not fire."""
    upcoming: list[int] = []
    if schedule.next_run_ms is not None:
        rest = rule_of(schedule).upcoming(schedule.next_run_ms, UPCOMING - 1)
        upcoming = [schedule.next_run_ms, *rest]
    return {
        **schedule_summary(schedule),
        **shown_spec(schedule.spec),
        **schedule.terms,
        "next_runs": [to_rfc3339(ms) for ms in upcoming],
    }


def firing_note(note: FiringNote) -> dict[str, Any]:
    """What became of a firing."""
    return {"at": to_rfc3339(note.at_ms), "outcome": note.outcome, "task_id": note.task_id}
