"""API keys kept in Redis as SHA-256 hashes, and the check that every call passes: key, quota and last use in one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from app.domain.quota import Action, Quota
from app.store.arguments import new_call
from app.store.client import Client
from app.store.keys import Keys
from app.store.scripts import Scripts

MAX_STORED_KEYS = 1_000


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A stored key. The key itself is nowhere: `digest` is its SHA-256 in hex.

    `expires_ms` None: never. `replaced_ms`: when a rotation replaced it, None for the current key of its name.
    """

    digest: str
    name: str
    scope: str
    created_ms: int
    expires_ms: int | None
    replaced_ms: int | None
    used_ms: int | None


@dataclass(frozen=True, slots=True)
class Authorization:
    """What `authorize` found.

    `name` is "" if the key is not valid; `scope` is "" if it is not a stored key. The numbers describe the caller's
    quota after this call: how many calls are left, in how many ms all of them will be available, and, if it is not
    admitted, in how many ms the next one will be.
    """

    name: str
    scope: str
    is_admitted: bool
    calls_left: int
    full_in_ms: int
    wait_ms: int


class ApiKeyStore:
    """Stored keys and quotas. Thread-safe; raises Unavailable if Redis can't be reached."""

    def __init__(self, client: Client, keys: Keys, scripts: Scripts) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts

    def is_any_stored(self) -> bool:
        """Whether there is a stored key, even an expired one: time alone must not open the service."""
        return bool(self._client.hlen(self._keys.api_keys))

    def authorize(
        self, digest: str, known_name: str, action: Action, address: str, quota: Quota | None, now_ms: int
    ) -> Authorization:
        """Look a key up, mark it as used (once a minute), and take one call from the caller's quota: one round trip.

        `digest`: "" if no key was sent. `known_name`: the name of the key if it is one of API_KEYS. `quota` None: any
        number of calls.
        """
        name, scope, *numbers = self._scripts(
            "authorize",
            now_ms=now_ms,
            digest=digest,
            known_name=known_name,
            action=action,
            address=address,
            quota_calls="" if quota is None else quota.calls,
            quota_ms="" if quota is None else quota.seconds * 1000,
        )
        is_admitted, calls_left, full_in_ms, wait_ms = map(int, numbers)
        return Authorization(name, scope, bool(is_admitted), calls_left, full_in_ms, wait_ms)

    def create(self, digest: str, name: str, scope: str, now_ms: int, expires_ms: int | None) -> str:
        """Store a key; "created", "taken" if a stored key has this name, or "full" if MAX_STORED_KEYS are stored."""
        created = self._scripts(
            "key_create",
            digest=digest,
            name=name,
            scope=scope,
            now_ms=now_ms,
            expires_ms="" if expires_ms is None else expires_ms,
            most=MAX_STORED_KEYS,
        )
        return str(created)

    def rotate(
        self, digest: str, name: str, now_ms: int, lifetime_ms: int | None, overlap_ms: int
    ) -> tuple[str, str, int | None, int | None]:
        """Replace the key `name`; the old one remains valid for `overlap_ms`, but not beyond its own expiry.

        `lifetime_ms` None: the new key lives for as long as the old one was meant to. Returns ("rotated", scope,
        expires_ms, when the old one ends), or "unknown" or "full" with nothing behind it.
        """
        word, *rest = self._scripts(
            "key_rotate",
            digest=digest,
            name=name,
            now_ms=now_ms,
            lifetime_ms="" if lifetime_ms is None else lifetime_ms,
            overlap_ms=overlap_ms,
            most=MAX_STORED_KEYS,
            call=new_call(),
        )
        scope, expires, old_end = rest or ("", "", "")
        return str(word), scope, _ms(expires), _ms(old_end)

    def revoke(self, name: str) -> int:
        """Remove every key with this name; how many there were. The next call with one of them is refused."""
        return int(self._scripts("key_revoke", name=name, call=new_call()))

    def all(self) -> list[StoredKey]:
        """Every stored key by name; of each name the current one first, then those it replaced, newest first."""
        digests: Any = self._client.hkeys(self._keys.api_keys)
        found = (_stored(digest, record) for digest, record in zip(digests, self._records(digests), strict=True))
        return sorted((key for key in found if key is not None), key=_rank)

    def last_used_ms(self, digest: str) -> int | None:
        """When a key was last used, stored or from API_KEYS; accurate to a minute."""
        return _ms(self._client.hget(self._keys.api_key(digest), "used_ms"))

    def _records(self, digests: Iterable[str]) -> list[dict[str, str]]:
        with self._client.pipeline(transaction=False) as pipeline:
            for digest in digests:
                pipeline.hgetall(self._keys.api_key(digest))
            return list(pipeline.execute())


def _rank(key: StoredKey) -> tuple[str, bool, int]:
    return key.name, key.replaced_ms is not None, -key.created_ms


def _stored(digest: str, record: dict[str, str]) -> StoredKey | None:
    if not record:  # revoked meanwhile
        return None
    return StoredKey(
        digest,
        record["name"],
        record["scope"],
        int(record["created_ms"]),
        _ms(record["expires_ms"]),
        _ms(record.get("replaced_ms")),
        _ms(record.get("used_ms")),
    )


def _ms(text: Any) -> int | None:
    return int(text) if text else None
