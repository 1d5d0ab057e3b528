"""Chunks: the same body whatever their sizes, however they arrive."""

from __future__ import annotations

import http.client

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.http.chunks import FREE_CHUNKS, ChunkDecoder
from tasks.http.errors import ReceiveLimit


def framed(body: bytes, sizes: list[int], extension: bytes = b"") -> bytes:
    pieces = []
    at = number = 0
    while at < len(body):
        piece = body[at : at + sizes[number % len(sizes)]]
        pieces.append(b"%x%s\r\n%s\r\n" % (len(piece), extension, piece))
        at += len(piece)
        number += 1
    return b"".join(pieces) + b"0\r\n\r\n"


def unframed(wire: bytes, blocks: list[int]) -> tuple[bytes, bool]:
    decoder = ChunkDecoder()
    body = b""
    at = number = 0
    while at < len(wire):
        size = blocks[number % len(blocks)]
        body += decoder.feed(wire[at : at + size])
        at += size
        number += 1
    return body, decoder.is_done


SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=4) | st.integers(1, 40).map(lambda size: [size])
EXTENSIONS = st.sampled_from([b"", b";a=b", b" ", b";x"])


@given(st.binary(max_size=3000), SIZES, EXTENSIONS, st.lists(st.integers(1, 2000), min_size=1, max_size=4))
def test_the_body_comes_out_as_it_went_in(body: bytes, sizes: list[int], extension: bytes, blocks: list[int]) -> None:
    assert unframed(framed(body, sizes, extension), blocks) == (body, True)


@given(st.integers(1, 33), st.integers(50, 400), st.integers(0, 399), st.binary(min_size=1, max_size=3))
def test_what_breaks_a_run_of_equal_chunks_is_seen(size: int, count: int, place: int, junk: bytes) -> None:
    """A byte changed in a run gives what reading chunk by chunk gives."""
    wire = bytearray(framed(b"\r\n1x" * (size * count // 4), [size]))
    at = place * len(wire) // 400
    wire[at : at + len(junk)] = junk
    assert outcome(bytes(wire), [len(wire)]) == outcome(bytes(wire), [1])


def outcome(wire: bytes, blocks: list[int]) -> object:
    try:
        return unframed(wire, blocks)
    except http.client.HTTPException as error:
        return type(error)


def test_what_follows_the_end_is_ignored() -> None:
    decoder = ChunkDecoder()
    assert decoder.feed(b"2\r\nok\r\n0\r\nX-Trailer: 1\r\n\r\nHTTP/1.1 200 OK\r\n") == b"ok"
    assert decoder.is_done


BAD = [
    b"-5\r\nabc",
    b"+5\r\nabc",
    b"0x5\r\nabcde\r\n",
    b"1_0\r\n",
    b" 5\r\n",
    b"\r\n",
    b"g\r\n",
    b"2\r\nabc\r\n",
    b"1" * 17 + b"\r\n",
]


@pytest.mark.parametrize("wire", [*BAD, b"1;" + b"x" * 20_000, b"0\r\n" + b"x" * 20_000])
def test_what_is_no_chunk_is_refused(wire: bytes) -> None:
    with pytest.raises(http.client.HTTPException):
        ChunkDecoder().feed(wire)


def test_many_small_chunks_of_odd_sizes_are_given_up() -> None:
    with pytest.raises(ReceiveLimit):
        unframed(framed(b"x" * FREE_CHUNKS * 4, [1, 2]), [65536])


def test_many_small_chunks_of_one_size_are_not() -> None:
    body = b"abc" * FREE_CHUNKS * 2
    assert unframed(framed(body, [1]), [65536]) == (body, True)
