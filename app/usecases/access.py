"""Who may call: the caller behind a key, its scope, and what is left of its quota."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass

from app.clock import Clock
from app.domain.errors import Unavailable
from app.domain.quota import Action, Quota, Quotas
from app.settings import SCOPES, ApiKey
from app.store.api_keys import ApiKeyStore, Authorization

#: The name of a caller where no key is needed.
LOCAL = "local"
#: How long a process may take to notice that the first key was created, or the last one revoked.
NOTICED_MS = 1_000


@dataclass(frozen=True, slots=True)
class Caller:
    """The name of a key and its scope."""

    name: str
    scope: str

    def may(self, scope: str) -> bool:
        """Whether this caller may do what `scope` is needed for."""
        return SCOPES.index(self.scope) >= SCOPES.index(scope)


LOCAL_CALLER = Caller(LOCAL, "admin")


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a caller's quota after this call; seconds are whole ones, rounded up."""

    action: Action
    quota: Quota
    calls_left: int
    full_in_seconds: int
    retry_after_seconds: int


@dataclass(frozen=True, slots=True)
class Entry:
    """The answer to a call at the door.

    `caller` None: no valid key was sent. `allowance` None: there is no quota. `is_admitted` False: it is used up.
    """

    caller: Caller | None
    allowance: Allowance | None = None
    is_admitted: bool = True


class AccessService:
    """Decides for each call. Thread-safe.

    Redis is asked at each call, so a key that is revoked or has expired is refused at once, by every process.
    """

    def __init__(
        self, store: ApiKeyStore, api_keys: tuple[ApiKey, ...], quotas: Quotas, clock: Clock, *, is_public: bool
    ) -> None:
        """`is_public`: other machines can reach the service, so a key is needed even if there is none."""
        self._store = store
        self._known = [(digest_of(key.secret), Caller(key.name, key.scope)) for key in api_keys]
        self._quotas = quotas
        self._clock = clock
        self._is_key_certain = is_public or bool(api_keys)
        self._seen: tuple[int, bool] | None = None  # when Redis was asked for stored keys, and its answer

    def needs_key(self) -> bool:
        """Whether calls need a key: one is configured, or other machines can reach the service.

        Raises Unavailable if that depends on Redis and Redis can't be reached.
        """
        return self._is_key_certain or self._is_any_stored()

    def enter(self, secret: str, address: str, action: Action, *, is_counted: bool = True) -> Entry:
        """Look at a call: `secret` is the key that was sent ("" for none), `address` where it came from.

        `is_counted`: whether the call uses up a quota.

        Raises Unavailable if Redis is needed for the answer and can't be reached.
        """
        quota = self._quotas.get(action) if is_counted else None
        if not self.needs_key():
            return self._ask("", LOCAL_CALLER, "", address, action, quota) if quota else Entry(LOCAL_CALLER)
        if not secret and quota is None:
            return Entry(None)
        digest = digest_of(secret) if secret else ""
        known = self._find(digest)
        try:
            return self._ask(digest, known, known.name if known else "", address, action, quota)
        except Unavailable:
            if not secret:  # refused in any case
                return Entry(None)
            raise

    def _ask(
        self, digest: str, caller: Caller | None, known_name: str, address: str, action: Action, quota: Quota | None
    ) -> Entry:
        found = self._store.authorize(digest, known_name, action, network_of(address), quota, self._clock())
        if found.scope:
            caller = Caller(found.name, found.scope)
        allowance = None if quota is None else _allowance(action, quota, found)
        return Entry(caller, allowance, found.is_admitted)

    def _find(self, digest: str) -> Caller | None:
        found = None
        for own, caller in self._known:  # all of them, so that the time tells nothing
            if hmac.compare_digest(own, digest):
                found = caller
        return found

    def _is_any_stored(self) -> bool:
        now_ms = self._clock()
        if self._seen is None or abs(now_ms - self._seen[0]) >= NOTICED_MS:
            self._seen = (now_ms, self._store.is_any_stored())
        return self._seen[1]


def _allowance(action: Action, quota: Quota, found: Authorization) -> Allowance:
    full_in, retry_after = (-(-ms // 1000) for ms in (found.full_in_ms, found.wait_ms))
    return Allowance(action, quota, found.calls_left, full_in, retry_after)


def digest_of(secret: str) -> str:
    """SHA-256 of a key in hex. Keys are long and random, so a slow hash would be no harder to invert."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def network_of(address: str) -> str:
    """The address that a quota belongs to: an IPv6 caller has a whole /64 to call from, so all of it is one."""
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(parsed.ipv4_mapped or ipaddress.IPv6Network((parsed, 64), strict=False).network_address)
