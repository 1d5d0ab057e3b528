"""/api/audit, and the line that each change leaves there."""

from __future__ import annotations

from flask import Blueprint, Response, request

from app.api import responses
from app.api.addresses import client_address
from app.api.changes import has_changed, is_replay
from app.api.context import context, current_request
from app.api.guard import caller, route, shown_route
from app.api.listing import with_next
from app.api.parsing import Query
from app.api.shapes import answer, write
from app.domain.errors import Unavailable, problem_with
from app.domain.times import to_rfc3339
from app.store.audit import AuditLine

blueprint = Blueprint("audit", __name__, url_prefix="/api/audit")


@blueprint.get("")
def list_audit() -> Response:
    """Who changed what, newest first."""
    query = Query(request.args)
    who, target_id = query.text("who"), query.text("target_id")
    limit, cursor = query.limit(), query.text("cursor")
    query.done()
    with problem_with("cursor"):
        lines, next_cursor = context().audit.page(limit, cursor, who, target_id)
    items = [_item(line) for line in lines]
    return with_next(answer(write(responses.AuditPage, {"items": items, "next_cursor": next_cursor})), next_cursor)


def _item(line: AuditLine) -> dict[str, str | int | None]:
    return {
        "id": line.id,
        "at": to_rfc3339(line.at_ms),
        "who": line.who,
        "method": line.method,
        "route": line.route,
        "target_id": line.target_id or None,
        "status": line.status or None,
        "address": line.address or None,
    }


def record(response: Response) -> Response:
    """Add a line if the request has changed something; called after every request.

    The change has been made by then. If Redis is lost between the two, the log has the line.
    """
    if has_changed(current_request(), response) and not is_replay(response):
        line = _line(response)
        try:
            context().audit.send(line)
        except Unavailable as error:
            line.log_lost(error)
    return response


def _line(response: Response) -> AuditLine:
    return AuditLine(
        at_ms=context().clock(),
        who=caller().name,
        method=current_request().method,
        route=shown_route(route()),
        target_id=_target_id(response),
        status=response.status_code,
        address=client_address(),
    )


def _target_id(response: Response) -> str:
    """The id or key in the path; of a creation, the id of what was created."""
    arguments = list((request.view_args or {}).values())
    found = str(arguments[0]) if arguments else response.headers.get("Location", "").rpartition("/")[2]
    return found[:200]
