"""Connections that threads take in turn, the one that was used last first.

redis-py's pools share a lock among all threads, and ask the system at each command whether the connection is closed.
Here the idle connections are a deque, whose ends are atomic, and only a connection that has been idle for a second is
looked at. One that Redis has closed within that second is found out by the command, which is sent again (client.py).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress
from typing import Any

from redis.connection import Connection, ConnectionPool, SSLConnection
from redis.exceptions import ConnectionError, RedisError
from redis.sentinel import Sentinel, SentinelConnectionPool, SentinelManagedConnection

#: How long a caller waits for a connection while all of them are in use.
WAIT_SECONDS = 0.4
#: A connection that has been idle for longer is looked at before it is used.
TRUSTED_SECONDS = 1.0
#: A connection that has been idle for longer is closed: the threads that needed it are gone, or asleep.
IDLE_SECONDS = 60.0


class Pool(ConnectionPool):
    """At most `max_connections` connections, made when they are needed. Thread-safe; forks begin without connections.

    Raises ConnectionError if all of them are in use for longer than WAIT_SECONDS.
    """

    def reset(self) -> None:
        """Forget all connections: called at the start, and in a forked process."""
        self._idle: deque[tuple[Connection, float]] = deque()  # with the time since which each is idle
        self._made = 0
        self._freed = threading.Condition()
        self._waiting = 0
        super().reset()  # the last step, see there

    def get_connection(self, command_name: Any = None, *keys: Any, **options: Any) -> Connection:
        """A connection that is open, for this thread until it releases it. Its arguments have no meaning."""
        self._checkpid()
        try:
            connection, idle_since = self._wait() if self._waiting else self._idle.pop()
        except IndexError:
            connection, idle_since = self._wait()
        try:
            if not connection.is_connected or time.monotonic() - idle_since > TRUSTED_SECONDS:
                _open(connection)
        except BaseException:
            self.release(connection)
            raise
        return connection

    def release(self, connection: Any) -> None:
        """Give a connection back. Those that nobody has used for long are closed."""
        self._checkpid()
        if connection.pid != self.pid:
            return  # of the process before its fork
        if connection.should_reconnect() or not self.owns_connection(connection):
            connection.disconnect()
        now = time.monotonic()
        self._idle.append((connection, now))
        if self._waiting:
            with self._freed:
                self._freed.notify()
        self._close_unused(now)

    def disconnect(self, inuse_connections: bool = True) -> None:
        """Close the idle connections. Those in use are closed by their threads, which read their replies first."""
        self._checkpid()
        with suppress(IndexError):  # other threads take some meanwhile
            for _ in range(len(self._idle)):
                connection, _ = self._idle.popleft()
                connection.disconnect()  # type: ignore[no-untyped-call]
                self.release(connection)

    def make_connection(self) -> Any:
        """A connection beside those of the pool, not opened yet."""
        return self.connection_class(**self.connection_kwargs)

    def _wait(self) -> tuple[Connection, float]:
        """The next connection that becomes free, or a new one. Whoever waits longest gets the first."""
        deadline = time.monotonic() + WAIT_SECONDS
        with self._freed:
            is_its_turn = not self._waiting
            self._waiting += 1  # before the look at `_idle`, so that a later release notifies
            try:
                while True:
                    if is_its_turn:
                        with suppress(IndexError):
                            return self._idle.pop()
                    if self._made < self.max_connections:
                        self._made += 1
                        return self.make_connection(), 0.0
                    seconds = deadline - time.monotonic()
                    if seconds <= 0:
                        raise ConnectionError("No connection available.")
                    self._freed.wait(seconds)
                    is_its_turn = True  # notified; or the time is over, and this is the last look
            finally:
                self._waiting -= 1

    def _close_unused(self, now: float) -> None:
        """Close the connection that has been idle longest, if that is too long."""
        with suppress(IndexError):  # another thread has just taken it
            if now - self._idle[0][1] < IDLE_SECONDS:
                return
            connection, _ = self._idle.popleft()
            connection.disconnect()  # type: ignore[no-untyped-call]
            with self._freed:
                self._made -= 1
                self._freed.notify()


class SentinelConnection(SentinelManagedConnection):
    """A connection to the current master, closed when a reply could not be read: the next command must not get it."""

    def read_response(self, *args: Any, disconnect_on_error: bool | None = True, **options: Any) -> Any:
        """The reply to the oldest command without one."""
        return super().read_response(*args, disconnect_on_error=disconnect_on_error, **options)


class SentinelTlsConnection(SentinelConnection, SSLConnection):
    """The same by TLS."""


class SentinelPool(Pool, SentinelConnectionPool):
    """The same for the current master of a service, which each new connection asks a Sentinel for."""

    def __init__(self, service: str, sentinel: Sentinel, *, ssl: bool = False, **options: Any) -> None:
        kind = SentinelTlsConnection if ssl else SentinelConnection
        super().__init__(service, sentinel, connection_class=kind, **options)  # type: ignore[no-untyped-call]

    def disconnect(self, inuse_connections: bool = True) -> None:
        """The same; and at the end, not when there is another master, close the connections to the Sentinels."""
        super().disconnect(inuse_connections)
        if inuse_connections:
            for sentinel in self.sentinel_manager.sentinels:
                sentinel.close()


def _open(connection: Connection) -> None:
    """Open a connection, again if Redis has closed it or if something is left to be read."""
    connection.connect()  # type: ignore[no-untyped-call]
    try:
        if not connection.can_read():
            return
    except (RedisError, OSError):
        pass  # closed
    connection.disconnect()  # type: ignore[no-untyped-call]
    connection.connect()  # type: ignore[no-untyped-call]
