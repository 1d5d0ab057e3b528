"""The interface of channels: ways to send a delivery.

A channel sends one delivery once and says what became of it. The courier decides when, counts tries and keeps records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from app.store.deliveries import Delivery
from app.store.record import Task
from tasks.http import BlockedAddressError, CallError, Cancel, InvalidURL

#: Failures that another try would have as well.
_LASTING = (BlockedAddressError, InvalidURL)


class Effect(Enum):
    """What follows from a try."""

    DELIVERED = auto()
    AGAIN = auto()
    POSTPONED = auto()
    FAILED = auto()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a try.

    status: the code of the answer, if there was one. error: for callers; no part of an answer's body, which could show
    what only the service can reach. after_seconds: the pause before the next try at the least, None for the usual one.
    """

    effect: Effect
    status: int | None = None
    error: str | None = None
    after_seconds: float | None = None

    @property
    def has_answered(self) -> bool | None:
        """Whether the receiver answered; None if nothing was sent."""
        if self.effect is Effect.POSTPONED:
            return None
        return self.effect is Effect.DELIVERED or self.status is not None

    @classmethod
    def delivered(cls, status: int | None = None) -> Verdict:
        """The receiver has it."""
        return cls(Effect.DELIVERED, status)

    @classmethod
    def again(cls, status: int | None, error: str, after_seconds: float | None = None) -> Verdict:
        """Try again, at the earliest after that many seconds."""
        return cls(Effect.AGAIN, status, error, after_seconds)

    @classmethod
    def postponed(cls, after_seconds: float) -> Verdict:
        """Nothing was sent, since the channel sends no more at present; this is no try."""
        return cls(Effect.POSTPONED, after_seconds=after_seconds)

    @classmethod
    def failed(cls, status: int | None, error: str) -> Verdict:
        """No further try makes sense."""
        return cls(Effect.FAILED, status, error)

    @classmethod
    def no_answer(cls, error: CallError) -> Verdict:
        """The call failed: the next may succeed, unless the URL itself is refused."""
        text = f"{error.type}: {error.message}"
        return cls.failed(None, text) if isinstance(error, _LASTING) else cls.again(None, text)


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """A delivery that is to be tried now.

    task: the finished task that it is about, without its body; None if there is none, or if `delivery.data` says all.
    now_ms: the time of this try. timeout_seconds: how long it may take.
    """

    delivery: Delivery
    task: Task | None
    now_ms: int
    timeout_seconds: float


class Channel(Protocol):
    """Sends deliveries. Thread-safe."""

    @property
    def pauses_seconds(self) -> Sequence[float]:
        """The pause before each try after the first."""

    def send(self, due: DueDelivery, cancel: Cancel) -> Verdict:
        """Try once, within the timeout. Raises Cancelled if `cancel` ends it."""
