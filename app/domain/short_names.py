"""The rule for the names of channels and of API keys."""

from __future__ import annotations

import re

MAX_CHARACTERS = 64
#: For JSON Schema, beside the lengths.
PATTERN = "^[A-Za-z0-9][A-Za-z0-9._-]*$"
RULE = f"1 to {MAX_CHARACTERS} letters, digits, dots, dashes and underscores, the first a letter or digit"
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_CHARACTERS - 1}}}", re.ASCII)


def is_short_name(name: str) -> bool:
    """Whether the rule permits `name`."""
    return _NAME.fullmatch(name) is not None


def check_short_name(name: str) -> None:
    """Raise ValueError unless the rule permits `name`."""
    if not is_short_name(name):
        raise ValueError(f"must have {RULE}")
