"""Channels in Redis: where notices go, with their secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.channels.rate import Rate
from app.store.client import Client
from app.store.columns import dump_json
from app.store.keys import Keys
from app.store.scripts import Scripts

MAX_CHANNELS = 200


@dataclass(frozen=True, slots=True)
class StoredChannel:
    """A channel at the time it was read. `text` is its stored form, for comparison."""

    name: str
    fields: Mapping[str, Any]
    created_ms: int
    updated_ms: int
    text: str = ""


class ChannelStore:
    """The channels under one prefix. Thread-safe; raises Unavailable if Redis can't be reached."""

    def __init__(self, client: Client, keys: Keys, scripts: Scripts) -> None:
        self._client = client
        self._key = keys.channels
        self._scripts = scripts

    def get(self, name: str) -> StoredChannel | None:
        """One channel, or None."""
        text: Any = self._client.hget(self._key, name)
        return None if text is None else _read(name, text)

    def all(self) -> list[StoredChannel]:
        """Every channel, by name."""
        found: Any = self._client.hgetall(self._key)
        return [_read(name, text) for name, text in sorted(found.items())]

    def names(self) -> set[str]:
        """The name of every channel."""
        found: Any = self._client.hkeys(self._key)
        return set(found)

    def put(self, name: str, fields: Mapping[str, Any], now_ms: int, seen: StoredChannel | None) -> str:
        """Store a channel in place of `seen` (None: a new one).

        "stored"; "changed" if another caller changed it in the meantime; "full" if there are MAX_CHANNELS others.
        """
        created_ms = now_ms if seen is None else seen.created_ms
        text = dump_json({"fields": fields, "created_ms": created_ms, "updated_ms": now_ms})
        seen_text = "" if seen is None else seen.text
        return str(self._scripts("channel_put", name=name, seen=seen_text, text=text, most=MAX_CHANNELS))

    def take_turn(self, name: str, rate: Rate | None, now_ms: int) -> int:
        """Take one of the messages that a channel may get. Returns 0, or the ms to wait until it may get one."""
        if rate is None:
            return 0
        values = {"pause_ms": rate.pause_ms, "burst": rate.burst}
        return int(self._scripts("channel_turn", name=name, now_ms=now_ms, **values))

    def shut(self, name: str, rate: Rate, until_ms: int, now_ms: int) -> None:
        """Let no message to a channel pass until then: it says that it has had too many."""
        whole_ms = until_ms + (rate.burst - 1) * rate.pause_ms
        self._scripts("channel_shut", name=name, whole_ms=whole_ms, now_ms=now_ms)

    def delete(self, name: str) -> bool:
        """Remove a channel; False if there was none."""
        return bool(self._client.hdel(self._key, name))


def _read(name: str, text: str) -> StoredChannel:
    try:
        found = json.loads(text)
        return StoredChannel(name, dict(found["fields"]), int(found["created_ms"]), int(found["updated_ms"]), text)
    except (ValueError, TypeError, KeyError):  # not one that this version has written: its fields show as wrong
        return StoredChannel(name, {}, 0, 0, text)
