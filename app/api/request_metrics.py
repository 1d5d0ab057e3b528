"""Has every request counted for `GET /metrics`."""

from __future__ import annotations

import re
import time

from flask import Flask, Response, g

from app.api.context import context, current_request
from app.api.guard import shown_route

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
#: The label of methods and paths that do not exist: callers may invent any number of them.
OTHER = "other"
_WAIT = re.compile(r"(?:^|&)wait=")


def install(web: Flask) -> None:
    """Count the requests of `web`. Install this first, so that every request is counted as it was answered."""
    web.before_request(_begin)
    web.after_request(_count)


def _begin() -> None:
    g.began = time.perf_counter()


def _count(response: Response) -> Response:
    request = current_request()
    environ = request.environ
    waits = _WAIT.search(environ.get("QUERY_STRING", "")) or "wait" in environ.get("HTTP_PREFER", "")
    context().request_counts.add(
        request.method if request.method in METHODS else OTHER,
        OTHER if request.url_rule is None else shown_route(request.url_rule.rule),
        response.status_code,
        None if waits else time.perf_counter() - g.began,
        g.get("problem"),
    )
    return response
