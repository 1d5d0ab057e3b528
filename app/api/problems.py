"""Problem documents: every error is an RFC 9457 `application/problem+json` response.

No response contains a traceback, a path on the server, or the value of a header that a task sends.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from app.api import request_ids
from app.domain.errors import (
    Busy,
    Conflict,
    Full,
    InvalidSpec,
    KeyReused,
    NotFound,
    OtherForm,
    Problem,
    Unavailable,
    reason_of,
)
from app.store.breaker import SILENT
from app.store.client import REPLY_LOST

logger = logging.getLogger("celeriac.api")

#: Beside letters and digits, what stands in the path of a URI as it is (RFC 3986).
_IN_PATHS = "/:@!$&'()*+,;=-._~"
RETRY_AFTER_SECONDS = 2
FULL_RETRY_AFTER_SECONDS = 10

#: status -> (last part of `type`, title). docs/errors.md has the same list.
PROBLEMS: dict[int, tuple[str, str]] = {
    400: ("not-json", "The request could not be parsed"),
    401: ("no-key", "A valid API key is required"),
    403: ("forbidden", "Forbidden"),
    404: ("not-found", "Not found"),
    405: ("method-not-allowed", "Method not allowed"),
    406: ("not-acceptable", "The requested response format is not available"),
    409: ("conflict", "The current status does not allow this"),
    413: ("too-large", "The request body is too large"),
    414: ("url-too-long", "The URL is too long"),
    415: ("not-application-json", "The body must be application/json without a Content-Encoding"),
    422: ("invalid", "The request is invalid"),
    429: ("too-many-requests", "Too many requests"),
    431: ("headers-too-large", "The request headers are too large"),
    500: ("internal", "Internal error"),
    503: ("unavailable", "Service temporarily unavailable"),
}

#: Statuses with a second type, where callers must react differently: last part of `type` -> (status, title).
FURTHER_PROBLEMS: dict[str, tuple[int, str]] = {
    "key-reused": (422, "The idempotency key was used for a different request"),
    "full": (503, "The service is at capacity"),
}

#: Counted instead of `full` while new tasks are taken, so that an alert can tell the two apart.
BUSY = "busy"
#: Why requests are refused, as counted: the last part of every `type`, and BUSY.
REASONS = (*(slug for slug, _ in PROBLEMS.values()), *FURTHER_PROBLEMS, BUSY)

#: Reason in an Unavailable whose command was not answered, and changes nothing.
UNANSWERED = "unanswered"
#: Reason in an Unavailable -> detail for the caller. "" applies to every other reason.
UNAVAILABLE: dict[str, str] = {
    "": "Redis can't be reached; nothing was changed",
    # Redis has received the command, and executes it later if it is merely hanging.
    "TimeoutError": "Redis did not answer in time; the request may have been carried out, or may be carried out later",
    REPLY_LOST: "the connection to Redis broke before it answered; the request may have been carried out",
    UNANSWERED: "Redis did not answer in time; nothing was changed",
    SILENT: "Redis is not responding; nothing was changed",
    "BUSY": "Redis is busy and did not answer in time; nothing was changed",
    "BusyLoadingError": "Redis is still loading its data; nothing was changed",
    "ReadOnlyError": "Redis is a read-only replica; nothing was changed",
    "READONLY": "Redis is a read-only replica; nothing was changed",
    "MISCONF": "Redis can't write to its disk and refuses writes; nothing was changed",
    "NOREPLICAS": "Redis has fewer replicas than its min-replicas-to-write and refuses writes; nothing was changed",
}


class Refused(Exception):
    """A request is refused with this HTTP status, detail and headers."""

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
    counted_as: str | None = None,
) -> Response:
    """A problem document with this status.

    `further` selects one of FURTHER_PROBLEMS instead of the status's own type. `members` are added to the standard
    members. The request is counted by its type, or as `counted_as`.
    """
    slug, title = PROBLEMS.get(status, (f"http-{status}", HTTPStatus(status).phrase))
    if further is not None:
        slug, title = further, FURTHER_PROBLEMS[further][1]
    g.problem = counted_as or slug  # counted by app/api/request_metrics.py
    body = {
        "type": f"urn:celeriac:problem:{slug}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": quote(request.path[:500], safe=_IN_PATHS),
        "errors": [],
        "request_id": request_ids.current(),
        **(members or {}),
    }
    return Response(json.dumps(body, ensure_ascii=False), status, headers, content_type="application/problem+json")


def register(web: Flask) -> None:
    """Make `web` answer every error with a problem document."""
    web.register_error_handler(Refused, _refused)
    web.register_error_handler(InvalidSpec, _invalid)
    web.register_error_handler(NotFound, lambda error: problem(404, str(error)))
    web.register_error_handler(Conflict, _conflict)
    web.register_error_handler(KeyReused, lambda error: problem(422, str(error), further="key-reused"))
    web.register_error_handler(Unavailable, _unavailable)
    web.register_error_handler(Full, _full)
    web.register_error_handler(OtherForm, _other_form)
    web.register_error_handler(HTTPException, _http)
    web.register_error_handler(Exception, _unexpected)


def _refused(error: Refused) -> Response:
    return problem(error.status, error.detail, headers=error.headers)


def _invalid(error: InvalidSpec) -> Response:
    detail = "1 field is invalid" if len(error.problems) == 1 else f"{len(error.problems)} fields are invalid"
    return problem(422, detail, members={"errors": fields_json(error.problems)})


def fields_json(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """Wrong fields as the responses list them."""
    return [_field(found) for found in problems]


def _field(found: Problem) -> dict[str, Any]:
    shape: dict[str, Any] = {"field": found.field, "message": found.message}
    if found.line is not None:
        shape["line"] = found.line
        shape["column"] = found.column
    return shape


def _conflict(error: Conflict) -> Response:
    """`status` is the HTTP status in a problem document, so the task's status is in `task_status`."""
    return problem(409, str(error), members={"task_status": error.status} if error.status else {})


def _unavailable(error: Unavailable) -> Response:
    level = logging.DEBUG if str(error) == SILENT else logging.WARNING  # one caller at a time finds out and warns
    logger.log(level, "redis can't be reached", extra={"action": "redis_away", "reason": reason_of(error)})
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return problem(503, UNAVAILABLE.get(str(error), UNAVAILABLE[""]), headers=headers)


def _full(error: Full) -> Response:
    logger.warning("the service is at capacity", extra={"action": "full", "reason": str(error)})
    headers = {"Retry-After": str(FULL_RETRY_AFTER_SECONDS)}
    counted_as = BUSY if isinstance(error, Busy) else None
    return problem(503, str(error), headers=headers, further="full", counted_as=counted_as)


def _other_form(error: OtherForm) -> Response:
    return problem(503, str(error), headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    headers = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
    slug_title = PROBLEMS.get(status)
    return problem(status, slug_title[1] if slug_title else error.name, headers=headers)


def _unexpected(error: Exception) -> Response:
    logger.error("unexpected error", exc_info=error, extra={"action": "internal_error", "path": request.path})
    return problem(500, "the error has been logged")
