"""What URL may be called at all, before anything is looked up. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address

import idna
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from tasks.http.errors import InvalidURL

MAX_URL_BYTES = 8 * 1024
MAX_HOST_CHARACTERS = 253
DEFAULT_PORTS = {"http": 80, "https": 443}

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_AUTHORITY = re.compile(r"https?://([^/?#]*)", re.IGNORECASE)
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,63}")  # "_" is not in RFC 1123 and is in many internal names
_ZONE = re.compile(r"[A-Za-z0-9._~-]{1,64}")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads: the pool's key and the redirect's origin. `host` has no brackets."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def may_inherit_from_http(self) -> bool:
        """https at its own port: the same host's plain twin may redirect here and lose nothing."""
        return self.scheme == "https" and self.port == DEFAULT_PORTS["https"]


def check_url(url: str) -> None:
    """Return if the URL is http(s), at most 8 KiB, without user:password@, with a valid host and port.

    Says nothing about the address behind it. Raises InvalidURL with a sentence for the caller.
    """
    target_of(url)


def target_of(url: str) -> Target:
    """`check_url`, and where the URL leads; the host in its ASCII form, lower case."""
    _check_characters(url)
    _check_authority(url)
    try:
        parsed = parse_url(url)
    except LocationParseError:
        raise InvalidURL("the URL can't be parsed") from None
    return _target(parsed)


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
    # A name needs no percent signs: one that has them would be read differently from layer to layer.
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
    """The host as it is looked up: without brackets, IDN encoded, lower case; a last dot stays."""
    if host.startswith("[") and host.endswith("]"):
        return _ipv6_host(host[1:-1])
    if host and not host.isascii():
        host = _idn_host(host)
    labels = host.removesuffix(".").split(".")
    if len(host) > MAX_HOST_CHARACTERS + 1 or not all(_LABEL.fullmatch(label) for label in labels):
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
    if len(host) > MAX_HOST_CHARACTERS:  # before idna sees it: its cost grows with the length
        raise InvalidURL("the URL has no valid host")
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise InvalidURL("the URL has no valid host") from None
