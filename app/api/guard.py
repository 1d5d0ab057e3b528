"""Who may call: keys and their scopes, the `Host` header, pages of other sites (`Origin`, `Sec-Fetch-Site`)."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Flask, request

from app.api.problems import Refused
from app.settings import SCOPES, ApiKey, Settings

#: Answered without a key: whether it lives, and pages that hold no data.
OPEN_PATHS = frozenset({"/", "/docs", "/health/live", "/health/ready"})
OPEN_PREFIXES = ("/static/", "/docs/static/")
DEFAULT_PORTS = {"http": 80, "https": 443}
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_NOT_IN_HOST = frozenset("@/?#\\")  # would let `evil.test@localhost` pass for a local name
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class _KnownKey:
    name: str
    scope: str
    digest: bytes


class Guard:
    """Refuses what may not be. Keys are kept and compared as hashes."""

    def __init__(self, settings: Settings) -> None:
        self._keys = [_known(key) for key in settings.api_keys]
        self._host_names = LOCAL_NAMES | {settings.host.strip("[]").lower()}
        self._origins = frozenset(settings.allowed_origins)

    def install(self, web: Flask) -> None:
        """Ask this guard before every request of `web`."""
        web.before_request(self.check)

    def check(self) -> None:
        """Raises Refused (401, 403) where the request may not be."""
        if not self._keys:
            self._check_host()
        self._check_site()
        if self._keys and not _is_open(request.path):
            self._check_key()

    def _check_host(self) -> None:
        """Without keys only names of this machine are served: a page that rebinds its name to it is not."""
        host = request.headers.get("Host", "")
        try:
            name = "" if _NOT_IN_HOST & set(host) else urlsplit(f"//{host}").hostname or ""
        except ValueError:
            name = ""
        if name.rstrip(".") not in self._host_names:
            raise Refused(403, "the Host header must name this machine: localhost or 127.0.0.1")

    def _check_site(self) -> None:
        """A page of another site must not make a visitor's browser change anything here.

        Browsers say where a page comes from, in `Sec-Fetch-Site` or, as older ones do, in `Origin`; other clients send
        neither.
        """
        if request.method in SAFE_METHODS:
            return
        origin = request.headers.get("Origin")
        if origin is not None and origin.lower() in self._origins:
            return
        if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
            raise Refused(403, "pages of other sites may not change anything here")
        if origin is not None and not _is_of_host(origin, request.headers.get("Host", "")):
            detail = "the Origin header must name the host that was called, or be listed in ALLOWED_ORIGINS"
            raise Refused(403, f"pages of other sites may not change anything here: {detail}")

    def _check_key(self) -> None:
        key = self._find(_given_key())
        needed = "read" if request.method in SAFE_METHODS else "write"
        if SCOPES.index(key.scope) < SCOPES.index(needed):
            raise Refused(403, f"the key {key.name} may only {key.scope}")

    def _find(self, secret: str) -> _KnownKey:
        digest = _digest(secret)
        found = [key for key in self._keys if hmac.compare_digest(key.digest, digest)]
        if not found:
            detail = "send a key as Authorization: Bearer <key> or X-API-Key"
            raise Refused(401, detail, WWW_Authenticate='Bearer realm="celeriac"')
        return found[0]


def _is_of_host(origin: str, host: str) -> bool:
    """Whether a page of `origin` (`https://name:port`, or `null`) came from the host and port that `host` names."""
    try:
        page, called = urlsplit(origin), urlsplit(f"//{host}")
        default = DEFAULT_PORTS[page.scheme]
        return page.hostname is not None and (page.hostname, page.port or default) == (
            called.hostname,
            called.port or default,
        )
    except (KeyError, ValueError):
        return False


def _known(key: ApiKey) -> _KnownKey:
    return _KnownKey(key.name, key.scope, _digest(key.secret))


def _digest(secret: str) -> bytes:
    """Keys are long and random, so a plain hash is as hard to turn round as a slow one."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def _given_key() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return request.headers.get("X-API-Key", "").strip()


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_PREFIXES)
