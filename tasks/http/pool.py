"""Idle connections, kept for the next call to the same target."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

from tasks.http.connections import Connection

MAX_IDLE_CONNECTIONS = 256
MAX_IDLE_SECONDS = 15.0
"""Servers hang up after 5 to 75 s of silence. The longer a connection is kept, the more often it turns out dead."""


class IdleConnections:
    """Keeps at most `max_idle` open connections in all, each for at most `max_idle_seconds`.

    The newest is taken first, the oldest closed first. Thread-safe: a connection is either in here or with one caller.
    """

    def __init__(
        self,
        max_idle: int = MAX_IDLE_CONNECTIONS,
        max_idle_seconds: float = MAX_IDLE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_idle = max_idle
        self._max_idle_seconds = max_idle_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._closed = False
        self._by_age: OrderedDict[Connection, tuple[Hashable, float]] = OrderedDict()
        self._by_key: dict[Hashable, list[Connection]] = {}

    def take(self, key: Hashable) -> Connection | None:
        """Return an open connection to that target, or None."""
        while (found := self._pop(key)) is not None:
            connection, idle_seconds = found
            if idle_seconds <= self._max_idle_seconds and connection.is_connected:
                return connection
            connection.close()
        return None

    def put(self, key: Hashable, connection: Connection) -> None:
        with self._lock:
            superfluous = [connection] if self._closed else self._insert(key, connection)
        for one in superfluous:
            one.close()

    def close(self) -> None:
        """Close idle connections now, and others as they are returned."""
        with self._lock:
            self._closed = True
            idle = list(self._by_age)
            self._by_age.clear()
            self._by_key.clear()
        for connection in idle:
            connection.close()

    def __len__(self) -> int:
        return len(self._by_age)

    def _pop(self, key: Hashable) -> tuple[Connection, float] | None:
        with self._lock:
            waiting = self._by_key.get(key)
            if not waiting:
                return None
            connection = waiting[-1]
            _, since = self._by_age[connection]
            self._remove(connection)
            return connection, self._clock() - since

    def _insert(self, key: Hashable, connection: Connection) -> list[Connection]:
        now = self._clock()
        self._by_age[connection] = (key, now)
        self._by_key.setdefault(key, []).append(connection)
        superfluous = []
        for oldest, (_, since) in list(self._by_age.items()):
            if len(self._by_age) <= self._max_idle and now - since <= self._max_idle_seconds:
                break
            self._remove(oldest)
            superfluous.append(oldest)
        return superfluous

    def _remove(self, connection: Connection) -> None:
        key, _ = self._by_age.pop(connection)
        waiting = self._by_key[key]
        waiting.remove(connection)
        if not waiting:
            del self._by_key[key]
