"""/api/events and /api/tasks/{id}/events: Server-Sent Events.

A key is sent in a header, never in the URL, where logs would keep it. Browsers therefore read these streams with
`fetch`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import lru_cache
from typing import Any

from flask import Blueprint, Response, request
from pydantic import BaseModel

from app.api import responses
from app.api.context import context
from app.api.parsing import Query
from app.api.shapes import change_values, write
from app.domain.errors import Busy
from app.domain.status import Status, TaskType
from app.store.listing import Filters
from app.usecases.events import AnyEvent, Gap, Position, Stream, TaskEvent

blueprint = Blueprint("events", __name__)

EVENT_STREAM = "text/event-stream"
ANSWER_TYPES = (EVENT_STREAM, "application/problem+json")
#: Proxies must pass each event on at once.
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
#: Sent to show that the connection is alive.
_COMMENT = b":\n\n"
_RECONNECT_MS = 2_000
#: A stream ends at this age. Its client connects again, and its key is checked again: it may have been revoked.
STREAM_SECONDS = 900.0

Open = Callable[[], Stream[Any] | None]
Shape = Callable[[Any], bytes]


@blueprint.get("/api/events")
def stream_all() -> Response:
    """All changes of status, with the filters of the list."""
    query = Query(request.args)
    filters = Filters(
        status=query.choice("status", Status),
        task_type=query.choice("task_type", TaskType),
        scheduled_task_id=query.text("scheduled_task_id"),
        **query.common_filters(),
    )
    query.done()
    return _stream(lambda: context().events.of_all(filters, _last_event_id()), _of_all)


@blueprint.get("/api/tasks/<task_id>/events")
def stream_task(task_id: str) -> Response:
    """The changes of status and the output of one task, until it has finished."""
    query = Query(request.args)
    query.done()
    return _stream(lambda: context().events.of_task(task_id, _last_event_id()), lambda event: _of_task(task_id, event))


def _last_event_id() -> str:
    return request.headers.get("Last-Event-ID", "")


def _stream(open_stream: Open, shape: Shape) -> Response:
    """The response that sends a stream's events. Raises Busy if too many are open.

    Server and application close the response when it ends or its client is gone; then the place is given back.
    """
    give_back = context().holding.take_stream()
    if give_back is None:
        raise Busy("too many event streams are open (MAX_EVENT_STREAMS, API_THREADS)")
    with ExitStack() as resources:
        resources.callback(give_back)
        events = open_stream()
        if events is None:
            return Response(status=204)
        resources.callback(events.close)
        response = Response(_written(events, shape), headers=_HEADERS, content_type=EVENT_STREAM)
        if request.method != "HEAD":  # whose response is never iterated and never closed
            response.call_on_close(resources.pop_all().close)
        return response


def _written(events: Iterator[Any], shape: Shape) -> Iterator[bytes]:
    ends = time.monotonic() + STREAM_SECONDS
    yield b"retry: %d\n\n" % _RECONNECT_MS
    for event in events:
        yield _COMMENT if event is None else shape(event)
        if time.monotonic() >= ends:
            return


@lru_cache(maxsize=256)
def _of_all(event: AnyEvent) -> bytes:
    """Cached, because many streams send the same event."""
    if isinstance(event, Position):
        return f"id: {event.id}\n\n".encode()  # no event: only a position for a client that reconnects
    if isinstance(event, Gap):
        return _event("reset", event.id, responses.Reset, {"reason": "changes may have been missed"})
    assert event is not None
    values = {
        "task_id": event.task_id,
        "name": event.name,
        "kind": event.kind,
        "task_type": event.task_type,
        "tags": list(event.tags),
        "scheduled_task_id": event.scheduled_task_id,
        **change_values(event.change),
    }
    return _event("status", event.id, responses.StatusEvent, values)


def _of_task(task_id: str, event: TaskEvent) -> bytes:
    if event.change is None:
        return _event("stdout", event.id, responses.OutputPiece, {"task_id": task_id, "text": event.output})
    return _event("status", event.id, responses.Change, change_values(event.change))


def _event(name: str, event_id: str, model: type[BaseModel], values: Mapping[str, Any]) -> bytes:
    """One event. The JSON has no line breaks."""
    return f"id: {event_id}\nevent: {name}\ndata: ".encode() + write(model, values) + b"\n\n"
