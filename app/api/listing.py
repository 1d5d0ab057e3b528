"""Lists of tasks under /api/tasks."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import Blueprint, Response, request

from app.api.context import context
from app.api.parsing import Query
from app.api.shapes import answer, error_groups_json, task_page_json, upcoming_json
from app.domain.status import Status, TaskType
from app.store.listing import Filters, Order

blueprint = Blueprint("listing", __name__, url_prefix="/api/tasks")

#: `sort` -> the order of the list.
SORTS = {"created": Order.CREATED, "finished": Order.FINISHED}


@blueprint.get("")
def list_tasks() -> Response:
    """List tasks, newest first."""
    return task_page(Query(request.args))


@blueprint.get("/upcoming")
def list_upcoming() -> Response:
    """The waiting tasks that are due next."""
    query = Query(request.args)
    limit = query.limit()
    query.done()
    return answer(upcoming_json(context().tasks.upcoming(limit)))


@blueprint.get("/errors")
def list_errors() -> Response:
    """Failures, grouped."""
    query = Query(request.args)
    since_ms, limit = query.time_ms("since"), query.limit()
    query.done()
    return answer(error_groups_json(context().tasks.error_groups(since_ms, limit)))


def task_page(query: Query, schedule_id: str | None = None) -> Response:
    """The page of tasks that the query asks for; with `schedule_id`, of those that a scheduled task created."""
    filters = task_filters(query, schedule_id)
    order = SORTS[query.word("sort", tuple(SORTS)) or "created"]
    limit, cursor = query.limit(), query.text("cursor")
    query.done()
    page = context().tasks.page(filters, limit, cursor, order)
    return with_next(answer(task_page_json(page)), page.cursor)


def task_filters(query: Query, schedule_id: str | None = None) -> Filters:
    """The filters of a list of tasks."""
    return Filters(
        status=query.choice("status", Status),
        task_type=query.choice("task_type", TaskType),
        scheduled_task_id=schedule_id or query.text("scheduled_task_id"),
        error_type=query.text("error_type"),
        fingerprint=query.text("fingerprint"),
        created_after_ms=query.time_ms("created_after"),
        created_before_ms=query.time_ms("created_before"),
        **query.common_filters(),
    )


def with_next(response: Response, cursor: str | None) -> Response:
    """The response of a list, with `Link: <…>; rel="next"` (RFC 8288) unless the list ends here."""
    if cursor is not None:
        query = {**request.args.to_dict(), "cursor": cursor}
        response.headers["Link"] = f'<{request.path}?{urlencode(query)}>; rel="next"'
    return response
