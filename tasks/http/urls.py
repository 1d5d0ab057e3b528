"""The URLs that may be called at all, checked before any lookup. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address

import idna
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from app.domain.url import MAX_HOST_CHARACTERS, MAX_URL_BYTES, is_ascii_name
from tasks.http.errors import InvalidURL

DEFAULT_PORTS = {"http": 80, "https": 443}

#: How much of a URL records and logs show.
MAX_SHOWN_CHARACTERS = 500

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_USER = re.compile(r"://[^/]*@")
_AUTHORITY = re.compile(r"https?://([^/?#]*)", re.IGNORECASE)
_ZONE = re.compile(r"[A-Za-z0-9._~-]{1,64}")
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads: the key of the pool, and a redirect's origin. `host` has no brackets."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def check_url(url: str) -> None:
    """Check that the URL is http(s), at most 8 KiB, without user:password@, and has a valid host and port.

    Does not check the address behind it. Raises InvalidURL with a sentence for the caller.
    """
    target_of(url)


def shown_url(url: str) -> str:
    """Return the URL without what may hold secrets, its user and its query: for logs and traces."""
    return _USER.sub("://", url.partition("#")[0].partition("?")[0])[:MAX_SHOWN_CHARACTERS]


def target_of(url: str) -> Target:
    """Check the URL as `check_url` does, and return where it leads, with the host in lower-case ASCII."""
    _check_characters(url)
    _check_authority(url)
    try:
        parsed = parse_url(url)
    except LocationParseError:
        raise InvalidURL("the URL can't be parsed") from None
    return _target(parsed)


def with_percents(url: str) -> str:
    """Return the URL with `%25` for each percent sign that begins no escape.

    Because of one such sign, requests would escape every other percent sign too: `%2F` would arrive as `%252F`.
    """
    return _LONE_PERCENT.sub("%25", url)


def _check_characters(url: str) -> None:
    try:
        size_bytes = len(url.encode())
    except UnicodeEncodeError:
        raise InvalidURL("the URL holds a character that is none") from None
    if size_bytes > MAX_URL_BYTES:
        raise InvalidURL(f"the URL is longer than {MAX_URL_BYTES} bytes")
    if _CONTROL.search(url) or url != url.strip():
        raise InvalidURL("the URL holds control characters, or spaces around it")


def _check_authority(url: str) -> None:
    match = _AUTHORITY.match(url)
    if match is None:
        raise InvalidURL("the URL must begin with http:// or https://")
    authority = match[1]
    if "@" in authority:
        raise InvalidURL("the URL may not hold user:password@")
    # A name needs no percent signs, and layers differ in how they read them.
    is_odd = "\\" in authority or ("%" in authority and not authority.startswith("["))
    if not authority or is_odd or any(character.isspace() for character in authority):
        raise InvalidURL("the URL has no valid host")


def _target(parsed: Url) -> Target:
    scheme = parsed.scheme or ""
    port = parsed.port if parsed.port is not None else DEFAULT_PORTS[scheme]
    if not 1 <= port <= 65535:
        raise InvalidURL("the URL's port must be between 1 and 65535")
    return Target(scheme, ascii_host(parsed.host or ""), port)


def ascii_host(host: str) -> str:
    """Return the host as it is looked up: without brackets, IDN encoded, in lower case. A trailing dot stays."""
    if host.startswith("[") and host.endswith("]"):
        return _ipv6_host(host[1:-1])
    if host and not host.isascii():
        host = _idn_host(host)
    if not is_ascii_name(host):
        raise InvalidURL("the URL has no valid host")
    return host.lower()


def _ipv6_host(literal: str) -> str:
    address, percent, zone = literal.partition("%")
    try:
        IPv6Address(address)
    except ValueError:
        raise InvalidURL("the URL has no valid host") from None
    if percent and not _ZONE.fullmatch(zone):
        raise InvalidURL("the URL has no valid host")
    return literal.lower() if not percent else f"{address.lower()}%{zone}"


def _idn_host(host: str) -> str:
    if len(host) > MAX_HOST_CHARACTERS:  # checked first, since the cost of idna grows with the length
        raise InvalidURL("the URL has no valid host")
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise InvalidURL("the URL has no valid host") from None
