"""What Celery's monitors (Flower, `celery events`) are told when an attempt ends.

Our Celery task never raises: the record holds the outcome. Left to itself, Celery would report every attempt as
succeeded. So the task returns a word on how the attempt ended, and the event is chosen by that: it carries no
traceback, no result and no message.
"""

from __future__ import annotations

from typing import Any

from celery.worker.request import Request as CelerysRequest

from app.domain.status import Status


def _event(word: str) -> tuple[str, dict[str, Any]] | None:
    """Celery's event for what AttemptRunner.run returned; None where the attempt changed nothing."""
    status, _, error_type = word.partition(" ")
    if status == Status.FAILED:
        return "task-failed", {"exception": error_type, "traceback": ""}
    if status in (Status.QUEUED, Status.WAITING):
        return "task-retried", {"exception": error_type, "traceback": ""}
    if status == Status.STOPPED:
        return "task-revoked", {"terminated": True, "signum": None, "expired": False}
    return ("task-succeeded", {"result": ""}) if status == Status.SUCCEEDED else None


class Request(CelerysRequest):
    """A message that is being worked on."""

    def send_event(self, type: str, **fields: Any) -> None:
        """Called by Celery for each event; `result` is the task's return value as `repr` writes it."""
        if type == "task-succeeded":
            event = _event(str(fields["result"]).strip("'"))
            if event is None:
                return
            fields = event[1] if event[0] != type else {**event[1], "runtime": fields["runtime"]}
            type = event[0]
        super().send_event(type, **fields)
