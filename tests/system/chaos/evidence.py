"""Everything a run leaves to be judged."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from app.store.firings import FiringRecord
from app.store.record import Task
from app.store.schedules import Schedule
from app.store.store import Store
from tests.system.chaos.journal import Run
from tests.system.chaos.ledger import Ledger
from tests.system.chaos.plan import Plan
from tests.system.chaos.target import Call, Told

Calls = dict[str, list[Call]]


@dataclass
class Evidence:
    """The plan, what was promised, and what was there at the end. Tasks and schedules by id.

    skew_ms: how far the clocks that wrote the times may differ.
    standstill_ms: the longest that this process waited for its turn; every other may have waited as long.
    has_partitions: the target could not be reached at times. A callback that failed twice waits for minutes.
    silences: from when to when Redis, or a beat, answered nobody, in ms.
    """

    plan: Plan
    ledger: Ledger
    store: Store
    tasks: dict[str, Task]
    schedules: dict[str, Schedule]
    firings: dict[str, list[FiringRecord]]
    runs: dict[str, list[Run]]
    calls: list[Call]
    told: list[Told]
    noticed: list[str]
    lease_ms: float
    skew_ms: float = 0.0
    standstill_ms: float = 0.0
    has_partitions: bool = False
    silences: list[tuple[float, float]] = field(default_factory=list)
    paused_ms: dict[str, int] = field(default_factory=dict)
    first_run_ms: dict[str, int] = field(default_factory=dict)

    @property
    def slack_ms(self) -> float:
        """How far two times may be apart beside what the service took: by their clocks, and by who wrote them."""
        return self.skew_ms + self.standstill_ms

    @cached_property
    def by_name(self) -> dict[str, list[Task]]:
        """The tasks that orders created."""
        found = defaultdict(list)
        for task in self.tasks.values():
            found[task.name].append(task)
        return found

    @cached_property
    def calls_of(self) -> Calls:
        """The target's calls by task."""
        found = defaultdict(list)
        for call in self.calls:
            found[call.task_id].append(call)
        return found

    @cached_property
    def gone(self) -> set[str]:
        """Ids of tasks that were deleted, as far as the caller knows them."""
        names = self.ledger.may_be_gone
        return {entry.task_id for entry in self.ledger.entries if entry.task_id and entry.order.name in names}

    def words(self) -> Iterator[str]:
        """What there was, in numbers."""
        entries = self.ledger.entries
        known = sum(entry.task_id is not None for entry in entries)
        statuses = Counter(str(task.status) for task in self.tasks.values())
        ends = Counter(run.end for runs in self.runs.values() for run in runs)
        refused = sum(entry.is_refused for entry in entries)
        unknown = len(entries) - known - refused
        yield f"orders: {len(entries)}, accepted {known}, refused {refused}, without an answer {unknown}"
        yield f"tasks: {len(self.tasks)}, {dict(statuses)}; deleted {len(self.gone)}"
        yield f"bulks: {dict(Counter(str(entry.order.then) for entry in entries if entry.bulk_id))}"
        yield f"attempts: {ends.total()}, {dict(ends)}; calls of the target: {len(self.calls)}"
        answers = Counter(told.answer for told in self.told)
        yield f"callbacks: {answers.total()} of {len({told.task_id for told in self.told})} tasks, {dict(answers)}"
        yield f"notices: {len(self.noticed)}, of {len(set(self.noticed))} events"
        for schedule in self.schedules.values():
            outcomes = Counter(note.outcome for note in self.firings[schedule.id])
            yield f"schedule {schedule.name}: {dict(outcomes)}"
