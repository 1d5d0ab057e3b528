"""What a run found, and how it is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.system.chaos.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Finding:
    """A promise that was not kept: which, and what was seen; of which task, where it is about one."""

    promise: str
    sentence: str
    task_id: str | None = None


MOST_TOLD = 25


def told(findings: list[Finding], evidence: Evidence | None) -> Iterator[str]:
    """Each finding, and all that is known of its task."""
    for finding in findings[:MOST_TOLD]:
        yield f"* {finding.promise}: {finding.sentence}"
        if finding.task_id is not None:
            yield f"    task {finding.task_id}"
            yield from (f"    {line}" for line in _known_of(finding.task_id, evidence))
    if len(findings) > MOST_TOLD:
        yield f"… and {len(findings) - MOST_TOLD} more"


def _known_of(task_id: str, evidence: Evidence | None) -> Iterator[str]:
    if evidence is None:
        return
    task = evidence.tasks.get(task_id)
    if task is not None:
        yield f"record: {replace(task, spec={}, attempts=(), history=())}"
        yield from (f"attempt {attempt}" for attempt in task.attempts)
        yield from (f"change {change}" for change in task.history)
    yield from (str(run) for run in evidence.runs.get(task_id, []))
    yield from (str(call) for call in evidence.calls_of.get(task_id, []))
    yield from (str(entry) for entry in evidence.ledger.entries if entry.task_id == task_id)
