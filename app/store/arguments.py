"""Small shapes that the scripts' arguments share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

Choice = TypeVar("Choice")


def one_or_all(value: Choice | None, choices: Iterable[Choice]) -> Iterable[Choice]:
    """What a filter leaves: `value`, or with None every choice."""
    return choices if value is None else (value,)


def checked_cursor(cursor: str | None) -> str:
    """A cursor that a list gave, "" for none. Raises ValueError on anything else."""
    if cursor is None:
        return ""
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 16):
        raise ValueError("is not a cursor that a list gave")
    return cursor
