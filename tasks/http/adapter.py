"""A requests adapter whose every connection is checked where it is made."""

from __future__ import annotations

import http.client
import time
from collections.abc import Mapping
from typing import Any, cast

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers
from urllib3 import HTTPHeaderDict
from urllib3.response import HTTPResponse

from tasks.http.addresses import AddressPolicy
from tasks.http.connections import Connection, send_request
from tasks.http.dialer import Connect, Dialer, open_socket
from tasks.http.errors import BlockedAddressError
from tasks.http.exchange import Exchange
from tasks.http.failures import TRANSPORT_ERRORS, call_error
from tasks.http.pool import IdleConnections
from tasks.http.resolver import Resolve, Resolver, literal_endpoints, system_lookup
from tasks.http.routes import DirectRoute, ProxyRoute
from tasks.http.sockets import tls_context
from tasks.http.urls import Target, target_of

MAX_HEAD_BYTES = 256 * 1024
"""Status lines and headers of one hop, interim answers included."""

DEFAULT_TIMEOUT_SECONDS = 30.0
DEFAULT_BODY_WIRE_BYTES = 64 * 1024 * 1024

SAFE_TO_SEND_AGAIN = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""RFC 9110, 9.2.2. For the rest, a connection that died under the request is the caller's to judge."""


class GuardedAdapter(BaseAdapter):
    """Sends one request, one hop, to an address that the policy allows; pools connections per target.

    `HttpClient` is its user. Mounted on a plain `requests.Session` it guards that too: a float timeout is
    then the whole exchange's, and `verify`, `cert` and `proxies` are not listened to.
    Raises CallError and Cancelled. Safe across threads.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        ca_bundle: str | None = None,
        proxy_url: str | None = None,
        resolve: Resolve = system_lookup,
        connect: Connect = open_socket,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call,unused-ignore]
        self._policy = policy
        dialer = Dialer(policy, Resolver(resolve), connect)
        tls = tls_context(ca_bundle)
        self._route = ProxyRoute(dialer, tls, proxy_url) if proxy_url else DirectRoute(dialer, tls)
        self._idle = IdleConnections()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
        *,
        exchange: Exchange | None = None,
    ) -> requests.Response:
        """The answer's head; its body is still on the wire if `stream`."""
        if exchange is None:
            seconds = timeout if isinstance(timeout, int | float) else DEFAULT_TIMEOUT_SECONDS
            exchange = Exchange(seconds, None, time.monotonic())
        target = target_of(request.url or "")
        self._check_before_dialling(target)
        try:
            raw = self._send(request, target, exchange)
        except TRANSPORT_ERRORS as error:
            raise call_error(error, target) from None
        exchange.expect(DEFAULT_BODY_WIRE_BYTES)
        response = _as_requests(request, raw)
        if not stream:
            response.content  # noqa: B018  (reads it)
        return response

    def close(self) -> None:
        self._idle.close()

    def _check_before_dialling(self, target: Target) -> None:
        """Names of cloud metadata; and through a proxy, which dials for us, whatever the URL spells out."""
        reason = self._policy.refuses_name(target.host)
        if reason is None and not self._route.dials_targets:
            literal = literal_endpoints(target.host, target.port)
            reason = self._policy.refuses(str(literal[0][1][0]), target.port) if literal else None
        if reason is not None:
            raise BlockedAddressError(f"{target.host} at port {target.port} is not open to tasks", reason)

    def _send(self, request: requests.PreparedRequest, target: Target, exchange: Exchange) -> HTTPResponse:
        connection = self._idle.take(target)
        if connection is not None:
            try:
                return self._round_trip(connection, request, target, exchange)
            except OSError:
                # Hung up between two calls, maybe before it saw this one: a fresh connection may do.
                if exchange.received_bytes or request.method not in SAFE_TO_SEND_AGAIN:
                    raise
        return self._round_trip(self._route.connection(target), request, target, exchange)

    def _round_trip(
        self, connection: Connection, request: requests.PreparedRequest, target: Target, exchange: Exchange
    ) -> HTTPResponse:
        exchange.expect(MAX_HEAD_BYTES)
        try:
            connection.begin(exchange)
            path, headers = self._route.head(request, target)
            send_request(connection, request.method or "GET", path, headers, cast("bytes | None", request.body))
            return self._readable(connection, request, target)
        except BaseException:
            connection.close()
            raise

    def _readable(self, connection: Connection, request: requests.PreparedRequest, target: Target) -> HTTPResponse:
        """urllib3 reads the body, and hands the connection back when it is read to its end."""
        answer = connection.answer()
        try:
            return self._response(answer, connection, request, target)
        except BaseException:
            answer.close()  # it may hold the socket alone: of an answer that closes, the connection lets go
            raise

    def _response(
        self,
        answer: http.client.HTTPResponse,
        connection: Connection,
        request: requests.PreparedRequest,
        target: Target,
    ) -> HTTPResponse:
        return HTTPResponse(
            body=answer,
            headers=HTTPHeaderDict(answer.msg.items()),
            status=answer.status,
            version=answer.version,
            reason=answer.reason,
            preload_content=False,
            decode_content=False,
            original_response=answer,
            pool=cast("Any", _Return(self._idle, target)),
            connection=connection,
            request_method=request.method,
        )


class _Return:
    """Where a response lets its connection go; the part of a urllib3 pool that it knows."""

    def __init__(self, idle: IdleConnections, target: Target) -> None:
        self._idle = idle
        self._target = target

    def _put_conn(self, connection: Connection) -> None:
        if connection.sock is None or not connection.sent_whole:
            connection.close()
        else:
            connection.rest()
            self._idle.put(self._target, connection)


def _as_requests(request: requests.PreparedRequest, raw: HTTPResponse) -> requests.Response:
    response = requests.Response()
    response.status_code = raw.status
    response.headers = CaseInsensitiveDict(raw.headers)
    response.encoding = get_encoding_from_headers(response.headers)
    response.raw = raw
    response.reason = raw.reason or ""
    response.url = request.url or ""
    response.request = request
    return response
