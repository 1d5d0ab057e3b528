"""Every schedule fired when its expression says: no firing is lost, none doubled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from app.domain.ids import firing_id
from app.domain.status import Status
from app.store.schedules import Schedule
from app.usecases.schedules import rule_of
from tests.system.chaos.evidence import Evidence
from tests.system.chaos.findings import Finding
from tests.system.chaos.plan import SCHEDULES

#: A beat looks each second: what was due shortly before the pause may not have been taken.
LATE_MS = 3_000


def firings(evidence: Evidence) -> Iterator[Finding]:
    """Each schedule's notes against the cron arithmetic, and against the tasks that they created."""
    for schedule in evidence.schedules.values():
        notes = evidence.firings[schedule.id]
        seen = Counter(note.at_ms for note in notes)
        doubled = [at_ms for at_ms, number in seen.items() if number > 1]
        if doubled:
            yield Finding("no firing is doubled", f"{schedule.name}: {doubled}")
        lost = sorted(set(_expected(evidence, schedule, seen)) - seen.keys())
        if lost:
            yield Finding("no firing is lost", f"{schedule.name}: {len(lost)} firings: {lost[:20]}")
        unexpected = sorted(seen.keys() - set(_expected(evidence, schedule, seen)))
        if unexpected:
            yield Finding("no firing is made up", f"{schedule.name}: {unexpected[:20]}")
        yield from _tasks_of(evidence, schedule)
        if "catch_up" in SCHEDULES[schedule.name] and SCHEDULES[schedule.name]["catch_up"] == "all":
            missed = [note.at_ms for note in notes if note.outcome != "created"]
            if missed:
                yield Finding("catch_up: all catches up", f"{schedule.name}: {missed[:20]}")


def _expected(evidence: Evidence, schedule: Schedule, seen: Counter[int]) -> list[int]:
    """Its firings from the first, or the oldest that is still written down, to its pause."""
    first_ms = evidence.first_run_ms[schedule.id]
    if len(seen) >= 1_000:  # the older ones are forgotten
        first_ms = min(seen)
    rule, expected = rule_of(schedule), [first_ms]
    late_ms = LATE_MS + evidence.slack_ms
    last_ms = max(max(seen, default=0), evidence.paused_ms[schedule.id] - late_ms)
    while (following := rule.next_after(expected[-1])) is not None and following <= last_ms:
        expected.append(following)
    return expected


def _tasks_of(evidence: Evidence, schedule: Schedule) -> Iterator[Finding]:
    own = {task.id for task in evidence.tasks.values() if task.scheduled_task_id == schedule.id}
    noted = {note.task_id for note in evidence.firings[schedule.id] if note.outcome == "created"}
    if noted - own:
        yield Finding("a firing creates its task", f"{schedule.name}: no tasks {sorted(map(str, noted - own))[:5]}")
    if schedule.run_count != len(own):
        sentence = f"{schedule.name} counts {schedule.run_count} runs, and has {len(own)} tasks"
        yield Finding("counters are right", sentence)
    if len(evidence.firings[schedule.id]) < 1_000 and own - noted:
        yield Finding("a task has its firing", f"{schedule.name}: {sorted(own - noted)[:5]}")
    for note in evidence.firings[schedule.id]:
        if note.task_id is not None and note.task_id != firing_id(schedule.id, note.at_ms):
            yield Finding("a firing creates its task", f"{schedule.name}: another's id", note.task_id)


#: Between the moment that a beat or a worker calls now, and the step in Redis that it stands for. On a busy machine a
#: second was seen. A lost task comes back later than this.
STEP_MS = 2_000


def stopped_by_next(evidence: Evidence) -> Iterator[Finding]:
    """`overlap: stop_previous`: what had not ended when the next firing came never starts again, whoever dies."""
    step_ms = STEP_MS + evidence.slack_ms
    for schedule in evidence.schedules.values():
        if SCHEDULES[schedule.name].get("overlap") != "stop_previous":
            continue
        own = [task for task in evidence.tasks.values() if task.scheduled_task_id == schedule.id]
        # By the firing, whose time an id begins with: `due_ms` moves with a retry.
        for task, following in pairwise(sorted(own, key=lambda task: task.id)):
            stopped_ms = following.created_ms
            claims_ms = [change.at_ms for change in task.history if change.after == Status.RUNNING]
            again_ms = [
                ms for ms in claims_ms if ms > stopped_ms + step_ms and not _was_silent(evidence, stopped_ms, ms)
            ]
            if again_ms:
                sentence = (
                    f"{schedule.name}: it began {again_ms[0] - stopped_ms} ms after the next firing had stopped it"
                )
                yield Finding("a stopped task never starts again", sentence, task.id)


def _was_silent(evidence: Evidence, from_ms: float, until_ms: float) -> bool:
    """Whether Redis or a beat did not answer, so that the step of `from_ms` may have come as late as `until_ms`."""
    return any(since_ms <= until_ms and from_ms <= to_ms for since_ms, to_ms in evidence.silences)
