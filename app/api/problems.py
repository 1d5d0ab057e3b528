"""Every error, in one shape: RFC 9457 `application/problem+json`.

No answer carries a traceback, a path of the server, or a header value that a task sends.
"""

from __future__ import annotations

import json
import logging
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from app.domain.errors import Conflict, Full, InvalidSpec, KeyReused, NotFound, Problem, Unavailable

logger = logging.getLogger("celeriac.api")

RETRY_AFTER_SECONDS = 2
FULL_RETRY_AFTER_SECONDS = 10

#: status -> the last part of `type`, title. docs/errors.md lists the same.
PROBLEMS: dict[int, tuple[str, str]] = {
    400: ("not-json", "The request can't be understood"),
    401: ("no-key", "A key is needed"),
    403: ("forbidden", "This may not be done"),
    404: ("not-found", "There is no such thing"),
    405: ("method-not-allowed", "The method is not allowed here"),
    406: ("not-acceptable", "There is no such form of the answer"),
    409: ("conflict", "The status does not permit it"),
    413: ("too-large", "The body is too large"),
    415: ("not-application-json", "The body's type must be application/json"),
    422: ("invalid", "The request is not valid"),
    429: ("too-many-requests", "Too many requests"),
    500: ("internal", "Something went wrong on our side"),
    503: ("unavailable", "The service can't do it right now"),
}

#: Further types of a status: what its caller does about them differs. The last part of `type` -> status, title.
FURTHER_PROBLEMS: dict[str, tuple[int, str]] = {
    "key-reused": (422, "The idempotency key was used for another request"),
    "full": (503, "There is no room for more"),
}

#: What an Unavailable says -> what the caller is told; "" for any other.
UNAVAILABLE: dict[str, str] = {
    "": "Redis can't be reached; nothing was changed",
    # It has the command, and carries it out if it only hangs.
    "TimeoutError": "Redis does not answer in time; what was asked for may have been done, or be done yet",
    "ReplyLost": "The connection to Redis broke before it answered; what was asked for may have been done",
    "silent": "Redis does not answer; nothing was changed",
    "BUSY": "Redis does not answer in time; nothing was changed",
    "BusyLoadingError": "Redis is still reading its data; nothing was changed",
    "ReadOnlyError": "Redis is a replica that takes no writes; nothing was changed",
    "READONLY": "Redis is a replica that takes no writes; nothing was changed",
    "MISCONF": "Redis can't write to its disk, and takes no writes; nothing was changed",
}


class Refused(Exception):
    """A request that is refused with a status of its own."""

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def problem(
    status: int,
    detail: str,
    *,
    headers: dict[str, str] | None = None,
    members: dict[str, Any] | None = None,
    further: str | None = None,
) -> Response:
    """A problem document with the status, of its `further` type where one is named.

    `members` are put beside the standard ones.
    """
    slug, title = PROBLEMS.get(status, (f"http-{status}", HTTPStatus(status).phrase))
    if further is not None:
        slug, title = further, FURTHER_PROBLEMS[further][1]
    body = {
        "type": f"urn:celeriac:problem:{slug}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": request.path[:500],
        "errors": [],
        **(members or {}),
    }
    return Response(json.dumps(body, ensure_ascii=False), status, headers, content_type="application/problem+json")


def register(web: Flask) -> None:
    """Answer every error of `web` in the one shape."""
    web.register_error_handler(Refused, _refused)
    web.register_error_handler(InvalidSpec, _invalid)
    web.register_error_handler(NotFound, lambda error: problem(404, str(error)))
    web.register_error_handler(Conflict, _conflict)
    web.register_error_handler(KeyReused, lambda error: problem(422, str(error), further="key-reused"))
    web.register_error_handler(Unavailable, _unavailable)
    web.register_error_handler(Full, _full)
    web.register_error_handler(HTTPException, _http)
    web.register_error_handler(Exception, _unexpected)


def _refused(error: Refused) -> Response:
    return problem(error.status, error.detail, headers=error.headers)


def _invalid(error: InvalidSpec) -> Response:
    detail = "1 field is wrong" if len(error.problems) == 1 else f"{len(error.problems)} fields are wrong"
    return problem(422, detail, members={"errors": [_field(found) for found in error.problems]})


def _field(found: Problem) -> dict[str, Any]:
    shape: dict[str, Any] = {"field": found.field, "message": found.message}
    if found.line is not None:
        shape["line"] = found.line
        shape["column"] = found.column
    return shape


def _conflict(error: Conflict) -> Response:
    """`status` is HTTP's in a problem document, so the task's own is there as `task_status` too."""
    return problem(409, str(error), members={"task_status": error.status})


def _unavailable(error: Unavailable) -> Response:
    level = logging.DEBUG if str(error) == "silent" else logging.WARNING  # of many callers one finds out
    logger.log(level, "redis can't be reached", extra={"action": "redis_away", "reason": str(error)})
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return problem(503, UNAVAILABLE.get(str(error), UNAVAILABLE[""]), headers=headers)


def _full(error: Full) -> Response:
    logger.warning("there is no room for more", extra={"action": "full", "reason": str(error)})
    return problem(503, str(error), headers={"Retry-After": str(FULL_RETRY_AFTER_SECONDS)}, further="full")


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    headers = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
    slug_title = PROBLEMS.get(status)
    return problem(status, slug_title[1] if slug_title else error.name, headers=headers)


def _unexpected(error: Exception) -> Response:
    logger.error("unexpected error", exc_info=error, extra={"action": "internal_error", "path": request.path})
    return problem(500, "the error was logged")
