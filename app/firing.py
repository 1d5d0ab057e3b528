"""The taking of due firings: what beat does at each tick."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from app.clock import Clock
from app.dispatch import Dispatcher
from app.domain.firings import CatchUp, jitter_ms, plan
from app.domain.ids import firing_id
from app.schedules import rule_of
from app.store.schedules import Firings, Schedule
from app.store.store import Store


@dataclass(frozen=True, slots=True)
class FiringService:
    """Takes firings. Any number of processes may do so at once: each firing is taken once, whoever asks.

    `spread` gives numbers in 0..1, for the jitter.
    """

    store: Store
    dispatcher: Dispatcher
    clock: Clock
    spread: Callable[[], float] = random.random

    def fire_due(self, limit: int) -> int:
        """Take the firings of up to `limit` schedules that are due. Returns how many schedules were due."""
        now_ms = self.clock()
        due = self.store.schedules.due(now_ms, limit)
        if not due:
            return 0
        schedules = self.store.schedules.get_many([schedule_id for schedule_id, _ in due])
        taken = [self._firings(schedule, now_ms) for schedule in schedules if _is_due(schedule, now_ms)]
        if taken:
            self.store.schedules.fire(taken, now_ms)
        return len(due)

    def _firings(self, schedule: Schedule | None, now_ms: int) -> Firings:
        assert schedule is not None
        assert schedule.next_run_ms is not None
        spec = schedule.spec
        found = plan(rule_of(schedule), schedule.next_run_ms, now_ms, CatchUp(spec["catch_up"]))
        tasks = []
        for firing_ms in found.firings:
            late_ms = jitter_ms(spec["jitter_seconds"], firing_ms, found.following_ms, self.spread())
            task_id = firing_id(schedule.id, firing_ms)
            tasks.append((firing_ms, self.dispatcher.from_schedule(schedule, task_id, firing_ms + late_ms, now_ms)))
        return Firings(schedule, found.following_ms, spec["overlap"], spec["max_runs"], found.missed, tasks)


def _is_due(schedule: Schedule | None, now_ms: int) -> bool:
    """Not deleted, paused or put off since it was listed."""
    return schedule is not None and schedule.next_run_ms is not None and schedule.next_run_ms <= now_ms
