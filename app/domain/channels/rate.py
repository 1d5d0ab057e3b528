"""How many messages a channel may get."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `messages` in any `seconds`: a few at once, then one at a time."""

    messages: int
    seconds: int

    @property
    def burst(self) -> int:
        """How many may be sent at once after a while of silence."""
        return max(1, self.messages // 4)

    @property
    def pause_ms(self) -> int:
        """The pause between messages after the burst, so that burst and what follows it are `messages` together."""
        return -(-self.seconds * 1000 // max(1, self.messages - self.burst))
