"""What a body becomes: JSON, text, or base64."""

from __future__ import annotations

import base64
import encodings
import encodings.aliases
import json
import pkgutil
import random

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
    ("application/json", b"[" * 300 + b"]" * 300, "[" * 300 + "]" * 300),
    ("application/json", b"[1e400]", "[1e400]"),
    ("application/json", b"[" + b"[]," * 19_990 + b"0]", [[]] * 19_990 + [0]),
    ("application/json", b"[" + b"[]," * 20_000 + b"0]", "[" + "[]," * 20_000 + "0]"),
    ("application/json", b"1" * 400 + b".0", "1" * 400 + ".0"),
    ("application/json", b'{"a": 1' + b"0" * 250 + b"e99}", '{"a": 1' + "0" * 250 + "e99}"),
    ("application/json", b"-2" + b"0" * 209 + b"E+99", "-2" + "0" * 209 + "E+99"),  # the shortest with two digits there
    ("application/json", b"1" + b"0" * 209 + b"e99", 1e308),
    ("application/json", b'["Infinity", 1e100]', ["Infinity", 1e100]),
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
    ("text/plain; charset=utf-16", "é中".encode("utf-16-le"), "é中"),  # no mark
    ("text/plain; charset=utf-16", "hello".encode("utf-16-le"), "hello"),
    ("text/plain; charset=utf-16", "hello".encode("utf-16-be"), "hello"),
    ("text/plain; charset=utf-16", "é".encode("utf-16"), "é"),
    ("text/plain; charset=utf-32", "é".encode("utf-32-le"), "é"),
    ("text/plain; charset=utf-32", "é".encode("utf-32-be"), "é"),
    ("text/plain; charset=utf-32", "é".encode(), "é"),  # it is not, and it is UTF-8
    ("text/plain; charset=gb2312", "乭丂".encode("gbk"), "乭丂"),  # as it is meant
    ("text/plain; charset=Big5", "碁銹".encode("big5hkscs"), "碁銹"),
    ("text/plain; charset=Shift_JIS", "①髙".encode("cp932"), "①髙"),
    ("text/plain; charset=EUC-KR", "똠방각하".encode("cp949"), "똠방각하"),
    ("text/plain; charset=windows-1252", b"\x80\x81", "€\x81"),
    ("text/plain; charset=" + "x" * 70000, b"x", "x"),
    ("text/plain" + ";" * 65000, b"x", "x"),
    ("text/plain", b"caf\xe9 ol\xe9", "café olé"),  # no charset, not UTF-8
    ("application/json", '{"a": "é"}'.encode("utf-16-le"), {"a": "é"}),  # no mark, no charset
    ("application/json", '{"a": "é"}'.encode("utf-16-be"), {"a": "é"}),
    ("text/plain; charset=x-gbk", "价格".encode("gbk"), "价格"),
    ("text/plain; charset=x-sjis", "日本".encode("cp932"), "日本"),
    ("text/html", '<meta charset="gbk">中'.encode("gbk"), '<meta charset="gbk">中'),
    ("text/xml", '<?xml version="1.0" encoding="Big5"?>中'.encode("big5"), '<?xml version="1.0" encoding="Big5"?>中'),
    ("charset=utf-8", b'{"a": 1}', {"a": 1}),  # no type, but a parameter
    ("json", b'{"a": 1}', {"a": 1}),
    ("; charset=gbk", "价格".encode("gbk"), "价格"),
    ("application/x-amz-json-1.1", b'{"a": 1}', {"a": 1}),
    ("application/json-seq", b'\x1e{"a": 1}\n', '\x1e{"a": 1}\n'),
    ("application/jsonl", b"{}\n{}\n", "{}\n{}\n"),
    ("application/json, application/json", b"7", 7),  # sent twice
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
    ("text/plain; charset=utf-8", b"caf\xe9 \x81"),  # no charset has all of it
    ("text/plain; charset=utf-16", b"\x00\xd8\x00"),
    ("text/plain; charset=utf-32", b"\xff\xff\xff\xff"),
    ("application/json", b'{"a": "\xff"}'),
    ("text/html", "UTF-8 mit einem Fehler: äöü".encode() + b"\xff"),
]


@pytest.mark.parametrize(("content_type", "body", "value"), TABLE)
def test_json_and_text(content_type: str | None, body: bytes, value: object) -> None:
    content = interpret(body, content_type, is_whole=True)
    assert (content.value, content.encoding) == (value, None)


@pytest.mark.parametrize(("content_type", "body"), BASE64)
def test_what_is_neither_comes_as_base64(content_type: str | None, body: bytes) -> None:
    content = interpret(body, content_type, is_whole=True)
    assert (content.value, content.encoding) == (base64.b64encode(body).decode(), "base64")


def test_a_truncated_body_is_text_without_its_half_character() -> None:
    assert interpret('["é"'.encode()[:3], "application/json", is_whole=False).value == '["'
    assert interpret(b"[1]", "application/json", is_whole=False).value == "[1]"
    assert interpret("价格上涨".encode("gbk")[:-1], "text/plain; charset=gbk", is_whole=False).value == "价格上"


@given(st.binary(max_size=200), st.sampled_from([row[0] for row in TABLE]), st.booleans())
def test_whatever_comes_can_be_stored(body: bytes, content_type: str | None, is_whole: bool) -> None:
    content = interpret(body, content_type, is_whole=is_whole)
    json.dumps(content.value, ensure_ascii=False, allow_nan=False).encode()


@given(
    st.sampled_from(["1", "-1", "9", "0.", "-0.0"]),
    st.integers(0, 330),
    st.sampled_from(["", ".5", "." + "9" * 400]),
    st.sampled_from(["", "e", "E+", "e00", "e-"]),
    st.integers(0, 110),
)
def test_numbers_of_all_sizes_can_be_stored(first: str, zeros: int, fraction: str, mark: str, exponent: int) -> None:
    number = first + "0" * zeros + fraction + (f"{mark}{exponent}" if mark else "")
    content = interpret(f'{{"a": [{number}]}}'.encode(), "application/json", is_whole=True)
    json.dumps(content.value, allow_nan=False)


@given(st.text(max_size=100), st.binary(min_size=1, max_size=20))
def test_no_content_type_breaks_it(content_type: str, body: bytes) -> None:
    content = interpret(body, content_type, is_whole=True)
    assert content.encoding in (None, "base64")
    json.dumps(content.value, ensure_ascii=False, allow_nan=False).encode()


@given(st.binary(max_size=200), st.sampled_from(["text/plain", "text/html; charset=gbk", "text/xml; charset=utf-16"]))
def test_nothing_of_a_text_is_lost(body: bytes, content_type: str) -> None:
    content = interpret(body, content_type, is_whole=True)
    if content.encoding == "base64":
        assert base64.b64decode(str(content.value)) == body
    else:
        assert (
            "\ufffd" not in (content.text or "")
            or b"\xff\xfd" in body
            or b"\xfd\xff" in body
            or b"\xef\xbf\xbd" in body
        )


NAMES = sorted({module.name for module in pkgutil.iter_modules(encodings.__path__)} | set(encodings.aliases.aliases))
NOISE = random.Random(7).randbytes(2_000)


@pytest.mark.parametrize("body", [NOISE, b"plain", b"\x1b$B~{+AA-\xff\xfe\0"])
def test_no_charset_breaks_it(body: bytes) -> None:
    """Tries every name of a Python codec, and some that name none."""
    for name in [*NAMES, "", "\0", "é", "..", "os.path", "x" * 100, "utf-8\r\n", "%s", "0"]:
        content = interpret(body, f"text/plain; charset={name}", is_whole=True)
        assert content.encoding in (None, "base64")
        json.dumps(content.value, ensure_ascii=False).encode()
