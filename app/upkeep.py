"""What beat does at each tick beside cron, and a worker where no beat is alive.

Waiting tasks that come near get their message; what was lost with a worker or a broker is taken back; what is too
old is removed. Each step is bounded, and safe in any number of processes at once: the store changes a task only
if it still is what was seen.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.dispatch import Dispatcher
from app.domain.outcome import Failure
from app.domain.times import to_rfc3339
from app.queues import QUEUES, celery_priority
from app.settings import Settings
from app.store.store import Store
from app.store.tasks import MAX_LOSSES
from app.store.upkeep import LostAttempt, Sendable

logger = logging.getLogger("celeriac.upkeep")

BATCH = 500
#: A countdown that is over and was not started for so long shows as queued.
OVERDUE_MS = 500
#: A message that was fetched has this long to be claimed, before it may count as lost.
FETCH_GRACE_MS = 5_000
TRIM_BATCH = 200
TRIM_EVERY_MS = 1_000


@dataclass(slots=True)
class TrimPosition:
    """Where the search for old tasks goes on: an index and the seq to continue after."""

    leaf: int = 0
    after: str = "-inf"


@dataclass(slots=True)
class Upkeep:
    """One process' share of the work. Not thread-safe: one thread calls it."""

    store: Store
    dispatcher: Dispatcher
    settings: Settings
    position: TrimPosition = field(default_factory=TrimPosition)
    trimmed_ms: int = 0

    def run(self, now_ms: int) -> None:
        """Everything once. Raises Unavailable where Redis can't be reached."""
        self.promote(now_ms)
        self.store.upkeep.mark_overdue(now_ms, now_ms - OVERDUE_MS, BATCH)
        self.take_back_lost(now_ms)
        self.resend_lost(now_ms)
        if now_ms - self.trimmed_ms >= TRIM_EVERY_MS or now_ms < self.trimmed_ms:
            self.trimmed_ms = now_ms
            self.trim(now_ms)

    def promote(self, now_ms: int) -> int:
        """Send the messages of waiting tasks whose time is within the horizon. Returns how many."""
        near = self.store.upkeep.waiting_until(now_ms + self.dispatcher.horizon_ms, BATCH)
        return self._send(near, now_ms)

    def resend_lost(self, now_ms: int) -> int:
        """Send again what is queued and whose message is gone.

        Queues are first in, first out: a message is gone when that of a younger task is next in its list, or none.
        """
        queued = self.store.upkeep.queued_since(now_ms - FETCH_GRACE_MS, BATCH)
        if not queued:
            return 0
        oldest_ms = self._oldest_in_lists(queued)
        before_ms = now_ms - FETCH_GRACE_MS
        lost = []
        for task in queued:
            since_ms = self.store.upkeep.queued_ms(task.task_id)
            oldest = oldest_ms[self._list_of(task)]
            if since_ms is not None and since_ms <= before_ms and (oldest is None or since_ms < oldest):
                lost.append(task)
        if lost:
            logger.warning(
                "messages were lost; sent again", extra={"action": "messages_resent", "count": len(lost)}
            )
        return self._send(lost, now_ms)

    def _list_of(self, task: Sendable) -> str:
        return self.store.keys.queue(QUEUES[task.kind], celery_priority(task.priority))

    def _oldest_in_lists(self, tasks: Sequence[Sendable]) -> dict[str, int | None]:
        """Per list: since when the message that is next in it has been out; None where the list is empty."""
        oldest: dict[str, int | None] = {}
        for key in {self._list_of(task) for task in tasks}:
            task_id = self.store.upkeep.oldest_message(key)
            oldest[key] = None if task_id is None else self.store.upkeep.queued_ms(task_id) or 0
        return oldest

    def _send(self, tasks: Sequence[Sendable], now_ms: int) -> int:
        if not tasks:
            return 0
        messages = [
            (task, self.dispatcher.message(task.task_id, task.kind, task.priority, task.due_ms, now_ms))
            for task in tasks
        ]
        return self.store.upkeep.send(messages, now_ms)

    def take_back_lost(self, now_ms: int) -> int:
        """Attempts whose worker let the lease run out go back to their queue, or fail. Returns how many."""
        lost = self.store.upkeep.expired_leases(now_ms, BATCH)
        return sum(self._take_back(attempt, now_ms) for attempt in lost)

    def _take_back(self, lost: LostAttempt, now_ms: int) -> bool:
        failure = Failure("WorkerLostError", "the worker died while it ran the task").as_json()
        entry = {
            "attempt": lost.attempt,
            "started_at": to_rfc3339(lost.started_ms),
            "finished_at": to_rfc3339(now_ms),
            "worker": lost.worker,
            "error": failure,
        }
        message = self.dispatcher.message(lost.task_id, lost.kind, lost.priority, now_ms, now_ms)
        status = self.store.upkeep.take_back(lost, now_ms, message, MAX_LOSSES, failure, entry)
        if status:
            logger.warning(
                "worker lost",
                extra={
                    "action": "worker_lost",
                    "task_id": lost.task_id,
                    "attempt": lost.attempt,
                    "worker": lost.worker,
                    "status": status,
                },
            )
        return bool(status)

    def trim(self, now_ms: int) -> int:
        """Look at one batch of finished tasks and remove those whose time is over. Returns how many."""
        leaves = self.store.upkeep.finished_leaves()
        excess = max(0, self.store.upkeep.count(leaves) - self.settings.max_finished_tasks)
        before_ms = now_ms - round(self.settings.result_ttl * 1000)
        position, removed = self.position, 0
        for _ in leaves:
            number, following = self.store.upkeep.trim(
                leaves[position.leaf], position.after, TRIM_BATCH, before_ms, max(0, excess - removed)
            )
            removed += number
            if following:
                position.after = following
                break
            position.leaf, position.after = (position.leaf + 1) % len(leaves), "-inf"
        return removed
