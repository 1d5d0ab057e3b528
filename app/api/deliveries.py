"""/api/deliveries"""

from __future__ import annotations

from flask import Blueprint, Response, request

from app.api.context import context
from app.api.listing import with_next
from app.api.parsing import Query
from app.api.shapes import answer, delivery_json, delivery_page_json
from app.domain.deliveries import DeliveryStatus
from app.store.deliveries import DeliveryFilters

blueprint = Blueprint("deliveries", __name__, url_prefix="/api/deliveries")


@blueprint.get("")
def list_deliveries() -> Response:
    """List deliveries, newest first."""
    query = Query(request.args)
    filters = DeliveryFilters(
        task_id=query.text("task_id"),
        scheduled_task_id=query.text("scheduled_task_id"),
        channel=query.text("channel"),
        status=query.choice("status", DeliveryStatus),
    )
    limit, cursor = query.limit(), query.text("cursor")
    query.done()
    page = context().deliveries.page(filters, limit, cursor)
    return with_next(answer(delivery_page_json(page)), page.cursor)


@blueprint.get("/<delivery_id>")
def get(delivery_id: str) -> Response:
    """One delivery with its tries."""
    return answer(delivery_json(context().deliveries.get(delivery_id)))


@blueprint.post("/<delivery_id>/replay")
def replay(delivery_id: str) -> Response:
    """Send a delivery again."""
    return answer(delivery_json(context().deliveries.replay(delivery_id)), 202)
