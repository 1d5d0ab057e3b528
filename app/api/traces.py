"""A span for each request under /api, if tracing is on."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Flask, Response, g

from app.api import request_ids
from app.api.context import current_request
from app.api.request_log import named
from app.domain.trace import PARENT_HEADER, STATE_HEADER, read_context

if TYPE_CHECKING:
    from app.tracing.spans import Span, Tracing, Value

PREFIX = "/api/"
UNKNOWN_ROUTE = "unknown"
MAX_CHARS = 500


@dataclass(frozen=True, slots=True)
class _Open:
    """The span of the current request, and what makes it the current one of its thread."""

    span: Span
    scope: AbstractContextManager[None]


class RequestTraces:
    """Begins a span with each request and ends it with the answer: of a stream, with its head."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def install(self, web: Flask) -> None:
        """Trace the requests of `web`."""
        web.before_request(self._begin)
        web.after_request(self._answered)
        web.teardown_request(self._end)

    def _begin(self) -> None:
        request = current_request()
        if not request.path.startswith(PREFIX):
            return
        route = request.url_rule.rule if request.url_rule is not None else UNKNOWN_ROUTE
        caller = read_context(request.headers.get(PARENT_HEADER, ""), request.headers.get(STATE_HEADER, ""))
        values: dict[str, Value] = {
            "http.request.method": request.method,
            "http.route": route,
            "url.path": request.path[:MAX_CHARS],
            "url.scheme": request.scheme,
            "celeriac.request_id": request_ids.current(),
        }
        span = self._tracing.begin_request(f"{request.method} {route}", values, caller)
        g.traced = _Open(span, span.as_current())
        g.traced.scope.__enter__()

    def _answered(self, response: Response) -> Response:
        traced: _Open | None = g.get("traced")
        if traced is not None:
            ids = {f"celeriac.{name}": value[:MAX_CHARS] for name, value in named(current_request(), response).items()}
            traced.span.set({"http.response.status_code": response.status_code, **ids})
            if response.status_code >= 500:
                traced.span.fail(str(response.status_code))
            self._end()
        return response

    def _end(self, _: BaseException | None = None) -> None:
        traced: _Open | None = g.pop("traced", None)
        if traced is not None:
            traced.scope.__exit__(None, None, None)
