"""/api/tasks"""

from __future__ import annotations

from flask import Blueprint, Response, request

from app.api.conditional import conditional
from app.api.context import context
from app.api.parsing import Query, idempotency_key, json_body, preferred_wait_seconds
from app.api.responses import Stats
from app.api.shapes import answer, new_schedule, new_task, task_json, task_page_json, write
from app.domain.spec import is_schedule
from app.domain.status import Status, TaskType
from app.store.tasks import Filters

blueprint = Blueprint("tasks", __name__, url_prefix="/api/tasks")


@blueprint.post("")
def create() -> Response:
    """Create a task, or a schedule if `task_type` is `scheduled`. `Prefer: wait=N` holds the response until the task
    is finished."""
    raw = json_body()
    key = idempotency_key(raw)
    if is_schedule(raw):
        return new_schedule(*context().schedules.create_once(raw, key))
    with context().holding(preferred_wait_seconds()) as wait_seconds:
        response = new_task(*context().tasks.create_once(raw, key, wait_seconds))
    if wait_seconds:
        response.headers["Preference-Applied"] = f"wait={wait_seconds:g}"
    return response


@blueprint.get("")
def list_tasks() -> Response:
    """A page of tasks, newest first, with filters and a cursor."""
    return task_page(Query(request.args))


def task_page(query: Query, schedule_id: str | None = None) -> Response:
    """The page of tasks that the query selects; with `schedule_id`, only tasks created by that scheduled task."""
    filters = Filters(
        status=query.choice("status", Status),
        task_type=query.choice("task_type", TaskType),
        scheduled_task_id=schedule_id or query.text("scheduled_task_id"),
        created_after_ms=query.time_ms("created_after"),
        created_before_ms=query.time_ms("created_before"),
        **query.common_filters(),
    )
    limit, cursor = query.limit(), query.text("cursor")
    query.done()
    page = context().tasks.page(filters, limit, cursor)
    return answer(task_page_json(page))


@blueprint.get("/stats")
def stats() -> Response:
    """Counts and timings."""
    return answer(write(Stats, context().statistics.read()))


@blueprint.get("/<task_id>")
def get(task_id: str) -> Response:
    """One full task; `wait` holds the response until the task is finished."""
    query = Query(request.args)
    wait_seconds = query.wait_seconds()
    query.done(strict=False)
    with context().holding(wait_seconds) as granted_seconds:
        task = context().tasks.get(task_id, granted_seconds)
    return conditional(answer(task_json(task), 200, **{"Cache-Control": "private, no-cache"}))


@blueprint.patch("/<task_id>")
def patch(task_id: str) -> Response:
    """Change a waiting task."""
    return answer(task_json(context().tasks.patch(task_id, json_body())))


@blueprint.delete("/<task_id>")
def delete(task_id: str) -> Response:
    """Stop the task if it is not finished, and remove every trace of it."""
    context().tasks.delete(task_id)
    return Response(status=204)


@blueprint.post("/<task_id>/stop")
def stop(task_id: str) -> Response:
    """Stop the task: it never starts, or it is ended while it runs."""
    return answer(task_json(context().tasks.stop(task_id)))
