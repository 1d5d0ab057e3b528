"""Turn a spec into a new task: the contents of its record, and the message for a worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from app.domain.spec import TaskFields, TaskSpec, kept_fields
from app.domain.status import Kind, TaskType
from app.domain.trace import TraceContext, no_trace
from app.store.messages import NO_MESSAGE, Message, MessageMaker, MessageTemplate
from app.store.schedules import Schedule, task_spec_of
from app.store.tasks import NewTask


class Dispatcher:
    """Decides how a task reaches a worker: immediately, by countdown, or after waiting in Redis.

    find_trace: returns the context of the trace in which this thread creates tasks.
    """

    def __init__(
        self, make_message: MessageMaker, horizon_seconds: float, find_trace: Callable[[], TraceContext] = no_trace
    ) -> None:
        self._make_message = make_message
        self._find_trace = find_trace
        self.horizon_ms = round(horizon_seconds * 1000)

    def message(self, task_id: str, kind: str, priority: int, due_ms: int, now_ms: int) -> Message:
        """The message for a task due at `due_ms`; NO_MESSAGE if that is beyond the horizon."""
        if due_ms - now_ms > self.horizon_ms:
            return NO_MESSAGE
        return self._make_message(task_id, kind, priority, due_ms if due_ms > now_ms else None)

    def template(self, kind: str, priority: int) -> MessageTemplate:
        """The template of the messages for any number of tasks that are due immediately."""
        return self._make_message.template(kind, priority)

    def from_request(self, spec: TaskSpec, task_id: str, now_ms: int) -> NewTask:
        """A new task from a validated spec, of the type and with the due time that it asks for."""
        return self.from_spec(spec, task_id, TaskType(spec.task_type), spec.due_ms(now_ms), now_ms)

    def from_spec(self, spec: TaskFields, task_id: str, task_type: TaskType, due_ms: int, now_ms: int) -> NewTask:
        """A new task from a validated spec."""
        kind = spec.kind
        return NewTask(
            id=task_id,
            kind=kind,
            task_type=task_type,
            due_ms=due_ms,
            spec=kept_fields(spec),
            message=self.message(task_id, kind, spec.priority, due_ms, now_ms),
            trace=self._find_trace(),
        )

    def again(self, kind: Kind, spec: Mapping[str, Any], task_id: str, now_ms: int) -> NewTask:
        """A new task, due now, with the spec that is kept of another one."""
        message = self.message(task_id, kind, spec["priority"], now_ms, now_ms)
        trace = self._find_trace()
        return NewTask(task_id, kind, TaskType.IMMEDIATE, now_ms, spec, message=message, trace=trace)

    def from_schedule(self, schedule: Schedule, task_id: str, due_ms: int, now_ms: int) -> NewTask:
        """A new task from a scheduled task, outside its firings. (fire.lua creates the tasks of firings.)"""
        return NewTask(
            id=task_id,
            kind=schedule.kind,
            task_type=TaskType.SCHEDULED,
            due_ms=due_ms,
            spec=task_spec_of(schedule),
            scheduled_task_id=schedule.id,
            message=self.message(task_id, schedule.kind, schedule.spec["priority"], due_ms, now_ms),
            trace=self._find_trace(),
        )
