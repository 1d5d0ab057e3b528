"""Chooses the event that Celery's monitors (Flower, `celery events`) get when an attempt ends.

Our Celery task never raises, because the record holds the outcome, so Celery would report every attempt as succeeded.
Instead the task returns the status and the type of the error, and these decide on the event. It carries no traceback,
no result and no message.
"""

from __future__ import annotations

from typing import Any

from celery.worker.request import Request as CeleryRequest

from app.domain.status import Status


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

    def send_event(self, type: str, **fields: Any) -> None:
        """Celery calls this for each event; `result` is the `repr` of the task's return value."""
        if type == "task-succeeded":
            event = _event(str(fields["result"]).strip("'"))
            if event is None:
                return
            fields = event[1] if event[0] != type else {**event[1], "runtime": fields["runtime"]}
            type = event[0]
        super().send_event(type, **fields)
