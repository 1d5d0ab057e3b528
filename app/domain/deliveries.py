"""Deliveries: messages to a callback URL or to a channel, and when they are tried again."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum


class DeliveryStatus(StrEnum):
    """Where a delivery stands. Only a replay changes one that is delivered or has failed."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


#: Seconds before each try after the first: ten tries in three days, as Standard Webhooks recommends.
PAUSES_SECONDS: tuple[float, ...] = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
#: A pause is lengthened by up to this part of it, so that what failed together is not tried together.
JITTER = 0.1
MAX_RETRY_AFTER_SECONDS = 86_400.0
#: The record of a delivery has the last tries only: replays add to them without end.
TRIES_KEPT = 20


def pause_ms(pauses_seconds: Sequence[float], tried: int, spread: float, asked_seconds: float | None) -> int | None:
    """Milliseconds until the next try, after `tried` of them; None if that was the last.

    spread: a random number in 0..1. asked_seconds: the pause that the receiver asks for, at most a day.
    """
    if tried > len(pauses_seconds):
        return None
    pause_seconds = pauses_seconds[tried - 1] * (1 + JITTER * spread)
    return round(1000 * max(pause_seconds, min(asked_seconds or 0.0, MAX_RETRY_AFTER_SECONDS)))
