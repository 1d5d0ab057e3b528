"""From a spec to a task on its way: what the record says, and the message that goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.domain.retry import RetryPolicy
from app.domain.spec import TaskFields, kept_fields
from app.domain.status import TaskType
from app.store.messages import NO_MESSAGE, Message, MessageMaker, MessageTemplate
from app.store.schedules import Schedule, task_spec_of
from app.store.tasks import NewTask


def retry_policy(spec: Mapping[str, Any]) -> RetryPolicy:
    """How a task with this spec is tried again."""
    policy = RetryPolicy(spec["max_retries"], spec["retry_delay"], spec["retry_max_delay"])
    if "retry_on" not in spec:
        return policy
    return RetryPolicy(policy.max_retries, policy.delay_seconds, policy.max_delay_seconds, tuple(spec["retry_on"]))


class Dispatcher:
    """Decides how a task gets to a worker: at once, by countdown, or after a while in Redis."""

    def __init__(self, make_message: MessageMaker, horizon_seconds: float) -> None:
        self._make_message = make_message
        self.horizon_ms = round(horizon_seconds * 1000)

    def message(self, task_id: str, kind: str, priority: int, due_ms: int, now_ms: int) -> Message:
        """The message for a task due at `due_ms`; none while that is beyond the horizon."""
        ahead_ms = due_ms - now_ms
        if ahead_ms > self.horizon_ms:
            return NO_MESSAGE
        return self._make_message(task_id, kind, priority, ahead_ms / 1000 if ahead_ms > 0 else None)

    def template(self, kind: str, priority: int) -> MessageTemplate:
        """The message for any number of tasks that are due at once."""
        return self._make_message.template(kind, priority)

    def from_spec(self, spec: TaskFields, task_id: str, task_type: TaskType, due_ms: int, now_ms: int) -> NewTask:
        """A task made of a validated spec."""
        return NewTask(
            id=task_id,
            kind=spec.kind,
            task_type=task_type,
            due_ms=due_ms,
            spec=kept_fields(spec),
            message=self.message(task_id, spec.kind, spec.priority, due_ms, now_ms),
        )

    def from_schedule(self, schedule: Schedule, task_id: str, due_ms: int, now_ms: int) -> NewTask:
        """A task made of a scheduled task, beside its firings. (What a firing creates is made in fire.lua.)"""
        return NewTask(
            id=task_id,
            kind=schedule.kind,
            task_type=TaskType.SCHEDULED,
            due_ms=due_ms,
            spec=task_spec_of(schedule),
            scheduled_task_id=schedule.id,
            message=self.message(task_id, schedule.kind, schedule.spec["priority"], due_ms, now_ms),
        )
