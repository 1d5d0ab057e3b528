"""Reads a body to its cap, however it is framed and coded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from urllib3.response import HTTPResponse

from tasks.http.codings import PIECE_BYTES, BadCoding, content_codings, decoded
from tasks.http.errors import ConnectionError_, ReceiveLimit
from tasks.http.exchange import Exchange

WIRE_BYTES_PER_KEPT = 8
WIRE_BYTES_EXTRA = 1024 * 1024
"""Chunks of one byte cost six; empty gzip blocks cost for nothing. Beyond this it is no honest answer."""

MAX_SKIPPED_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Body:
    """`data` is decoded unless `is_coded`: then its content coding is one that can't be undone here."""

    data: bytes
    is_truncated: bool
    is_coded: bool


def read_body(raw: HTTPResponse, max_body_bytes: int, exchange: Exchange) -> Body:
    """At most `max_body_bytes`, counted decoded. The connection goes back to the pool if the body was read
    to its end, and is closed otherwise. Raises ConnectionError_, and what the transport raises."""
    exchange.expect(max_body_bytes * WIRE_BYTES_PER_KEPT + WIRE_BYTES_EXTRA)
    codings = content_codings(raw.headers.get("Content-Encoding", ""))
    pieces: Iterator[bytes] = raw.stream(PIECE_BYTES, decode_content=False)
    try:
        data, is_truncated = _collect(decoded(pieces, codings or []), max_body_bytes)
    except BadCoding:
        raw.close()
        raise ConnectionError_("the answer's body is not coded as its header says") from None
    if is_truncated:
        raw.close()
    return Body(data, is_truncated, codings is None)


def skip_body(raw: HTTPResponse, exchange: Exchange) -> None:
    """Frees the connection of a redirect: for the next call if little is left to read, else by closing."""
    length = raw.headers.get("Content-Length", "")
    if not (length.isascii() and length.isdigit() and int(length[:9]) <= MAX_SKIPPED_BYTES):
        raw.close()
        return
    exchange.expect(MAX_SKIPPED_BYTES * 2)
    for _ in raw.stream(PIECE_BYTES, decode_content=False):
        pass


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
