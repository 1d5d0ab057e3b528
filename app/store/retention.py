"""Removes finished tasks in bounded steps. Any number of processes may do so at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from app.domain.status import FINISHED, Kind, TaskType
from app.store.client import Client
from app.store.keys import Keys
from app.store.scripts import Scripts

_LEAVES = tuple(product(Kind, TaskType, sorted(FINISHED)))


class RetentionStore:
    """Finished tasks, oldest first. Thread-safe; raises Unavailable if Redis can't be reached."""

    def __init__(self, client: Client, keys: Keys, scripts: Scripts) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts

    def indexes_by_creation(self) -> list[str]:
        """The indexes of finished tasks, in the order of their creation."""
        return [self._keys.task_index(*index) for index in _LEAVES]

    def indexes_by_finish(self) -> list[str]:
        """The indexes of finished tasks, in the order of their finish."""
        return [self._keys.finished_index(*index) for index in _LEAVES]

    def count(self, indexes: Sequence[str]) -> int:
        """The number of tasks in `indexes`."""
        with self._client.pipeline(transaction=False) as pipeline:
            for index in indexes:
                pipeline.zcard(index)
            return sum(pipeline.execute())

    def trim(self, index: str, after: str, limit: int, before_ms: int) -> tuple[int, str]:
        """Examine up to `limit` tasks of an index, oldest first, after the seq `after` ("-inf": from the start).

        Removes tasks that finished before `before_ms`. Returns the number removed and the seq to continue from, ""
        if no further task can be old enough.
        """
        removed, following = self._scripts("trim", index=index, after=after, limit=limit, before_ms=before_ms)
        return int(removed), following

    def trim_oldest(self, indexes: Sequence[str], most: int, limit: int) -> int:
        """Remove the first tasks of all these indexes together, at most `limit`, until `most` are left.

        Returns the number removed.
        """
        return int(self._scripts("trim_oldest", most=most, limit=limit, indexes=indexes))
