"""Watches the service itself: beat, workers, memory, writes, queues. Tells ALERT_CHANNELS of troubles and of their end.

Whoever does the maintenance looks: beat, or a worker while there is no beat. While Redis refuses all writes, nobody can
note a look or owe a notice, so that is told afterwards, as an absence; only a full memory lets these writes through.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from app.domain.alerts.service import Findings, Trouble, absence, follow
from app.domain.kinds import QUEUES
from app.store.admission import memory_share
from app.store.alerts import AlertPlan
from app.store.liveness import unserved
from app.store.store import Store
from app.usecases.outbox import Outbox
from app.usecases.redis_checks import Info, refusal

LOOK_EVERY_MS = 5_000
MEMORY_LIMIT, MEMORY_END = 0.80, 0.75  # of maxmemory: a trouble begins and ends
#: A queue is late no more when its oldest task has waited for less than this part of the limit.
QUEUE_END = 0.5


class ServiceWatch:
    """The watch of one process. Not thread-safe. Without channels, nothing is kept and nobody told."""

    def __init__(self, store: Store, channels: Collection[str], queue_late_seconds: float) -> None:
        self._store = store
        self._channels = channels
        self._queue_late_ms = round(queue_late_seconds * 1000)
        self._looked_ms = 0
        self._has_forgotten = False

    def run(self, now_ms: int) -> None:
        """Look, if it is time to, and tell what has to be told. If another process was faster, the next look does."""
        if not self._channels:
            self._forget()
            return
        if 0 <= now_ms - self._looked_ms < LOOK_EVERY_MS:
            return
        self._looked_ms = now_ms
        revision = self._store.alerts.revision()
        looked_ms, known = self._store.alerts.service()
        lasting, owed = follow(known, self.findings(now_ms, known), now_ms)
        gone = absence(looked_ms, now_ms)
        plan = AlertPlan(service={**dict.fromkeys(known), **lasting}, looked_ms=now_ms)
        outbox = Outbox(self._store.alerts, plan, f"{now_ms:x}_{revision}", now_ms)
        for notice in (*([gone] if gone else []), *owed):
            outbox.tell(self._channels, notice)
        outbox.close()
        self._store.alerts.commit(revision, plan, now_ms)

    def _forget(self) -> None:
        """Forget what a watch with channels knew: it would be taken for an absence once there are channels again."""
        if not self._has_forgotten:
            self._store.alerts.forget_service()
            self._has_forgotten = True

    def findings(self, now_ms: int, known: Mapping[str, Trouble] | None = None) -> Findings:
        """What is wrong now. A trouble that is `known` is over only when it is well below its limit."""
        return dict(self._findings(now_ms, known or {}))

    def _findings(self, now_ms: int, known: Mapping[str, Trouble]) -> Iterator[tuple[str, tuple[str, str]]]:
        info = self._store.liveness.info()
        beat = self._store.liveness.last_beat()
        if beat is None or not beat.is_alive(now_ms):
            yield "beat", ("beat", "")
        for queue in unserved(self._store.liveness.workers(now_ms)):
            yield f"workers:{queue}", ("workers", queue)
        yield from _of_memory(info, is_known="memory" in known)
        refused = refusal(info)
        if refused is not None:
            yield "writes", ("writes", refused)
        yield from self._of_queues(now_ms, known)

    def _of_queues(self, now_ms: int, known: Mapping[str, Trouble]) -> Iterator[tuple[str, tuple[str, str]]]:
        oldest = self._store.recovery.oldest_queued()
        for kind, sent_ms in oldest.items():
            queue = QUEUES[kind]
            name = f"queue:{queue}"
            limit_ms = self._queue_late_ms * (QUEUE_END if name in known else 1)
            if now_ms - sent_ms >= limit_ms:
                yield name, ("queue", queue)


def _of_memory(info: Info, *, is_known: bool) -> Iterator[tuple[str, tuple[str, str]]]:
    """Troubles with the memory, if it is limited."""
    share = memory_share(info)
    if share >= (MEMORY_END if is_known else MEMORY_LIMIT):
        yield "memory", ("memory", f"{share:.0%}")
    if share >= 1:
        yield "writes", ("writes", "Redis is out of memory")
