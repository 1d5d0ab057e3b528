"""Methods: 405 before any look at the body, and what `OPTIONS` answers.

`/api/tasks/stats` also matches the route `/api/tasks/<task_id>`. A path that is written out in the table of routes has
only its own methods; the check here refuses the others before a view reads a body or looks for a task named `stats`.
"""

from __future__ import annotations

from flask import Flask, Response, current_app, request
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.routing import MapAdapter

from app.api.context import current_request

_EXTENSION = "celeriac.fixed_paths"


def install(web: Flask) -> None:
    """Check the method of every request of `web`. Call this when all routes are registered."""
    fixed: dict[str, set[str]] = {}
    for rule in web.url_map.iter_rules():
        if not rule.arguments:
            fixed.setdefault(rule.rule, set()).update(rule.methods or ())
    web.extensions[_EXTENSION] = fixed
    web.before_request(_check)


def allowed_methods() -> list[str]:
    """The methods of the current path, for `Allow`."""
    fixed = _fixed_methods()
    if fixed is not None:
        return sorted(fixed)
    return sorted(_adapter().allowed_methods())


def _check() -> Response | None:
    request = current_request()
    method = request.method
    if method == "OPTIONS" and request.environ.get("PATH_INFO") == "*":
        return Response(status=204)  # `OPTIONS *` asks whether the server is there
    fixed = _fixed_methods()
    if fixed is not None and method not in fixed:
        raise MethodNotAllowed(sorted(fixed))
    if method == "OPTIONS" and request.routing_exception is None:
        return Response(status=204, headers={"Allow": ", ".join(allowed_methods())})
    return None


def _fixed_methods() -> set[str] | None:
    fixed: dict[str, set[str]] = current_app.extensions[_EXTENSION]
    return fixed.get(request.path.rstrip("/") or "/")


def _adapter() -> MapAdapter:
    return current_app.url_map.bind_to_environ(request.environ)
