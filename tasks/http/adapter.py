"""A requests adapter that checks every connection at the moment it is made."""

from __future__ import annotations

import http.client
import time
from collections.abc import Mapping
from typing import Any, cast

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers
from urllib3.response import HTTPResponse

from tasks.http.addresses import AddressPolicy
from tasks.http.connections import Connection, send_request
from tasks.http.content import MAX_CONTENT_TYPE_CHARACTERS
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
"""Limit for the status lines and headers of one hop, including interim answers."""

DEFAULT_TIMEOUT_SECONDS = 30.0
DEFAULT_BODY_WIRE_BYTES = 64 * 1024 * 1024

SAFE_TO_SEND_AGAIN = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""RFC 9110, 9.2.2. Only these reuse an idle connection, which may be dead. All other methods get a fresh connection:
if an idle one died during the request, there would be no way to tell whether the target had carried it out."""


class GuardedAdapter(BaseAdapter):
    """Sends one request (a single hop) to an address that the policy allows, and pools connections per target.

    Made for `HttpClient`. Mounted on a plain `requests.Session`, it guards that session too: a float timeout
    then covers the whole exchange, and `verify`, `cert` and `proxies` are ignored.
    Raises CallError and Cancelled. Thread-safe.
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
        """Return the answer once its head has arrived. With `stream`, the body is still on the wire."""
        if exchange is None:
            seconds = timeout if isinstance(timeout, int | float) else DEFAULT_TIMEOUT_SECONDS
            exchange = Exchange(seconds, None, time.monotonic())
        target = target_of(request.url or "")
        if exchange.steps is not None:
            exchange.steps.hop(request.method or "", request.url or "", target.host, target.port)
        self._check_before_dialling(target)
        try:
            raw = self._send(request, target, exchange)
        except TRANSPORT_ERRORS as error:
            raise call_error(error, target) from None
        if exchange.steps is not None:
            exchange.steps.answered(raw.status)
        exchange.expect(DEFAULT_BODY_WIRE_BYTES)
        response = _as_requests(request, raw)
        if not stream:
            response.content  # noqa: B018  (reads it)
        return response

    def close(self) -> None:
        self._idle.close()

    def _check_before_dialling(self, target: Target) -> None:
        """Refuse ports, names of cloud metadata services, and literal addresses if a proxy makes the connection."""
        reason = "port" if self._policy.refuses_port(target.port) else self._policy.refuses_name(target.host)
        if reason is None and not self._route.dials_targets:
            literal = literal_endpoints(target.host, target.port)
            reason = self._policy.refuses(str(literal[0][1][0]), target.port) if literal else None
        if reason is not None:
            raise BlockedAddressError(target.host, target.port, reason)

    def _send(self, request: requests.PreparedRequest, target: Target, exchange: Exchange) -> HTTPResponse:
        connection = self._idle.take(target) if request.method in SAFE_TO_SEND_AGAIN else None
        if connection is not None:
            try:
                return self._round_trip(connection, request, target, exchange)
            except OSError:
                # The target may have hung up between two calls, before it saw this one.
                if exchange.received_bytes:
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
            if exchange.steps is not None:
                exchange.steps.step("receive")
            return self._readable(connection, request, target)
        except BaseException:
            connection.close()
            raise

    def _readable(self, connection: Connection, request: requests.PreparedRequest, target: Target) -> HTTPResponse:
        """Wrap the answer in urllib3's response, which returns the connection once the body has been read."""
        answer = connection.answer()
        try:
            return self._response(answer, connection, request, target)
        except BaseException:
            answer.close()  # if the target closes the connection, only the answer still holds the socket
            raise

    def _response(
        self,
        answer: http.client.HTTPResponse,
        connection: Connection,
        request: requests.PreparedRequest,
        target: Target,
    ) -> HTTPResponse:
        keeps = request.method in SAFE_TO_SEND_AGAIN
        response = HTTPResponse(
            body=answer,
            headers=cast("Any", answer.msg),
            status=answer.status,
            version=answer.version,
            reason=answer.reason,
            preload_content=False,
            decode_content=False,
            original_response=answer,
            pool=cast("Any", _Return(self._idle if keeps else None, target)),
            connection=connection,
            request_method=request.method,
        )
        response.chunked = False  # `answer` decodes the chunks itself
        return response


class _Return:
    """The part of a urllib3 pool that a response uses to return its connection.

    Without `idle` the connection is closed. POST and PATCH never reuse one, so theirs would only pile up.
    """

    def __init__(self, idle: IdleConnections | None, target: Target) -> None:
        self._idle = idle
        self._target = target

    def _put_conn(self, connection: Connection) -> None:
        is_usable = connection.sock is not None and connection.sent_whole and not connection.has_unread
        if self._idle is None or not is_usable:
            connection.close()
        else:
            connection.rest()
            self._idle.put(self._target, connection)


def _as_requests(request: requests.PreparedRequest, raw: HTTPResponse) -> requests.Response:
    response = requests.Response()
    response.status_code = raw.status
    response.headers = CaseInsensitiveDict(raw.headers)
    content_type = response.headers.get("Content-Type", "")[:MAX_CONTENT_TYPE_CHARACTERS]
    response.encoding = get_encoding_from_headers({"content-type": content_type})
    response.raw = raw
    response.reason = raw.reason or ""
    response.url = request.url or ""
    response.request = request
    return response
