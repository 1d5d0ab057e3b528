"""The conditions on which something is created: asked in the Lua call that creates it, so they hold under any race."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.domain.errors import Full
from app.store.client import Client
from app.store.keys import Keys


@dataclass(frozen=True, slots=True)
class Conditions:
    """`most_waiting`: how many tasks may wait, queued or for a time to come; None: any number.

    `key`, `fingerprint`: a request that is to be remembered, so that its repetition creates nothing; "" for none.
    """

    most_waiting: int | None = None
    key: str = ""
    fingerprint: str = ""

    def values(self, created_id: str, now_ms: int) -> dict[str, Any]:
        """By the names under which `admit` of `_lib.lua` reads them."""
        return {
            "request_key": self.key,
            "request_value": f"{self.fingerprint} {created_id} {now_ms}" if self.key else "",
            "most_waiting": "" if self.most_waiting is None else self.most_waiting,
        }


UNCONDITIONAL = Conditions()


@dataclass(frozen=True, slots=True)
class EarlierRequest:
    """What is known of the first request with a key: its body's fingerprint, and what it created, when."""

    fingerprint: str
    created_id: str
    now_ms: int


def refusal(answer: Any) -> EarlierRequest | None:
    """The earlier request, where a script's answer speaks of one. Raises Full; None: it was carried out."""
    if not isinstance(answer, list):
        return None
    if answer[0] == "full":
        raise Full("too many tasks are waiting to run; nothing was created")
    return _read(answer[1])


def _read(value: str) -> EarlierRequest:
    fingerprint, created_id, now_ms = value.split(" ")
    return EarlierRequest(fingerprint, created_id, int(now_ms))


class AdmissionStore:
    """What is asked before anything is created. Thread-safe; raises Unavailable where Redis can't be reached."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def remembered(self, key: str) -> EarlierRequest | None:
        """The first request with this key, within the last day."""
        value = self._client.get(self._keys.idempotency(key))
        return None if value is None else _read(str(value))

    def waiting(self) -> int:
        """How many tasks wait, queued or for a time to come. Costs the same however many there are."""
        with self._client.pipeline(transaction=False) as pipeline:
            for key in (self._keys.queued, self._keys.sent, self._keys.due):
                pipeline.zcard(key)
            return sum(pipeline.execute())

    def memory_share(self) -> float:
        """How much of its `maxmemory` the server uses; 0 where it has no such limit."""
        memory: Any = self._client.info("memory")
        limit = int(memory.get("maxmemory", 0))
        return int(memory["used_memory"]) / limit if limit else 0.0
