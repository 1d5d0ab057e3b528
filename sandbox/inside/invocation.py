"""The module `celeriac` of programs: what a program may know of the task that it runs for."""

from __future__ import annotations

import datetime
from typing import Any

#: What the caller said of this run, as JSON; empty where it said nothing.
current: dict[str, Any] = {}

NAMES = ("task_id", "attempt", "scheduled_task_id", "scheduled_at", "timezone")


def contents() -> dict[str, Any]:
    """The names of the module with their values; None for what does not apply."""
    found = {name: current.get(name) for name in NAMES}
    moment = found["scheduled_at"]
    if type(moment) is str:
        found["scheduled_at"] = datetime.datetime.fromisoformat(moment)
    return found
