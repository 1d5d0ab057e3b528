"""What a target may answer, and what the client makes of it."""

from __future__ import annotations

import gzip
import sys
import zlib

import brotli
import pytest

from tasks.http import AddressPolicy, ConnectionError_, HttpClient
from tests.http.target import OK, Script, Target, Wire, answering, chunked, closing_after, get, http, send


def test_an_answer_becomes_the_contracts_result(client: HttpClient) -> None:
    answer = http(b'{"a": 1}', "Content-Type: application/json", "X-One: 1", "x-one: 2", status="201 Created")
    with Target(answering(answer)) as target:
        response = client.call(get(f"{target.url}/x"))
    result = response.as_result()
    assert result.pop("elapsed_ms") == response.elapsed_ms > 0
    assert result == {
        "status_code": 201,
        "headers": {"Content-Type": "application/json", "X-One": ["1", "2"], "Content-Length": "8"},
        "body": {"a": 1},
        "body_truncated": False,
        "url": f"{target.url}/x",
        "redirects": [],
    }
    assert response.header("CONTENT-type") == "application/json"
    assert response.header("nothing") is None


def test_binary_comes_as_base64_and_says_so(client: HttpClient) -> None:
    with Target(answering(http(b"\x00\xff", "Content-Type: image/png"))) as target:
        result = client.call(get(target.url)).as_result()
    assert (result["body"], result["body_encoding"]) == ("AP8=", "base64")


if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

GZIP = "Content-Encoding: gzip"
DEFLATE = "Content-Encoding: deflate"
TEXT = "Content-Type: text/plain"


def raw_deflate(data: bytes) -> bytes:
    squeezer = zlib.compressobj(wbits=-15)
    return squeezer.compress(data) + squeezer.flush()


BODIES = {
    "content-length": answering(http(b"hello", TEXT)),
    "chunked": answering(chunked(b"hello", TEXT, size=1)),
    "chunked with extensions and trailers": answering(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5;ext=1\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n"
    ),
    "until close": closing_after(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello"),
    "HTTP/1.0": closing_after(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhello"),
    "bare line feeds": closing_after(b"HTTP/1.1 200 OK\nContent-Type: text/plain\n\nhello"),
    "no reason phrase": answering(b"HTTP/1.1 200\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"),
    "gzip": answering(http(gzip.compress(b"hello"), TEXT, GZIP)),
    "gzip, two members": answering(http(gzip.compress(b"he") + gzip.compress(b"llo"), TEXT, GZIP)),
    "gzip, padded": answering(http(gzip.compress(b"hello") + b"\0" * 50, TEXT, GZIP)),
    "gzip, chunked bytewise": answering(chunked(gzip.compress(b"hello"), TEXT, GZIP, size=1)),
    "gzip, in capitals and with identity": answering(
        http(gzip.compress(b"hello"), TEXT, "Content-Encoding: identity, GZIP")
    ),
    "deflate": answering(http(zlib.compress(b"hello"), TEXT, DEFLATE)),
    "deflate, bare": answering(http(raw_deflate(b"hello"), TEXT, DEFLATE)),
    "br": answering(http(brotli.compress(b"hello"), TEXT, "Content-Encoding: br")),
    "zstd": answering(http(zstd.compress(b"hello"), TEXT, "Content-Encoding: zstd")),
    "zstd, two frames": answering(http(zstd.compress(b"he") + zstd.compress(b"llo"), TEXT, "Content-Encoding: zstd")),
    "br, chunked bytewise": answering(chunked(brotli.compress(b"hello"), TEXT, "Content-Encoding: br", size=1)),
    "zstd, chunked bytewise": answering(chunked(zstd.compress(b"hello"), TEXT, "Content-Encoding: zstd", size=1)),
    "what is no coding": answering(http(b"hello", TEXT, "Content-Encoding: utf-8")),
    "no coding and a coding": answering(http(gzip.compress(b"hello"), TEXT, "Content-Encoding: UTF-8, gzip")),
    "a length with white space before its colon": answering(
        b"HTTP/1.1 200 OK\r\nContent-Type : text/plain\r\nContent-Length : 5\r\n\r\nhello"
    ),
    "the same length twice": answering(http(b"hello", TEXT, "Content-Length: 5")),
    "chunks and a length": answering(chunked(b"hello", TEXT, "Content-Length: 3")),
    "chunks with bare line feeds": answering(
        b"HTTP/1.1 200 OK\nContent-Type: text/plain\nTransfer-Encoding: chunked\n\n5\nhello\n0\n\n"
    ),
    "identity": answering(http(b"hello", TEXT, "Content-Encoding: identity")),
    "after 100, 102 and 103": answering(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nX: y\r\n\r\n"
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + http(b"hello", TEXT)
    ),
}


@pytest.mark.parametrize("framing", sorted(BODIES))
def test_a_body_is_read_however_it_is_framed(client: HttpClient, framing: str) -> None:
    with Target(BODIES[framing]) as target:
        response = client.call(get(target.url))
    assert (response.status_code, response.body, response.body_truncated) == (200, "hello", False)


def test_header_values_are_told_as_they_were_meant(client: HttpClient) -> None:
    answer = (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nset-cookie: b=2; Expires=Wed, 01 Jan 2031 00:00:00 GMT\r\n"
        b"X Name : 1\r\nX-Tab\t:\t 2 \t\r\nX-Folded: one\r\n  two\r\n\tthree\r\nX-Empty:\r\n: nameless\r\n"
        b"X-UTF-8: caf\xc3\xa9 \xe4\xb8\xad\r\nX-Latin-1: caf\xe9\r\nContent-Length: 0\r\n\r\n"
    )
    with Target(answering(answer)) as target:
        response = client.call(get(target.url))
    assert response.headers == {
        "Set-Cookie": ["a=1; Path=/", "b=2; Expires=Wed, 01 Jan 2031 00:00:00 GMT"],
        "X Name": "1",
        "X-Tab": "2",
        "X-Folded": "one two three",
        "X-Empty": "",
        "X-UTF-8": "café 中",
        "X-Latin-1": "café",
        "Content-Length": "0",
    }
    assert response.header("set-cookie") == "a=1; Path=/"


@pytest.mark.parametrize("status", [200, 299, 599, 600, 666, 999])
def test_any_status_of_three_digits_is_an_answer(client: HttpClient, status: int) -> None:
    with Target(answering(http(b"hello", TEXT, status=f"{status} Odd"))) as target:
        response = client.call(get(target.url))
    assert (response.status_code, response.body) == (status, "hello")


def test_an_empty_body_is_none(client: HttpClient) -> None:
    with Target(answering(http(b"", TEXT), http(status="204 No Content"), http(b"", GZIP))) as target:
        assert [client.call(get(target.url)).body for _ in range(3)] == [None] * 3
        assert target.connections == 1


def test_head_has_no_body_whatever_its_length_says(client: HttpClient) -> None:
    with Target(answering(http(b"", TEXT, GZIP, length=1000))) as target:
        responses = [client.call(send("HEAD", target.url)) for _ in range(2)]
    assert [response.body for response in responses] == [None, None]
    assert target.connections == 1


@pytest.mark.parametrize("coding", ["compress", "dcb", "gzip, br", "gzip, gzip", ", ".join(["gzip"] * 200)])
def test_a_coding_that_cant_be_undone_comes_as_base64(client: HttpClient, coding: str) -> None:
    with Target(answering(http(b"\x1b\x03", TEXT, f"Content-Encoding: {coding}"))) as target:
        response = client.call(get(target.url))
    assert (response.body, response.body_encoding) == ("GwM=", "base64")


def test_an_early_answer_is_kept_though_the_body_was_not_taken(client: HttpClient) -> None:
    def refuse_early(wire: Wire) -> None:
        while b"\r\n\r\n" not in wire.sock.recv(4096):
            pass
        wire.send(http(b"too big", TEXT, "Connection: close", status="413 Content Too Large"))
        wire.hold()

    with Target(refuse_early) as target:
        response = client.call(send("POST", target.url, "x" * 100_000))
    assert response.status_code == 413


NONSENSE: dict[str, tuple[Script, str]] = {
    "closes at once": (lambda wire: None, "closed the connection without an answer|reset the connection"),
    "closes after the request": (closing_after(b""), "closed the connection without an answer"),
    "resets after the request": (lambda wire: (wire.request(), wire.reset())[0] and None, "reset the connection"),
    "closes within the status line": (closing_after(b"HTTP/1.1 2"), "not valid HTTP"),
    "not HTTP": (closing_after(b"SSH-2.0-OpenSSH_9.2\r\n"), "not valid HTTP"),
    "HTTP/0.9": (closing_after(b"<html>hi</html>"), "not valid HTTP"),
    "HTTP/3.0": (closing_after(b"HTTP/3.0 200 OK\r\n\r\n"), "not valid HTTP"),
    "a status of four digits": (closing_after(b"HTTP/1.1 2000 OK\r\n\r\n"), "not valid HTTP"),
    "a header line that is none": (answering(http(b"hello", TEXT, "nonsense")), "not valid HTTP"),
    "binary": (closing_after(bytes(range(256)) * 4), "not valid HTTP"),
    "switches protocols": (answering(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"), "not valid HTTP"),
    "a status line without end": (closing_after(b"HTTP/1.1 200 " + b"x" * 70000), "not valid HTTP"),
    "a header without end": (closing_after(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70000), "not valid HTTP"),
    "thousands of headers": (closing_after(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 3000), "not valid HTTP"),
    "closes within the headers": (closing_after(b"HTTP/1.1 200 OK\r\nX: y\r\n"), "ended its answer too early"),
    "a folded line first": (answering(b"HTTP/1.1 200 OK\r\n folded\r\n\r\n"), "not valid HTTP"),
    "a null in a header's name": (answering(http(b"", "X\0Y: 1")), "not valid HTTP"),
    "huge headers": (
        closing_after(b"HTTP/1.1 200 OK\r\n" + (b"X: " + b"x" * 60000 + b"\r\n") * 9 + b"\r\n"),
        "more headers than are read",
    ),
    "interim answers without end": (
        lambda wire: wire.request() and wire.flood(b"HTTP/1.1 100 Continue\r\n\r\n"),
        "more headers than are read",
    ),
    "less than its length": (closing_after(http(b"abc", length=10)), "ended its answer too early"),
    "two lengths": (answering(http(b"abc", "Content-Length: 4")), "not valid HTTP"),
    "chunks cut short": (closing_after(chunked(b"abcdef")[:-8]), "too early|not valid HTTP"),
    "a chunk size that is none": (
        closing_after(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n"),
        "not valid HTTP|too early",
    ),
    "a chunk of negative size": (
        closing_after(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc\r\n0\r\n\r\n"),
        "not valid HTTP|too early",
    ),
    "a chunk line without end": (
        closing_after(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;" + b"x" * 100_000),
        "not valid HTTP|too early",
    ),
    "gzip that is none": (answering(http(b"plain", GZIP)), "not coded as its header says"),
    "gzip cut short": (answering(http(gzip.compress(b"hello" * 100)[:-10], GZIP)), "not coded as its header says"),
    "reset within the body": (
        lambda wire: (wire.request(), wire.send(http(b"abc", length=10)), wire.reset())[0] and None,
        "reset the connection|too early",
    ),
}


@pytest.mark.parametrize("nonsense", sorted(NONSENSE))
def test_nonsense_is_a_connection_error(client: HttpClient, nonsense: str) -> None:
    script, said = NONSENSE[nonsense]
    with Target(script) as target:
        with pytest.raises(ConnectionError_, match=said) as caught:
            client.call(get(target.url))
        assert caught.value.type == "ConnectionError"
        with Target(answering(OK)) as sound:  # and the client is none the worse
            assert client.call(get(sound.url)).body == "ok"


def test_a_port_that_nobody_listens_on(client: HttpClient) -> None:
    with Target(answering(OK)) as target:
        pass
    with pytest.raises(ConnectionError_, match=f"^127.0.0.1 at port {target.port} refused the connection$"):
        client.call(get(target.url))


def test_a_name_that_does_not_resolve() -> None:
    def nothing(host: str, port: int) -> list[object]:
        raise OSError("no such name")

    client = HttpClient(AddressPolicy(), resolve=nothing)  # type: ignore[arg-type]
    with pytest.raises(ConnectionError_, match=r"^the name nowhere\.test could not be resolved$"):
        client.call(get("http://nowhere.test/"))
    client.close()
