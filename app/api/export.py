"""GET /api/tasks/export: NDJSON in pieces, so that an export of any size takes little memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flask import Blueprint, Flask, Response, current_app, request

from app.api.context import context
from app.api.listing import task_filters
from app.api.parsing import Query
from app.api.shapes import task_json
from app.domain.errors import Busy
from app.store.record import Task

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

blueprint = Blueprint("export", __name__, url_prefix="/api/tasks")

NDJSON = "application/x-ndjson"
PIECE_BYTES = 65_536
#: Each takes a thread of the server for as long as its client reads.
MOST_EXPORTS = 2

_places = threading.BoundedSemaphore(MOST_EXPORTS)


@blueprint.get("/export")
def export() -> Response:
    """All tasks that match, whole, oldest first."""
    query = Query(request.args)
    filters = task_filters(query)
    query.done()
    pieces = _pieces(context().tasks.export(filters))
    first = next(pieces)  # an error before the first piece is still a problem document
    web: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return Response(_all(first, pieces, web, request.environ), content_type=NDJSON)


def _all(first: bytes, rest: Iterator[bytes], web: Flask, environ: WSGIEnvironment) -> Iterator[bytes]:
    """All pieces. After an error, the last line is a problem document: a broken stream ends like a whole one."""
    yield first
    try:
        yield from rest
    except Exception as error:
        with web.request_context(environ):
            response = web.make_response(web.handle_user_exception(error))
        yield response.get_data() + b"\n"


def _pieces(tasks: Iterator[Task]) -> Iterator[bytes]:
    """Lines of JSON, one at least in each piece but the last, which may be empty. Raises Busy beyond MOST_EXPORTS."""
    if not _places.acquire(blocking=False):
        raise Busy(f"{MOST_EXPORTS} exports are running; try again when one has ended")
    try:
        lines = bytearray()
        for task in tasks:
            lines += task_json(task) + b"\n"
            if len(lines) >= PIECE_BYTES:
                yield bytes(lines)
                lines.clear()
        yield bytes(lines)
    finally:
        _places.release()
