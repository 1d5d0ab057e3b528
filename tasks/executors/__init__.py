"""The interface of executors, one for each kind of task. CONTRIBUTING.md says how to add a kind."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from app.domain.outcome import Outcome
from app.store.tasks import Attempt

if TYPE_CHECKING:
    from app.tracing.spans import Tracing


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


@runtime_checkable
class Traces(Protocol):
    """An executor that makes spans of what it does, below the current span of its thread."""

    def trace_with(self, tracing: Tracing) -> None:
        """Called once, before `start`, if tracing is on."""


class KindRefused(Exception):
    """This machine's configuration does not permit attempts of this kind. The message gives the reason and remedies."""


class Executor(Protocol):
    """Executes the attempts of one kind. Thread-safe. It owns its resources, from `start` to `close`.

    The table of kinds (app/domain/kinds) names the function that makes it, `make_executor(settings)`.
    """

    def start(self) -> None:
        """Get everything ready. Raises SandboxError or SettingsError if attempts can't run on this machine, KindRefused
        if they may not."""

    def close(self) -> None:
        """Release all resources."""

    def facts(self) -> dict[str, Any]:
        """Members for the worker's entry in `/health` and `/api/workers`."""

    def new_cancel(self) -> Any:
        """The Cancellable for one attempt."""

    def execute(self, attempt: Attempt, cancel: Any) -> Outcome:
        """Run an attempt to its end. Raises ExecutorError if the service fails, not the task."""
