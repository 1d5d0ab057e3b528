"""Checks the syntax of a task's URL. Permitted addresses are checked when the call is made."""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from urllib.parse import urlsplit

MAX_URL_BYTES = 8192
MAX_HOST_CHARACTERS = 253

_LABEL = re.compile(r"[A-Za-z0-9_-]{1,63}")  # RFC 1123 has no "_", but many internal names do
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


def is_host(value: str) -> bool:
    """Tell whether the value can be sent as the header Host: a host, or host:port."""
    return _HOST.fullmatch(value) is not None


def check_url(url: str) -> None:
    """Raises ValueError with the reason if `url` is not acceptable."""
    if len(url.encode()) > MAX_URL_BYTES:
        raise ValueError(f"must have at most {MAX_URL_BYTES} bytes")
    if any(character <= " " or character == "\x7f" for character in url):
        raise ValueError("must not contain spaces or control characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("is not a valid URL") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError("must start with http:// or https://")
    if "@" in parts.netloc:
        raise ValueError("must not contain a user name or password")
    if not parts.hostname or "\\" in parts.netloc or not _can_be_a_host(parts.netloc, parts.hostname):
        raise ValueError("does not have a valid host")
    if port == 0:
        raise ValueError("does not have a valid port")


def _can_be_a_host(netloc: str, host: str) -> bool:
    """Check an address or a name in ASCII; names beyond ASCII are encoded, and checked, when the call is made."""
    if netloc.startswith("["):
        return _is_ipv6(host)
    if not host.isascii():
        return "%" not in host
    return is_ascii_name(host)


def is_ascii_name(host: str) -> bool:
    """Tell whether a host is a name in ASCII that can be looked up, with or without a dot at its end."""
    labels = host.removesuffix(".").split(".")
    return len(host) <= MAX_HOST_CHARACTERS + 1 and all(map(_LABEL.fullmatch, labels))


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return "%" not in host  # a zone
