"""How many of a courier's places each receiver may hold. Times are arguments, in seconds of a steady clock.

Without a limit, a receiver that hangs holds all places as soon as enough callbacks to it are due, and those to every
other receiver wait for its timeouts.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from dataclasses import dataclass

#: A try that takes longer, or half of its timeout, makes its receiver a slow one.
SLOW_SECONDS = 2.0
#: From one delivery that is put off to the next to the same receiver: each costs Redis a claim and a report.
WAIT_INTERVAL_SECONDS = 0.01
#: Slow receivers that are remembered. The one that became slow first is forgotten first, and then has all places.
MOST_SLOW = 1_000


@dataclass(frozen=True, slots=True)
class Wait:
    """A try that has to wait. `is_first`: nothing has waited for the receiver since it became slow."""

    seconds: float
    is_first: bool


@dataclass(slots=True)
class _Slow:
    """`seconds`: what its last try took, so that a place may be free after as long."""

    places: int
    seconds: float
    last_turn: float | None = None


class Receivers:
    """Limits the places of receivers whose last try took long: half of them, or a tenth if no answer came.

    Each has one place at least, so that its tries go on and show when it is well again. Thread-safe.
    """

    def __init__(self, places: int, timeout_seconds: float) -> None:
        self._places = places
        self._slow_seconds = min(SLOW_SECONDS, timeout_seconds / 2)
        self._held: Counter[str] = Counter()
        self._slow: OrderedDict[str, _Slow] = OrderedDict()
        self._lock = threading.Lock()

    def enter(self, receiver: str, now: float) -> Wait | None:
        """Take a place for a try; each call that returns None needs a `leave`. Otherwise say how long to wait."""
        with self._lock:
            slow = self._slow.get(receiver)
            if slow is None or self._held[receiver] < slow.places:
                self._held[receiver] += 1
                return None
            is_first = slow.last_turn is None
            turn = now + slow.seconds
            if slow.last_turn is not None:
                turn = max(turn, slow.last_turn + WAIT_INTERVAL_SECONDS)
            slow.last_turn = turn
            return Wait(turn - now, is_first)

    def leave(self, receiver: str, seconds: float, has_answered: bool | None) -> None:
        """Give the place back after a try that took so long. `has_answered`: None if the try says nothing of it."""
        with self._lock:
            self._held[receiver] -= 1
            if not self._held[receiver]:
                del self._held[receiver]
            if has_answered is None:
                return
            if seconds < self._slow_seconds:
                self._slow.pop(receiver, None)
                return
            slow = self._slow.setdefault(receiver, _Slow(1, seconds))
            slow.places, slow.seconds = max(1, self._places // (2 if has_answered else 10)), seconds
            if len(self._slow) > MOST_SLOW:
                self._slow.popitem(last=False)
