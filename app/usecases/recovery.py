"""Recovery: send the messages of waiting tasks that are nearly due, and recover lost attempts and messages."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from app.clock import ClockSteps
from app.domain.kinds import QUEUES
from app.domain.outcome import Failure
from app.domain.status import Kind
from app.messaging.queues import celery_priority
from app.settings import Settings
from app.store.keys import PRIORITIES
from app.store.recovery import LostAttempt, Sendable
from app.store.store import Store
from app.store.tasks import MAX_LOSSES
from app.usecases.dispatch import Dispatcher
from app.usecases.outages import Outages
from app.usecases.task_facts import attempt_facts

logger = logging.getLogger("celeriac.recovery")

BATCH = 500
#: How long one round sends waiting tasks, marks overdue ones, or drops messages, so that its other parts run meanwhile.
STEPS_SECONDS = 0.3
RESEND_BATCHES = 4
#: Tasks that one call fails because they expired, and calls in one round.
EXPIRY_STEP = 100
EXPIRY_STEPS = 20
#: Batches of at most 1,000 tasks each.
BATCHES_PER_ROUND = 5
#: A task that a worker holds by countdown shows as queued once it is this late.
OVERDUE_MS = 500
#: How long a worker may take from fetching a message to claiming its task before the message may count as lost.
FETCH_GRACE_MS = 5_000
#: The clocks of two machines may differ by this much. One clock writes a lease and another judges it; without this, a
#: task would run again elsewhere before a worker whose clock is behind has ended it (docs/decisions/0031).
CLOCK_TOLERANCE_MS = 2_000


@dataclass(slots=True)
class Recovery:
    """Runs the recovery of one process. `actor` is its name in histories. Not thread-safe."""

    store: Store
    dispatcher: Dispatcher
    settings: Settings
    actor: str
    steps: ClockSteps | None = None  # None: assume that nobody sets the clock
    outages: Outages = field(default_factory=Outages)  # without a tick: assume that Redis was never away
    steady: Callable[[], float] = time.monotonic
    is_busy: bool = False  # there is more to do at once
    is_wary: bool = False  # leases may have expired although their workers are alive

    def watch_clock(self, now_ms: int) -> None:
        """Check whether leases can be trusted. Call this first in a round, with a time read at that moment.

        They can't for one lease after the clock was set forward or the machine slept, and for a moment after an outage
        of Redis.
        """
        is_set_forward = self.steps is not None and self.steps.seconds_since(now_ms) < self.settings.lease_seconds
        self.is_wary = is_set_forward or self.outages.has_just_ended

    def complete_batches(self, now_ms: int) -> None:
        """Create the rest of the batches whose requests were interrupted. Completing one twice does no harm."""
        for batch_id in self.store.batches.incomplete(BATCHES_PER_ROUND):
            self.store.batches.complete(batch_id)

    def expire(self, now_ms: int) -> int:
        """Fail the tasks that have not started in time (`expires_in`). Returns their number."""
        expired = 0
        for _ in range(EXPIRY_STEPS):
            step = self.store.tasks.expire(now_ms, EXPIRY_STEP, self.actor)
            expired += step
            if step < EXPIRY_STEP:
                break
        if expired:
            logger.warning("tasks expired before they started", extra={"action": "tasks_expired", "count": expired})
        return expired

    def mark_overdue(self, now_ms: int) -> int:
        """Mark overdue tasks that a worker holds by countdown as queued. Returns their number."""
        before_ms = now_ms - OVERDUE_MS
        return self._repeated(lambda: self.store.recovery.mark_overdue(now_ms, before_ms, BATCH, self.actor))

    def promote(self, now_ms: int) -> int:
        """Send the messages of waiting tasks that are due within the horizon. Returns their number."""
        sent = 0
        for _ in self._steps():
            near = self.store.recovery.waiting_until(now_ms + self.dispatcher.horizon_ms, BATCH)
            step = self._send(near, now_ms)
            sent += step
            if len(near) < BATCH or not step:  # not: another process sends the same tasks
                break
        return sent

    def _repeated(self, step: Callable[[], int]) -> int:
        """Repeat what deals with up to BATCH, as long as there are so many and it has time. Returns the sum."""
        done = 0
        for _ in self._steps():
            number = step()
            done += number
            if number < BATCH:
                break
        return done

    def _steps(self) -> Iterator[None]:
        """Allow one step after the other until the time is over, and note that there is more to do."""
        deadline = self.steady() + STEPS_SECONDS
        yield
        while self.steady() < deadline:
            yield
        self.is_busy = True

    def drop_messages(self, _now_ms: int) -> int:
        """Remove the messages next in line whose tasks have been stopped or deleted, or have expired.

        Workers would drop them one by one, before all that was queued since, and a list that no worker serves would
        keep them. Returns their number.
        """
        keys = self.store.keys
        lists = [keys.queue(queue, priority) for queue in QUEUES.values() for priority in range(PRIORITIES)]
        return self._repeated(lambda: self.store.recovery.drop_messages(lists, BATCH))

    def resend_lost(self, now_ms: int) -> int:
        """Send the messages of queued tasks again if they are lost. Returns the number of messages sent.

        Each list of messages is searched by itself: a backlog in one does not hide the losses of another.
        """
        sent, before_ms = 0, now_ms - FETCH_GRACE_MS
        for kind, priority in self.store.recovery.lists_with_old(before_ms):
            for _ in range(RESEND_BATCHES):
                lost = self._lost(kind, priority, before_ms)
                sent += self._send(lost, now_ms)
                if len(lost) < BATCH:
                    break
        if sent:
            logger.warning("resent lost messages", extra={"action": "messages_resent", "count": sent})
        return sent

    def _lost(self, kind: Kind, priority: int, before_ms: int) -> list[Sendable]:
        """Queued tasks of one list, sent by `before_ms`, whose messages are lost.

        Lists are first in, first out: if the next message belongs to a younger task, or there is none, theirs are gone.
        The tasks are read after the list, so one that is claimed or resent in the meantime is not among them.
        """
        next_id = self.store.recovery.oldest_message(self.store.keys.queue(QUEUES[kind], celery_priority(priority)))
        if next_id is not None:  # if the next message is unknown, nothing counts as lost until it is known
            next_ms = self.store.recovery.message_ms(kind, priority, next_id)
            before_ms = min(before_ms, next_ms - 1 - CLOCK_TOLERANCE_MS)  # different clocks wrote these times
        return self.store.recovery.queued_until(kind, priority, before_ms, BATCH)

    def _send(self, tasks: Sequence[Sendable], now_ms: int) -> int:
        if not tasks:
            return 0
        messages = [
            (task, self.dispatcher.message(task.task_id, task.kind, task.priority, task.due_ms, now_ms))
            for task in tasks
        ]
        return self.store.recovery.send(messages, now_ms, self.actor)

    def take_back_lost(self, now_ms: int) -> int:
        """Requeue or fail the attempts whose lease has expired on every clock. Returns their number.

        Does nothing while leases may have expired although their workers are alive (`watch_clock`).
        """
        if self.is_wary:
            return 0
        lost = self.store.recovery.expired_leases(now_ms - CLOCK_TOLERANCE_MS, BATCH)
        return sum(self._take_back(attempt, now_ms) for attempt in lost)

    def _take_back(self, lost: LostAttempt, now_ms: int) -> bool:
        failure = Failure("WorkerLostError", "the worker died while running the task")
        entry = attempt_facts(
            number=lost.attempt,
            started_ms=lost.started_ms or now_ms,
            finished_ms=now_ms,
            duration_ms=None,
            worker=lost.worker,
            error=failure.as_json(),
        )
        message = self.dispatcher.message(lost.task_id, lost.kind, lost.priority, now_ms, now_ms)
        max_losses = 1 if lost.on_worker_lost == "fail" else MAX_LOSSES
        status = self.store.recovery.take_back(lost, now_ms, message, max_losses, failure, entry, self.actor)
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
