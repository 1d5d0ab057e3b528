"""Counters that only grow, for `GET /metrics`: exact over all processes and restarts, since they are in Redis.

What happens to each task is counted by minute (`count` in `_lib.lua`), and added here once the minute is over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.store.columns import dump_json
from app.store.scripts import Scripts


@dataclass(frozen=True, slots=True)
class Totals:
    """The counters of the service and those of its requests (app/api/request_counts.py), by name, and what else was
    asked for: sizes of sets, lengths of lists, lowest scores of sets."""

    counters: Counter[str]
    requests: Counter[str]
    sizes: list[int]
    lengths: list[int]
    firsts: list[int | None]


class TotalsStore:
    """The totals under one prefix. Thread-safe; raises Unavailable if Redis can't be reached."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    def read(self, sets: Sequence[str] = (), lists: Sequence[str] = (), firsts: Sequence[str] = ()) -> Totals:
        """All counters and, of the same moment, what is known of these keys."""
        asked = {"sets": sets, "lists": lists, "firsts": firsts}
        counters, requests, sizes, lengths, scores = self._scripts("totals", asked=dump_json(asked))
        return Totals(
            _sums(counters),
            _sums(requests),
            sizes=[int(size) for size in sizes],
            lengths=[int(length) for length in lengths],
            firsts=[int(score) if score else None for score in scores],
        )

    def fold(self, before_minute: int, tags: Sequence[str] = ()) -> None:
        """Add the counters of all minutes before this one (ms // 60,000) to the totals.

        If Redis has lost what `set_tags` stored, these tags are stored.
        """
        self._scripts("fold", before_minute=before_minute, tags=_tags_text(tags))

    def set_tags(self, names: Sequence[str]) -> None:
        """Count tasks by the values of these tags from now on."""
        self._scripts("totals_tags", tags=_tags_text(names))

    def add_requests(self, process: str, number: int, counts: Mapping[str, int]) -> None:
        """Add what a process has counted of its requests since its call before, whose number was one lower.

        A call that may have been carried out may be made again.
        """
        values = [value for pair in counts.items() for value in pair]
        self._scripts("add_requests", process=process, number=number, counts=values)


def _tags_text(names: Sequence[str]) -> str:
    """The names as the scripts read them: each surrounded by commas; "," for none."""
    return "".join((",", *(f"{name}," for name in names)))


def _sums(flat: Sequence[Any]) -> Counter[str]:
    found = Counter[str]()
    for name, value in zip(flat[::2], flat[1::2], strict=True):
        found[name] += int(value)
    return found
