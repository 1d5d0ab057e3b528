"""JSON pointers, and equality as JSON has it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.pointers import check_pointer, resolve, same

# RFC 6901, section 5
DOCUMENT = {"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "m~n": 8, " ": 7, "-": {"0": "zero"}}

FOUND = [
    ("", DOCUMENT),
    ("/foo", ["bar", "baz"]),
    ("/foo/0", "bar"),
    ("/", 0),
    ("/a~1b", 1),
    ("/c%d", 2),
    ("/m~0n", 8),
    ("/ ", 7),
    ("/-/0", "zero"),
]


@pytest.mark.parametrize(("pointer", "value"), FOUND)
def test_a_pointer_leads_to_its_value(pointer: str, value: object) -> None:
    check_pointer(pointer)
    assert resolve(DOCUMENT, pointer) == value


@pytest.mark.parametrize(
    "pointer", ["/no", "/foo/2", "/foo/-", "/foo/00", "/foo/-1", "/foo/0/x", "/a/b", "/foo/" + "9" * 30]
)
def test_a_pointer_to_nothing_is_told(pointer: str) -> None:
    check_pointer(pointer)
    with pytest.raises(LookupError):
        resolve(DOCUMENT, pointer)


@pytest.mark.parametrize("pointer", ["foo", "#/foo", "/a~", "/a~2", "/" + "x" * 1000])
def test_what_is_no_pointer_is_refused(pointer: str) -> None:
    with pytest.raises(ValueError, match="JSON pointer"):
        check_pointer(pointer)


EQUAL = [
    (1, 1.0),
    ("a", "a"),
    (None, None),
    (True, True),
    ([1, {"a": []}], [1.0, {"a": []}]),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
]
DIFFERENT = [
    (1, True),
    (0, False),
    (1, "1"),
    (None, False),
    ([1], [1, 2]),
    ([True], [1]),
    ({"a": 1}, {"a": 1, "b": 2}),
    ({}, []),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_the_same_value_written_otherwise(one: object, other: object) -> None:
    assert same(one, other)
    assert same(other, one)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_another_value(one: object, other: object) -> None:
    assert not same(one, other)
    assert not same(other, one)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(JSON, JSON)
def test_values_are_the_same_if_they_are_written_the_same(one: object, other: object) -> None:
    written = [json.dumps(value, sort_keys=True) for value in (one, other)]
    assert same(one, other) == (written[0] == written[1])
