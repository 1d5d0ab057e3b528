"""Attempts of API tasks, as a worker is given them."""

from __future__ import annotations

from typing import Any

from app.domain.status import Kind
from app.store.tasks import Attempt

TASK_ID = "0198f3c2-5c1e-7a3b-9f21-3d0c8e6b1a40"
DEFAULTS = {
    "method": "GET",
    "headers": {},
    "params": {},
    "data": None,
    "follow_redirects": True,
    "expected_status": ["2xx"],
    "expected_body": None,
    "retry_on": ["5xx"],
    "retry_delay": 5,
    "retry_max_delay": 3600,
}


def attempt_of(number: int = 1, max_retries: int = 0, timeout: float = 5.0, **spec: Any) -> Attempt:
    """An attempt of an API task with this spec; `api_url` is required."""
    own = {"name": "n", "max_retries": max_retries, "timeout": timeout, "priority": 5}
    return Attempt(TASK_ID, number, 1, Kind.API, 0, {**DEFAULTS, **own, **spec})
