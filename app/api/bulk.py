"""/api/bulk"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from flask import Blueprint, Response, request

from app.api import responses
from app.api.context import context
from app.api.listing import task_filters
from app.api.parsing import Query, idempotency_key, json_body
from app.api.preference import held
from app.api.scheduled_tasks import schedule_filters
from app.api.shapes import answer, bulk_json, marked, write
from app.domain.bulk import BulkSpec, Of, parse_bulk
from app.domain.errors import InvalidSpec
from app.store.listing import Filters
from app.store.schedules import ScheduleFilters

blueprint = Blueprint("bulk", __name__, url_prefix="/api/bulk")

Found = TypeVar("Found")


@blueprint.post("")
def create() -> Response:
    """Act on everything that matches, in the background; `dry_run` only counts."""
    raw = json_body()
    spec = parse_bulk(raw)
    filters, key = _filters(spec), idempotency_key(raw)
    if spec.dry_run:
        return answer(write(responses.BulkCount, {"matched": context().bulks.count(spec, filters)}))
    bulk, is_repeated = context().bulks.begin(spec, filters, key)
    return marked(answer(write(responses.Bulk, bulk_json(bulk)), 202, Location=f"/api/bulk/{bulk.id}"), is_repeated)


@blueprint.get("")
def list_bulks() -> Response:
    """The last 100 bulks, newest first."""
    Query(request.args).done()
    items = [bulk_json(bulk) for bulk in context().bulks.newest()]
    return answer(write(responses.BulkList, {"items": items}))


@blueprint.get("/<bulk_id>")
def get(bulk_id: str) -> Response:
    """One bulk; `wait` holds the response until it has ended."""
    query = Query(request.args)
    asked_seconds = query.wait_seconds()
    query.done(strict=False)

    def respond(wait_seconds: float) -> Response:
        return answer(write(responses.Bulk, bulk_json(context().bulks.get(bulk_id, wait_seconds))))

    return held(respond, asked_seconds)


@blueprint.post("/<bulk_id>/abort")
def abort(bulk_id: str) -> Response:
    """End a bulk at its current position."""
    return answer(write(responses.Bulk, bulk_json(context().bulks.abort(bulk_id))))


def _filters(spec: BulkSpec) -> Filters | ScheduleFilters | None:
    if spec.filter is None:
        return None
    if Of(spec.of) is Of.TASKS:
        return _read(spec.filter, task_filters)
    return _read(spec.filter, schedule_filters)


def _read(texts: dict[str, str], read: Callable[[Query], Found]) -> Found:
    """The filters in `texts`, read as those of a query. Raises InvalidSpec with the fields as `filter.status`."""
    query = Query(texts)
    filters = read(query)
    try:
        query.done()
    except InvalidSpec as error:
        raise InvalidSpec([replace(found, field=f"filter.{found.field}") for found in error.problems]) from error
    return filters
