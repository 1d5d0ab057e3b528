"""Celery's request: a message that a thread of the worker is working on.

It chooses the event that Celery's monitors (Flower, `celery events`) get when an attempt ends. Our Celery task never
raises, because the record holds the outcome, so Celery would report every attempt as succeeded. Instead the task
returns the status and the type of the error, and these decide on the event. It carries no traceback, no result and no
message.

It also names the queues from which its thread may take further tasks once its own has ended. Celery does not know of
their messages, so `celery inspect active` is shown the task that runs now, and a worker that sends events (`-E`) takes
no further tasks. While a countdown that is due waits for a thread, no thread takes any: it goes back to the pool, which
is first in, first out.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any
from weakref import WeakSet

from celery.worker import state
from celery.worker.request import Request as CeleryRequest

from app.domain.status import Status

#: Countdowns that are due and that no thread has begun. What Celery drops, as after a revoke, leaves by itself.
_due: WeakSet[Request] = WeakSet()


def _event(end: str) -> tuple[str, dict[str, Any]] | None:
    """Celery's event for the result of AttemptRunner.run; None if the attempt changed nothing."""
    status, _, error_type = end.partition(" ")
    if status == Status.FAILED:
        return "task-failed", {"exception": error_type, "traceback": ""}
    if status in (Status.QUEUED, Status.WAITING):
        return "task-retried", {"exception": error_type, "traceback": ""}
    if status == Status.STOPPED:
        return "task-revoked", {"terminated": True, "signum": None, "expired": False}
    return ("task-succeeded", {"result": ""}) if status == Status.SUCCEEDED else None


class Request(CeleryRequest):
    """A message that a worker is processing."""

    id: str
    time_start: float | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fetched_by = os.getpid()

    def send_event(self, type: str, **fields: Any) -> None:
        """Celery calls this for each event; `result` is the `repr` of the task's return value."""
        if type == "task-succeeded":
            event = _event(str(fields["result"]).strip("'"))
            if event is None:
                return
            fields = event[1] if event[0] != type else {**event[1], "runtime": fields["runtime"]}
            type = event[0]
        super().send_event(type, **fields)

    def wait_for_thread(self) -> None:
        """Note that this is a countdown which is due, before it is given to the pool."""
        _due.add(self)

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """Celery calls this when a thread, or a child, begins."""
        _due.discard(self)
        super().on_accepted(pid, time_accepted)

    def queues(self) -> Sequence[str]:
        """The queues that the worker fetches from now; none while a countdown waits, or if monitors are to hear of each
        task.
        """
        if _due:
            return ()
        eventer = self.eventer
        if eventer is not None and eventer.enabled and (not eventer.groups or "task" in eventer.groups):
            return ()
        return tuple(self.app.amqp.queues.consume_from)

    def place(self) -> str:
        """The queue that its message came from, for whose tasks a worker has a number of places."""
        return str(self.delivery_info["routing_key"])

    def goes_on_with(self, task_id: str) -> None:
        """Show another task as the one that runs."""
        state.requests.pop(self.id, None)
        self.id, self.time_start = task_id, time.time()
        self.args[:] = [task_id]
        state.requests[task_id] = self


def request_of(task_id: str) -> Request | None:
    """The request of a message that this process has fetched itself.

    None in a child of a pool of processes, even if it was forked while its parent held the message: only the parent
    knows from which queues to fetch, and when to end.
    """
    request = state.requests.get(task_id)
    return request if isinstance(request, Request) and request.fetched_by == os.getpid() else None
