"""Name lookups that can be abandoned: getaddrinfo has no timeout and may hang for minutes."""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence

from tasks.http.errors import Cancelled, ConnectionError_
from tasks.http.exchange import Exchange

SocketAddress = tuple[str, int] | tuple[str, int, int, int]
Endpoint = tuple[socket.AddressFamily, SocketAddress]
Resolve = Callable[[str, int], Sequence[Endpoint]]

MAX_LOOKUPS_AT_ONCE = 32
IDLE_THREAD_SECONDS = 5.0


def system_lookup(host: str, port: int, flags: int = 0) -> list[Endpoint]:
    """Return all addresses of an ASCII host, in the system's order. Blocks; raises OSError."""
    # bytes, since a str would go through Python's own outdated IDNA codec
    found = socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM, flags=flags)
    return [(family, sockaddr) for family, _, _, _, sockaddr in found]  # type: ignore[misc]


def literal_endpoints(host: str, port: int) -> list[Endpoint]:
    """Return the address if the host is one, in any form that the system's resolver accepts (0x7f.1, 2130706433,
    0177.0.0.1 …) or that browsers do (127.0.0.1. with its dot). Makes no DNS query."""
    try:
        return system_lookup(host.removesuffix("."), port, flags=socket.AI_NUMERICHOST)
    except OSError:
        return []


class _Lookup:
    """One query and its answer. `done` is also set when the caller is cancelled."""

    __slots__ = ("answer", "asked", "done", "has_failed", "host", "port")

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.asked = True
        self.done = threading.Event()
        self.answer: Sequence[Endpoint] = ()
        self.has_failed = False


class Resolver:
    """Looks names up in at most MAX_LOOKUPS_AT_ONCE threads. Answers are not cached.

    A hanging lookup occupies its thread until the system gives up. While all threads hang, further lookups wait, each
    no longer than its own deadline. The threads are daemons, so a hanging one does not keep the process from ending.
    """

    def __init__(self, resolve: Resolve = system_lookup) -> None:
        self._resolve = resolve
        self._waiting: deque[_Lookup] = deque()
        self._changed = threading.Condition()  # guards all three
        self._threads = 0
        self._idle = 0

    def endpoints(self, host: str, port: int, exchange: Exchange) -> Sequence[Endpoint]:
        """Return at least one address. Raises ConnectionError_, TimeoutError_ or Cancelled."""
        found = literal_endpoints(host, port) or self._ask(host, port, exchange)
        if not found:
            raise ConnectionError_(f"the name {host} could not be resolved")
        return found

    def _ask(self, host: str, port: int, exchange: Exchange) -> Sequence[Endpoint]:
        lookup = _Lookup(host, port)
        exchange.cancel.attach(lookup, lookup.done.set)
        try:
            self._submit(lookup)
            answered = lookup.done.wait(exchange.remaining())
        finally:
            lookup.asked = False
            exchange.cancel.detach(lookup)
        if exchange.cancel.cancelled:
            raise Cancelled
        if not answered:
            raise exchange.timed_out()
        if lookup.has_failed:
            raise ConnectionError_(f"the name {host} could not be resolved")
        return lookup.answer

    def _submit(self, lookup: _Lookup) -> None:
        with self._changed:
            self._waiting.append(lookup)
            self._changed.notify()
            if self._idle < len(self._waiting) and self._threads < MAX_LOOKUPS_AT_ONCE:
                self._start_thread(lookup)

    def _start_thread(self, lookup: _Lookup) -> None:
        """Start one more thread, with the lock held. Where there can't be one, the lookup waits for those there are."""
        try:
            threading.Thread(target=self._serve, name="http-dns", daemon=True).start()
        except RuntimeError:
            if not self._threads:
                self._waiting.remove(lookup)
                raise ConnectionError_(
                    f"the name {lookup.host} could not be resolved: the worker can start no thread for it"
                ) from None
        else:
            self._threads += 1  # it waits for the lock

    def _serve(self) -> None:
        while (lookup := self._next()) is not None:
            if not lookup.asked:
                continue
            try:
                lookup.answer = self._resolve(lookup.host, lookup.port)
            except (OSError, UnicodeError):
                lookup.has_failed = True
            finally:
                lookup.done.set()

    def _next(self) -> _Lookup | None:
        """Return the next lookup, or None if this thread is to end. It is then no longer counted."""
        with self._changed:
            self._idle += 1
            self._changed.wait_for(lambda: self._waiting, IDLE_THREAD_SECONDS)
            self._idle -= 1
            if self._waiting:
                return self._waiting.popleft()
            self._threads -= 1
            return None
