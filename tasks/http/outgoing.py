"""From a task's request to bytes that are safe to send."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import requests

from tasks.http.errors import InvalidURL
from tasks.http.messages import Request
from tasks.http.urls import check_url

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})

OURS = frozenset(
    {
        # the message's framing, and where it goes
        "host", "content-length", "transfer-encoding", "expect",
        # hop-by-hop (RFC 9110, 7.6.1)
        "connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade", "http2-settings",
        # the operator's proxy has its own
        "proxy-authorization", "proxy-authenticate",
    }
)  # fmt: skip
"""Headers that a task can't set: they are left out, since two opinions about them are request smuggling."""

DECODED = "gzip, deflate"
"""What is asked for: what can be decoded piece by piece, with a bound, by the standard library."""

USER_AGENT = "Celeriac"

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FORBIDDEN_IN_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def prepare(request: Request) -> requests.PreparedRequest:
    """The first hop. Raises InvalidURL for whatever can't be sent as it is written."""
    check_url(request.url)
    method = request.method.upper()
    if method not in METHODS:
        raise InvalidURL("the method is not one that can be sent")
    headers = safe_headers(request.headers)
    body, content_type = encoded(request.data)
    if content_type is not None and not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = content_type
    try:
        return requests.Request(method, request.url, headers=headers, params=dict(request.params), data=body).prepare()
    except (requests.RequestException, UnicodeError):
        raise InvalidURL("the URL or its parameters can't be sent") from None


def safe_headers(headers: Mapping[str, str]) -> dict[str, str | bytes]:
    """The task's headers without OURS, and the defaults that it does not set."""
    kept: dict[str, str | bytes] = {}
    names = set()
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise InvalidURL("a header's name holds a character that HTTP does not allow")
        lower = name.lower()
        if lower not in OURS and lower != "accept-encoding":
            kept[name] = _header_value(name, value)
            names.add(lower)
    for name, default in _defaults(headers).items():
        if name.lower() not in names:
            kept[name] = default
    return kept


def encoded(data: object | None) -> tuple[bytes | None, str | None]:
    """The body, and the content type it has of itself."""
    if data is None:
        return None, None
    if isinstance(data, bytes):
        return data, None
    try:
        if isinstance(data, str):
            return data.encode(), None
        return json.dumps(data, allow_nan=False, separators=(",", ":")).encode(), "application/json"
    except (TypeError, ValueError, RecursionError):
        raise InvalidURL("the data can't be sent: it is neither JSON nor text") from None


def _defaults(headers: Mapping[str, str]) -> dict[str, str]:
    # Asking for a coding that is not decoded would only give base64; "identity" is a fair wish.
    wishes = [value for name, value in headers.items() if name.lower() == "accept-encoding"]
    coding = "identity" if wishes and wishes[0].strip().lower() == "identity" else DECODED
    return {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": coding}


def _header_value(name: str, value: str) -> str | bytes:
    if _FORBIDDEN_IN_VALUE.search(value):
        raise InvalidURL(f"the value of the header {name} holds a character that HTTP does not allow")
    try:
        stripped = value.strip(" \t")
        # http.client would send Latin-1, and fail beyond it
        return stripped if stripped.isascii() else stripped.encode()
    except UnicodeEncodeError:
        raise InvalidURL(f"the value of the header {name} holds a character that is none") from None
