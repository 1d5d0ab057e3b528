"""Taking due firings. Beat does this at each tick."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from app.clock import Clock
from app.domain.firings import CatchUp, Rule, jitter_ms, plan
from app.domain.ids import firing_id
from app.store.firings import DueSchedule, Firing, Firings
from app.store.messages import MessageTemplate
from app.store.store import Store
from app.usecases.dispatch import Dispatcher
from app.usecases.timing import make_rule

#: Firings, including missed ones, in one write. Other clients of Redis wait for it no longer than a few milliseconds.
MAX_IN_ONE_WRITE = 256
#: The first write is small, so that the first tasks are queued soon. Each following write is GROWTH times as large.
FIRST_WRITE, GROWTH = 16, 4
#: How long one call plans and writes. After an outage there is work for minutes, in which beat must not stand still.
SECONDS_PER_CALL = 1.0


@dataclass(frozen=True, slots=True)
class FiringService:
    """Takes firings. Any number of processes may do this at once: each firing is taken exactly once.

    `spread` returns numbers from 0 to 1, for the jitter. `steady` is a clock in seconds that is never set. `has_room`
    tells at a time whether more tasks may be created; each write asks it, and is of MAX_IN_ONE_WRITE tasks at most.
    """

    store: Store
    dispatcher: Dispatcher
    clock: Clock
    spread: Callable[[], float] = random.random
    steady: Callable[[], float] = time.monotonic
    has_room: Callable[[int], bool] = lambda _: True

    def fire_due(self, limit: int) -> int:
        """Take firings of up to `limit` due schedules, for SECONDS_PER_CALL. Returns how many schedules it took.

        What it leaves stays due: the next call takes it, at the time of that call. A schedule that can't be fired does
        not stop the others: its error is raised after they have been fired.
        """
        now_ms, failed = self.clock(), list[Exception]()
        due = self.store.firings.due(now_ms, limit)
        batches = _batches(self._each(due, now_ms, failed))
        taken = self.store.firings.fire_each(batches, now_ms, lambda: self.has_room(self.clock()))
        if failed:
            raise failed[0]
        return taken

    def _each(self, due: Sequence[DueSchedule], now_ms: int, failed: list[Exception]) -> Iterator[Firings]:
        deadline = self.steady() + SECONDS_PER_CALL
        for schedule in due:
            try:
                found = self._firings(schedule, now_ms)
            except Exception as error:  # e.g. its time zone is gone from the system's data
                error.add_note(f"scheduled task {schedule.id}")
                failed.append(error)
                continue
            yield found
            if self.steady() >= deadline:
                return

    def _firings(self, schedule: DueSchedule, now_ms: int) -> Firings:
        timing = _timing(schedule.timing_json)
        found = plan(timing.rule_of(schedule), int(schedule.next_run_ms), now_ms, timing.catch_up)
        following = [*found.firings[1:], found.following_ms]
        return Firings(
            schedule.id,
            schedule.next_run_ms,
            schedule.revision,
            found.following_ms,
            timing.overlap,
            timing.max_runs,
            found.missed,
            [self._firing(schedule, timing, *pair, now_ms) for pair in zip(found.firings, following, strict=False)],
        )

    def _firing(
        self, schedule: DueSchedule, timing: _Timing, at_ms: int, following_ms: int | None, now_ms: int
    ) -> Firing:
        task_id, due_ms = firing_id(schedule.id, at_ms), at_ms
        if timing.jitter_seconds:
            due_ms += jitter_ms(timing.jitter_seconds, at_ms, following_ms, self.spread())
        return Firing(at_ms, due_ms, task_id, self._template(schedule, task_id, due_ms, now_ms))

    def _template(self, schedule: DueSchedule, task_id: str, due_ms: int, now_ms: int) -> MessageTemplate | None:
        if due_ms <= now_ms:
            return self.dispatcher.template(schedule.kind, schedule.priority)
        message = self.dispatcher.message(task_id, schedule.kind, schedule.priority, due_ms, now_ms)
        return MessageTemplate(message.queue_key, (message.payload,)) if message.payload else None


@dataclass(frozen=True, slots=True)
class _Timing:
    """How a schedule fires, read from its record. `cron_rule`: before `H` is resolved; None for an interval."""

    fields: Mapping[str, Any]
    cron_rule: Rule | None

    catch_up: CatchUp
    jitter_seconds: float
    overlap: str
    max_runs: int | None

    def rule_of(self, schedule: DueSchedule) -> Rule:
        """Return the rule of one schedule with these fields."""
        if self.cron_rule is None:
            return make_rule(self.fields, schedule.id, int(schedule.created_ms))
        return self.cron_rule.hashed_by(schedule.id)


@lru_cache(maxsize=4096)
def _timing(timing_json: str) -> _Timing:
    """Cached: of thousands of schedules that are due at the same instant, most have the same fields."""
    fields: dict[str, Any] = json.loads(timing_json)
    return _Timing(
        fields,
        make_rule(fields, "", 0) if fields.get("every_seconds") is None else None,
        CatchUp(fields["catch_up"]),
        fields["jitter_seconds"],
        fields["overlap"],
        fields["max_runs"],
    )


def _batches(found: Iterable[Firings]) -> Iterator[list[Firings]]:
    """Group firings into batches, each for one write."""
    batch, weight, most = list[Firings](), 0, FIRST_WRITE
    for firings in found:
        own = len(firings.firings) + len(firings.missed)
        if batch and weight + own > most:
            yield batch
            batch, weight, most = [], 0, min(GROWTH * most, MAX_IN_ONE_WRITE)
        batch.append(firings)
        weight += own
    if batch:
        yield batch
