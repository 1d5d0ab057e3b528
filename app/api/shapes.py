"""Builds the JSON responses of the contract: fills the models of responses.py, which serialize the values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from flask import Response
from pydantic import BaseModel

from app.api import responses
from app.api.problems import fields_json
from app.domain.alerts.watch import WatchState
from app.domain.errors import Problem
from app.domain.fields import HIDDEN, secret_names
from app.domain.kinds import KINDS
from app.domain.status import Kind
from app.domain.times import to_rfc3339
from app.store.bulk import Bulk
from app.store.deliveries import Delivery, DeliveryPage, Try
from app.store.failures import ErrorGroup
from app.store.firings import FiringRecord
from app.store.listing import Page
from app.store.record import Change, Task
from app.store.schedules import Schedule, SchedulePage
from app.usecases.batches import Batch
from app.usecases.schedules import rule_of
from app.usecases.task_facts import attempt_facts, end_facts, task_facts, time_or_none

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.datastructures import Headers

UPCOMING = 5
JSON = "application/json"


class Answer(Response):
    """A response of one piece, which the server gets as it is.

    Werkzeug would copy the headers to complete them, and wrap the body to notice its end: there is nothing to complete
    and nobody to tell.
    """

    def __init__(self, body: bytes, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(body, status, headers, content_type=JSON, direct_passthrough=True)

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        """The headers to send."""
        return self.headers if self.status_code in (200, 201) else super().get_wsgi_headers(environ)


def answer(body: bytes, status: int = 200, **headers: str) -> Response:
    """A JSON response; keyword arguments such as `Location="…"` become headers. A Location must be plain ASCII."""
    return Answer(body, status, headers)


def write(model: type[BaseModel], values: Mapping[str, Any], *, result_json: str | None = None) -> bytes:
    """The JSON of a model with these values. Optional members appear only if they have a value.

    `result_json` is inserted as is, so that a result of a megabyte is not parsed and serialized again.
    """
    instance = model.model_validate(values if result_json is None else {**values, "result": None})
    serializer = model.__pydantic_serializer__
    if result_json is None:
        return serializer.to_json(instance, by_alias=True, exclude_unset=True)
    written = serializer.to_json(instance, by_alias=True, exclude_unset=True, exclude={"result"})
    return written[:-1] + b',"result":' + result_json.encode() + b"}"


def new_task(task: Task, is_repeated: bool = False) -> Response:
    """The response to the creation of a task; `is_repeated`: an earlier request with the same key created it."""
    return _created(task_json(task), f"/api/tasks/{task.id}", is_repeated)


def new_schedule(schedule: Schedule, is_repeated: bool = False) -> Response:
    """The response to the creation of a scheduled task; `is_repeated` as for `new_task`."""
    return _created(schedule_json(schedule), f"/api/scheduled-tasks/{schedule.id}", is_repeated)


def new_batch(batch: Batch) -> Response:
    """The response to a batch: 201 with all its tasks, or if it is not atomic 200 with what became of each."""
    items = [task_json(item) if isinstance(item, Task) else _refused(item) for item in batch.items]
    if batch.is_atomic:
        response = answer(b'{"items":[' + b",".join(items) + b"]}", 201)
    else:
        shown = [
            b'{"status":201,"task":' + written + b"}" if isinstance(item, Task) else written
            for item, written in zip(batch.items, items, strict=True)
        ]
        created = sum(isinstance(item, Task) for item in batch.items)
        counts = b'],"created":%d,"refused":%d}' % (created, len(items) - created)
        response = answer(b'{"items":[' + b",".join(shown) + counts)
    return marked(response, batch.is_repeated)


def _refused(problems: Iterable[Problem]) -> bytes:
    return write(responses.BatchRefused, {"status": 422, "errors": fields_json(problems)})


def _created(body: bytes, location: str, is_repeated: bool) -> Response:
    return marked(answer(body, 201, Location=location), is_repeated)


def marked(response: Response, is_repeated: bool) -> Response:
    """The response, with a header if an earlier request with the same key created what it shows."""
    if is_repeated:
        response.headers["Idempotency-Replayed"] = "true"
    return response


# --- tasks -----------------------------------------------------------------------------------------


def task_page_json(page: Page) -> bytes:
    """A page of tasks."""
    items = [_task_row(task) for task in page.items]
    return write(responses.TaskPage, {"items": items, "next_cursor": page.cursor})


def upcoming_json(tasks: Sequence[Task]) -> bytes:
    """The tasks that are due next."""
    return write(responses.Upcoming, {"items": [_task_row(task) for task in tasks]})


def _task_row(task: Task) -> dict[str, Any]:
    return {
        **task_facts(task),
        **_shown_spec(responses.TaskSummary, task),
        "error": _error_summary(task.error),
    }


def task_json(task: Task) -> bytes:
    """One full task."""
    model = responses.TASKS[task.kind]
    values = {
        **task_facts(task),
        **_shown_spec(model, task),
        **end_facts(task),
        "attempts": list(_attempts(task)),
        "history": [change_values(change) for change in task.history],
    }
    return write(model, values, result_json=task.result_json or "null")


def _error_summary(error: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if error is None else {name: error[name] for name in ("type", "message", "line")}


def error_groups_json(groups: Iterable[ErrorGroup]) -> bytes:
    """Failures, grouped by fingerprint."""
    items = [
        {
            "fingerprint": group.fingerprint,
            "type": group.type,
            "message": group.message,
            "kind": group.kind,
            "count": group.count,
            "first_at": to_rfc3339(group.first_ms),
            "last_at": to_rfc3339(group.last_ms),
            "task_ids": group.task_ids,
            "scheduled_task_ids": group.scheduled_task_ids,
        }
        for group in groups
    ]
    return write(responses.ErrorGroups, {"items": items})


def _shown_spec(model: type[BaseModel], item: Task | Schedule) -> dict[str, Any]:
    """The spec fields that a model shows. Values of secret fields are hidden: a header may be a credential."""
    plain, hidden = _names_shown(model, item.kind)
    shown = {name: value for name, value in item.spec.items() if name in plain}
    shown |= {name: dict.fromkeys(item.spec[name], HIDDEN) for name in hidden if name in item.spec}
    return shown


@cache
def _names_shown(model: type[BaseModel], kind: Kind) -> tuple[frozenset[str], frozenset[str]]:
    """The fields that a model shows with their values, and those that it shows with hidden values."""
    shown, secret = frozenset(model.model_fields), secret_names(KINDS[kind].fields)
    return shown - secret, shown & secret


def _attempts(task: Task) -> Iterable[dict[str, Any]]:
    """Earlier attempts as recorded when they ended, then the current or last one, from the record itself."""
    yield from task.attempts
    if task.started_ms is not None:
        yield attempt_facts(
            number=task.attempt,
            started_ms=task.started_ms,
            finished_ms=task.finished_ms,
            duration_ms=task.duration_ms,
            worker=task.worker,
            error=task.error,
        )


def change_values(change: Change) -> dict[str, Any]:
    """The members of a change of status."""
    return {
        "at": to_rfc3339(change.at_ms),
        "from": change.before,
        "to": change.after,
        "who": change.who,
        "why": change.why,
    }


# --- scheduled tasks -------------------------------------------------------------------------------


def schedule_page_json(page: SchedulePage) -> bytes:
    """A page of scheduled tasks."""
    items = [_schedule_summary(schedule) for schedule in page.items]
    return write(responses.ScheduledTaskPage, {"items": items, "next_cursor": page.cursor})


def schedule_json(schedule: Schedule) -> bytes:
    """One full scheduled task; `next_runs` is empty while it is paused and after it has ended.

    It has no more than `max_runs` leaves.
    """
    model = responses.SCHEDULED_TASKS[schedule.kind]
    upcoming: list[int] = []
    if schedule.next_run_ms is not None:
        rest = rule_of(schedule).upcoming(schedule.next_run_ms, UPCOMING - 1)
        upcoming = [schedule.next_run_ms, *rest][: schedule.firings_left]
    values = {
        **_schedule_summary(schedule),
        **_shown_spec(model, schedule),
        "next_runs": [to_rfc3339(ms) for ms in upcoming],
        "alert_state": _alert_state(schedule.alert_state),
    }
    return write(model, values)


def _alert_state(state: WatchState | None) -> dict[str, Any] | None:
    if state is None:
        return None
    return {
        "told": list(state.told),
        "last_told_at": time_or_none(state.told_ms or None),
        "last_success_at": time_or_none(state.last_success_ms or None),
    }


def _schedule_summary(schedule: Schedule) -> dict[str, Any]:
    return {
        "id": schedule.id,
        **_shown_spec(responses.ScheduledTaskSummary, schedule),
        "task_type": "scheduled",
        "kind": schedule.kind,
        "status": schedule.status,
        "created_at": to_rfc3339(schedule.created_ms),
        "updated_at": to_rfc3339(schedule.updated_ms),
        "next_run_at": time_or_none(schedule.next_run_ms),
        "last_task_id": schedule.last_task_id,
        "run_count": schedule.run_count,
        "skipped_count": schedule.skipped_count,
        "missed_count": schedule.missed_count,
        "last_outcome": schedule.last_outcome,
        "failure_streak": schedule.failure_streak,
        "succeeded_count": schedule.succeeded_count,
        "failed_count": schedule.failed_count,
        "key": schedule.key,
    }


def firing_page_json(records: Iterable[FiringRecord], cursor: str | None) -> bytes:
    """A page of firings with their outcomes."""
    items = [
        {"at": to_rfc3339(record.at_ms), "outcome": record.outcome, "task_id": record.task_id} for record in records
    ]
    return write(responses.FiringPage, {"items": items, "next_cursor": cursor})


# --- bulks -----------------------------------------------------------------------------------------


def bulk_json(bulk: Bulk) -> dict[str, Any]:
    """The members of a bulk."""
    return {
        "id": bulk.id,
        "of": bulk.of,
        "action": bulk.action,
        "filter": bulk.filter,
        "status": bulk.status,
        "matched": bulk.matched,
        "done": bulk.done,
        "failed": bulk.failed,
        "created_at": to_rfc3339(bulk.created_ms),
        "finished_at": time_or_none(bulk.finished_ms),
    }


# --- deliveries ------------------------------------------------------------------------------------


def delivery_page_json(page: DeliveryPage) -> bytes:
    """A page of deliveries."""
    items = [_delivery_summary(delivery) for delivery in page.items]
    return write(responses.DeliveryPage, {"items": items, "next_cursor": page.cursor})


def delivery_json(delivery: Delivery) -> bytes:
    """One delivery with its tries."""
    return write(responses.Delivery, {**_delivery_summary(delivery), "tries": [_try(one) for one in delivery.tries]})


def _delivery_summary(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "event_id": delivery.event_id,
        "type": delivery.type,
        "channel": delivery.channel,
        "url": delivery.url,
        "task_id": delivery.task_id,
        "scheduled_task_id": delivery.scheduled_task_id,
        "status": delivery.status,
        "tried": delivery.tried,
        "last_try": None if delivery.last_try is None else _try(delivery.last_try),
        "next_try_at": time_or_none(delivery.next_try_ms),
        "created_at": to_rfc3339(delivery.created_ms),
        "finished_at": time_or_none(delivery.finished_ms),
    }


def _try(made: Try) -> dict[str, Any]:
    return {"at": to_rfc3339(made.at_ms), "status": made.status, "ms": made.ms, "error": made.error}
