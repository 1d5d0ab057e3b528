"""Admission: the checks before anything is created. Is the request a repetition, and is there capacity?"""

from __future__ import annotations

from app.domain.errors import Full, KeyReused
from app.domain.idempotency import RequestKey
from app.store.admission import AdmissionStore, Conditions, EarlierRequest

#: Creation stops at this share of the memory, so that accepted tasks can still run and store their results.
FULL_MEMORY_SHARE = 0.95
#: How long a reading of the memory is reused: asking Redis for it costs more than creating a task.
MEMORY_LOOK_MS = 1_000


class Admission:
    """Decides whether, and under which conditions, something may be created. Thread-safe."""

    def __init__(self, store: AdmissionStore, max_queued_tasks: int) -> None:
        self._store = store
        self._max_queued_tasks = max_queued_tasks
        self._looked_ms = -MEMORY_LOOK_MS
        self._memory_share = 0.0

    def earlier(self, key: RequestKey | None) -> EarlierRequest | None:
        """The first request with this key, or None. Raises KeyReused if that request had a different body."""
        found = None if key is None else self._store.remembered(key.name)
        return None if found is None else same_request(key, found)

    def for_task(self, now_ms: int, key: RequestKey | None = None) -> Conditions:
        """The conditions the store checks when it creates a task. Raises Full if Redis is almost out of memory."""
        return self._conditions(self._max_queued_tasks, now_ms, key)

    def for_schedule(self, now_ms: int, key: RequestKey | None = None) -> Conditions:
        """The conditions for creating a scheduled task, which does not count towards MAX_QUEUED_TASKS."""
        return self._conditions(None, now_ms, key)

    def _conditions(self, most_waiting: int | None, now_ms: int, key: RequestKey | None) -> Conditions:
        if self._memory_is_short(now_ms):
            raise Full("Redis is almost out of memory; nothing was created")
        return Conditions(most_waiting) if key is None else Conditions(most_waiting, key.name, key.fingerprint)

    def has_room(self, now_ms: int) -> bool:
        """Whether a task can be created now."""
        return not self._memory_is_short(now_ms) and self._store.waiting() < self._max_queued_tasks

    def _memory_is_short(self, now_ms: int) -> bool:
        if not 0 <= now_ms - self._looked_ms < MEMORY_LOOK_MS:
            self._looked_ms = now_ms  # set first, so that other threads do not ask at the same time
            self._memory_share = self._store.memory_share()
        return self._memory_share >= FULL_MEMORY_SHARE


def same_request(key: RequestKey | None, earlier: EarlierRequest) -> EarlierRequest:
    """`earlier`, if the request with `key` repeats it. Raises KeyReused if the bodies differ."""
    if key is None or earlier.fingerprint != key.fingerprint:
        raise KeyReused("this Idempotency-Key was used with a different body in the last 24 hours")
    return earlier
