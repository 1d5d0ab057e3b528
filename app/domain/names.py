"""Names as people search for them: case does not matter, and `*` stands for any text at either end."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum


def folded(name: str) -> str:
    """The form in which names are compared: names that differ only in case have the same one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


class Match(StrEnum):
    """Where in a name the text must stand."""

    EXACT = "exact"
    PREFIX = "prefix"
    SUFFIX = "suffix"
    PART = "part"


@dataclass(frozen=True, slots=True)
class NamePattern:
    """A filter on names: a folded text, and where in a name it must stand."""

    text: str
    match: Match = Match.EXACT

    def matches(self, name: str) -> bool:
        """Whether a name, in any case, matches."""
        own = folded(name)
        return {
            Match.EXACT: own == self.text,
            Match.PREFIX: own.startswith(self.text),
            Match.SUFFIX: own.endswith(self.text),
            Match.PART: self.text in own,
        }[self.match]


def name_pattern(text: str) -> NamePattern | None:
    """The pattern that a caller wrote: `report`, `report*`, `*report` or `*report*`. None if it matches every name."""
    starts, ends = text.startswith("*"), text.endswith("*")
    inner = folded(text[starts : len(text) - ends] if len(text) > 1 else text.strip("*"))
    if not inner:
        return None
    if starts and ends:
        return NamePattern(inner, Match.PART)
    if ends:
        return NamePattern(inner, Match.PREFIX)
    return NamePattern(inner, Match.SUFFIX if starts else Match.EXACT)
