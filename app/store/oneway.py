"""Commands that are sent and not waited for: a quarter of the cost of a round trip, for what must not slow a call down.

Once `send` returns, the system has the command, and delivers it even if this process is killed. Redis is told not to
answer (CLIENT REPLY OFF), so nobody learns that it refused a command, for want of memory say.
"""

from __future__ import annotations

import os
import select
import threading
import time
from typing import Any

from redis.exceptions import ConnectionError, RedisError

from app.domain.errors import Unavailable
from app.store.arguments import packed_command
from app.store.breaker import SILENT
from app.store.client import Client

#: A connection that was used within this time is not looked at before it is used again. No Redis ends and is back as
#: quickly, and while it is away, nothing is sent.
TRUSTED_SECONDS = 0.1
#: How long a caller waits for another one that is connecting: many would else wait for the timeouts of all before them.
WAIT_SECONDS = 0.4


class OneWay:
    """One connection for such commands. Connects at the first one. Thread-safe."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._connection: Any = None  # as redis-py makes it: annotated in part only
        self._news = select.poll()  # of the connection
        self._sent_at = float("-inf")
        self._pid = 0

    def send(self, *command: str | int) -> None:
        """Send a command. Raises Unavailable if it could not be sent."""
        words = packed_command(*command)
        if not self._lock.acquire(timeout=WAIT_SECONDS):
            raise Unavailable(SILENT)
        try:
            try:
                self._send(words)
            except ConnectionError:  # Redis closed the connection, after a restart say: once more on a new one
                self._send(words)
        except RedisError as error:
            raise Unavailable(type(error).__name__) from error
        finally:
            self._lock.release()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._connection is not None and self._pid == os.getpid():
                self._connection.disconnect()
            self._connection = None

    def _send(self, command: bytes) -> None:
        try:
            self._connected().send_packed_command((command,), check_health=False)
        except BaseException:  # half a command may be out: the next one needs a new connection
            if self._connection is not None:
                self._connection.disconnect()
            raise

    def _connected(self) -> Any:
        """The connection, open and silent. Raises ConnectionError if Redis has closed it."""
        if self._connection is None or self._pid != os.getpid():  # never one that is shared with a parent
            self._connection = self._client.connection_pool.make_connection()
            self._pid = os.getpid()
        if not self._connection.is_connected:
            self._connection.connect()
            self._connection.send_command("CLIENT", "REPLY", "OFF")
            self._news = select.poll()
            self._news.register(self._connection._get_socket(), select.POLLIN)
        elif time.monotonic() - self._sent_at > TRUSTED_SECONDS and self._news.poll(0):  # nothing to read but the end
            raise ConnectionError("Redis has closed the connection")
        self._sent_at = time.monotonic()
        return self._connection
