"""Bounds the notices to one channel: a few in five minutes one by one, then a summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from app.domain.stored import known_fields

WINDOW_MS = 300_000
#: Notices that pass one by one within a window.
MOST = 10
#: Lines of a summary.
NAMED = 5


@dataclass(frozen=True, slots=True)
class Flow:
    """The notices to one channel in the current window. `lines`: the first of those that were held back."""

    began_ms: int = 0
    passed: int = 0
    held: int = 0
    lines: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The stored form."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Flow:
        """The flow with this stored form."""
        return cls(**{**known_fields(cls, stored), "lines": tuple(stored["lines"])})

    @property
    def ends_ms(self) -> int:
        """When the window ends, and the summary of what was held back is due."""
        return self.began_ms + WINDOW_MS


def admit(flow: Flow, now_ms: int, line: str) -> tuple[Flow, bool]:
    """Whether a notice is sent by itself; otherwise it is held back for the summary, which has `line` for it."""
    if not flow.held and not 0 <= now_ms - flow.began_ms < WINDOW_MS:
        flow = Flow(began_ms=now_ms)
    elif now_ms < flow.began_ms:  # the clock was set back: the summary must not wait for as long as that
        flow = replace(flow, began_ms=now_ms)
    if flow.passed < MOST:
        return replace(flow, passed=flow.passed + 1), True
    lines = (*flow.lines, line) if len(flow.lines) < NAMED else flow.lines
    return replace(flow, held=flow.held + 1, lines=lines), False


def summed_up(now_ms: int) -> Flow:
    """A flow after its summary: while a storm goes on, there are only summaries."""
    return Flow(began_ms=now_ms, passed=MOST)
