"""Resolve, ask the policy, connect: in this order and in this one place, for every connection."""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from collections.abc import Callable, Sequence

from tasks.http.addresses import AddressPolicy
from tasks.http.errors import BlockedAddressError, ConnectionError_
from tasks.http.exchange import Exchange
from tasks.http.resolver import Endpoint, Resolver
from tasks.http.sockets import WatchedSocket

Connect = Callable[[Endpoint, Exchange, float], WatchedSocket]

FIRST_ADDRESSES_SECONDS = 5.0
"""Time limit per address while others are left: a dead IPv6 route must not use up all the time."""

CANCEL_CHECK_SECONDS = 0.1
"""A shutdown does not wake a pending connect on every system, so the connect checks this often for a cancel."""

_PENDING = (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EALREADY)
_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL)


def open_socket(endpoint: Endpoint, exchange: Exchange, limit_seconds: float) -> WatchedSocket:
    """Return a connected socket of this exchange. Raises OSError after `limit_seconds`, TimeoutError_, Cancelled."""
    sock = WatchedSocket(endpoint[0], socket.SOCK_STREAM)
    try:
        sock.watch(exchange)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _connect(sock, endpoint, exchange, time.monotonic() + limit_seconds)
    except BaseException:
        sock.close()
        raise
    return sock


class Dialer:
    """Makes connections to addresses that the policy allows, and to no others."""

    def __init__(self, policy: AddressPolicy, resolver: Resolver, connect: Connect = open_socket) -> None:
        self._policy = policy
        self._resolver = resolver
        self._connect = connect

    def dial(self, host: str, port: int, exchange: Exchange) -> WatchedSocket:
        """Connect to an address of the host, provided that all of its addresses are allowed.

        A name that points to a refused address as well is refused altogether. Raises CallError or Cancelled.
        """
        endpoints = self._resolver.endpoints(host, port, exchange)
        for _, address in endpoints:
            self._check(host, port, str(address[0]))
        return self._first_that_answers(host, port, endpoints, exchange)

    def dial_unchecked(self, host: str, port: int, exchange: Exchange) -> WatchedSocket:
        """Connect to the operator's proxy, which may have a private address."""
        endpoints = self._resolver.endpoints(host, port, exchange)
        return self._first_that_answers(host, port, endpoints, exchange)

    def _check(self, host: str, port: int, address: str) -> None:
        reason = self._policy.refuses(address, port)
        if reason is not None:
            raise BlockedAddressError(host, port, reason)

    def _first_that_answers(
        self, host: str, port: int, endpoints: Sequence[Endpoint], exchange: Exchange
    ) -> WatchedSocket:
        failure = OSError()
        for position, endpoint in enumerate(endpoints, start=1):
            left = exchange.remaining()
            is_last = position == len(endpoints)
            limit_seconds = left if is_last else min(left / 2, FIRST_ADDRESSES_SECONDS)
            try:
                return self._connect(endpoint, exchange, limit_seconds)
            except OSError as error:
                failure = error
        exchange.remaining()  # the last address may have used up the time
        raise ConnectionError_(f"{host} at port {port} {_said(failure)}")


def _connect(sock: WatchedSocket, endpoint: Endpoint, exchange: Exchange, give_up_at: float) -> None:
    sock.setblocking(False)
    code = sock.connect_ex(endpoint[1])
    waiter = select.poll()
    waiter.register(sock, select.POLLOUT)
    while code in _PENDING:
        left = min(exchange.remaining(), give_up_at - time.monotonic())
        if left <= 0:
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        if waiter.poll(min(left, CANCEL_CHECK_SECONDS) * 1000):
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))
    exchange.remaining()  # a cancelled connect ends without an error code


def _said(failure: OSError) -> str:
    if failure.errno == errno.ECONNREFUSED:
        return "refused the connection"
    if failure.errno in _UNREACHABLE:
        return "can't be reached"
    return "could not be connected"
