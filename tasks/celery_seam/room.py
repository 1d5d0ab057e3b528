"""Of which queues the consumer of this process fetches nothing now, because the worker has no place for their tasks."""

from __future__ import annotations

from collections.abc import Callable, Collection


class Room:
    """Asked by the consumer's loop. Unless it is told whom to ask, there is always room."""

    def __init__(self) -> None:
        self._full: Callable[[], Collection[str]] | None = None

    def ask(self, full: Callable[[], Collection[str]]) -> None:
        """Have `full` tell the queues for whose tasks there is no place."""
        self._full = full

    def full(self) -> Collection[str]:
        """The queues from which nothing is to be fetched."""
        return () if self._full is None else self._full()


#: The room of this process, in which Celery creates one consumer.
room = Room()
