"""Limits on a request's head. They are below those of granian, whose own refusals have no body."""

from __future__ import annotations

from flask import Flask

from app.api.context import current_request
from app.api.problems import Refused

MAX_URL_BYTES = 8_192
MAX_HEADERS_BYTES = 65_536


def install(web: Flask) -> None:
    """Check the head of every request of `web`."""
    web.before_request(_check)


def _check() -> None:
    environ = current_request().environ
    if len(environ.get("PATH_INFO", "")) + len(environ.get("QUERY_STRING", "")) > MAX_URL_BYTES:
        raise Refused(414, f"path and query together must not exceed {MAX_URL_BYTES} bytes")
    if sum([len(name) + len(environ[name]) for name in environ if name[:5] == "HTTP_"]) > MAX_HEADERS_BYTES:
        raise Refused(431, f"the headers together must not exceed {MAX_HEADERS_BYTES} bytes")
