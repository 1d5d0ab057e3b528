"""Leases of work that one process at a time does. They only save work that is done twice: nothing else needs them."""

from __future__ import annotations

from app.domain.errors import Full
from app.store.client import Client

#: For work of a round of maintenance, which takes less: a process that is killed keeps the others from it for so long.
ROUND_LEASE_MS = 1_000


class Lease:
    """The lease of one kind of work. Thread-safe; raises Unavailable if Redis can't be reached."""

    def __init__(self, client: Client, key: str, ms: int) -> None:
        self._client = client
        self._key = key
        self._ms = ms

    def take(self, owner: str) -> bool:
        """Whether `owner` may do the work from now on, for as long as a lease lasts.

        Where there is no room for a lease, everybody may: the work is more important, and may make room.
        """
        try:
            if self._client.set(self._key, owner, nx=True, px=self._ms):
                return True
            is_own = self._client.get(self._key) == owner
            return is_own and bool(self._client.set(self._key, owner, xx=True, px=self._ms))
        except Full:
            return True

    def end(self) -> None:
        """Let other processes do the work. Call this only with the lease."""
        self._client.delete(self._key)
