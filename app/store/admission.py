"""Conditions for creating tasks and schedules. The creating Lua call checks them, so no race can break them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from app.domain.errors import Full
from app.domain.status import Kind, Status, TaskType
from app.store.client import Client
from app.store.keys import Keys


@dataclass(frozen=True, slots=True)
class Conditions:
    """`most_waiting`: the maximum number of tasks that wait or are queued; None for no limit.

    `key`, `fingerprint`: identify a request to remember, so that its repetition creates nothing; "" for none.
    `refused`: what of it was not created, in the words of who creates; "" for nothing.
    """

    most_waiting: int | None = None
    key: str = ""
    fingerprint: str = ""
    refused: str = ""

    def values(self, created_id: str, now_ms: int) -> dict[str, Any]:
        """The conditions under the argument names of `admit` in `_lib.lua`."""
        return {
            "request_key": self.key,
            "request_value": f"{self.fingerprint} {created_id} {now_ms} {self.refused}".rstrip() if self.key else "",
            "most_waiting": "" if self.most_waiting is None else self.most_waiting,
        }


UNCONDITIONAL = Conditions()


@dataclass(frozen=True, slots=True)
class EarlierRequest:
    """The first request with a key: the fingerprint of its body, the id that it created, the time, what was refused."""

    fingerprint: str
    created_id: str
    now_ms: int
    refused: str = ""


def refusal(answer: Any) -> EarlierRequest | None:
    """The earlier request that a script reports, or None if the script did its work. Raises Full if it reports that."""
    if not isinstance(answer, list):
        return None
    if answer[0] == "full":
        raise Full("too many tasks are waiting to run; nothing was created")
    return _read(answer[1])


def _read(value: str) -> EarlierRequest:
    fingerprint, created_id, now_ms, *refused = value.split(" ")
    return EarlierRequest(fingerprint, created_id, int(now_ms), *refused)


class AdmissionStore:
    """Queries made before a creation. Thread-safe; raises Unavailable if Redis can't be reached."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def remembered(self, key: str) -> EarlierRequest | None:
        """The first request with this key within the last day, or None."""
        value = self._client.get(self._keys.idempotency(key))
        return None if value is None else _read(str(value))

    def waiting(self) -> int:
        """The number of waiting and queued tasks. The cost does not depend on the number."""
        with self._client.pipeline(transaction=False) as pipeline:
            for key in (self._keys.sent, self._keys.due):
                pipeline.zcard(key)
            for kind, task_type in product(Kind, TaskType):
                pipeline.zcard(self._keys.task_index(kind, task_type, Status.QUEUED))
            return sum(pipeline.execute())

    def memory_share(self) -> float:
        """The share of `maxmemory` that the server uses; 0 if it has no such limit."""
        memory: Any = self._client.info("memory")
        return memory_share(memory)


def memory_share(info: Mapping[str, Any]) -> float:
    """The share of `maxmemory` that a server uses, by its INFO; 0 if it has no such limit."""
    limit = int(info.get("maxmemory", 0))
    return int(info["used_memory"]) / limit if limit else 0.0
