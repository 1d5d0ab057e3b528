"""A body costs no more than the part that is kept."""

from __future__ import annotations

import gzip
import sys
import tracemalloc
import zlib
from collections.abc import Callable, Iterator

import brotli
import pytest

from tasks.http import AddressPolicy, ConnectionError_, HttpClient
from tests.http.target import Script, Target, Wire, answering, chunked, get, http

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CAP_BYTES = 10_000
TEXT = "Content-Type: text/plain"


@pytest.fixture
def capped() -> Iterator[HttpClient]:
    made = HttpClient(AddressPolicy(allow_private=True), max_body_bytes=CAP_BYTES)
    yield made
    made.close()


@pytest.mark.parametrize("size", [CAP_BYTES - 1, CAP_BYTES])
def test_a_body_up_to_the_cap_is_whole(capped: HttpClient, size: int) -> None:
    with Target(answering(http(b"x" * size, TEXT), chunked(b"x" * size, TEXT))) as target:
        for _ in range(2):
            response = capped.call(get(target.url))
            assert (response.body, response.body_truncated) == ("x" * size, False)
        assert target.connections == 1


def flooding(head: bytes, piece: bytes) -> Script:
    def script(wire: Wire) -> None:
        wire.request()
        wire.send(head)
        wire.flood(piece)

    return script


def squeezed(data: bytes, wbits: int) -> bytes:
    squeezer = zlib.compressobj(9, wbits=wbits)
    return squeezer.compress(data) + squeezer.flush()


def zeros(size: int = 50_000_000) -> bytes:
    return b"0" * size


def bomb() -> bytes:
    return http(squeezed(zeros(), 31), TEXT, "Content-Encoding: gzip")


TOO_MUCH: dict[str, Callable[[], Script]] = {
    "one byte more": lambda: answering(http(b"x" * (CAP_BYTES + 1), TEXT)),
    "more in chunks": lambda: answering(chunked(b"x" * (CAP_BYTES + 1), TEXT, size=7)),
    "an endless body": lambda: flooding(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", b"x" * 4096),
    "a gzip bomb": lambda: answering(bomb()),
    "a br bomb": lambda: answering(http(brotli.compress(zeros(), quality=5), TEXT, "Content-Encoding: br")),
    "a zstd bomb": lambda: answering(http(zstd.compress(zeros()), TEXT, "Content-Encoding: zstd")),
    "a zstd bomb in frames": lambda: answering(http(zstd.compress(zeros(5000)) * 100, TEXT, "Content-Encoding: zstd")),
    "a deflate bomb": lambda: answering(http(squeezed(zeros(), 15), TEXT, "Content-Encoding: deflate")),
    "a bare deflate bomb": lambda: answering(http(squeezed(zeros(), -15), TEXT, "Content-Encoding: deflate")),
}


@pytest.mark.parametrize("way", sorted(TOO_MUCH))
def test_more_than_the_cap_is_cut_there(capped: HttpClient, way: str) -> None:
    with Target(TOO_MUCH[way]()) as target:
        response = capped.call(get(target.url))
        assert response.body_truncated
        assert len(str(response.body)) == CAP_BYTES
        assert set(str(response.body)) <= {"x", "0"}


@pytest.mark.parametrize("way", ["an endless body", "more in chunks"])
def test_what_is_left_of_a_body_never_meets_the_next_call(capped: HttpClient, way: str) -> None:
    with Target(TOO_MUCH[way]()) as target:
        for _ in range(2):
            assert str(capped.call(get(target.url)).body)[:1] == "x"
        assert target.connections == 2


@pytest.mark.parametrize("coding", ["compress", "gzip, gzip", "br, gzip"])
def test_a_bomb_that_cant_be_undone_is_cut_as_it_is(capped: HttpClient, coding: str) -> None:
    with Target(answering(http(b"\x28" * 100_000, TEXT, f"Content-Encoding: {coding}"))) as target:
        response = capped.call(get(target.url))
    assert (response.body_truncated, response.body_encoding) == (True, "base64")
    assert len(str(response.body)) <= CAP_BYTES * 4 / 3 + 4


EMPTY_GZIP = gzip.compress(b"")
NOTHING: dict[str, Script] = {
    "empty zstd frames": flooding(b"HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\n\r\n", zstd.compress(b"") * 200),
    "empty gzip members": flooding(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", EMPTY_GZIP * 200),
    "chunk extensions": flooding(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1;" + b"x" * 8000 + b"\r\nx\r\n"
    ),
    "padding after gzip": flooding(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + EMPTY_GZIP, b"\x00" * 4096),
}


@pytest.mark.parametrize("way", sorted(NOTHING))
def test_much_that_carries_nothing_is_cut_too(capped: HttpClient, way: str) -> None:
    with Target(NOTHING[way]) as target:
        assert capped.call(get(target.url, 10)).body_truncated


def test_a_zstd_window_that_takes_much_memory_is_refused(capped: HttpClient) -> None:
    squeezer = zstd.ZstdCompressor(options={int(zstd.CompressionParameter.window_log): 27})
    greedy = squeezer.compress(b"hello") + squeezer.flush()
    refused = pytest.raises(ConnectionError_, match="not coded as its header says")
    with Target(answering(http(greedy, TEXT, "Content-Encoding: zstd"))) as target, refused:
        capped.call(get(target.url))


def test_a_bomb_takes_no_memory(capped: HttpClient) -> None:
    with Target(answering(bomb())) as target:
        capped.call(get(target.url))
        tracemalloc.start()
        capped.call(get(target.url))
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak_bytes < 2_000_000  # the target's own copies are in it
