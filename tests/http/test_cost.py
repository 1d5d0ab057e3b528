"""No header and no body costs much more processor time than the bytes it is made of."""

from __future__ import annotations

import contextlib
import gzip
import io
import random
import sys
import zlib
from collections.abc import Callable, Iterator

import brotli
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from tasks.http import AddressPolicy, CallError, Cancel, Cancelled, HttpClient, TimeoutError_
from tasks.http.heads import MAX_LINE_BYTES, read_headers
from tests.cpu_cost import adjusted, cpu_seconds
from tests.examples import scaled
from tests.http.target import OK, Target, Wire, answering, chunked, closing_after, get, http
from tests.lateness import Lateness

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_CPU_SECONDS_PER_MB = 0.05
BASE_CPU_SECONDS = 0.005
"""Of a call that carries nothing, generously."""

MB = 1_000_000
TEXT = "Content-Type: text/plain"
JSON = "Content-Type: application/json"
LINE = MAX_LINE_BYTES - 100


@pytest.fixture(scope="module")
def caller() -> Iterator[HttpClient]:
    made = HttpClient(AddressPolicy(allow_private=True))
    yield made
    made.close()


def assert_cheap(caller: HttpClient, answer: bytes, *following: bytes) -> None:
    """Judged by the best of some rounds, since a busy machine makes everything dearer now and then."""
    size = sum(map(len, (answer, *following)))

    def work() -> None:
        with contextlib.suppress(CallError):  # an answer that is refused must be cheap too
            to_json(caller.call(get(target.url, 30)).as_result())

    limit = BASE_CPU_SECONDS + MAX_CPU_SECONDS_PER_MB * max(size, MB) / MB
    costs: list[float] = []
    while not costs or (min(costs) > limit and len(costs) < 5):
        with Target(answering(answer, *following)) as target:
            costs.append(adjusted(cpu_seconds(work), limit))
    assert min(costs) <= limit


def of_header(name: str, value: str) -> bytes:
    return http(b"", f"{name}: {value[:LINE]}")


VALUES = {
    "semicolons": ";" * LINE,
    "charset parameters": "text/plain" + "; charset=x" * (LINE // 11),
    "spaces": "text/plain;" + " " * LINE,
    "quotes": 'text/plain; charset="' + '\\"' * (LINE // 2),
    "commas": "gzip," * (LINE // 5),
    "digits": "9" * LINE,
    "parentheses": "(" * LINE,
    "letters": "a" * LINE,
    "equals": "a=" * (LINE // 2),
    "utf-8": "\u00c3\u00a9" * (LINE // 4),
}
NAMES = [
    "Content-Type",
    "Content-Encoding",
    "Content-Length",
    "Transfer-Encoding",
    "Set-Cookie",
    "Retry-After",
    "Connection",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", sorted(VALUES))
def test_no_header_value_is_dear(caller: HttpClient, name: str, kind: str) -> None:
    # 64 KB of a head of 256 KB: three times, so that it shows
    line = f"{name}: {VALUES[kind][:LINE]}"
    assert_cheap(caller, http(b"", line, f"X-{line}", f"Y-{line}"))


@pytest.mark.parametrize("kind", sorted(VALUES))
def test_no_header_of_a_redirect_is_dear(caller: HttpClient, kind: str) -> None:
    value = VALUES[kind][:LINE]
    cookies = [f"Set-Cookie: {value[:4000]}"] * 40
    assert_cheap(caller, http(b"", "Location: /x", *cookies, status="302 Found"), OK)
    assert_cheap(caller, http(b"", f"Location: /{value}", status="302 Found"), OK)


@settings(max_examples=scaled(60), suppress_health_check=list(HealthCheck))
@given(
    st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), min_size=1, max_size=8), st.sampled_from(NAMES)
)
def test_no_repeated_header_value_is_dear(caller: HttpClient, unit: str, name: str) -> None:
    value = (unit * LINE)[:LINE]
    head = f"{name}: {value}\r\nX: {value}\r\nY: {value}\r\n\r\n".encode("latin-1")
    cost = cpu_seconds(lambda: read_headers(io.BytesIO(head)))
    assert adjusted(cost, MAX_CPU_SECONDS_PER_MB) <= MAX_CPU_SECONDS_PER_MB
    assert_cheap(caller, f"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{name}: {value}\r\n\r\n".encode("latin-1"))


def raw(coding: str, data: bytes) -> bytes:
    return http(data, TEXT, f"Content-Encoding: {coding}")


def deflated(data: bytes, level: int) -> bytes:
    squeezer = zlib.compressobj(level, wbits=-15)
    return squeezer.compress(data) + squeezer.flush()


def repeated(unit: bytes, size: int = MB) -> bytes:
    return (unit * (size // len(unit) + 1))[:size]


def in_chunks(sizes: list[int], times: int = 1) -> bytes:
    pieces = [b"%x\r\n%s\r\n" % (size, b"x" * size) for size in sizes]
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"".join(pieces) * times
        + b"0\r\n\r\n"
    )


RANDOM = random.Random(7)
NOISE = RANDOM.randbytes(MB)
FULL = 1_048_576  # what is kept of a body
LETTERS = random.Random(7).randbytes(FULL).translate(repeated(b"abcdef", 256))
EMPTY_MEMBERS = gzip.compress(b"") * 50_000

BODIES: dict[str, Callable[[], bytes]] = {
    "text": lambda: http(b"x" * FULL, TEXT),
    "noise as text": lambda: http(NOISE, TEXT),
    "noise without a type": lambda: http(NOISE),
    "noise as utf-16": lambda: http(NOISE, "Content-Type: text/plain; charset=utf-16"),
    "noise as gb18030": lambda: http(NOISE, "Content-Type: text/plain; charset=gb18030"),
    "GBK without charset": lambda: http("今天天气很好".encode("gbk") * 80_000, TEXT),
    "Big5 without charset": lambda: http("今天天氣很好".encode("big5") * 80_000, TEXT),
    "EUC-KR without charset": lambda: http("오늘은 날씨가 좋아서 ".encode("euc_kr") * 45_000, TEXT),
    "Latin letters without charset": lambda: http("é à l’hôtel ".encode("cp1252") * 80_000, TEXT),
    "Cyrillic without charset": lambda: http("Внутренняя ошибка ".encode("cp1251") * 55_000, TEXT),
    "high bytes": lambda: http(NOISE.translate(repeated(bytes(range(0xA1, 0xFF)), 256)), TEXT),
    "koi8-r": lambda: http("Внутренняя ошибка ".encode("koi8_r") * 55_000, "Content-Type: text/plain; charset=koi8-r"),
    "iso-2022-jp": lambda: http(
        "今日は".encode("iso2022_jp") * 80_000, "Content-Type: text/plain; charset=iso-2022-jp"
    ),
    "JSON: empty arrays": lambda: http(b"[" + b"[]," * 330_000 + b"0]", JSON),
    "JSON: as many arrays as are read": lambda: http(b"[" + b"[-122.41,37.77]," * 62_000 + b"0]", JSON),
    "JSON: as many objects as are read": lambda: http(b"[" + b"{}   ," * 160_000 + b"0]", JSON),
    "JSON: empty objects": lambda: http(b"[" + b"{}," * 330_000 + b"0]", JSON),
    "JSON: floats": lambda: http(b"[" + b"0e0," * 250_000 + b"0]", JSON),
    "JSON: large exponents": lambda: http(b"[" + b"0e000," * 170_000 + b"0]", JSON),
    "JSON: an infinity last": lambda: http(b"[" + b"0," * 500_000 + b"1e999]", JSON),
    "JSON: long integers": lambda: http(b"[" + (b"9" * 4_000 + b",") * 250 + b"0]", JSON),
    "JSON: digits": lambda: http(b"9" * MB, JSON),
    "JSON: objects": lambda: http(b"[" + b'{"a":1},' * 120_000 + b"0]", JSON),
    "JSON: keys": lambda: http(b"{" + b",".join(b'"%d":1' % number for number in range(90_000)) + b"}", JSON),
    "JSON: depth": lambda: http(b"[" * MB, JSON),
    "JSON: escapes": lambda: http(b'"' + b"\\u00e9" * 170_000 + b'"', JSON),
    "JSON: lone surrogates": lambda: http(b'"' + b"\\ud800" * 170_000 + b'"', JSON),
    "JSON: not closed": lambda: http(b'{"a":' * 200_000, JSON),
    "chunks of 1": lambda: in_chunks([1], MB),
    "chunks of 2": lambda: in_chunks([2], MB // 2),
    "chunks of 1 and 2": lambda: in_chunks([1, 2], 330_000),
    "chunks of 1, and now and then 2": lambda: in_chunks([1] * 40 + [2], 24_000),
    "chunks of all small sizes": lambda: in_chunks(random.Random(7).choices(range(1, 30), k=66_000)),
    "chunks with extensions": lambda: chunked(b"x" * 1000, TEXT, size=1).replace(
        b"1\r\n", b"1;" + b"x" * 1000 + b"\r\n"
    ),
    "gzip of zeros": lambda: raw("gzip", gzip.compress(b"0" * FULL) + b"\0" * MB),
    "gzip of noise": lambda: raw("gzip", gzip.compress(NOISE)),
    "gzip of letters": lambda: raw("gzip", gzip.compress(LETTERS)),
    "empty gzip members": lambda: raw("gzip", EMPTY_MEMBERS),
    "empty gzip members three deep": lambda: raw("gzip, gzip, gzip", EMPTY_MEMBERS),
    "empty stored blocks": lambda: raw("deflate", repeated(b"\x00\x00\x00\xff\xff")),
    "empty fixed blocks": lambda: raw("deflate", repeated(b"\x02\x00")),
    "bare deflate": lambda: raw("deflate", deflated(NOISE, 1)),
    "br of zeros": lambda: raw("br", brotli.compress(b"0" * FULL)),
    "br of letters": lambda: raw("br", brotli.compress(LETTERS, quality=5)),
    "noise as br": lambda: raw("br", NOISE),
    "zstd of zeros": lambda: raw("zstd", zstd.compress(b"0" * FULL)),
    "zstd of letters": lambda: raw("zstd", zstd.compress(LETTERS)),
    "empty zstd frames": lambda: raw("zstd", zstd.compress(b"") * 80_000),
    "skippable zstd frames": lambda: raw("zstd", b"\x50\x2a\x4d\x18\x00\x00\x00\x00" * 120_000),
    "noise as zstd": lambda: raw("zstd", NOISE),
}


@pytest.mark.parametrize("kind", sorted(BODIES))
def test_no_body_is_dear(caller: HttpClient, kind: str) -> None:
    assert_cheap(caller, BODIES[kind]())


def test_a_body_by_mangled_repetition_is_not_dear(caller: HttpClient) -> None:
    for _ in range(15):
        unit = RANDOM.randbytes(RANDOM.randint(1, 12))
        content_type = RANDOM.choice(
            [TEXT, JSON, "Content-Type: text/plain; charset=utf-32", "Content-Type: text/xml; charset=big5"]
        )
        assert_cheap(caller, http(repeated(unit), content_type))


# --- the deadline and the stop hold while computing -------------------------------------------------


class Slow:
    """A body that keeps the decoder busy for as long as it is read."""

    def __init__(self, coding: str, piece: bytes) -> None:
        self.head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\n\r\n".encode()
        self.piece = piece

    def __call__(self, wire: Wire) -> None:
        wire.request()
        wire.send(self.head)
        wire.flood(self.piece)


BUSY = Slow("deflate", b"\x00\x00\x00\xff\xff" * 10_000)


@pytest.mark.alone
def test_the_deadline_holds_while_a_body_is_decoded() -> None:
    patient = HttpClient(AddressPolicy(allow_private=True), max_body_bytes=1_000_000_000)
    with Target(BUSY) as target:
        with Lateness() as late, pytest.raises(TimeoutError_):
            patient.call(get(target.url, 0.5))
        assert late.taken_seconds < 0.8
    patient.close()


def test_a_stop_ends_a_body_that_is_decoded() -> None:
    patient = HttpClient(AddressPolicy(allow_private=True), max_body_bytes=1_000_000_000)
    cancel = Cancel()

    def script(wire: Wire) -> None:
        wire.request()
        wire.send(BUSY.head + BUSY.piece * 20)
        cancel.cancel()
        wire.flood(BUSY.piece)

    with Target(script) as target, pytest.raises(Cancelled):
        patient.call(get(target.url, 30), cancel)
    patient.close()


def test_nested_empty_members_are_not_undone(caller: HttpClient) -> None:
    nested = gzip.compress(gzip.compress(gzip.compress(b"") * 100_000))
    with Target(closing_after(raw("gzip, gzip, gzip", nested))) as target:
        response = caller.call(get(target.url, 15))
    assert response.body_encoding == "base64"
