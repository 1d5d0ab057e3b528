"""What alerts and notices keep in Redis as JSON: read also where a newer version has added fields (docs/upgrade.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any


def known_fields(kind: Any, stored: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a stored form that are fields of this dataclass."""
    names = [field.name for field in fields(kind)]
    return {name: stored[name] for name in names if name in stored}
