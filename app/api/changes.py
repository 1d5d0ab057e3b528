"""Whether a request has changed something: the log and the audit tell of that, and of nothing else."""

from __future__ import annotations

from flask import Request, Response

from app.api.guard import SAFE_METHODS

#: Endpoints that change nothing, although their method is not a safe one.
_HARMLESS = frozenset({"cron.preview"})


def has_changed(request: Request, response: Response) -> bool:
    """Whether the request has changed something, now or, if this answer repeats an earlier one, then."""
    if request.method in SAFE_METHODS or not 200 <= response.status_code < 300:
        return False
    is_dry_run = request.endpoint == "bulk.create" and response.status_code == 200  # it counts, and changes nothing
    return not is_dry_run and request.endpoint not in _HARMLESS


def is_replay(response: Response) -> bool:
    """Whether the answer is that to an earlier request with the same idempotency key."""
    return "Idempotency-Replayed" in response.headers
