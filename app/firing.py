"""The taking of due firings: what beat does at each tick."""

from __future__ import annotations

import base64
import json
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from app.clock import Clock
from app.dispatch import Dispatcher
from app.domain.firings import CatchUp, jitter_ms, plan
from app.domain.ids import firing_id
from app.schedules import rule_of
from app.store.messages import Message, MessageMaker
from app.store.schedules import Firings, Schedule
from app.store.store import Store

#: Stands for a task's id in a pattern. As long as one, and no id: its version is 0.
_NO_ID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A message for `_NO_ID`, and the parts of it that differ from task to task."""

    message: Message
    body: str
    encoded_body: str
    delivery_tag: str

    @classmethod
    def of(cls, message: Message) -> _Pattern:
        envelope = json.loads(message.payload)
        body = base64.b64decode(envelope["body"]).decode()
        return cls(message, body, envelope["body"], envelope["properties"]["delivery_tag"])

    def stamped(self, task_id: str) -> Message:
        """The message for `task_id`, with a tag of its own."""
        encoded_body = base64.b64encode(self.body.replace(_NO_ID, task_id).encode()).decode()
        payload = (
            self.message.payload.replace(self.encoded_body, encoded_body)
            .replace(self.delivery_tag, str(uuid.uuid4()))
            .replace(_NO_ID, task_id)
        )
        return Message(self.message.queue_key, payload)


@dataclass(frozen=True, slots=True)
class StampedMessages:
    """A MessageMaker for many messages that differ in nothing but the task, for a fraction of what Celery takes.

    `make` makes the first one of each kind and priority, and every one with a countdown.
    """

    make: MessageMaker
    patterns: dict[tuple[str, int], _Pattern] = field(default_factory=dict)

    def __call__(self, task_id: str, kind: str, priority: int, countdown_seconds: float | None) -> Message:
        """The message that makes a worker execute `task_id`."""
        if countdown_seconds is not None:
            return self.make(task_id, kind, priority, countdown_seconds)
        pattern = self.patterns.get((kind, priority))
        if pattern is None:
            pattern = self.patterns[kind, priority] = _Pattern.of(self.make(_NO_ID, kind, priority, None))
        return pattern.stamped(task_id)


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
