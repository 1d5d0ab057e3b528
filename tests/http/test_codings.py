"""A body of any size comes out of its coding as it was, in whatever pieces it arrives; half of one is refused."""

from __future__ import annotations

import gzip
import json
import random
import sys
import zlib
from collections.abc import Callable, Iterator
from functools import cache

import brotli
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tasks.http.codings import PIECE_BYTES, BadCoding, decoded

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def bare_deflate(body: bytes) -> bytes:
    squeezer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return squeezer.compress(body) + squeezer.flush()


ENCODERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "bare deflate": ("deflate", bare_deflate),
    "br": ("br", lambda body: brotli.compress(body, quality=5)),
    "zstd": ("zstd", zstd.compress),
}
SIZE = 1_100_000


@cache
def rows() -> bytes:
    return json.dumps([{"id": row, "value": row * 7919 % 1000} for row in range(60_000)]).encode()


CONTENTS: dict[str, Callable[[], bytes]] = {
    "rows": rows,
    "zeros": lambda: bytes(SIZE),
    "noise": lambda: random.Random(7).randbytes(SIZE),
}
SIZES = (0, 1, PIECE_BYTES, PIECE_BYTES + 1, 98_272, 98_273, 300_000, 1_048_577)


def in_pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def undone(coding: str, pieces: Iterator[bytes]) -> bytes:
    found = list(decoded(pieces, coding, lambda: None))
    assert max(map(len, found), default=0) < 2 * PIECE_BYTES
    return b"".join(found)


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_body_comes_out_as_it_was(encoder: str, content: str) -> None:
    coding, encode = ENCODERS[encoder]
    whole = CONTENTS[content]()
    for size in SIZES:
        body = whole[:size]
        data = encode(body)
        for step in (1_000, PIECE_BYTES, 1 << 21):
            assert undone(coding, in_pieces(data, step)) == body, (size, step)


@pytest.mark.parametrize("encoder", ENCODERS)
@given(word=st.binary(min_size=1, max_size=30), times=st.integers(0, 20_000), end=st.binary(max_size=9), step=st.data())
@example(word=b"\0", times=PIECE_BYTES + 1, end=b"", step=None)
def test_any_body_comes_out_as_it_was(
    encoder: str, word: bytes, times: int, end: bytes, step: st.DataObject | None
) -> None:
    coding, encode = ENCODERS[encoder]
    body = word * times + end
    data = encode(body)
    size = len(data) if step is None else step.draw(st.integers(max(1, len(data) // 50), len(data)))
    assert undone(coding, in_pieces(data, size)) == body


@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_body_that_ends_early_is_refused(encoder: str) -> None:
    coding, encode = ENCODERS[encoder]
    data = encode(rows()[:300_000])
    for left_out in (1, 2, len(data) // 2):
        with pytest.raises(BadCoding):
            undone(coding, in_pieces(data[:-left_out], PIECE_BYTES))
