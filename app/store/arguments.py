"""Helpers for the arguments of scripts."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import TypeVar

Choice = TypeVar("Choice")


def one_or_all(value: Choice | None, choices: Iterable[Choice]) -> Iterable[Choice]:
    """The choices that a filter selects: `value`, or every choice if `value` is None."""
    return choices if value is None else (value,)


def checked_cursor(cursor: str | None) -> str:
    """A cursor that a list returned, "" for None. Raises ValueError for any other text."""
    if cursor is None:
        return ""
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 16):
        raise ValueError("is not a cursor returned by a list")
    return cursor


def new_call() -> str:
    """A name for one call of a script, so that the script recognizes it if the client sends it again."""
    return secrets.token_hex(8)


def packed(*values: str | bytes | int | float) -> bytes:
    """The values as the arguments of a command, as they are sent. Raises TypeError for True, False and None."""
    parts = []
    for value in values:
        if type(value) is str:
            data = value.encode()
        elif value is None or value is True or value is False:
            raise TypeError(f"{value} is no argument of a command")
        else:
            data = value if isinstance(value, bytes) else str(value).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


def packed_command(*values: str | bytes | int | float) -> bytes:
    """A command with its arguments, as it is sent."""
    return b"*%d\r\n%b" % (len(values), packed(*values))
