"""Lines in the log about requests: one for each change, and a count of the refused requests for each minute."""

from __future__ import annotations

import logging
import time
from collections import Counter
from threading import Lock

from flask import Flask, Request, Response

from app.api.changes import has_changed, is_replay
from app.api.context import current_request

logger = logging.getLogger("celeriac.api")

WINDOW_SECONDS = 60.0
#: endpoint -> what has happened. Another endpoint's line has its method and route instead.
SENTENCES = {
    "tasks.create": "task created",
    "tasks.patch": "task changed",
    "tasks.delete": "task deleted",
    "tasks.stop": "task stopped by a caller",
    "tasks.retry": "task created as a retry of another",
    "batches.create": "batch of tasks created",
    "bulk.create": "bulk begun",
    "bulk.abort": "bulk aborted",
    "channels.put": "channel created or replaced",
    "channels.patch": "channel changed",
    "channels.delete": "channel deleted",
    "channels.test": "test notice created",
    "scheduled_tasks.create": "scheduled task created",
    "scheduled_tasks.patch": "scheduled task changed",
    "scheduled_tasks.put_by_key": "scheduled task created or changed by key",
    "scheduled_tasks.delete": "scheduled task deleted",
    "scheduled_tasks.pause": "scheduled task paused",
    "scheduled_tasks.resume": "scheduled task resumed",
    "deliveries.replay": "delivery sent again by a caller",
    "scheduled_tasks.run": "task created by hand from a scheduled task",
}
#: What the last part of a Location is the id of, by the part before it.
_ID_NAMES = {
    "tasks": "task_id",
    "scheduled-tasks": "schedule_id",
    "bulk": "bulk_id",
    "channels": "channel",
    "deliveries": "delivery_id",
}
#: Parts of a path that a line of the log names otherwise: `name` is the logger's.
_LOGGED_AS = {"name": "channel"}


class RequestLog:
    """Logs changes as they happen, and refusals as counts: a flood of bad requests must not flood the log."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._began_at = time.monotonic()
        self._lock = Lock()

    def install(self, web: Flask) -> None:
        """Log the requests of `web`."""
        web.after_request(self.note)

    def note(self, response: Response) -> Response:
        """Take note of an answer."""
        request = current_request()
        if has_changed(request, response):
            _log_change(request, response)
        self._count(response.status_code, time.monotonic())
        return response

    def _count(self, status: int, now: float) -> None:
        """Count 4xx; once the window is over, log what was counted."""
        with self._lock:
            if 400 <= status < 500:
                self._counts[status] += 1
            if now - self._began_at < WINDOW_SECONDS:
                return
            counts, self._counts, self._began_at = self._counts, Counter(), now
        if counts:
            by_status = {f"status_{code}": number for code, number in sorted(counts.items())}
            extra = {"action": "requests_refused", "count": counts.total(), **by_status}
            logger.info("requests were refused in the last minute", extra=extra)


def _log_change(request: Request, response: Response) -> None:
    endpoint = request.endpoint or ""
    sentence = SENTENCES.get(endpoint) or f"{request.method} {request.url_rule}"
    if is_replay(response):
        sentence = "request repeated; the earlier answer was sent"
    logger.info(sentence, extra={"action": endpoint.replace(".", "_"), **named(request, response)})


def named(request: Request, response: Response) -> dict[str, str]:
    """The ids of what was created or changed: the parts of its path, and the last part of its location."""
    ids = {_LOGGED_AS.get(name, name): str(value) for name, value in (request.view_args or {}).items()}
    created = response.headers.get("Location", "").rpartition("/")
    if created[0]:
        ids[_ID_NAMES[created[0].rpartition("/")[2]]] = created[2]
    return ids
