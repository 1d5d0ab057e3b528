"""/api/tasks"""

from __future__ import annotations

from flask import Blueprint, Response, request

from app.api.conditional import conditional
from app.api.context import context
from app.api.parsing import Query, idempotency_key, json_body
from app.api.preference import held
from app.api.responses import Stats
from app.api.shapes import answer, new_schedule, new_task, task_json, write
from app.domain.spec import is_schedule

blueprint = Blueprint("tasks", __name__, url_prefix="/api/tasks")


@blueprint.post("")
def create() -> Response:
    """Create a task, or a schedule if `task_type` is `scheduled`. `Prefer: wait=N` holds the response until the task
    is finished."""
    raw = json_body()
    key = idempotency_key(raw)
    if is_schedule(raw):
        return new_schedule(*context().schedules.create_once(raw, key))
    return held(lambda wait_seconds: new_task(*context().tasks.create_once(raw, key, wait_seconds)))


@blueprint.post("/<task_id>/retry")
def retry(task_id: str) -> Response:
    """Run a finished task again, with changes if the body has any; `Prefer: wait=N` as for a creation."""
    changes = json_body(default={})
    key = idempotency_key(changes)
    return held(lambda wait_seconds: new_task(*context().tasks.retry_once(task_id, changes, key, wait_seconds)))


@blueprint.get("/stats")
def stats() -> Response:
    """Counts and timings."""
    Query(request.args).done()  # it has no filters: counts of everything would pass as those of a tag
    return answer(write(Stats, context().statistics.read()))


@blueprint.get("/<task_id>")
def get(task_id: str) -> Response:
    """One full task; `wait` holds the response until the task is finished."""
    query = Query(request.args)
    asked_seconds = query.wait_seconds()
    query.done(strict=False)

    def respond(wait_seconds: float) -> Response:
        task = context().tasks.get(task_id, wait_seconds)
        return conditional(answer(task_json(task), 200, **{"Cache-Control": "private, no-cache"}))

    return held(respond, asked_seconds)


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
