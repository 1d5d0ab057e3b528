"""The URL of a Redis monitored by Sentinels: `sentinel://[user:password@]host[:port],host[:port]…/service`.

`?db=N` selects the database; `?sentinel_user=…&sentinel_password=…` are the credentials for the Sentinels, if they need
any. With `sentinels://`, both the Sentinels and the Redis are reached by TLS (redis_tls.py has its options).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from app import redis_tls
from app.redis_tls import Tls, parse_tls

SCHEME = "sentinel"
TLS_SCHEME = "sentinels"
DEFAULT_PORT = 26379
_OPTIONS = frozenset({"db", "sentinel_user", "sentinel_password"})


@dataclass(frozen=True, slots=True)
class SentinelUrl:
    """The Sentinels, the name of the service they monitor, and the credentials and database for its master.

    tls: None without encryption.
    """

    nodes: tuple[tuple[str, int], ...]
    service: str
    username: str | None
    password: str | None
    database: int
    sentinel_user: str | None
    sentinel_password: str | None
    tls: Tls | None

    def as_kombu(self) -> str:
        """The URL in kombu's format. kombu takes the service's name and TLS separately."""
        user = "" if self.username is None else quote(self.username, safe="")
        secret = "" if self.password is None else f"{user}:{quote(self.password, safe='')}@"
        hosts = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.nodes]
        return ";".join(f"{SCHEME}://{secret}{host}/{self.database}" for host in hosts)

    def sentinel_options(self, timeout_seconds: float) -> dict[str, Any]:
        """redis-py's options of a connection to a Sentinel."""
        options: dict[str, Any] = {
            "username": self.sentinel_user,
            "password": self.sentinel_password,
            "socket_connect_timeout": timeout_seconds,
            "socket_timeout": timeout_seconds,
        }
        return options if self.tls is None else options | {"ssl": True, **self.tls.options()}


def is_sentinel(url: str) -> bool:
    """Whether `url` is a Sentinel URL."""
    return _split(url)[0] in (SCHEME, TLS_SCHEME)


def _split(url: str) -> tuple[str, str, str, str]:
    """(scheme, credentials and addresses, path, query). urlsplit refuses an IPv6 address that is not the first."""
    scheme, _, rest = url.partition("://")
    rest, _, query = rest.partition("#")[0].partition("?")
    addresses, _, path = rest.partition("/")
    return scheme.lower(), addresses, path, query


def parse_sentinel_url(url: str) -> SentinelUrl:
    """Parse a Sentinel URL. Raises ValueError with the reason if it is invalid."""
    scheme, addresses, path, query = _split(url)
    secret, _, hosts = addresses.rpartition("@")
    username, _, password = secret.partition(":")
    service = unquote(path.strip("/"))
    options = dict(parse_qsl(query))
    if not service or "/" in service:
        raise ValueError("must name the Sentinel service: sentinel://host:port,host:port/service")
    known = _OPTIONS | redis_tls.OPTIONS if scheme == TLS_SCHEME else _OPTIONS
    if unknown := options.keys() - known:
        raise ValueError(f"has an unknown option: {', '.join(sorted(unknown))}")
    if not options.get("db", "0").isdecimal():
        raise ValueError("must have a number as the database: ?db=0")
    return SentinelUrl(
        nodes=tuple(_node(text) for text in hosts.split(",")),
        service=service,
        username=unquote(username) or None,
        password=unquote(password) or None,
        database=int(options.get("db", "0")),
        sentinel_user=options.get("sentinel_user"),
        sentinel_password=options.get("sentinel_password"),
        tls=parse_tls(options) if scheme == TLS_SCHEME else None,
    )


def _node(text: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host:
        raise ValueError(f"has a Sentinel address that is not host:port: {text!r}")
    return host, port or DEFAULT_PORT
