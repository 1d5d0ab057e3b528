"""Turning a task's request into bytes that are safe to send."""

from __future__ import annotations

from collections.abc import Mapping

import requests

from app.domain import payload
from app.domain.kinds.api_checks import METHODS
from app.domain.url import is_host
from tasks.http.errors import InvalidURL
from tasks.http.fields import check_field
from tasks.http.messages import Request
from tasks.http.urls import check_url, with_percents

OURS = frozenset(
    {
        # the message's framing
        "content-length", "transfer-encoding", "expect",
        # hop-by-hop (RFC 9110, 7.6.1)
        "connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade", "http2-settings",
        # the operator's proxy has its own
        "proxy-authorization", "proxy-authenticate",
    }
)  # fmt: skip
"""Headers that a task can't set. They are left out: conflicting values would allow request smuggling."""

DECODED = "gzip, deflate, br, zstd"
"""The codings that the client asks for: those it can decode piece by piece, within bounds."""

USER_AGENT = "Celeriac"


def prepare(request: Request) -> requests.PreparedRequest:
    """Return the first hop's request. Raises InvalidURL for anything that can't be sent as written."""
    check_url(request.url)
    method = request.method.upper()
    if method not in METHODS:
        raise InvalidURL("the method is not one that can be sent")
    given = _as_text(request.headers)
    headers = safe_headers(given)
    body = _add_body(request.data, given, headers)
    try:
        params = payload.pairs(request.params)
    except ValueError as error:
        raise InvalidURL(f"the parameters can't be sent: {error}") from None
    try:
        url = with_percents(request.url)
        return requests.Request(method, url, headers=headers, params=params, data=body).prepare()
    except (requests.RequestException, UnicodeError):
        raise InvalidURL("the URL or its parameters can't be sent") from None


def safe_headers(headers: Mapping[str, str]) -> dict[str, str | bytes]:
    """Return the task's headers without OURS, plus defaults for those it does not set."""
    kept: dict[str, str | bytes] = {}
    names = set()
    for name, value in headers.items():
        check_field(name, value)
        lower = name.lower()
        if lower == "host" and not is_host(value):
            raise InvalidURL("the header Host must be a host, or host:port")
        if lower not in OURS and lower != "accept-encoding":
            kept[name] = _header_value(name, value)
            names.add(lower)
    for name, default in _defaults(headers).items():
        if name.lower() not in names:
            kept[name] = default
    return kept


def _as_text(headers: Mapping[str, object]) -> dict[str, str]:
    try:
        return {name: payload.text_of(value) for name, value in headers.items()}
    except ValueError as error:
        raise InvalidURL(f"the headers can't be sent: a value {error}") from None


def _add_body(data: object | None, given: Mapping[str, str], headers: dict[str, str | bytes]) -> bytes | None:
    """Return the encoded data, and add its content type to the headers if the task gives none."""
    if data is None or isinstance(data, bytes):
        return data
    content_types = [value for name, value in given.items() if name.lower() == "content-type"]
    try:
        body, content_type = payload.encoded(data, content_types[-1] if content_types else None)
    except ValueError as error:
        raise InvalidURL(f"the data can't be sent: it {error}") from None
    if content_type is not None:
        headers["Content-Type"] = content_type
    return body


def _defaults(headers: Mapping[str, str]) -> dict[str, str]:
    # Asking for a coding that the client can't decode would only give base64. "identity" is passed on.
    wishes = [value for name, value in headers.items() if name.lower() == "accept-encoding"]
    coding = "identity" if wishes and wishes[0].strip().lower() == "identity" else DECODED
    return {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": coding}


def _header_value(name: str, value: str) -> str | bytes:
    try:
        stripped = value.strip(" \t")
        # http.client would encode a str as Latin-1, and fail for other characters
        return stripped if stripped.isascii() else stripped.encode()
    except UnicodeEncodeError:
        raise InvalidURL(f"the value of the header {name} holds a lone surrogate") from None
