"""Text from elsewhere, made safe to print."""

from __future__ import annotations


def printable(text: str) -> str:
    """Text that can't do anything to a terminal: control characters, and those that change its direction, escaped."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
