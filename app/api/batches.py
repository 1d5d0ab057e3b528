"""/api/tasks/batch"""

from __future__ import annotations

from flask import Blueprint, Response, request

from app.api.context import context
from app.api.parsing import idempotency_key, json_body
from app.api.shapes import new_batch

#: The body of a batch may be so many times as large as another one.
BODY_FACTOR = 16

blueprint = Blueprint("batches", __name__, url_prefix="/api/tasks/batch")


@blueprint.post("")
def create() -> Response:
    """Create up to 1,000 tasks: all or none, or each that is valid."""
    usual_bytes, length = context().settings.max_body_bytes, request.content_length
    with context().large_bodies(is_large=length is None or length > usual_bytes):
        raw = json_body(max_bytes=BODY_FACTOR * usual_bytes)
        return new_batch(context().batches.create_once(raw, idempotency_key(raw)))
