"""Limits on a request's head. They are below those of granian, whose own refusals have no body."""

from __future__ import annotations

from flask import Flask, request

from app.api.problems import Refused

MAX_URL_BYTES = 8_192
MAX_HEADERS_BYTES = 65_536


def install(web: Flask) -> None:
    """Check the head of every request of `web`."""
    web.before_request(_check)


def _check() -> None:
    if len(request.environ.get("PATH_INFO", "")) + len(request.query_string) > MAX_URL_BYTES:
        raise Refused(414, f"path and query together must not exceed {MAX_URL_BYTES} bytes")
    headers = (len(name) + len(value) for name, value in request.environ.items() if name.startswith("HTTP_"))
    if sum(headers) > MAX_HEADERS_BYTES:
        raise Refused(431, f"the headers together must not exceed {MAX_HEADERS_BYTES} bytes")
