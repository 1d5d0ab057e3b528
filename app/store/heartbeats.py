"""What Redis tells of itself, and of the workers and beats that are alive.

This needs neither the scripts nor the fields of tasks, so the health check of a container imports little (alive.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.domain.errors import Unavailable
from app.store.keys import Keys

if TYPE_CHECKING:  # redis-py comes with it
    from app.store.client import Client

#: A worker or beat counts as gone if its last heartbeat is this far in the past, or this far in the future (sent before
#: the clock was set back).
SILENCE_MS = 10_000
MAX_WORKERS = 1_000
#: Codes of a server that answers and refuses to write: a replica, one whose disk is full, one without its replicas.
REFUSALS = ("ReadOnlyError", "MISCONF", "NOREPLICAS")


@dataclass(frozen=True, slots=True)
class Beat:
    """A beat and the time of its last tick."""

    name: str
    tick_ms: int

    def is_alive(self, now_ms: int) -> bool:
        """Whether the beat ticked recently. A tick far in the future is from before the clock was set back."""
        return abs(now_ms - self.tick_ms) < SILENCE_MS


def fetches(worker: Mapping[str, Any]) -> bool:
    """Whether a worker (one of `workers`) reports that it fetches messages; one that does not say so does."""
    return bool(worker.get("consuming", True))


class Heartbeats:
    """Reads which workers and beats are alive."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def ping(self) -> None:
        """Make one round trip. Raises Unavailable."""
        try:
            self._client.ping()
        except Unavailable as error:
            if str(error) != "MISCONF":  # so a server answers that can't write to its disk, and reads on
                raise

    def info(self) -> dict[str, Any]:
        """The server's INFO, and as `refuses` the code with which it refuses to write; "" if it writes.

        Raises Unavailable.
        """
        found: Any = self._client.info()
        return {**found, "refuses": self._refusal()}

    def _refusal(self) -> str:
        """INFO does not tell each reason, so this is what becomes of a write that changes nothing."""
        try:
            self._client.unlink(self._keys.nothing)
        except Unavailable as error:
            if str(error) not in REFUSALS:
                raise
            return str(error)
        return ""

    def server_time_ms(self) -> int:
        """What the clock of Redis shows. Raises Unavailable."""
        seconds, micros = self._client.time()
        return int(seconds) * 1000 + int(micros) // 1000

    def listened_channels(self) -> int:
        """How many of our channels processes listen to: a worker always, an API once it has waited for a task."""
        found: Any = self._client.execute_command("PUBSUB", "CHANNELS", f"{self._keys.prefix}*")
        return len(found)

    def data_state(self) -> tuple[str, ...]:
        """What changes with each new task and each change by a caller: the last sequence number and audit line."""
        last: Any = self._client.xrevrange(self._keys.audit, count=1)
        return (str(self._client.get(self._keys.seq)), *(str(line[0]) for line in last))

    def workers(self, now_ms: int) -> list[dict[str, Any]]:
        """The facts of each live worker, plus `hostname` and `seen_ms`."""
        alive = self._heard(self._keys.workers, now_ms)
        if not alive:
            return []
        facts = self._client.mget([self._keys.worker(hostname) for hostname, _ in alive])
        return [
            {"hostname": hostname, "seen_ms": seen, **json.loads(str(text))}
            for (hostname, seen), text in zip(alive, facts, strict=True)
            if text is not None
        ]

    def beats(self, now_ms: int) -> list[str]:
        """The names of the live beats."""
        return [name for name, _ in self._heard(self._keys.beats, now_ms)]

    def _heard(self, key: str, now_ms: int) -> list[tuple[str, int]]:
        """Those that count as alive, with the times of their last heartbeats: as `Beat.is_alive`."""
        return self._client.by_score(key, now_ms - SILENCE_MS + 1, now_ms + SILENCE_MS - 1, MAX_WORKERS)

    def last_beat(self) -> Beat | None:
        """The beat that ticked last, alive or not; None if none ticked within the last minute."""
        newest = self._client.first(self._keys.beats, highest=True)
        return Beat(*newest) if newest else None
