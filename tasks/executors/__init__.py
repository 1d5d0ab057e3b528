"""How a kind of task is executed. To add a kind: see CONTRIBUTING.md."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

from app.domain.outcome import Outcome
from app.store.tasks import Attempt


class Cancellable(Protocol):
    """Ends an attempt in flight, from another thread, within milliseconds."""

    def cancel(self) -> None: ...


class Output(Protocol):
    """Takes what an attempt prints while it runs, and passes it on to those who watch its task."""

    def opened(self, attempt: Attempt) -> AbstractContextManager[Callable[[str], None]]:
        """A function that takes the pieces that `attempt` prints. It never blocks."""


@runtime_checkable
class Prints(Protocol):
    """An executor whose attempts print something while they run."""

    def pass_output_to(self, output: Output) -> None:
        """Called once, before `start`."""


class KindRefused(Exception):
    """No attempt of this kind may run on this machine as it is set up; the message says why, and the ways out."""


class Executor(Protocol):
    """Executes the attempts of one kind. Thread-safe. It owns what it needs for that, from `start` to `close`.

    `make_executor(settings)` of its module, named in the table of kinds (app/domain/kinds), makes it.
    """

    def start(self) -> None:
        """Get everything ready. Raises SandboxError or SettingsError where attempts could not run here, KindRefused
        where they may not."""

    def close(self) -> None:
        """Give everything back."""

    def facts(self) -> dict[str, Any]:
        """What a worker says of it in `/health` and `/api/workers`."""

    def new_cancel(self) -> Any:
        """The Cancellable for one attempt."""

    def execute(self, attempt: Attempt, cancel: Any) -> Outcome:
        """Run it to its end. Raises ExecutorError where the failure is ours and not the task's."""
