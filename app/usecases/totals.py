"""The upkeep of the counters behind `GET /metrics`."""

from __future__ import annotations

from collections.abc import Sequence

from app.store.totals import TotalsStore

MINUTE_MS = 60_000


class TotalsUpkeep:
    """Adds the counters of each minute to the totals once it is over. Not thread-safe.

    `tags`: names of the tags by whose values tasks are counted.
    """

    def __init__(self, store: TotalsStore, tags: Sequence[str]) -> None:
        self._store = store
        self._tags = tags
        self._minute: int | None = None

    def add_up(self, now_ms: int) -> None:
        """Do so, if a minute has begun since the last time.

        The first call stores the names of the tags as well, and the others do if Redis has lost them.
        """
        minute = now_ms // MINUTE_MS
        if minute == self._minute:
            return
        if self._minute is None:
            self._store.set_tags(self._tags)
        self._store.fold(minute, self._tags)
        self._minute = minute
