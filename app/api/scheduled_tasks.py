"""/api/scheduled-tasks"""

from __future__ import annotations

from flask import Blueprint, Response, request

from app.api.context import context
from app.api.listing import task_page, with_next
from app.api.parsing import Query, idempotency_key, json_body
from app.api.preference import held
from app.api.shapes import answer, firing_page_json, new_schedule, new_task, schedule_json, schedule_page_json
from app.domain.spec import FINISHES
from app.domain.status import ScheduleStatus, Status
from app.store.schedules import Schedule, ScheduleFilters, ScheduleOrder

blueprint = Blueprint("scheduled_tasks", __name__, url_prefix="/api/scheduled-tasks")


@blueprint.post("")
def create() -> Response:
    """Create a scheduled task."""
    raw = json_body()
    return new_schedule(*context().schedules.create_once(raw, idempotency_key(raw)))


@blueprint.get("")
def list_schedules() -> Response:
    """A page of scheduled tasks, newest first or by their next firing, with filters and a cursor."""
    query = Query(request.args)
    filters = schedule_filters(query)
    order = query.choice("sort", ScheduleOrder) or ScheduleOrder.CREATED
    limit, cursor = query.limit(), query.text("cursor")
    query.done()
    page = context().schedules.page(filters, limit, cursor, order)
    return with_next(answer(schedule_page_json(page)), page.cursor)


def schedule_filters(query: Query) -> ScheduleFilters:
    """The filters in the query."""
    outcome = query.word("last_outcome", FINISHES)
    return ScheduleFilters(
        status=query.choice("status", ScheduleStatus),
        last_outcome=None if outcome is None else Status(outcome),
        **query.common_filters(),
    )


@blueprint.get("/<schedule_id>")
def get(schedule_id: str) -> Response:
    """One scheduled task, with its next five firings."""
    return _whole(context().schedules.get(schedule_id))


@blueprint.patch("/<schedule_id>")
def patch(schedule_id: str) -> Response:
    """Change any field; a new cron expression or time zone takes effect from now on."""
    return _whole(context().schedules.patch(schedule_id, json_body()))


@blueprint.put("/by-key/<key>")
def put_by_key(key: str) -> Response:
    """Create the scheduled task with this key, or update it to match the body."""
    schedule, is_new = context().schedules.put(key, json_body())
    return new_schedule(schedule) if is_new else _whole(schedule)


@blueprint.get("/<schedule_id>/tasks")
def list_tasks(schedule_id: str) -> Response:
    """Tasks that the scheduled task created, newest first."""
    context().schedules.get(schedule_id)
    return task_page(Query(request.args), schedule_id)


@blueprint.get("/<schedule_id>/firings")
def list_firings(schedule_id: str) -> Response:
    """Firings of the scheduled task with their outcomes, newest first."""
    query = Query(request.args)
    limit, cursor = query.limit(), query.text("cursor")
    query.done()
    records, next_cursor = context().schedules.firings(schedule_id, limit, cursor)
    return with_next(answer(firing_page_json(records, next_cursor)), next_cursor)


@blueprint.delete("/<schedule_id>")
def delete(schedule_id: str) -> Response:
    """Remove the scheduled task; tasks that it created remain."""
    context().schedules.delete(schedule_id)
    return Response(status=204)


@blueprint.post("/<schedule_id>/pause")
def pause(schedule_id: str) -> Response:
    """Pause firing until the scheduled task is resumed."""
    return _whole(context().schedules.pause(schedule_id))


@blueprint.post("/<schedule_id>/resume")
def resume(schedule_id: str) -> Response:
    """Resume firing, from now on."""
    return _whole(context().schedules.resume(schedule_id))


@blueprint.post("/<schedule_id>/run")
def run(schedule_id: str) -> Response:
    """Create one task now, independently of the schedule; `Prefer: wait=N` waits for it to finish."""
    Query(request.args).done()
    return held(lambda wait_seconds: _ran(schedule_id, wait_seconds))


def _ran(schedule_id: str, wait_seconds: float) -> Response:
    task, is_repeated = context().schedules.run_now_once(schedule_id, idempotency_key())
    return new_task(context().tasks.awaited(task, wait_seconds), is_repeated)


def _whole(schedule: Schedule) -> Response:
    return answer(schedule_json(schedule))
