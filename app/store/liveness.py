"""Records heartbeats of workers and beats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from app.domain.kinds import QUEUES
from app.store.client import Client
from app.store.columns import dump_json
from app.store.heartbeats import SILENCE_MS, Heartbeats, fetches
from app.store.keys import Keys
from app.store.scripts import Scripts

FORGET_MS = 60_000


def unserved(workers: Iterable[Mapping[str, Any]]) -> list[str]:
    """The queues from which none of these workers fetches messages."""
    served = {queue for worker in workers if fetches(worker) for queue in worker["queues"]}
    return [queue for queue in QUEUES.values() if queue not in served]


class LivenessStore(Heartbeats):
    """Records which workers and beats are alive, every few seconds, and reads it, for `/health`."""

    def __init__(self, client: Client, keys: Keys, scripts: Scripts) -> None:
        super().__init__(client, keys)
        self._scripts = scripts

    def worker_alive(self, hostname: str, facts: dict[str, Any], now_ms: int) -> None:
        """Record a worker's heartbeat, with facts about the worker."""
        self._alive(self._keys.workers, hostname, now_ms, self._keys.worker(hostname), dump_json(facts))

    def worker_gone(self, hostname: str) -> None:
        """Remove a worker that shuts down in order."""
        with self._client.pipeline(transaction=False) as pipeline:
            pipeline.zrem(self._keys.workers, hostname)
            pipeline.delete(self._keys.worker(hostname))
            pipeline.execute()

    def beat_ticked(self, name: str, now_ms: int) -> None:
        """Record a beat's heartbeat."""
        self._alive(self._keys.beats, name, now_ms)

    def _alive(self, key: str, name: str, now_ms: int, facts_key: str = "", facts: str = "") -> None:
        """Record a heartbeat, even if the memory is full: a process that is still working must not count as gone."""
        self._scripts(
            "alive",
            index_key=key,
            name=name,
            now_ms=now_ms,
            before_ms=now_ms - FORGET_MS,
            after_ms=now_ms + SILENCE_MS,
            facts_key=facts_key,
            facts=facts,
            kept_ms=FORGET_MS,
        )

    def beat_gone(self, name: str) -> None:
        """Remove a beat that shuts down in order."""
        self._client.zrem(self._keys.beats, name)
