"""The removal of finished tasks that are too old or too many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.settings import Settings
from app.store.retention import RetentionStore

TRIM_BATCH = 200
TRIM_EVERY_MS = 1_000
#: Tasks looked at in a round, and so the number per second up to which the limits can be kept: more than one Redis can
#: create. Such a round takes 0.2 s (measured: 54,000 removed per second), and no step of it more than 4 ms.
MAX_TRIMMED = 10_000


@dataclass(slots=True)
class Retention:
    """One process' share of the work. Not thread-safe: one thread calls it.

    index, after: where the search for old tasks goes on: an index, and the seq to continue after.
    """

    store: RetentionStore
    settings: Settings
    index: int = 0
    after: str = "-inf"
    trimmed_ms: int = 0

    def run(self, now_ms: int) -> int:
        """Trim, once a second at most. Returns how many tasks were removed."""
        if 0 <= now_ms - self.trimmed_ms < TRIM_EVERY_MS:
            return 0
        self.trimmed_ms = now_ms
        return self.trim(now_ms)

    def trim(self, now_ms: int) -> int:
        """Remove what is too much or too old, a bounded number of batches of it. Returns how many tasks."""
        indexes = self.store.finished_indexes()
        before_ms = now_ms - round(self.settings.result_ttl * 1000)
        return self._trim_excess(indexes) + self._trim_expired(indexes, before_ms)

    def _trim_excess(self, indexes: Sequence[str]) -> int:
        """The oldest of all kinds and types go first."""
        excess = min(self.store.count(indexes) - self.settings.max_finished_tasks, MAX_TRIMMED)
        removed = 0
        while removed < excess:
            removed += (number := self.store.trim_oldest(indexes, min(TRIM_BATCH, excess - removed)))
            if not number:
                break
        return removed

    def _trim_expired(self, indexes: Sequence[str], before_ms: int) -> int:
        """Goes round the indexes once at most, and continues where the last round ended."""
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
