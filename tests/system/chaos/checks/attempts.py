"""No attempt overlaps another of its task; no attempt, and no call of the target, is without a record."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from app.domain.status import Status
from app.store.record import Task
from tests.system.chaos.evidence import Evidence
from tests.system.chaos.findings import Finding
from tests.system.chaos.journal import Run
from tests.system.chaos.target import Call

#: Lines and calls are written down a moment after what they tell of.
TOLERANCE_MS = 150.0
#: A call reaches the target so long after it was sent, at most: the target's threads wait for a processor, too.
ARRIVAL_MS = 1_000.0
#: A worker that thaws learns within this time, and a lease, that its attempt is another's.
NOTICE_MS = 1_000.0


def overlaps(evidence: Evidence) -> Iterator[Finding]:
    """Attempts by the workers' logs."""
    for task_id, runs in evidence.runs.items():
        for first, second in pairwise(runs):
            if first.is_end_unknown or second.began_ms >= first.ended_ms - TOLERANCE_MS:
                continue  # of API tasks the target knows in every case
            if not _was_frozen(first, second.began_ms, first.ended_ms, evidence):
                sentence = (
                    f"attempt {first.attempt} on {first.worker} ended ({first.end}) "
                    f"{first.ended_ms - second.began_ms:.0f} ms after the next began on {second.worker}"
                )
                yield Finding("attempts do not overlap", sentence, task_id)


def overlapping_calls(evidence: Evidence) -> Iterator[Finding]:
    """Attempts as the target sees them: nobody may call while a call of the same task lasts."""
    for task_id, calls in evidence.calls_of.items():
        for first, second in pairwise(calls):
            assert first.ended_ms is not None
            run = _run_of(first, evidence)
            overlap_ms = _heard_end(first, run) - second.began_ms
            if overlap_ms <= TOLERANCE_MS:
                continue
            if run is None or not _was_frozen(run, second.began_ms, first.ended_ms, evidence):
                sentence = f"call {first} lasted {overlap_ms:.0f} ms into {second}"
                yield Finding("calls do not overlap", sentence, task_id)


def _heard_end(call: Call, run: Run | None) -> float:
    """When a call ended. The end of one by a host that was cut off reached its target later, or never."""
    assert call.ended_ms is not None
    if run is None or not any(since <= call.ended_ms and run.began_ms <= until for since, until in run.life.isolated):
        return call.ended_ms
    return min(call.ended_ms, run.ended_ms)


def _was_frozen(run: Run, next_ms: float, ended_ms: float, evidence: Evidence) -> bool:
    """Whether its worker stood still until its lease was over, and ended the attempt soon after it went on.

    A lease is renewed each third of it, on a tick of a quarter. Nobody can end what stands still.
    """
    least_ms = evidence.lease_ms * (1 - 1 / 3 - 1 / 4)
    notice_ms = evidence.lease_ms + NOTICE_MS + evidence.standstill_ms
    return any(
        from_ms + least_ms - TOLERANCE_MS <= next_ms and ended_ms <= until_ms + notice_ms
        for from_ms, until_ms in run.life.frozen
    )


def _run_of(call: Call, evidence: Evidence) -> Run | None:
    """The attempt that made a call: of those with its number, the last that began before it."""
    runs = evidence.runs.get(call.task_id, [])
    own = [run for run in runs if run.attempt == call.attempt and run.began_ms <= call.began_ms + TOLERANCE_MS]
    return own[-1] if own else None


def shown_attempts(task: Task) -> int:
    """How many attempts its record shows."""
    return len(task.attempts) + (task.started_ms is not None)


def made_attempts(task: Task) -> int:
    """How many attempts its record accounts for: those, and what was begun and given back, which the history tells."""
    return max(sum(change.after == Status.RUNNING for change in task.history), shown_attempts(task))


def attempts_have_records(evidence: Evidence) -> Iterator[Finding]:
    """Each attempt that a worker's log tells of."""
    for task_id, runs in evidence.runs.items():
        task = evidence.tasks.get(task_id)
        if task is None:
            if task_id not in evidence.gone:
                yield Finding("no attempt is without a record", f"{len(runs)} attempts", task_id)
        elif len(runs) > made_attempts(task):
            sentence = f"{task.name} ran {len(runs)} times; its record tells of {made_attempts(task)}"
            yield Finding("no attempt is without a record", sentence, task_id)
        ends = [run.end for run in runs if run.end in ("task_succeeded", "task_failed", "task_stopped")]
        if len(ends) > 1:
            yield Finding("a task ends once", f"it ended {len(ends)} times: {ends}", task_id)


def calls_have_records(evidence: Evidence) -> Iterator[Finding]:
    """Each call that the target saw."""
    for task_id, calls in evidence.calls_of.items():
        task = evidence.tasks.get(task_id)
        if task is None:
            if task_id not in evidence.gone:
                yield Finding("no call is without a record", f"{len(calls)} calls", task_id)
            continue
        if len(calls) > made_attempts(task):
            sentence = f"{task.name} was called {len(calls)} times; its record tells of {made_attempts(task)} attempts"
            yield Finding("no call is without a record", sentence, task_id)
        yield from _late_calls(task, calls, evidence)


def _late_calls(task: Task, calls: list[Call], evidence: Evidence) -> Iterator[Finding]:
    """Calls of a finished task; only a worker that stood still between its claim and the call may make one.

    A stop has the time at which its request began, and may be written later, where Redis is slow. So a call is not late
    if its attempt was followed by a pause: the task had not been stopped then.
    """
    arrival_ms = ARRIVAL_MS + evidence.slack_ms
    for call in calls:
        if task.finished_ms is None or call.began_ms <= task.finished_ms + arrival_ms:
            continue
        run = _run_of(call, evidence)
        if run is not None and run.end == "task_retried":
            continue
        if run is None or not any(until_ms >= run.began_ms for _, until_ms in run.life.frozen):
            yield Finding("a finished task is not called", f"{call} began after the end", task.id)


def successes_were_calls(evidence: Evidence) -> Iterator[Finding]:
    """A call that succeeded is one that the target answered."""
    for task in evidence.tasks.values():
        if task.kind == "api" and task.status == "succeeded":
            answers = [call.answer for call in evidence.calls_of.get(task.id, [])]
            if "200" not in answers:
                sentence = f"{task.name} succeeded; the target answered {answers}"
                yield Finding("a success is an answer", sentence, task.id)
