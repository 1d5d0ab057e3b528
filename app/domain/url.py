"""Checks the syntax of a task's URL. Permitted addresses are checked when the call is made."""

from __future__ import annotations

from urllib.parse import urlsplit

MAX_URL_BYTES = 8192


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
    if not parts.hostname or "\\" in parts.netloc or "%" in parts.hostname:
        raise ValueError("does not have a valid host")
    if port == 0:
        raise ValueError("does not have a valid port")
