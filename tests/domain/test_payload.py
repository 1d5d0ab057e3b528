"""How data, parameters and header values become text and bytes."""

from __future__ import annotations

import encodings
import json
import re
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.payload import FORM, encoded, pairs, text_of

# data, the task's content type, the bytes, the content type that is added
BODIES = [
    ({"a": 1, "b": [True, None]}, None, b'{"a":1,"b":[true,null]}', "application/json"),
    ([], None, b"[]", "application/json"),
    (7, None, b"7", "application/json"),
    ({"a": "é"}, "application/json", b'{"a":"\\u00e9"}', None),
    ({"a": "é"}, "application/json; charset=utf-16le", '{"a":"\\u00e9"}'.encode("utf-16le"), None),
    ({}, "application/vnd.api+json", b"{}", None),
    ({}, "application/x-amz-json-1.1", b"{}", None),
    ({}, "application/json-patch+json", b"{}", None),
    ({}, "text/json", b"{}", None),
    ("<é/>", "text/xml", "<é/>".encode(), None),
    ("价格", "text/plain; charset=gbk", "价格".encode("gbk"), None),
    ("é", 'text/plain; charset="ISO-8859-1"', b"\xe9", None),
    ("é", "text/plain; CHARSET = iso-8859-1 ; x=y", b"\xe9", None),
    ("é", None, "é".encode(), None),
    ("a=1&a=2", FORM, b"a=1&a=2", None),
    ({"a": "1", "b": ["2", "3"], "c": "中 &"}, FORM, b"a=1&b=2&b=3&c=%E4%B8%AD+%26", None),
    ({"n": 1.5, "t": True, "f": False, "e": "", "l": []}, FORM, b"n=1.5&t=true&f=false&e=", None),
    ({"价": "格"}, f"{FORM}; charset=gbk", b"%BC%DB=%B8%F1", None),
    ({}, FORM.upper(), b"", None),
]


@pytest.mark.parametrize(("data", "content_type", "body", "added"), BODIES)
def test_data_becomes_bytes(data: object, content_type: str | None, body: bytes, added: str | None) -> None:
    assert encoded(data, content_type) == (body, added)


REFUSED = [
    ({"a": "1"}, "multipart/form-data", "must be a string to be sent as multipart/form-data"),
    ({"a": "1"}, "multipart/form-data; boundary=x", "must be a string to be sent as multipart/form-data"),
    ({"a": "1"}, "text/plain", "must be a string to be sent as text/plain"),
    ([1], "application/xml", "must be a string to be sent as application/xml"),
    (True, "text/csv", "must be a string to be sent as text/csv"),
    ([{}], "application/x-ndjson", "must be a string to be sent as application/x-ndjson"),
    ([{}], "application/json-seq", "must be a string to be sent as application/json-seq"),
    ({}, "application/octet-stream", "must be a string to be sent as application/octet-stream"),
    ([1], FORM, "must be an object or a string to be sent as a form"),
    ({"a": {"b": 1}}, FORM, "the value of a must be a string, a number, a boolean, or an array of them"),
    ({"a": None}, FORM, "the value of a must be a string, a number, a boolean, or an array of them"),
    ({"a": [[1]]}, FORM, "the value of a must be a string, a number, a boolean, or an array of them"),
    ("中", "text/plain; charset=iso-8859-1", "holds a character that iso8859-1 can't carry"),
    ({"a": "中"}, f"{FORM}; charset=ascii", "holds a character that ascii can't carry"),
    ("x", "text/plain; charset=klingon", "can't be encoded: 'klingon' is not a known charset"),
    ("x", "text/plain; charset=base64", "can't be encoded: 'base64' is not a known charset"),
    ("x", "text/plain; charset=idna", "can't be encoded: 'idna' is not a known charset"),
    ("\ud800", None, "holds a character that utf-8 can't carry"),
    ({"a": float("nan")}, None, "must be JSON or text"),
    ({"a": {1, 2}}, None, "must be JSON or text"),
]


@pytest.mark.parametrize(("data", "content_type", "message"), REFUSED)
def test_data_that_cant_be_carried_is_refused(data: object, content_type: str | None, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        encoded(data, content_type)


def test_python_keeps_nothing_of_an_unknown_charset() -> None:
    kept = len(encodings._cache)
    for number in range(10):
        with pytest.raises(ValueError, match="is not a known charset"):
            encoded("x", f"text/plain; charset=made-up-{number}")
    assert len(encodings._cache) == kept


def test_params_repeat_the_name_for_each_element() -> None:
    fields = {"id": [1, 2], "page": 3, "all": True, "no": False, "x": 1.5, "s": "é", "none": []}
    assert pairs(fields) == [
        ("id", "1"),
        ("id", "2"),
        ("page", "3"),
        ("all", "true"),
        ("no", "false"),
        ("x", "1.5"),
        ("s", "é"),
    ]


@pytest.mark.parametrize("value", [None, {}, [], float("inf"), object()])
def test_what_has_no_text_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        text_of(value)


@given(st.dictionaries(st.text(max_size=10), st.lists(st.text(max_size=10), max_size=3), max_size=5))
def test_a_form_reads_as_it_was_written(form: dict[str, list[str]]) -> None:
    body, _ = encoded(form, FORM)
    read = parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=bool(body))
    assert read == [(name, value) for name, values in form.items() for value in values]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)))
def test_json_reads_as_it_was_written(data: object) -> None:
    body, added = encoded(data, "application/json")
    if isinstance(data, str):
        assert body == data.encode()
    else:
        assert json.loads(body) == data
    assert added is None
