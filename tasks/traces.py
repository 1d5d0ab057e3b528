"""The span of each attempt, if tracing is on."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol

from app.domain.kinds import QUEUES
from app.domain.outcome import Outcome
from app.domain.times import to_rfc3339
from app.store.tasks import Attempt

if TYPE_CHECKING:
    from app.tracing.spans import Span, Tracing, Value


class Traced(Protocol):
    """The trace of one attempt."""

    def ended(self, outcome: Outcome, status: str) -> None:
        """The attempt has ended, and its task has this status now ("" or "superseded": the task was lost)."""


class AttemptTraces(Protocol):
    """The traces of attempts."""

    def attempt(self, attempt: Attempt) -> AbstractContextManager[Traced]:
        """The trace of an attempt, which runs in this thread during the block."""


class Untraced:
    """Traces nothing."""

    def __init__(self) -> None:
        self._block = nullcontext(self)

    def attempt(self, attempt: Attempt) -> AbstractContextManager[Traced]:
        return self._block

    def ended(self, outcome: Outcome, status: str) -> None:
        """Nothing."""


class AttemptSpans:
    """Makes a span of each attempt, linked to the request that asked for its task."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def attempt(self, attempt: Attempt) -> AbstractContextManager[Traced]:
        span = self._tracing.begin_linked(f"attempt {attempt.kind}", _values(attempt), attempt.trace)
        return _Block(span)


class _Block:
    """The span of one attempt, while it runs."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._scope = span.as_current()

    def __enter__(self) -> Traced:
        self._scope.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._scope.__exit__(None, None, None)

    def ended(self, outcome: Outcome, status: str) -> None:
        self._span.set({"celeriac.task.status": status or "deleted"})
        if outcome.failure is not None:
            self._span.fail(outcome.failure.type)


def _values(attempt: Attempt) -> dict[str, Value]:
    values: dict[str, Value] = {
        "messaging.system": "celeriac",
        "messaging.operation.type": "process",
        "messaging.destination.name": QUEUES[attempt.kind],
        "messaging.message.id": attempt.task_id,
        "celeriac.task.name": attempt.name,
        "celeriac.task.kind": str(attempt.kind),
        "celeriac.task.attempt": attempt.number,
    }
    if attempt.scheduled_task_id is not None:
        values["celeriac.schedule.id"] = attempt.scheduled_task_id
    if attempt.scheduled_at_ms is not None:
        values["celeriac.scheduled_at"] = to_rfc3339(attempt.scheduled_at_ms)
    return values
