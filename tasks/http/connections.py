"""urllib3's connections, with our dialer and our own parser for answers."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from collections.abc import Mapping
from typing import Any

from urllib3 import HTTPHeaderDict
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.ssltransport import SSLTransport

from tasks.http.chunks import ChunkDecoder
from tasks.http.dialer import Dialer
from tasks.http.exchange import Exchange
from tasks.http.fields import check_field
from tasks.http.heads import body_length, is_chunked, read_headers
from tasks.http.sockets import WatchedSocket

BLOCK_BYTES = 64 * 1024

_STATUS_LINE = re.compile(r"HTTP/1\.([0-9])[ \t]+([1-9][0-9]{2})(?:[ \t]+(.*))?", re.DOTALL)
_MAX_STATUS_LINE_BYTES = 65_536
_WITHOUT_BODY = (http.HTTPStatus.NO_CONTENT, http.HTTPStatus.NOT_MODIFIED)


class FinalResponse(http.client.HTTPResponse):
    """Python's response, with our own reading of heads and chunks: linear in time, strict about framing.

    Interim answers are skipped. Python skips 100 only, and takes 103 for the final answer.
    """

    def begin(self) -> None:
        """Read the head of the final answer."""
        version, self.status, reason = self._read_status()
        self.code = self.status
        self.reason = reason.strip()
        self.version = 10 if version == "HTTP/1.0" else 11
        headers = read_headers(self.fp)
        self.headers = self.msg = headers  # type: ignore[assignment]
        self._frame(headers)

    def _frame(self, headers: HTTPHeaderDict) -> None:
        """Work out the body's length, and whether the connection can be used after it."""
        has_body = self.status not in _WITHOUT_BODY and self._method != "HEAD"  # type: ignore[attr-defined]
        self.chunked = has_body and is_chunked(headers)
        length = None if self.chunked else body_length(headers)
        self.length = length if has_body else 0
        ends_with_connection = not self.chunked and self.length is None
        self.will_close = ends_with_connection or self._check_close()  # type: ignore[attr-defined]
        self._chunks = ChunkDecoder()
        self._unread = bytearray()  # decoded part of a chunked body that was not asked for yet

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = self._read_status_line()
            if status == http.HTTPStatus.SWITCHING_PROTOCOLS:
                raise http.client.HTTPException("switched protocols unasked")
            if not 100 <= status < 200:
                return version, status, reason
            read_headers(self.fp)

    def _read_status_line(self) -> tuple[str, int, str]:
        line = self.fp.readline(_MAX_STATUS_LINE_BYTES + 1).decode("latin-1")
        if not line:
            raise http.client.RemoteDisconnected("closed without an answer")
        match = _STATUS_LINE.fullmatch(line.rstrip("\r\n"))
        if match is None or len(line) > _MAX_STATUS_LINE_BYTES:
            raise http.client.BadStatusLine("")
        return f"HTTP/1.{match[1]}", int(match[2]), match[3] or ""

    def _read_chunked(self, amt: int | None = None) -> bytes:
        """Return the next `amt` bytes of a chunked body; fewer only at its end."""
        while not self._chunks.is_done and (amt is None or len(self._unread) < amt):
            block = self.fp.read1(BLOCK_BYTES)
            if not block:
                raise http.client.IncompleteRead(b"")
            self._unread += self._chunks.feed(block)
        size = len(self._unread) if amt is None else amt
        data = bytes(self._unread[:size])
        del self._unread[:size]
        if self._chunks.is_done and not self._unread:
            self._close_conn()  # type: ignore[attr-defined]
        return data


class _Guarded:
    """Common to both kinds of connection: a dialer, and the exchange that uses the connection now."""

    dialer: Dialer
    exchange: Exchange | None = None
    sent_whole = True  # False: the target stopped reading, so nothing more can be sent
    wire: WatchedSocket | None = None

    def _new_conn(self: Any) -> socket.socket:
        dial = self.dialer.dial_unchecked if self.proxy is not None else self.dialer.dial
        self.wire = dial(self._dns_host, self.port, self.exchange)
        return self.wire  # type: ignore[no-any-return]

    def begin(self: Any, exchange: Exchange) -> None:
        """Bind the connection to this exchange until `rest`."""
        self.exchange = exchange
        if self.wire is not None:
            self.wire.watch(exchange)

    def rest(self: Any) -> None:
        """Unbind the connection: its exchange is over, and it returns to the pool."""
        self.exchange = None
        if self.wire is not None:
            self.wire.unwatch()

    @property
    def has_unread(self: Any) -> bool:
        """Tell whether TLS holds what the target sent after its answer. `is_connected` asks the kernel only."""
        if isinstance(self.sock, ssl.SSLSocket):
            return self.sock.pending() > 0
        if isinstance(self.sock, SSLTransport):  # in a tunnel through an https proxy
            return self.sock.sslobj.pending() > 0 or self.sock.incoming.pending > 0
        return False

    def putheader(self: Any, header: str | bytes, *values: Any) -> None:
        """Write a header as it is.

        Not urllib3's putheader: it leaves out the header, or fails, if the value is urllib3's SKIP_HEADER.
        """
        http.client.HTTPConnection.putheader(self, header, *values)

    def answer(self: Any) -> http.client.HTTPResponse:
        """Wait for the head of the final answer.

        Not urllib3's getresponse: it logs the URL, which may hold a secret, whenever a header is malformed.
        """
        return http.client.HTTPConnection.getresponse(self)


class GuardedHTTPConnection(_Guarded, HTTPConnection):
    """http, direct or through a forwarding proxy."""

    response_class = FinalResponse


class GuardedHTTPSConnection(_Guarded, HTTPSConnection):
    """https, direct or through a tunnel."""

    response_class = FinalResponse

    def connect(self) -> None:
        super().connect()
        wrapped = self.sock
        # In a tunnel through an https proxy, the outer socket does the blocking.
        self.wire = wrapped if isinstance(wrapped, WatchedSocket) else getattr(wrapped, "socket", self.wire)


Connection = GuardedHTTPConnection | GuardedHTTPSConnection


def send_request(
    connection: Connection, method: str, path: str, headers: Mapping[str, str | bytes], body: bytes | None
) -> None:
    """Connect if needed, and send the whole request.

    A target that answers early and stops reading is not a failure yet: its answer (413, 401) may be on the way.
    Raises InvalidURL for a header that HTTP does not allow.
    """
    for name, value in headers.items():
        check_field(name, value)
    steps = None if connection.exchange is None else connection.exchange.steps
    if steps is not None and connection.sock is None:
        steps.step("dial")
        connection.connect()
    if steps is not None:
        steps.step("send")
    try:
        connection.request(method, path, body=body, headers=headers)  # type: ignore[arg-type]
    except (BrokenPipeError, ConnectionResetError):
        if connection.sock is None:
            raise
        connection.sent_whole = False
