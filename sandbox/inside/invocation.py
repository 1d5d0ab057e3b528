"""The module `celeriac` of programs: what a program may know of the task that it runs for."""

from __future__ import annotations

import json
from typing import Any


class Context:
    """What the caller said of this run, as JSON."""

    def __init__(self) -> None:
        self.text = b"{}"


current = Context()

NAMES = ("task_id", "attempt", "scheduled_task_id", "scheduled_at", "timezone")


def contents() -> dict[str, Any]:
    """The names of the module with their values; None for what does not apply."""
    said = json.loads(current.text)
    found = {name: said.get(name) for name in NAMES}
    moment = found["scheduled_at"]
    if type(moment) is str:
        import datetime

        found["scheduled_at"] = datetime.datetime.fromisoformat(moment)
    return found
