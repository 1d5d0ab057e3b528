"""Retention: remove finished tasks that are too old or too many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.settings import Settings
from app.store.retention import RetentionStore

TRIM_BATCH = 200
TRIM_EVERY_MS = 1_000
#: Tasks examined per round, and so per second: more than one Redis can create, so the limits always hold.
#: Such a round takes 0.2 s (measured: 54,000 removed per second), and no step of it takes more than 4 ms.
MAX_TRIMMED = 10_000


@dataclass(slots=True)
class Retention:
    """Runs the retention of one process. Not thread-safe.

    index, after: where the search for old tasks continues: the index, and the seq to continue after.
    """

    store: RetentionStore
    settings: Settings
    index: int = 0
    after: str = "-inf"
    trimmed_ms: int = 0

    def run(self, now_ms: int) -> int:
        """Trim, at most once a second. Returns the number of removed tasks."""
        if 0 <= now_ms - self.trimmed_ms < TRIM_EVERY_MS:
            return 0
        self.trimmed_ms = now_ms
        return self.trim(now_ms)

    def trim(self, now_ms: int) -> int:
        """Remove a bounded number of excess and expired tasks. Returns the number of removed tasks."""
        indexes = self.store.indexes_by_creation()
        before_ms = now_ms - round(self.settings.result_ttl * 1000)
        return self._trim_excess(self.store.indexes_by_finish()) + self._trim_expired(indexes, before_ms)

    def _trim_excess(self, indexes: Sequence[str]) -> int:
        """Remove the tasks that finished first, whatever their kind and type: who waits for one that has just finished
        must find it, however long ago it was created."""
        removed = 0
        while removed < MAX_TRIMMED:
            number = self.store.trim_oldest(indexes, self.settings.max_finished_tasks, TRIM_BATCH)
            removed += number
            if number < TRIM_BATCH:
                break
        return removed

    def _trim_expired(self, indexes: Sequence[str], before_ms: int) -> int:
        """Go through each index at most once, continuing where the last round ended."""
        removed, turns = 0, 0
        for _ in range(MAX_TRIMMED // TRIM_BATCH):
            number, following = self.store.trim(indexes[self.index], self.after, TRIM_BATCH, before_ms)
            removed += number
            self.after = following or "-inf"
            if not following:
                self.index, turns = (self.index + 1) % len(indexes), turns + 1
            if turns == len(indexes):
                break
        return removed
