"""What is asked before something is created: is it a repetition, and is there room?"""

from __future__ import annotations

from app.domain.errors import Full, KeyReused
from app.domain.idempotency import RequestKey
from app.store.admission import AdmissionStore, Conditions, EarlierRequest

#: Creating ends here, so that what was accepted has room to run and to say what became of it.
FULL_MEMORY_SHARE = 0.95
#: How old the figure of the memory may be: it costs more than a creation to ask for.
MEMORY_LOOK_MS = 1_000


class Admission:
    """Says whether, and on which conditions, something may be created. Thread-safe."""

    def __init__(self, store: AdmissionStore, max_queued_tasks: int) -> None:
        self._store = store
        self._max_queued_tasks = max_queued_tasks
        self._looked_ms = -MEMORY_LOOK_MS
        self._memory_share = 0.0

    def earlier(self, key: RequestKey | None) -> EarlierRequest | None:
        """The first request with this key, None where there was none. Raises KeyReused where it was another."""
        found = None if key is None else self._store.remembered(key.name)
        return None if found is None else same_request(key, found)

    def for_task(self, now_ms: int, key: RequestKey | None = None) -> Conditions:
        """What the store is to see to when it creates a task. Raises Full where the memory is nearly used up."""
        return self._conditions(self._max_queued_tasks, now_ms, key)

    def for_schedule(self, now_ms: int, key: RequestKey | None = None) -> Conditions:
        """The same for a scheduled task, which is not one that waits."""
        return self._conditions(None, now_ms, key)

    def _conditions(self, most_waiting: int | None, now_ms: int, key: RequestKey | None) -> Conditions:
        if self._memory_is_short(now_ms):
            raise Full("Redis has nearly no memory left; nothing was created")
        return Conditions(most_waiting) if key is None else Conditions(most_waiting, key.name, key.fingerprint)

    def has_room(self, now_ms: int) -> bool:
        """Whether a task could be created now."""
        return not self._memory_is_short(now_ms) and self._store.waiting() < self._max_queued_tasks

    def _memory_is_short(self, now_ms: int) -> bool:
        if not 0 <= now_ms - self._looked_ms < MEMORY_LOOK_MS:
            self._looked_ms = now_ms  # first: other threads need not ask meanwhile
            self._memory_share = self._store.memory_share()
        return self._memory_share >= FULL_MEMORY_SHARE


def same_request(key: RequestKey | None, earlier: EarlierRequest) -> EarlierRequest:
    """`earlier`, if the request with this key is its repetition. Raises KeyReused where it is another."""
    if key is None or earlier.fingerprint != key.fingerprint:
        raise KeyReused("this Idempotency-Key came with another body within the last 24 hours")
    return earlier
