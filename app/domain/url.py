"""What a task's URL may look like. Which addresses may be reached is decided when the call is made."""

from __future__ import annotations

from urllib.parse import urlsplit

MAX_URL_BYTES = 8192


def check_url(url: str) -> None:
    """Raises ValueError, saying what is wrong with `url`."""
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
