"""What open event streams cost while nothing happens: the processor time of the API and its Redis.

idle      no stream
streams   200 of GET /api/events and of GET /api/tasks/{id}/events, half of each
"""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Sequence

from benchmarks.service import WAITING_TASK, Service, service

STREAMS = 200
WINDOW_SECONDS = 30  # comments are sent every 15 seconds
MAX_SHARE = 0.05


def run() -> Sequence[str]:
    """The lines to print; a figure that misses its target says so."""
    settings = {"API_THREADS": str(STREAMS + 56), "MAX_EVENT_STREAMS": str(STREAMS)}
    with service(settings) as started, contextlib.ExitStack() as streams:
        task_id = started.api.call("POST", "/api/tasks", WAITING_TASK)["id"]
        idle = _share_of_a_core(started)
        for number in range(STREAMS):
            path = "/api/events" if number % 2 else f"/api/tasks/{task_id}/events"
            streams.callback(_stream(started.port, path).close)
        with_streams = _share_of_a_core(started)
    missed = "; MISSED" if with_streams > MAX_SHARE else ""
    return [
        f"idle      {idle:.2%} of a core",
        f"streams   {with_streams:.2%} of a core with {STREAMS} streams (at most {MAX_SHARE:.0%}{missed})",
    ]


def _stream(port: int, path: str) -> http.client.HTTPConnection:
    """A connection on which events arrive; nothing reads them."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path, headers={"Accept": "text/event-stream"})
    response = connection.getresponse()
    assert response.status == 200, response.read()
    connection.events = response  # type: ignore[attr-defined]  # the response is closed with its last reference
    return connection


def _share_of_a_core(started: Service) -> float:
    before = started.processor_seconds()
    time.sleep(WINDOW_SECONDS)
    return (started.processor_seconds() - before) / WINDOW_SECONDS
