"""A call, from a task's request to its result."""

from __future__ import annotations

import time

import requests
from requests.cookies import RequestsCookieJar
from urllib3.response import HTTPResponse

from tasks.http.adapter import GuardedAdapter
from tasks.http.addresses import AddressPolicy
from tasks.http.body import read_body, skip_body
from tasks.http.content import interpret
from tasks.http.dialer import Connect, open_socket
from tasks.http.errors import Cancelled, TooManyRedirects
from tasks.http.exchange import Cancel, Exchange
from tasks.http.failures import TRANSPORT_ERRORS, call_error
from tasks.http.messages import Request, Response
from tasks.http.outgoing import prepare
from tasks.http.redirects import next_hop
from tasks.http.resolver import Resolve, system_lookup
from tasks.http.urls import target_of


class HttpClient:
    """Makes calls that end on time and reach only what the policy allows.

    Safe across threads; connections are pooled per target, and nothing else is shared between calls: no
    cookies, no DNS answers, no environment (proxies, .netrc). Make one per process, after a fork.
    `resolve` and `connect` replace the system's edge in tests.
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

    def call(self, request: Request, cancel: Cancel | None = None) -> Response:
        """The last hop's answer, whatever its status. Raises CallError or Cancelled, by the request's
        timeout at the latest."""
        started = time.monotonic()
        exchange = Exchange(request.timeout_seconds, cancel, started)
        try:
            return self._follow(prepare(request), exchange, started)
        except Exception:
            if exchange.cancel.cancelled:  # whatever symptom the shutdown had
                raise Cancelled from None
            raise

    def close(self) -> None:
        """Closes what is idle. Calls in flight end as they would."""
        self._adapter.close()

    def _follow(self, hop: requests.PreparedRequest, exchange: Exchange, started: float) -> Response:
        cookies = RequestsCookieJar()
        for _ in range(self._max_redirects + 1):
            answer = self._adapter.send(hop, stream=True, exchange=exchange)
            try:
                following = next_hop(hop, answer, cookies)
                if following is None:
                    return self._result(answer, exchange, started)
                self._leave(answer, exchange)
            except BaseException:
                answer.raw.close()
                raise
            hop = following
        raise TooManyRedirects(f"more than {self._max_redirects} redirects")

    def _leave(self, answer: requests.Response, exchange: Exchange) -> None:
        try:
            skip_body(answer.raw, exchange)
        except TRANSPORT_ERRORS:
            answer.raw.close()  # where it leads is known already

    def _result(self, answer: requests.Response, exchange: Exchange, started: float) -> Response:
        raw: HTTPResponse = answer.raw
        try:
            body = read_body(raw, self._max_body_bytes, exchange)
        except TRANSPORT_ERRORS as error:
            raise call_error(error, target_of(answer.url)) from None
        content_type = "application/octet-stream" if body.is_coded else raw.headers.get("Content-Type")
        value, body_encoding = interpret(body.data, content_type, is_whole=not body.is_truncated)
        return Response(
            status_code=answer.status_code,
            headers=dict(raw.headers),
            body=value,
            body_encoding=body_encoding,
            body_truncated=body.is_truncated,
            url=answer.url,
            elapsed_ms=round((time.monotonic() - started) * 1000, 3),
        )
