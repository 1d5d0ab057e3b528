"""One call, from a task's request to its result."""

from __future__ import annotations

import time

import requests
from requests.cookies import RequestsCookieJar
from urllib3 import HTTPHeaderDict
from urllib3.response import HTTPResponse

from tasks.http.adapter import GuardedAdapter
from tasks.http.addresses import AddressPolicy
from tasks.http.body import read_body, skip_body
from tasks.http.content import interpret
from tasks.http.dialer import Connect, open_socket
from tasks.http.errors import CallError, Cancelled, TimeoutError_, TooManyRedirects
from tasks.http.exchange import Cancel, Exchange, Steps
from tasks.http.failures import TRANSPORT_ERRORS, call_error
from tasks.http.heads import readable
from tasks.http.messages import Headers, Redirect, Request, Response
from tasks.http.outgoing import prepare
from tasks.http.redirects import next_hop
from tasks.http.resolver import Resolve, system_lookup
from tasks.http.urls import target_of


class HttpClient:
    """Makes calls that end on time and reach only what the policy allows.

    Thread-safe. Connections are pooled per target; calls share nothing else: no cookies, no DNS answers, no
    environment (proxies, .netrc). Create one per process, after forking. `resolve` and `connect` let tests
    replace DNS and sockets.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        max_body_bytes: int = 1_048_576,
        ca_bundle: str | None = None,
        proxy_url: str | None = None,
        max_redirects: int = 10,
        resolve: Resolve = system_lookup,
        connect: Connect = open_socket,
    ) -> None:
        """Raises ValueError, OSError or ssl.SSLError for a proxy URL or CA bundle that can't be used."""
        self._max_body_bytes = max_body_bytes
        self._max_redirects = max_redirects
        self._adapter = GuardedAdapter(
            policy, ca_bundle=ca_bundle, proxy_url=proxy_url, resolve=resolve, connect=connect
        )

    def call(self, request: Request, cancel: Cancel | None = None, steps: Steps | None = None) -> Response:
        """Return the last hop's answer, whatever its status. `steps` is told of each step.

        Raises CallError or Cancelled. Ends no later than the request's timeout.
        """
        started = time.monotonic()
        exchange = Exchange(request.timeout_seconds, cancel, started, steps)
        try:
            return self._follow(request, exchange, started)
        except Exception:
            if exchange.cancel.cancelled:  # the shutdown can show as any error
                raise Cancelled from None
            raise

    def close(self) -> None:
        """Close idle connections. Calls in flight are not affected."""
        self._adapter.close()

    def _follow(self, request: Request, exchange: Exchange, started: float) -> Response:
        hop, cookies = prepare(request), RequestsCookieJar()
        followed: list[Redirect] = []
        while True:
            answer = self._hop(hop, followed, exchange)
            try:
                follows = request.follow_redirects and answer.status_code not in request.final_statuses
                following = next_hop(hop, answer, cookies) if follows else None
                if following is None:
                    return self._result(answer, followed, exchange, started)
                self._leave(answer, exchange)
            except BaseException:
                answer.raw.close()
                raise
            if len(followed) == self._max_redirects:
                raise TooManyRedirects(f"more than {self._max_redirects} redirects")
            followed.append(Redirect(answer.status_code, following.method or "", following.url or ""))
            hop = following

    def _hop(self, hop: requests.PreparedRequest, followed: list[Redirect], exchange: Exchange) -> requests.Response:
        try:
            return self._adapter.send(hop, stream=True, exchange=exchange)
        except TimeoutError_:
            raise
        except CallError as error:
            if followed:
                error.add_context("after a redirect")
            raise

    def _leave(self, answer: requests.Response, exchange: Exchange) -> None:
        try:
            skip_body(answer.raw, exchange)
        except TRANSPORT_ERRORS:
            answer.raw.close()  # its Location is known already

    def _result(
        self, answer: requests.Response, followed: list[Redirect], exchange: Exchange, started: float
    ) -> Response:
        raw: HTTPResponse = answer.raw
        try:
            body = read_body(raw, self._max_body_bytes, exchange)
        except TRANSPORT_ERRORS as error:
            raise call_error(error, target_of(answer.url)) from None
        content_type = "application/octet-stream" if body.is_coded else raw.headers.get("Content-Type")
        content = interpret(body.data, content_type, is_whole=not body.is_truncated)
        exchange.remaining()  # interpreting the body counts towards the timeout
        return Response(
            status_code=answer.status_code,
            headers=_headers(raw.headers),
            body=content.value,
            body_encoding=content.encoding,
            body_truncated=body.is_truncated,
            url=answer.url,
            elapsed_ms=round((time.monotonic() - started) * 1000, 3),
            redirects=tuple(followed),
            text=content.text,
        )


def _headers(raw: HTTPHeaderDict) -> Headers:
    """Return the headers in the form that the result shows."""
    headers: Headers = {}
    for name in raw:
        values = [readable(value) for value in raw.getlist(name)]
        headers[readable(name)] = values[0] if len(values) == 1 else values
    return headers
