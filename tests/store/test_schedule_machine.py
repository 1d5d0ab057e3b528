"""Any sequence of calls on scheduled tasks, by callers and beats with possibly outdated views, against a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import redis
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.domain.ids import firing_id
from app.domain.status import Kind, ScheduleStatus, Status, TaskType
from app.store.firings import Firing, Firings
from app.store.listing import Filters
from app.store.schedules import Schedule, ScheduleFilters
from app.store.store import Store
from app.store.tasks import Attempt
from tests.conftest import VirtualClock
from tests.store.making import COUNTERS, LEASE_MS, SUCCEEDED, TEMPLATE, changed, new_schedule, new_task

ACTIVE, ENDED = ScheduleStatus.ACTIVE, ScheduleStatus.ENDED
MAX_SCHEDULES = 2  # few, so that each sees many events
MINUTE = 60_000
KEYS = st.sampled_from([None, None, "k"])


@dataclass(frozen=True)
class Plan:
    """A beat's request for a due scheduled task: missed firings, then firings that create a task."""

    overlap: str
    max_runs: int | None
    missed: int
    number: int
    late_ms: int
    is_last: bool


PLANS = st.builds(
    Plan,
    overlap=st.sampled_from(["allow", "skip", "stop_previous"]),
    max_runs=st.sampled_from([None, None, None, 3]),
    missed=st.sampled_from([0, 0, 2]),
    number=st.sampled_from([0, 1, 1, 2, 3]),
    late_ms=st.sampled_from([0, 0, 1_000]),
    is_last=st.sampled_from([False, False, False, True]),
)


@dataclass
class Model:
    """The expected state of one scheduled task."""

    id: str
    kind: Kind
    key: str | None
    next_ms: int | None
    status: ScheduleStatus = ACTIVE
    name: str = "nightly"
    revision: int = 1
    fired: int = 0
    by_hand: int = 0
    skipped: int = 0
    missed: int = 0
    last: str | None = None
    tasks: list[str] = field(default_factory=list)
    notes: set[tuple[int, str, str | None]] = field(default_factory=set)

    def is_as(self, seen: Schedule) -> bool:
        return (str(self.revision), self.next_ms) == (seen.revision, seen.next_run_ms)

    def note(self, at_ms: int, outcome: str, task_id: str | None = None) -> None:
        self.notes.add((at_ms, outcome, task_id))

    def end(self) -> None:
        self.status, self.next_ms = ENDED, None


class ScheduleMachine(RuleBasedStateMachine):
    """Each rule predicts the result; the invariants inspect the keys in Redis."""

    schedules = Bundle("schedules")
    views = Bundle("views")

    def __init__(self, store: Store, raw: redis.Redis) -> None:
        super().__init__()
        raw.flushdb()
        self.store, self.raw, self.clock = store, raw, VirtualClock()
        self.models: dict[str, Model] = {}
        self.tasks: dict[str, Status] = {}

    # --- actions of callers --------------------------------------------------------------------------

    @precondition(lambda self: len(self.models) < MAX_SCHEDULES)
    @rule(target=schedules, kind=st.sampled_from(Kind), key=KEYS)
    def create(self, kind: Kind, key: str | None) -> Any:
        schedule = new_schedule(self.clock(), kind=kind, key=key)
        answer = self.store.schedules.create(schedule, self.clock())
        holders = [model.id for model in self.models.values() if key is not None and model.key == key]
        if holders:
            assert [answer] == holders
            return multiple()
        assert answer == schedule.id
        self.models[schedule.id] = Model(schedule.id, kind, key, schedule.next_run_ms)
        return schedule.id

    @rule(ms=st.sampled_from([1, 1_000, MINUTE, 3 * MINUTE, -1, -2 * MINUTE]))
    def the_clock_moves(self, ms: int) -> None:
        self.clock.advance(ms)

    @rule(target=views, schedule_id=schedules)
    def look(self, schedule_id: str) -> Any:
        """A caller reads a scheduled task, to act on it now or much later."""
        found = self.store.schedules.get(schedule_id)
        assert (found is None) == (schedule_id not in self.models)
        return multiple() if found is None else found

    @rule(
        schedule_id=schedules,
        before=st.sampled_from(ScheduleStatus),
        after=st.sampled_from([ACTIVE, ACTIVE, *ScheduleStatus]),
    )
    def move(self, schedule_id: str, before: ScheduleStatus, after: ScheduleStatus) -> None:
        now_ms, model = self.clock(), self.models.get(schedule_id)
        following = now_ms + MINUTE if after is ACTIVE else None
        answer = self.store.schedules.move(schedule_id, now_ms, before, after, following)
        if model is None:
            assert answer == ("", "")
        elif model.status is not before:
            assert answer == (model.status, model.status)
        else:
            assert answer == (before, after)
            model.status, model.next_ms, model.revision = after, following, model.revision + 1

    @rule(
        seen=views,
        kind=st.sampled_from(Kind),
        name=st.sampled_from(["nightly", "ü"]),
        by_ms=st.sampled_from([0, 1_000, -MINUTE]),
    )
    def change(self, seen: Schedule, kind: Kind, name: str, by_ms: int) -> None:
        """A change, which may move the next firing back to one that has already run."""
        following = None if seen.next_run_ms is None else seen.next_run_ms + by_ms
        self._change(seen, changed(seen, kind=kind, name=name, next_run_ms=following))

    def _change(self, seen: Schedule, changed: Schedule) -> bool:
        answer, model = self.store.schedules.change(seen, changed, self.clock()), self.models.get(seen.id)
        assert answer == (model is not None and model.is_as(seen))
        if answer and model is not None:
            model.kind, model.name = changed.kind, changed.name
            model.next_ms, model.status = changed.next_run_ms, changed.status
            model.revision += 1
        return answer

    @rule(schedule_id=schedules)
    def run_now(self, schedule_id: str) -> None:
        task = new_task(self.clock(), task_type=TaskType.SCHEDULED, scheduled_task_id=schedule_id)
        answer, model = self.store.schedules.run_now(schedule_id, task, self.clock()), self.models.get(schedule_id)
        assert answer == (model is not None)
        if model is not None:
            self.create_task(model, task.id, self.clock())
            model.by_hand += 1

    @rule(schedule_id=consumes(schedules))
    def delete(self, schedule_id: str) -> None:
        assert self.store.schedules.delete(schedule_id) == (self.models.pop(schedule_id, None) is not None)

    @precondition(lambda self: self.tasks)
    @rule(data=st.data(), finishes=st.booleans())
    def a_worker_starts_a_task(self, data: st.DataObject, finishes: bool) -> None:
        task_id, now_ms = data.draw(st.sampled_from(list(self.tasks))), self.clock()
        attempt = self.store.tasks.claim(task_id, "w", now_ms, now_ms + LEASE_MS)
        if isinstance(attempt, Attempt):
            assert self.tasks[task_id] in (Status.QUEUED, Status.WAITING)
            self.tasks[task_id] = Status.RUNNING
            if finishes:
                self.tasks[task_id] = Status(self.store.tasks.finish(attempt, SUCCEEDED, now_ms, 1.0))

    # --- actions of beats ----------------------------------------------------------------------------

    @rule(seen=views, plan=PLANS)
    def fire(self, seen: Schedule, plan: Plan) -> None:
        """A beat with a possibly outdated view fires the schedules that it saw as due."""
        if seen.next_run_ms is not None:
            self._fire(seen, plan)

    @precondition(lambda self: self.active())
    @rule(data=st.data(), plan=PLANS)
    def fire_what_is_due(self, data: st.DataObject, plan: Plan) -> None:
        """Most firings of real beats succeed, and so do these."""
        seen = self.store.schedules.get(data.draw(st.sampled_from(self.active())))
        assert seen is not None
        assert self._fire(seen, plan) == 1

    @precondition(lambda self: self.active())
    @rule(target=views, data=st.data(), plan=PLANS)
    def another_beat_was_first(self, data: st.DataObject, plan: Plan) -> Schedule:
        """Keep a view that a firing has outdated, to act on it later."""
        seen = self.store.schedules.get(data.draw(st.sampled_from(self.active())))
        assert seen is not None
        self._fire(seen, plan)
        return seen

    @precondition(lambda self: self.active())
    @rule(data=st.data(), name=st.sampled_from(["nightly", "ü"]), plan=PLANS)
    def a_caller_was_first(self, data: st.DataObject, name: str, plan: Plan) -> None:
        """A change between a beat's read and write that leaves the next firing unchanged."""
        seen = self.store.schedules.get(data.draw(st.sampled_from(self.active())))
        assert seen is not None
        assert self._change(seen, changed(seen, name=name))
        assert self._fire(seen, plan) == 0

    def active(self) -> list[str]:
        return [model.id for model in self.models.values() if model.next_ms is not None]

    def _fire(self, seen: Schedule, plan: Plan) -> int:
        assert seen.next_run_ms is not None
        times = [seen.next_run_ms + step * 1_000 for step in range(plan.missed + plan.number)]
        following = None if plan.is_last else seen.next_run_ms + MINUTE
        firings = [self.firing(seen, at_ms, plan.late_ms) for at_ms in times[plan.missed :]]
        asked = Firings(
            seen.id,
            seen.next_run_ms,
            seen.revision,
            following,
            plan.overlap,
            plan.max_runs,
            times[: plan.missed],
            firings,
        )
        answer, model = self.store.firings.fire([asked, asked], self.clock()), self.models.get(seen.id)
        assert answer == (model is not None and model.is_as(seen)), "a firing runs once, if the schedule is unchanged"
        if answer and model is not None:
            self.take(model, asked)
        return answer

    def firing(self, seen: Schedule, at_ms: int, late_ms: int) -> Firing:
        due_ms = self.clock() + late_ms
        return Firing(at_ms, due_ms, firing_id(seen.id, at_ms), TEMPLATE if due_ms <= self.clock() else None)

    def take(self, model: Model, asked: Firings) -> None:
        """Apply the firings to the model."""
        for at_ms in asked.missed:
            model.note(at_ms, "missed")
        model.missed += len(asked.missed)
        for firing in asked.firings:
            if asked.max_runs is not None and model.fired >= asked.max_runs:
                break
            last = None if model.last is None else self.tasks[model.last]
            busy = last is not None and not last.finished
            if busy and asked.overlap == "skip":
                model.note(firing.at_ms, "skipped_overlap")
                model.skipped += 1
                continue
            if busy and asked.overlap == "stop_previous" and model.last is not None and last is not Status.RUNNING:
                self.tasks[model.last] = Status.STOPPED
            self.create_task(model, firing.task_id, firing.due_ms)
            model.note(firing.at_ms, "created", firing.task_id)
            model.fired += 1
        if asked.following_ms is None or (asked.max_runs is not None and model.fired >= asked.max_runs):
            model.end()
        else:
            model.next_ms = asked.following_ms

    def create_task(self, model: Model, task_id: str, due_ms: int) -> None:
        """A firing whose task exists, because the schedule was moved back, leaves the task unchanged."""
        model.last = task_id
        if task_id not in model.tasks:
            model.tasks.append(task_id)
            self.tasks[task_id] = Status.WAITING if due_ms > self.clock() else Status.QUEUED

    # --- invariants ----------------------------------------------------------------------------------

    @invariant()
    def every_record_is_the_models(self) -> None:
        for model in self.models.values():
            found = self.store.schedules.get(model.id)
            assert found is not None
            assert (found.status, found.next_run_ms, found.kind) == (model.status, model.next_ms, model.kind)
            assert (found.name, found.key, found.revision) == (model.name, model.key, str(model.revision))
            assert (found.run_count, found.last_task_id) == (model.fired + model.by_hand, model.last)
            assert (found.skipped_count, found.missed_count) == (model.skipped, model.missed)

    @invariant()
    def what_became_of_each_firing_is_written_down(self) -> None:
        for model in self.models.values():
            notes, _ = self.store.firings.page(model.id, 1_000, None)
            assert {(note.at_ms, note.outcome, note.task_id) for note in notes} == model.notes

    @invariant()
    def the_tasks_are_those_that_were_created_each_once(self) -> None:
        for model in self.models.values():
            assert self.tasks_of(model.id) == model.tasks[::-1]

    @invariant()
    def every_task_is_where_the_firings_left_it(self) -> None:
        for task_id, status in self.tasks.items():
            assert self.store.tasks.status(task_id) is status

    def tasks_of(self, schedule_id: str) -> Sequence[str]:
        return [task.id for task in self.store.listing.page(Filters(scheduled_task_id=schedule_id), 1_000).items]

    @invariant()
    def each_is_in_exactly_one_list_and_due_when_it_says(self) -> None:
        keys, models = self.store.keys, self.models.values()
        found = sorted((one, key) for key in self.raw.keys("celeriac:sx:*") for one in self.raw.zrange(key, 0, -1))
        assert found == sorted((model.id, keys.schedule_index(model.kind, model.status)) for model in models)
        listed = self.store.schedules.page(ScheduleFilters(), 100).items
        assert {schedule.id for schedule in listed} == self.models.keys()
        due = dict(self.raw.zrange(keys.cron, 0, -1, withscores=True))
        assert due == {model.id: model.next_ms for model in models if model.next_ms is not None}
        assert self.store.schedules.id_of_key("k") == next((model.id for model in models if model.key), None)

    def teardown(self) -> None:
        """After everything is deleted, only counters and unfetched messages remain."""
        for schedule_id in self.models:
            assert self.store.schedules.delete(schedule_id)
        for task_id in self.tasks:
            self.store.tasks.stop(task_id, self.clock(), force=True)
            assert self.store.tasks.delete(task_id)
        kept = [key for key in self.raw.keys("*") if not key.startswith((*COUNTERS, "celeriac:call:"))]
        assert set(kept) <= {self.store.keys.seq, TEMPLATE.queue_key}


def test_any_sequence_of_calls_keeps_the_schedules_consistent(
    store: Store, raw_redis: redis.Redis, sequences: settings
) -> None:
    run_state_machine_as_test(lambda: ScheduleMachine(store, raw_redis), settings=sequences)
