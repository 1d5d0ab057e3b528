"""What a body becomes: JSON, text, or base64."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.http.content import interpret

# content type, bytes, what becomes of them
TABLE = [
    ("application/json", b'{"a": [1, 2.5, null]}', {"a": [1, 2.5, None]}),
    ("application/json; charset=utf-8", '"é"'.encode(), "é"),
    ("application/problem+json", b'{"status": 404}', {"status": 404}),
    ("application/json", b"\xef\xbb\xbf[1]", [1]),  # with a byte order mark
    ("application/json", "[1]".encode("utf-16"), [1]),
    ("APPLICATION/JSON", b"7", 7),
    ("application/json", b"{not json", "{not json"),
    ("application/json", b"NaN", "NaN"),  # Python would take it, JSON can't carry it
    ("application/json", b"[1e999]", "[1e999]"),
    ("application/json", b"1" * 5000, "1" * 5000),  # beyond Python's limit for int
    ("application/json", b"[" * 101 + b"]" * 101, "[" * 101 + "]" * 101),
    ("application/json", b"[" * 200000, "[" * 200000),
    ("application/json", b'"\\ud800"', '"\\ud800"'),  # a lone surrogate can't be stored
    ("application/json", b'"\\ud83d\\ude00"', "😀"),
    (None, b'{"a": 1}', {"a": 1}),  # no type: JSON is tried, then text
    (None, b"plain", "plain"),
    ("text/plain", b'{"a": 1}', '{"a": 1}'),  # the target says text
    ("text/html", b"<p>\xc3\xa9", "<p>é"),
    ("text/html; charset=iso-8859-1", b"\xe9\x80", "é€"),  # as browsers read it
    ('text/html; charset="utf-16le"', "é".encode("utf-16le"), "é"),
    ("text/plain; charset=koi8-r", "привет".encode("koi8-r"), "привет"),
    ("text/plain; charset=shift_jis", "日本".encode("shift_jis"), "日本"),
    ("text/plain; charset=nonsense", "é".encode(), "é"),
    ("text/plain; charset=zlib", b"x", "x"),  # a Python codec, not a charset
    ("text/plain; charset=unicode_escape", b"\\ud800", "\\ud800"),
    ("text/plain; charset=utf-7", b"+2AA-", "+2AA-"),
    ("text/plain; charset=utf-8", b"\xff", "\ufffd"),
    ("text/plain", b"\xe9", "é"),  # no charset, not UTF-8
    ("application/xml", b"<a/>", "<a/>"),
    ("image/svg+xml", b"<svg/>", "<svg/>"),
    ("application/x-ndjson", b"{}\n{}\n", "{}\n{}\n"),
    ("application/x-www-form-urlencoded", b"a=1", "a=1"),
    ("application/json", b"", None),
    ("image/png", b"", None),
]

BASE64 = [
    ("image/png", b"\x89PNG"),
    ("application/octet-stream", b"text all the same"),
    ("application/zip", b"PK"),
    (None, b"\xff\xfe\xfa"[::-1]),
    (None, b"a\x00b"),
]


@pytest.mark.parametrize(("content_type", "body", "value"), TABLE)
def test_json_and_text(content_type: str | None, body: bytes, value: object) -> None:
    assert interpret(body, content_type, is_whole=True) == (value, None)


@pytest.mark.parametrize(("content_type", "body"), BASE64)
def test_what_is_neither_comes_as_base64(content_type: str | None, body: bytes) -> None:
    assert interpret(body, content_type, is_whole=True) == (base64.b64encode(body).decode(), "base64")


def test_a_truncated_body_is_text_without_its_half_character() -> None:
    assert interpret('["é"'.encode()[:3], "application/json", is_whole=False) == ('["', None)
    assert interpret(b"[1]", "application/json", is_whole=False) == ("[1]", None)


@given(st.binary(max_size=200), st.sampled_from([row[0] for row in TABLE]), st.booleans())
def test_whatever_comes_can_be_stored(body: bytes, content_type: str | None, is_whole: bool) -> None:
    value, _ = interpret(body, content_type, is_whole=is_whole)
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


@given(st.text(max_size=100), st.binary(min_size=1, max_size=20))
def test_no_content_type_breaks_it(content_type: str, body: bytes) -> None:
    value, encoding = interpret(body, content_type, is_whole=True)
    assert encoding in (None, "base64")
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
