"""Decides whether a failed attempt is retried, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.statuscodes import StatusPattern, matches

#: Status codes on which an API task is retried unless it specifies others.
DEFAULT_RETRY_ON: tuple[StatusPattern, ...] = ("408", "425", "429", "5xx")
#: A response with this status or header asks the caller not to retry (Upstash QStash).
NON_RETRYABLE_STATUS = 489
NON_RETRYABLE_HEADER = "upstash-nonretryable-error"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a task is retried, and after how many seconds."""

    max_retries: int
    delay_seconds: float
    max_delay_seconds: float
    retry_on: tuple[StatusPattern, ...] = DEFAULT_RETRY_ON

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> RetryPolicy:
        """The policy of a task with this spec. Only API tasks have `retry_on`."""
        retry_on = tuple(spec.get("retry_on", DEFAULT_RETRY_ON))
        return cls(spec["max_retries"], spec["retry_delay"], spec["retry_max_delay"], retry_on)

    def pause_seconds(self, attempt: int, spread: float, retry_after_seconds: float | None) -> float:
        """Seconds between the end of `attempt` (from 1) and the start of the next.

        Exponential backoff with full jitter: `spread`, a random number in 0..1, picks a point between 0 and
        the doubled delay, so that tasks which failed together are not retried together. The pause is at least
        the target's Retry-After, up to the cap.
        """
        exponent = min(attempt - 1, 60)  # far below the power at which a float overflows
        backoff = min(self.delay_seconds * 2.0**exponent, self.max_delay_seconds) * spread
        return max(backoff, min(retry_after_seconds or 0.0, self.max_delay_seconds))

    def allows(self, attempt: int) -> bool:
        """Whether another attempt may follow `attempt`."""
        return attempt <= self.max_retries

    def retries_answer(self, status_code: int, non_retryable: bool) -> bool:
        """Whether a response with this status should be retried."""
        if non_retryable or status_code == NON_RETRYABLE_STATUS:
            return False
        return matches(status_code, self.retry_on)
