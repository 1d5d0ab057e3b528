"""/api/workers"""

from __future__ import annotations

from flask import Blueprint, Response, request

from app.api.context import context
from app.api.parsing import Query
from app.api.responses import Workers
from app.api.shapes import answer, write

blueprint = Blueprint("workers", __name__, url_prefix="/api/workers")


@blueprint.get("")
def list_workers() -> Response:
    """The workers that are online, with the attempts they run."""
    Query(request.args).done()
    return answer(write(Workers, {"items": context().workers.read()}))
