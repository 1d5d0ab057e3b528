"""What is taken from the headers traceparent and tracestate of a request."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace.span import TraceState

from app.domain.trace import MAX_STATE_CHARS, NO_TRACE, TraceContext, read_context

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


def test_a_context_is_taken_as_it_is() -> None:
    assert read_context(PARENT, "a=1,b@c=2") == TraceContext(PARENT, "a=1,b@c=2")


@pytest.mark.parametrize(
    "parent",
    [
        "",
        PARENT.upper(),
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"{PARENT}-more",  # not in version 00
        f"{PARENT},{PARENT}",  # two headers, as WSGI joins them
        f" {PARENT}",
        f"{PARENT}\n",
        f"{PARENT}\r\nX-Evil: 1",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE[:-1]}٣-{SPAN}-01",  # a digit, but not of ASCII
        f"01-{TRACE}-{SPAN}-01-" + "a" * 1000,
        f"01-{TRACE}-{SPAN}-01-\x00",
        "a" * 100_000,
    ],
)
def test_a_traceparent_that_is_none_gives_no_context(parent: str) -> None:
    assert read_context(parent, "a=1") is NO_TRACE


def test_of_a_later_version_the_known_part_is_taken() -> None:
    assert read_context(f"01-{TRACE}-{SPAN}-00-what-ever", "").parent == f"00-{TRACE}-{SPAN}-00"


def test_spaces_and_empty_members_of_a_tracestate_are_dropped() -> None:
    assert read_context(PARENT, " a=1 ,, \tb=2,").state == "a=1,b=2"


@pytest.mark.parametrize(
    "state",
    [
        "a",
        "a=1,a=2",
        "A=1",
        "a=1=2",
        "a=\x00",
        "a=ü",
        "a=1\n",
        ",".join(f"k{number}=1" for number in range(33)),
        "a=" + "x" * 300,
        "a=1," * MAX_STATE_CHARS,
    ],
)
def test_a_wrong_tracestate_is_dropped_and_the_traceparent_kept(state: str) -> None:
    assert read_context(PARENT, state) == TraceContext(PARENT)


@given(st.text(alphabet=[*string.printable, "\x00", "é", "\ud800"], max_size=600))
def test_whatever_comes_what_is_kept_is_short_and_plain(text: str) -> None:
    for kept in (read_context(text, text), read_context(PARENT, text)):
        assert len(kept.parent) in (0, 55)
        assert len(kept.state) <= MAX_STATE_CHARS
        assert (kept.parent + kept.state).isprintable()
        assert (kept.parent + kept.state).isascii()


@given(st.lists(st.tuples(st.from_regex(r"[a-z][a-z0-9]{0,6}", fullmatch=True), st.text("abc !~", min_size=1))))
def test_what_is_kept_of_a_tracestate_the_sdk_reads_too(members: list[tuple[str, str]]) -> None:
    kept = read_context(PARENT, ",".join(f"{key}={value}" for key, value in members)).state
    assert TraceState.from_header([kept]).to_header() == kept
