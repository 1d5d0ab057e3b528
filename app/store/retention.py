"""The removal of finished tasks, in bounded pieces of work that any number of processes may do at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from app.domain.status import FINISHED, Kind, TaskType
from app.store.client import Client
from app.store.keys import Keys
from app.store.scripts import Scripts


class RetentionStore:
    """Finished tasks, the oldest first. Thread-safe; raises Unavailable where Redis can't be reached."""

    def __init__(self, client: Client, keys: Keys, scripts: Scripts) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts

    def finished_indexes(self) -> list[str]:
        """The indexes of finished tasks."""
        return [self._keys.task_index(*index) for index in product(Kind, TaskType, sorted(FINISHED))]

    def count(self, indexes: Sequence[str]) -> int:
        """How many tasks sit in `indexes`."""
        with self._client.pipeline(transaction=False) as pipeline:
            for index in indexes:
                pipeline.zcard(index)
            return sum(pipeline.execute())

    def trim(self, index: str, after: str, limit: int, before_ms: int) -> tuple[int, str]:
        """Look at `limit` tasks of an index, oldest first, from the seq `after` on ("-inf": the first).

        Removes those finished before `before_ms`. Returns the number removed and the seq to go on from, "" where
        no other can be so old.
        """
        removed, following = self._scripts("trim", index=index, after=after, limit=limit, before_ms=before_ms)
        return int(removed), following

    def trim_oldest(self, indexes: Sequence[str], limit: int) -> int:
        """Remove the `limit` tasks of all these indexes that were created first. Returns the number removed."""
        return int(self._scripts("trim_oldest", limit=limit, indexes=indexes))
