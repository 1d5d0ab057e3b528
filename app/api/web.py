"""The Flask application, `web`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Flask, Response
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from app.api import (
    audit,
    batches,
    bulk,
    channels,
    cron,
    deliveries,
    docs,
    events,
    export,
    head_limits,
    health,
    listing,
    methods,
    metrics,
    problems,
    request_ids,
    request_metrics,
    scheduled_tasks,
    tasks,
    unread_bodies,
    whoami,
    workers,
)
from app.api.compression import compress
from app.api.context import EXTENSION, Context, current_request
from app.api.cors import Cors
from app.api.guard import Guard
from app.api.pages import CONTENT_SECURITY_POLICY
from app.api.problems import Refused
from app.api.request_log import RequestLog
from app.api.traces import RequestTraces

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from app.tracing.spans import Tracing

#: Path -> the type of the stream that it returns.
STREAM_TYPES = {"/api/tasks/export": (export.NDJSON,)}
ANSWER_TYPES = ("application/json", "application/problem+json")
#: On every answer. `Strict-Transport-Security` is the business of the proxy that has the certificate.
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
}
_HEADERS = tuple(HEADERS.items())


class Web(Flask):
    """A Flask application without what ours does not need at each request, and with headers for each answer."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself: none of ours is a coroutine. Flask looks at each hook of each request."""
        return func

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request. Headers that never change are added to the finished answer."""

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
            return start_response(status, [*headers, *_HEADERS], exc_info)

        return super().wsgi_app(environ, start)


def create_web(context: Context, pages: Sequence[Blueprint] = (), tracing: Tracing | None = None) -> Flask:
    """The application that serves the API on `context`, plus `pages`. Opens no connection."""
    web = routed(pages)
    prepare(web, context, tracing)
    return web


def routed(pages: Sequence[Blueprint]) -> Flask:
    """An application with all routes, but without what they need to be served: see `prepare`."""
    web = Web("celeriac", static_folder=None)
    web.url_map.strict_slashes = False
    web.url_map.merge_slashes = False
    problems.register(web)
    of_tasks = (tasks, listing, export, scheduled_tasks, bulk, batches, deliveries)
    own = [
        module.blueprint
        for module in (*of_tasks, cron, audit, events, health, docs, workers, whoami, channels, metrics)
    ]
    for blueprint in (*own, *pages):
        web.register_blueprint(blueprint)
    return web


def prepare(web: Flask, context: Context, tracing: Tracing | None = None) -> None:
    """Have `web` serve its routes on `context`: with checks in this order before a view, and changes of its answer."""
    web.extensions[EXTENSION] = context
    web.config["MAX_CONTENT_LENGTH"] = context.settings.max_body_bytes
    request_metrics.install(web)
    request_ids.install(web)
    if tracing is not None:
        RequestTraces(tracing).install(web)
    RequestLog().install(web)
    head_limits.install(web)
    Cors(context.settings).install(web)
    Guard(context.settings).install(web)
    methods.install(web)
    web.before_request(_check_accept)
    web.after_request(_complete)
    web.after_request(compress)
    web.after_request(audit.record)
    unread_bodies.install(web)


def _check_accept() -> None:
    """Refuse clients that do not accept what every response under /api is: JSON, or the type of a stream."""
    request = current_request()
    accept = request.headers.get("Accept", "")
    if not accept or not request.path.startswith("/api/") or request.routing_exception is not None:
        return  # Flask raises the exception: 404 or 405 says more than 406
    types: tuple[str, ...] = (*STREAM_TYPES.get(request.path, ()), *ANSWER_TYPES)
    if request.blueprint == events.blueprint.name:
        types = events.ANSWER_TYPES
    if not _accepts_one(accept, types):
        raise Refused(406, f"responses are {types[0]}")


@lru_cache(maxsize=64)
def _accepts_one(accept: str, types: tuple[str, ...]) -> bool:
    """Whether a header accepts one of the types. Cached, because most callers send one of a few headers.

    Parameters of a type have no say: `application/json; charset=utf-8` accepts JSON.
    """
    ranges = parse_accept_header(accept, MIMEAccept)
    accepted = MIMEAccept([(name.partition(";")[0].strip(), quality) for name, quality in ranges])
    return not accepted or accepted.best_match(types) is not None


def _complete(response: Response) -> Response:
    response.headers.setdefault("Cache-Control", "no-store")
    if response.status_code in (204, 304):
        response.headers.pop("Content-Type", None)
    return response
