"""Each history is one of the table of statuses, without a gap, and ends where the task is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from app.domain.status import TRANSITIONS, Status
from app.domain.times import parse_rfc3339
from app.store.record import Task
from tests.system.chaos.checks.attempts import shown_attempts
from tests.system.chaos.evidence import Evidence
from tests.system.chaos.findings import Finding

KEPT = 50
GIVEN_BACK = "returned by its worker"


def histories(evidence: Evidence) -> Iterator[Finding]:
    """Of every task."""
    for task in evidence.tasks.values():
        yield from (
            Finding("histories are legal", f"{task.name}: {wrong}", task.id) for wrong in _wrong(task, evidence.skew_ms)
        )


def _wrong(task: Task, skew_ms: float) -> Iterator[str]:
    changes = [change for change in task.history if change.before is not None]  # the first is the creation
    for change in changes:
        if (change.before, change.after) not in TRANSITIONS:
            yield f"{change.before} -> {change.after} is no change of a task"
    for first, second in pairwise(changes):
        if first.after != second.before:
            yield f"{first} is followed by {second}"
    if changes and changes[-1].after != task.status:
        yield f"it is {task.status}, and its last change is {changes[-1]}"
    if not changes and task.status.finished:
        yield "it ended, and nothing tells how"
    claims = sum(change.after == Status.RUNNING for change in changes)
    given_back = sum(change.why == GIVEN_BACK for change in changes)
    shown = shown_attempts(task)
    if len(changes) < KEPT and claims != shown + given_back:
        yield f"it was claimed {claims} times, shows {shown} attempts, and was given back {given_back} times"
    for earlier, later in pairwise(task.attempts):
        if _was_claimed_late(later):
            continue
        if _began_ms(later) < parse_rfc3339(earlier["finished_at"]) - skew_ms:
            yield f"by its record, attempt {later} began before the end of {earlier}"


def _began_ms(attempt: dict[str, Any]) -> float:
    """When it began. `started_at` is the time of the question, and a cut connection may hold the answer up."""
    started = parse_rfc3339(attempt["started_at"])
    if attempt["duration_ms"] is None or attempt["finished_at"] is None:
        return started
    return max(started, parse_rfc3339(attempt["finished_at"]) - attempt["duration_ms"])


def _was_claimed_late(attempt: dict[str, Any]) -> bool:
    """Whether it never began, because its claim took longer than its lease. Its start is the time of the question."""
    return (attempt["error"] or {}).get("type") == "WorkerLostError" and (attempt["duration_ms"] or 0) < 1
