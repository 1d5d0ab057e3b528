"""The Flask application, `web`."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, Flask, Response, request

from app.api import (
    audit,
    batches,
    cron,
    docs,
    events,
    export,
    health,
    listing,
    problems,
    scheduled_tasks,
    tasks,
    workers,
)
from app.api.context import EXTENSION, Context
from app.api.guard import Guard
from app.api.pages import CONTENT_SECURITY_POLICY
from app.api.problems import Refused

#: Path -> the type of the stream that it returns.
STREAM_TYPES = {"/api/tasks/export": (export.NDJSON,)}
ANSWER_TYPES = ("application/json", "application/problem+json")
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
}


def create_web(context: Context, pages: Sequence[Blueprint] = ()) -> Flask:
    """The application that serves the API on `context`, plus `pages`. Opens no connection."""
    web = Flask("celeriac", static_folder=None)
    web.extensions[EXTENSION] = context
    web.config["MAX_CONTENT_LENGTH"] = context.settings.max_body_bytes
    web.url_map.strict_slashes = False
    web.url_map.merge_slashes = False
    problems.register(web)
    Guard(context.settings).install(web)
    web.before_request(_check_accept)
    web.after_request(_add_headers)
    web.after_request(audit.record)
    modules = (tasks, listing, export, scheduled_tasks, cron, audit, events, health, docs, batches, workers)
    own = [module.blueprint for module in modules]
    for blueprint in (*own, *pages):
        web.register_blueprint(blueprint)
    return web


def _check_accept() -> None:
    """Refuse clients that do not accept what every response under /api is: JSON, or the type of a stream."""
    accepts = request.accept_mimetypes
    types: tuple[str, ...] = (*STREAM_TYPES.get(request.path, ()), *ANSWER_TYPES)
    if request.blueprint == events.blueprint.name:
        types = events.ANSWER_TYPES
    if request.path.startswith("/api/") and accepts and not accepts.best_match(types):
        raise Refused(406, f"responses are {types[0]}")


def _add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    return response
