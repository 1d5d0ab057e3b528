"""The URL of a Redis that Sentinels watch over: `sentinel://[user:password@]host[:port],host[:port]…/service`.

`?db=N` names the database, `?sentinel_password=…` the Sentinels' own password where they want one.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlsplit

SCHEME = "sentinel"
DEFAULT_PORT = 26379
_OPTIONS = frozenset({"db", "sentinel_password"})


@dataclass(frozen=True, slots=True)
class SentinelUrl:
    """The Sentinels to ask, for which service, and how its master is spoken to."""

    nodes: tuple[tuple[str, int], ...]
    service: str
    username: str | None
    password: str | None
    database: int
    sentinel_password: str | None

    def as_kombu(self) -> str:
        """The same for kombu, which is told the service's name apart from it."""
        user = "" if self.username is None else quote(self.username, safe="")
        secret = "" if self.password is None else f"{user}:{quote(self.password, safe='')}@"
        hosts = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.nodes]
        return ";".join(f"{SCHEME}://{secret}{host}/{self.database}" for host in hosts)


def is_sentinel(url: str) -> bool:
    """Whether `url` names Sentinels."""
    return urlsplit(url).scheme == SCHEME


def parse_sentinel_url(url: str) -> SentinelUrl:
    """Read it. Raises ValueError, saying what is wrong."""
    parts = urlsplit(url)
    secret, _, hosts = parts.netloc.rpartition("@")
    username, _, password = secret.partition(":")
    service = unquote(parts.path.strip("/"))
    options = dict(parse_qsl(parts.query))
    if not service or "/" in service:
        raise ValueError("must name the Sentinels' service: sentinel://host:port,host:port/service")
    if unknown := options.keys() - _OPTIONS:
        raise ValueError(f"has an unknown option: {', '.join(sorted(unknown))}")
    if not options.get("db", "0").isdecimal():
        raise ValueError("must give the database as a number: ?db=0")
    return SentinelUrl(
        nodes=tuple(_node(text) for text in hosts.split(",")),
        service=service,
        username=unquote(username) or None,
        password=unquote(password) or None,
        database=int(options.get("db", "0")),
        sentinel_password=options.get("sentinel_password"),
    )


def _node(text: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host:
        raise ValueError(f"has a Sentinel that is not host:port: {text!r}")
    return host, port or DEFAULT_PORT
