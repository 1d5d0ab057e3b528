"""JSON pointers (RFC 6901), and equality of JSON values. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_POINTER_CHARACTERS = 1_000

_BAD_ESCAPE = re.compile(r"~(?![01])")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")


def check_pointer(pointer: str) -> None:
    """Raise ValueError with what is wrong with `pointer`, if anything is."""
    if len(pointer) > MAX_POINTER_CHARACTERS:
        raise ValueError(f"a JSON pointer has at most {MAX_POINTER_CHARACTERS} characters")
    if pointer and not pointer.startswith("/"):
        raise ValueError(f"{pointer[:40]!r} is not a JSON pointer: it must begin with /")
    if _BAD_ESCAPE.search(pointer):
        raise ValueError(f"{pointer[:40]!r} is not a JSON pointer: ~ is written ~0, and / within a name ~1")


def resolve(document: object, pointer: str) -> object:
    """Return the value at `pointer`. Raises LookupError if there is none."""
    value = document
    for token in _tokens(pointer):
        if isinstance(value, dict):
            value = value[token]
        elif isinstance(value, list) and _INDEX.fullmatch(token):
            value = value[int(token)]
        else:
            raise LookupError(pointer)
    return value


def same(one: object, other: object) -> bool:
    """Compare as JSON: 1 equals 1.0, but not true. Takes time linear in the smaller value."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def _tokens(pointer: str) -> Iterator[str]:
    for token in pointer.split("/")[1:]:
        yield token.replace("~1", "/").replace("~0", "~")
