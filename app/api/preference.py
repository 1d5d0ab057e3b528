"""`Prefer: wait=N` on a request that creates a task, or reads one."""

from __future__ import annotations

from collections.abc import Callable

from flask import Response

from app.api.context import context
from app.api.parsing import preferred_wait_seconds


def held(respond: Callable[[float], Response], asked_seconds: float | None = None) -> Response:
    """The response that `respond` makes, given the seconds to wait for the task to finish.

    The seconds are those that the query asks for; if it asks for none, those that the request prefers. They are 0 if
    too many responses are being held.
    """
    with context().holding(preferred_wait_seconds() if asked_seconds is None else asked_seconds) as wait_seconds:
        response = respond(wait_seconds)
    if wait_seconds and asked_seconds is None:
        response.headers["Preference-Applied"] = f"wait={wait_seconds:g}"
    return response
