"""Every counter is what a recount gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from app.clock import system_clock
from app.domain.kinds import QUEUES
from app.domain.status import FINISHED
from app.usecases.statistics import StatisticsService
from tests.system.chaos.checks.attempts import made_attempts
from tests.system.chaos.evidence import Evidence
from tests.system.chaos.findings import Finding

PROMISE = "counters are right"


def counters(evidence: Evidence) -> Iterator[Finding]:
    """What `GET /api/tasks/stats` counts, and the minutes that it is made of; the totals of `GET /metrics`.

    The stats reach back an hour.
    """
    tasks = evidence.tasks.values()
    said = StatisticsService(evidence.store.stats, system_clock).read()
    for field in ("status", "kind", "task_type"):
        recount = Counter(str(getattr(task, field)) for task in tasks)
        counted = {name: number for name, number in said[f"by_{field}"].items() if number}
        if counted != recount:
            yield Finding(PROMISE, f"by_{field} is {counted}, and a recount gives {dict(recount)}")
    if said["total"] != len(tasks):
        yield Finding(PROMISE, f"total is {said['total']}, and there are {len(tasks)} tasks")
    yield from _minutes(evidence)


def _minutes(evidence: Evidence) -> Iterator[Finding]:
    """Finishes and starts by minute. Deleted tasks have been counted too, as far as they had come."""
    now_ms = system_clock()
    stats = evidence.store.stats.read(QUEUES, now_ms)
    recount = Counter(task.status for task in evidence.tasks.values())
    deleted = len(evidence.gone)
    totals = _finished(evidence.store.totals.read().counters)
    for status in sorted(FINISHED):
        counted = sum(getattr(minute, status) for minute in stats.minutes)
        for number, source in ((counted, "by minute"), (totals[status], "in total")):
            if not recount[status] <= number <= recount[status] + deleted:
                yield Finding(PROMISE, f"{number} {status} {source}, {recount[status]} by record ({deleted} deleted)")
    starts = sum(stats.waits.values())
    made = sum(made_attempts(task) for task in evidence.tasks.values())
    # A claim of a deleted task whose answer was lost is in no log.
    most = made + deleted + sum(len(evidence.runs.get(task_id, [])) for task_id in evidence.gone)
    if not made <= starts <= most:
        yield Finding(PROMISE, f"{starts} starts were counted, {made} to {most} were made")


def _finished(counters: Counter[str]) -> Counter[str]:
    """The finished tasks among the totals, by status."""
    found = Counter[str]()
    for name, number in counters.items():
        if name.startswith("end:"):
            found[name.split(":")[3]] += number
    return found
