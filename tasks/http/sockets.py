"""Sockets that ask their exchange before they block, so that no operation exceeds the call's time."""

from __future__ import annotations

import contextlib
import socket
import ssl
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import certifi

from tasks.http.errors import HandshakeEnded
from tasks.http.exchange import Exchange

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer


_ENDS = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
"""What OpenSSL makes of the end of the stream: which of the two depends on its version."""


class WatchedSocket(socket.socket):
    """A TCP socket bound to one exchange at a time.

    The timeout of requests applies to each read, so a target that sends a byte per second never triggers it. Here
    each operation gets the time that is left for the whole call, and raises TimeoutError_ or Cancelled itself. Neither
    is an OSError, so that no layer above takes it for a broken connection.
    """

    exchange: Exchange | None = None

    def watch(self, exchange: Exchange) -> None:
        """Bind the socket to this exchange: its deadline applies, and its cancel shuts the socket down."""
        exchange.cancel.attach(self, partial(_shut_down, self))
        self.exchange = exchange

    def unwatch(self) -> None:
        if self.exchange is not None:
            self.exchange.cancel.detach(self)
            self.exchange = None

    def _arm(self) -> Exchange:
        if self.exchange is None:
            raise RuntimeError("the socket is used outside an exchange")
        self.settimeout(self.exchange.remaining())
        return self.exchange

    def recv_into(self, buffer: WriteableBuffer, nbytes: int | None = 0, flags: int = 0) -> int:
        exchange = self._arm()
        try:
            size_bytes = super().recv_into(buffer, nbytes or 0, flags)
        except TimeoutError:
            raise exchange.timed_out() from None
        exchange.received(size_bytes)
        return size_bytes

    def recv(self, bufsize: int = 1024, flags: int = 0) -> bytes:
        exchange = self._arm()
        try:
            data = super().recv(bufsize, flags)
        except TimeoutError:
            raise exchange.timed_out() from None
        exchange.received(len(data))
        return data

    def send(self, data: ReadableBuffer, flags: int = 0) -> int:
        exchange = self._arm()
        try:
            return super().send(data, flags)
        except TimeoutError:
            raise exchange.timed_out() from None

    def sendall(self, data: ReadableBuffer, flags: int = 0) -> None:
        exchange = self._arm()
        try:
            super().sendall(data, flags)
        except TimeoutError:
            raise exchange.timed_out() from None

    def _real_close(self, *args: Any) -> None:
        # Before the descriptor's number can be reused: a late cancel must not shut down another socket.
        self.unwatch()
        super()._real_close(*args)  # type: ignore[misc]  # called by socket.close() and makefile()


class WatchedTLSSocket(WatchedSocket, ssl.SSLSocket):
    """A watched socket with TLS."""

    def recv(self, bufsize: int = 1024, flags: int = 0) -> bytes:
        # While ssl makes a socket of a connection that is reset already, it looks whether plain text had come. It does
        # not wait for any, and nobody has bound the socket to an exchange yet.
        if self.exchange is None and self._sslobj is None:  # type: ignore[attr-defined]
            try:
                return socket.socket.recv(self, bufsize, flags)
            except ConnectionError:
                return b""  # the handshake fails; an error here would leave the socket open
        return super().recv(bufsize, flags)

    def send(self, data: ReadableBuffer, flags: int = 0) -> int:
        try:
            return super().send(data, flags)
        except ssl.SSLEOFError:  # what Python makes of a peer that reads no more
            raise BrokenPipeError from None

    def do_handshake(self, block: bool = False) -> None:
        exchange = self._arm()
        try:
            super().do_handshake(block)
        except TimeoutError:
            raise exchange.timed_out() from None
        except _ENDS:
            raise HandshakeEnded from None


class EndingTLSObject(ssl.SSLObject):
    """TLS within TLS, in a tunnel through an https proxy; the outer socket is watched."""

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except _ENDS:
            raise HandshakeEnded from None


class WatchedTLSContext(ssl.SSLContext):
    """Makes TLS sockets that belong to the exchange of the socket they wrap, from the handshake on."""

    sslsocket_class = WatchedTLSSocket
    sslobject_class = EndingTLSObject

    def wrap_socket(self, sock: socket.socket, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        exchange = sock.exchange if isinstance(sock, WatchedSocket) else None
        if exchange is None:
            raise RuntimeError("TLS outside an exchange")
        kwargs["do_handshake_on_connect"] = False  # the handshake needs the exchange
        wrapped = super().wrap_socket(sock, *args, **kwargs)
        exchange.cancel.detach(sock)
        try:
            wrapped.watch(exchange)  # type: ignore[attr-defined]  # sslsocket_class says which it is
            wrapped.do_handshake()
        except BaseException:
            wrapped.close()
            raise
        return wrapped


@lru_cache(maxsize=4)
def tls_context(ca_bundle: str | None) -> WatchedTLSContext:
    """Return a context that trusts certifi's roots, and the CA in `ca_bundle` (a PEM file) as well.

    Verification can't be turned off. Reading the roots takes 50 ms, so all clients of a process share the context,
    and forks that of start.py: sockets change nothing in it. Raises OSError or ssl.SSLError for a bad bundle.
    """
    context = WatchedTLSContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(certifi.where())
    if ca_bundle:
        context.load_verify_locations(ca_bundle)
    return context


def _shut_down(sock: socket.socket) -> None:
    # Not SSLSocket.shutdown, which drops the TLS layer first: a thread in the middle of a send would continue
    # in plain text.
    with contextlib.suppress(OSError):  # not connected yet, or closed already: the flag is set all the same
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
