"""Batches of tasks in Redis: all of a batch is created, or nothing, though no single call creates more than a chunk.

    stage chunk 0, 1, …   texts that expire, and that nothing else reads
    batch_commit          one small call decides: conditions, idempotency key, order. From here on the tasks exist
                          as a promise that the batch's record keeps
    batch_apply           creates the tasks of one chunk; called until none is left, by the process that took the
                          request, and by recovery if that process died

A process that dies before the decision leaves texts that expire. One that dies after it leaves a batch that recovery
completes. docs/decisions/0017 has the measurements.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from app.domain.errors import Unavailable
from app.store.admission import UNCONDITIONAL, Conditions, EarlierRequest, refusal
from app.store.client import Client
from app.store.keys import Keys
from app.store.scripts import TASK_VALUES, Scripts
from app.store.tasks import NewTask, task_values

#: What one call creates: no other client of Redis waits longer than a few milliseconds for it.
CHUNK_TASKS = 100
CHUNK_CHARACTERS = 524_288
#: Stands between the values in a staged chunk.
SEPARATOR = "\0"
#: How long a staged chunk waits for the decision.
STAGED_SECONDS = 300


class BatchStore:
    """Batches under one prefix. Thread-safe; raises Unavailable if Redis can't be reached."""

    def __init__(self, client: Client, keys: Keys, scripts: Scripts) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts

    def create(
        self, batch_id: str, tasks: Sequence[NewTask], now_ms: int, conditions: Conditions = UNCONDITIONAL
    ) -> EarlierRequest | None:
        """Decide that all these tasks (at least one) are created; `complete` then creates them.

        Under the conditions' key, `batch_id` is remembered. Returns the earlier request if there was one: then
        nothing is created. Raises Full if more tasks would wait than the conditions permit.
        """
        chunks = list(_chunks([task_values(task, now_ms) for task in tasks]))
        known = conditions.values(batch_id, now_ms)
        if len(chunks) == 1:
            return refusal(self._scripts("create", now_ms=now_ms, **known, tasks=chunks[0]))
        for number, values in enumerate(chunks):
            self._stage(f"{self._keys.batch(batch_id)}:{number}", values)
        answer = self._scripts(
            "batch_commit",
            now_ms=now_ms,
            **known,
            batch_id=batch_id,
            first_id=tasks[0].id,
            number=len(tasks),
            chunks=len(chunks),
        )
        if answer == "missing":
            raise Unavailable("a part of the batch expired before all of it was there")
        return refusal(answer)

    def _stage(self, key: str, values: list[Any]) -> None:
        # One long text is sent in a fifth of the time of a thousand short ones. JSON escapes SEPARATOR. Only a folded
        # name may contain it: that is left out, and batch_apply.lua finds it in the record.
        text = SEPARATOR.join("" if SEPARATOR in value else value for value in map(str, values))
        assert text.count(SEPARATOR) == len(values) - 1
        self._client.set(key, text, ex=STAGED_SECONDS)

    def complete(self, batch_id: str) -> None:
        """Create what is left of a batch that is decided; nothing if it is complete, or unknown."""
        while self._scripts("batch_apply", batch_id=batch_id):
            pass

    def incomplete(self, limit: int) -> list[str]:
        """The batches that are decided and not complete, the oldest first."""
        return [batch_id for batch_id, _ in self._client.by_rank(self._keys.batches, 0, limit)]


#: The values of a task that may be large.
_LARGE = [TASK_VALUES.index(name) for name in ("message", "body", "program", "record")]


def _chunks(tasks: Sequence[list[Any]]) -> Iterator[list[Any]]:
    """The values of the tasks, of several together as many as one call may create."""
    chunk: list[Any] = []
    number = size = 0
    for values in tasks:
        own = sum(len(values[place]) for place in _LARGE)
        if chunk and (number == CHUNK_TASKS or size + own > CHUNK_CHARACTERS):
            yield chunk
            chunk, number, size = [], 0, 0
        chunk += values
        number, size = number + 1, size + own
    yield chunk
