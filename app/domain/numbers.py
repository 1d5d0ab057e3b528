"""Numbers as they are shown."""

from __future__ import annotations

from typing import Any


def plain_number(value: Any) -> Any:
    """30 for 30.0: a number that came as a whole one is given back as one. Any other value as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
