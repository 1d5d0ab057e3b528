"""Tables of names are written as text: as many to a line as fit, and easier to read than so many quotes."""

from __future__ import annotations


def words(text: str) -> list[str]:
    """The words of a table."""
    return text.split()
