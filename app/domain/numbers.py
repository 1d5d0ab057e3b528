"""JSON has one type of number: 30.0 is 30."""

from __future__ import annotations

from typing import Any


def plain_number(value: Any) -> Any:
    """The int for a whole float (30 for 30.0); any other value unchanged."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
