"""Whatever bytes a target sends: a result or a documented error, in time, and one request."""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections.abc import Iterator
from typing import Any

import brotli
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tasks.executors.api import ApiExecutor
from tasks.http import AddressPolicy, CallError, HttpClient
from tasks.http.resolver import Endpoint
from tests.http.attempts import attempt_of
from tests.http.target import Target, Wire, chunked, http
from tests.lateness import Lateness

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TIMEOUT_SECONDS = 5.0
DOCUMENTED = {error.type for error in [CallError, *CallError.__subclasses__()]} | {"HTTPStatusError", "BodyError"}
TEXT = "Content-Type: text/plain"
WORDS = b"The quick brown fox. " * 20

ANSWERS = [
    http(b'{"code": 0, "list": [1, 2.5, null, "\\u00e9"]}', "Content-Type: application/json"),
    http(WORDS, "Content-Type: text/html; charset=iso-8859-1", "Set-Cookie: a=1; Path=/", "Set-Cookie: b=2"),
    http("é".encode("utf-16"), "Content-Type: text/plain; charset=utf-16"),
    http("今天天气很好".encode("gbk"), TEXT, "X-Name : 1"),
    http(b"", "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT", status="503 Busy"),
    http(gzip.compress(WORDS), TEXT, "Content-Encoding: gzip"),
    http(zlib.compress(WORDS), TEXT, "Content-Encoding: deflate"),
    http(brotli.compress(WORDS), TEXT, "Content-Encoding: br"),
    http(zstd.compress(WORDS), TEXT, "Content-Encoding: zstd"),
    chunked(WORDS, TEXT, size=7),
    chunked(gzip.compress(WORDS), TEXT, "Content-Encoding: gzip", size=1),
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + http(WORDS, TEXT),
    b"HTTP/1.0 200 OK\r\n\r\n" + WORDS,
]
REDIRECT = http(b"", "Location: /x", "Set-Cookie: a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT", status="302 Found")

TOKENS = [
    *(b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b";", b",", b"-1", b"9" * 400, b"99999999999999999999"),
    *(b"\xff\xfe", b"\xef\xbb\xbf", b"\x1f\x8b", b"utf-32", b"utf-7", b"\r\n folded"),
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Content-Encoding: zstd\r\n",
    b"Content-Type: text/plain; charset=utf-16\r\n",
    b"Retry-After: Mon, 1 Jan 99999999999999999999 00:00:00 GMT\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"Location: http://[::1\r\n",
    b"Set-Cookie: a=b\x01; Max-Age=99999999999999999999\r\n",
    b"Connection: keep-alive\r\n",
]

EDITS = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.sampled_from(["insert", "replace", "delete", "repeat", "cut"]),
        st.sampled_from(TOKENS) | st.binary(min_size=1, max_size=4),
    ),
    max_size=6,
)


def mutated(answer: bytes, edits: list[tuple[float, str, bytes]]) -> bytes:
    for place, kind, token in edits:
        at = int(place * len(answer))
        if kind == "insert":
            answer = answer[:at] + token + answer[at:]
        elif kind == "replace":
            answer = answer[:at] + token + answer[at + len(token) :]
        elif kind == "delete":
            answer = answer[:at] + answer[at + len(token) :]
        elif kind == "repeat":
            answer = answer[:at] + answer[at : at + 20] * 5 + answer[at + 20 :]
        else:
            answer = answer[:at]
    return answer


class Fuzzed:
    """A target that sends what it is told, and an executor that calls it."""

    def __init__(self, url: str, target: Target, executor: ApiExecutor) -> None:
        self.url = url
        self.target = target
        self.executor = executor
        self.answer = b""

    def serve(self, wire: Wire) -> None:
        wire.request()
        wire.send(self.answer)

    def outcome(self, answer: bytes, **spec: Any) -> tuple[str | None, int]:
        """The type of the failure, and how many requests came."""
        self.answer = answer
        self.target.received.clear()
        attempt = attempt_of(timeout=TIMEOUT_SECONDS, api_url=self.url, **{"method": "POST", "data": "x", **spec})
        with Lateness() as late:
            outcome = self.executor.execute(attempt, self.executor.new_cancel())
        assert late.taken_seconds < TIMEOUT_SECONDS + 1
        if outcome.result_json is not None:
            json.loads(outcome.result_json)
        assert outcome.retry_after_seconds is None or 0 <= outcome.retry_after_seconds < 1e9
        return (outcome.failure.type if outcome.failure else None), len(self.target.received)


def no_names(host: str, port: int) -> list[Endpoint]:
    raise OSError("nothing is looked up here")


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[Fuzzed]:
    client = HttpClient(AddressPolicy(allow_private=True), max_body_bytes=5_000, resolve=no_names)
    made: list[Fuzzed] = []
    with Target(lambda wire: made[0].serve(wire)) as target:
        made.append(Fuzzed(target.url, target, ApiExecutor(client)))
        yield made[0]
    client.close()


FUZZ = settings(suppress_health_check=list(HealthCheck))


@FUZZ
@given(
    answer=st.sampled_from(ANSWERS),
    edits=EDITS,
    expected=st.sampled_from([None, {"contains": "x"}, {"json": {"/code": 0}}]),
)
@example(ANSWERS[0], [(0.3, "insert", b"\r\nContent-Type: text/plain; charset=utf-32\r\nX: ")], None)
def test_a_mangled_answer_is_a_result_or_a_documented_error(
    fuzzed: Fuzzed, answer: bytes, edits: list[tuple[float, str, bytes]], expected: Any
) -> None:
    failure, requests = fuzzed.outcome(mutated(answer, edits), expected_body=expected, follow_redirects=False)
    assert failure is None or failure in DOCUMENTED
    assert requests == 1


@FUZZ
@given(edits=EDITS)
def test_a_mangled_redirect_is_one_too(fuzzed: Fuzzed, edits: list[tuple[float, str, bytes]]) -> None:
    failure, requests = fuzzed.outcome(mutated(REDIRECT, edits))
    assert failure is None or failure in DOCUMENTED
    assert 1 <= requests <= 11


@FUZZ
@given(answer=st.binary(max_size=300))
def test_noise_is_no_answer(fuzzed: Fuzzed, answer: bytes) -> None:
    failure, requests = fuzzed.outcome(answer)
    assert (failure, requests) == ("ConnectionError", 1)
