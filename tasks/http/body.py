"""Reading a body up to its limit, whatever its framing and coding."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from urllib3.response import HTTPResponse

from tasks.http.codings import PIECE_BYTES, BadCoding, content_coding, decoded
from tasks.http.errors import ConnectionError_, ReceiveLimit
from tasks.http.exchange import Exchange
from tasks.http.heads import body_length

WIRE_BYTES_PER_KEPT = 8
WIRE_BYTES_EXTRA = 1024 * 1024
"""A chunk of one byte takes six on the wire, and empty gzip blocks carry nothing. No honest answer exceeds this."""

MAX_SKIPPED_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Body:
    """A body's bytes. They are decoded unless `is_coded`: then the content coding is one that can't be undone here."""

    data: bytes
    is_truncated: bool
    is_coded: bool


def read_body(raw: HTTPResponse, max_body_bytes: int, exchange: Exchange) -> Body:
    """Read at most `max_body_bytes`, counted after decoding.

    The connection returns to the pool if the body was read to its end; otherwise it is closed. Raises
    ConnectionError_, and what the transport raises.
    """
    exchange.expect(max_body_bytes * WIRE_BYTES_PER_KEPT + WIRE_BYTES_EXTRA)
    coding = content_coding(raw.headers.get("Content-Encoding", ""))
    try:
        data, is_truncated = _collect(decoded(_pieces(raw), coding or "", exchange.remaining), max_body_bytes)
    except BadCoding:
        raw.close()
        raise ConnectionError_("the answer's body is not coded as its header says") from None
    if is_truncated:
        raw.close()
    return Body(data, is_truncated, coding is None)


def skip_body(raw: HTTPResponse, exchange: Exchange) -> None:
    """Release a redirect's connection: read a short body to its end, close the connection otherwise."""
    length = body_length(raw.headers)
    if length is None or length > MAX_SKIPPED_BYTES:
        raw.close()
        return
    exchange.expect(MAX_SKIPPED_BYTES * 2)
    for _ in _pieces(raw):
        pass


def _pieces(raw: HTTPResponse) -> Iterator[bytes]:
    """Yield the body without its framing, then release the connection.

    `raw.stream` won't do: urllib3 reads chunk by chunk, which is slow for small chunks, and interprets the coding.
    """
    answer: Any = raw._original_response
    while piece := answer.read(PIECE_BYTES):
        yield piece
    if answer.length:
        raise http.client.IncompleteRead(b"")
    raw.release_conn()


def _collect(pieces: Iterator[bytes], max_body_bytes: int) -> tuple[bytes, bool]:
    kept = bytearray()
    try:
        for piece in pieces:
            kept += piece
            if len(kept) > max_body_bytes:
                return bytes(kept[:max_body_bytes]), True
    except ReceiveLimit:
        return bytes(kept), True
    return bytes(kept), False
