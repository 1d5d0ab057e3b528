"""urllib3's connections, dialled by our dialer and read as HTTP says."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping
from email.errors import (
    FirstHeaderLineIsContinuationDefect,
    MisplacedEnvelopeHeaderDefect,
    MissingHeaderBodySeparatorDefect,
)
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection

from tasks.http.dialer import Dialer
from tasks.http.exchange import Exchange
from tasks.http.sockets import WatchedSocket

_LOST_HEADERS = (MissingHeaderBodySeparatorDefect, FirstHeaderLineIsContinuationDefect, MisplacedEnvelopeHeaderDefect)
"""Python's parser drops what follows such a line, the body's length among it."""


class FinalResponse(http.client.HTTPResponse):
    """Reads over interim answers: Python's own skips 100 only and takes 103 for the answer."""

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if status == http.HTTPStatus.SWITCHING_PROTOCOLS:
                raise http.client.HTTPException("switched protocols unasked")
            if not 100 <= status < 200:
                return version, status, reason
            http.client._read_headers(self.fp)  # type: ignore[attr-defined]

    def _safe_read(self, amt: int) -> bytes:
        if amt < 0:  # a chunk of size "-5", which int() reads without blinking
            raise http.client.HTTPException("negative length")
        return super()._safe_read(amt)  # type: ignore[misc,no-any-return]


class _Guarded:
    """What both kinds of connection have: a dialer, and the exchange that uses them now."""

    dialer: Dialer
    exchange: Exchange | None = None
    sent_whole = True  # False: the target stopped listening, so nothing more can be sent
    wire: WatchedSocket | None = None

    def _new_conn(self: Any) -> socket.socket:
        dial = self.dialer.dial_unchecked if self.proxy is not None else self.dialer.dial
        self.wire = dial(self._dns_host, self.port, self.exchange)
        return self.wire  # type: ignore[no-any-return]

    def begin(self: Any, exchange: Exchange) -> None:
        """The connection belongs to this exchange until `rest`."""
        self.exchange = exchange
        if self.wire is not None:
            self.wire.watch(exchange)

    def rest(self: Any) -> None:
        """The exchange is over, the connection goes to the pool."""
        self.exchange = None
        if self.wire is not None:
            self.wire.unwatch()

    def answer(self: Any) -> http.client.HTTPResponse:
        """Waits for the final answer's head. urllib3's getresponse would do it too, and would write the
        URL, which may hold a secret, to the log whenever a header is odd."""
        answer = http.client.HTTPConnection.getresponse(self)
        if any(isinstance(defect, _LOST_HEADERS) for defect in answer.msg.defects):
            answer.close()
            raise http.client.HTTPException("headers that can't be read")
        return answer


class GuardedHTTPConnection(_Guarded, HTTPConnection):
    """http, direct or through a forwarding proxy."""

    response_class = FinalResponse


class GuardedHTTPSConnection(_Guarded, HTTPSConnection):
    """https, direct or through a tunnel."""

    response_class = FinalResponse

    def connect(self) -> None:
        super().connect()
        wrapped = self.sock
        # In a tunnel through an https proxy, the outer socket is the one that blocks.
        self.wire = wrapped if isinstance(wrapped, WatchedSocket) else getattr(wrapped, "socket", self.wire)


Connection = GuardedHTTPConnection | GuardedHTTPSConnection


def send_request(
    connection: Connection, method: str, path: str, headers: Mapping[str, str | bytes], body: bytes | None
) -> None:
    """Connects if needed, and sends it whole. A target that answers early and stops listening is no
    failure yet: its answer may be on the way (413, 401)."""
    try:
        connection.request(method, path, body=body, headers=headers)  # type: ignore[arg-type]
    except (BrokenPipeError, ConnectionResetError):
        if connection.sock is None:
            raise
        connection.sent_whole = False
