"""How many messages a channel may get."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `messages` in any `seconds`: a few at once, `max_burst` of them if it is given, then one at a time."""

    messages: int
    seconds: int
    max_burst: int | None = None

    @property
    def burst(self) -> int:
        """How many may be sent at once after a while of silence."""
        burst = max(1, self.messages // 4)
        return burst if self.max_burst is None else min(burst, self.max_burst)

    @property
    def pause_ms(self) -> int:
        """The pause between messages after the burst, so that burst and what follows it are `messages` together."""
        return -(-self.seconds * 1000 // max(1, self.messages - self.burst))
