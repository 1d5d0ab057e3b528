"""Create, list, rotate and revoke the keys that are kept in Redis. A key is shown once; only its hash is stored."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from app.clock import Clock
from app.domain import short_names
from app.domain.errors import KeyRefused, Unavailable
from app.settings import SCOPES, ApiKey
from app.store.api_keys import MAX_STORED_KEYS, ApiKeyStore
from app.store.audit import AuditLine, AuditStore
from app.usecases.access import LOCAL, digest_of

#: With it, scanners of repositories and logs recognise a key.
SECRET_PREFIX = "celeriac_"  # noqa: S105 - no secret
#: Who changed a key, in the audit: the command line of this machine.
COMMAND_LINE = "start.py"

_RESERVED = frozenset({LOCAL, COMMAND_LINE})


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key as its user needs it. `secret` can't be had again. `old_end_ms`: when the one that it replaces ends."""

    name: str
    scope: str
    secret: str
    expires_ms: int | None
    old_end_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key without its secret. The times of a key of API_KEYS are unknown, but for its last use."""

    name: str
    scope: str
    is_stored: bool
    created_ms: int | None
    expires_ms: int | None
    replaced_ms: int | None
    used_ms: int | None


class ApiKeyService:
    """`api_keys` are those of the setting; new ones must not have their names. Raises Unavailable, KeyRefused."""

    def __init__(self, store: ApiKeyStore, audit: AuditStore, api_keys: tuple[ApiKey, ...], clock: Clock) -> None:
        self._store = store
        self._audit = audit
        self._known: Mapping[str, ApiKey] = {key.name: key for key in api_keys}
        self._clock = clock

    def create(self, name: str, scope: str, lifetime_seconds: int | None) -> NewKey:
        """A new key, valid from now on; `lifetime_seconds` None: for ever."""
        self._check(name, scope)
        now_ms = self._clock()
        expires_ms = None if lifetime_seconds is None else now_ms + lifetime_seconds * 1000
        secret = _new_secret()
        outcome = self._store.create(digest_of(secret), name, scope, now_ms, expires_ms)
        if outcome == "taken":
            raise KeyRefused(f"there is a key named {name} already: rotate or revoke it, or choose another name")
        _check_room(outcome)
        self._record("keys create", name)
        return NewKey(name, scope, secret, expires_ms)

    def rotate(self, name: str, overlap_seconds: int, lifetime_seconds: int | None) -> NewKey:
        """Another key with the same name and scope. The old one remains valid for `overlap_seconds`, if it is so long.

        `lifetime_seconds` None: the new key lives for as long as the old one was meant to.
        """
        self._check_is_stored(name)
        secret = _new_secret()
        lifetime_ms = None if lifetime_seconds is None else lifetime_seconds * 1000
        outcome, scope, expires_ms, old_end_ms = self._store.rotate(
            digest_of(secret), name, self._clock(), lifetime_ms, overlap_seconds * 1000
        )
        if outcome == "unknown":
            raise _no_such_key(name)
        _check_room(outcome)
        self._record("keys rotate", name)
        return NewKey(name, scope, secret, expires_ms, old_end_ms)

    def revoke(self, name: str) -> bool:
        """Make the stored key invalid, and those that it replaced. Whether any stored key is left."""
        if not self._store.revoke(name):
            self._check_is_stored(name)
            raise _no_such_key(name)
        self._record("keys revoke", name)
        return self._store.is_any_stored()

    def is_known(self, name: str) -> bool:
        """Whether API_KEYS has a key of this name. A stored one may be older than that."""
        return name in self._known

    def all(self) -> list[ListedKey]:
        """Every key, stored or of API_KEYS, by name."""
        stored = [
            ListedKey(key.name, key.scope, True, key.created_ms, key.expires_ms, key.replaced_ms, key.used_ms)
            for key in self._store.all()
        ]
        return sorted([*stored, *map(self._listed, self._known.values())], key=lambda key: key.name)

    def _listed(self, key: ApiKey) -> ListedKey:
        used_ms = self._store.last_used_ms(digest_of(key.secret))
        return ListedKey(key.name, key.scope, False, None, None, None, used_ms)

    def _check(self, name: str, scope: str) -> None:
        if not short_names.is_short_name(name):
            raise KeyRefused(f"the name must have {short_names.RULE}")
        if name in _RESERVED:
            raise KeyRefused(f"the name {name} has a meaning of its own in the audit: choose another")
        if name in self._known:
            raise KeyRefused(f"API_KEYS has a key named {name}: choose another name")
        if scope not in SCOPES:
            raise KeyRefused(f"the scope must be one of {', '.join(SCOPES)}")

    def _check_is_stored(self, name: str) -> None:
        if name in self._known:
            raise KeyRefused(f"the key {name} comes from API_KEYS: change it there")

    def _record(self, command: str, name: str) -> None:
        """Add a line to the audit. The change has been made by then, so a line that can't be added is only logged."""
        line = AuditLine(self._clock(), COMMAND_LINE, "CLI", command, name, 0, "")
        try:
            self._audit.append(line)
        except Unavailable as error:
            line.log_lost(error)


def _new_secret() -> str:
    """256 random bits."""
    return SECRET_PREFIX + secrets.token_urlsafe(32)


def _check_room(outcome: str) -> None:
    if outcome == "full":
        raise KeyRefused(f"there are {MAX_STORED_KEYS} keys, the most that are kept: revoke those that are not used")


def _no_such_key(name: str) -> KeyRefused:
    return KeyRefused(f"there is no key named {name[:64]}")
