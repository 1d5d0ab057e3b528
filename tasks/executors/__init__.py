"""How a kind of task is executed. To add a kind: see CONTRIBUTING.md."""

from __future__ import annotations

from typing import Any, Protocol

from app.domain.outcome import Outcome
from app.store.tasks import Attempt


class Cancellable(Protocol):
    """Ends an attempt in flight, from another thread, within milliseconds."""

    def cancel(self) -> None: ...


class Executor(Protocol):
    """Executes the attempts of one kind. Thread-safe."""

    def new_cancel(self) -> Any:
        """The Cancellable for one attempt."""

    def execute(self, attempt: Attempt, cancel: Any) -> Outcome:
        """Run it to its end. Raises ExecutorError where the failure is ours and not the task's."""
