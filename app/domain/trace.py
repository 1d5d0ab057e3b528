"""The context of a trace, as W3C Trace Context has it: what a request brings, and what is kept with a task."""

from __future__ import annotations

import re
from dataclasses import dataclass

PARENT_HEADER, STATE_HEADER = "traceparent", "tracestate"
MAX_PARENT_CHARS = 512
#: The standard asks for at least so much. A longer tracestate is dropped.
MAX_STATE_CHARS = 512
MAX_STATE_MEMBERS = 32

_PARENT = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})(?P<span>[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-[\x20-\x7e]*)?",
    re.ASCII,
)
_KEY = r"(?:[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
_MEMBER = re.compile(rf"({_KEY})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{{0,255}}[\x21-\x2b\x2d-\x3c\x3e-\x7e]", re.ASCII)


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A span of a trace: the headers `traceparent` and `tracestate` that name it. Both "" for none."""

    parent: str = ""
    state: str = ""


NO_TRACE = TraceContext()


def no_trace() -> TraceContext:
    """The context of those who trace nothing."""
    return NO_TRACE


def read_context(parent: str, state: str) -> TraceContext:
    """The context in a stranger's headers; NO_TRACE unless `traceparent` is what the standard says.

    Of a version that does not exist yet, the part that is known is taken. A `tracestate` that is wrong or too long
    is dropped.
    """
    found = _PARENT.fullmatch(parent) if len(parent) <= MAX_PARENT_CHARS else None
    if found is None or (found["version"] == "00" and found["more"]):
        return NO_TRACE
    return TraceContext(f"00-{found['trace']}-{found['span']}-{found['flags']}", _read_state(state))


def _read_state(text: str) -> str:
    """The members of a `tracestate`, without spaces around them; "" if it is wrong."""
    if len(text) > MAX_STATE_CHARS:
        return ""
    members = [member for part in text.split(",") if (member := part.strip(" \t"))]
    keys = {found[1] for member in members if (found := _MEMBER.fullmatch(member))}
    return ",".join(members) if len(keys) == len(members) <= MAX_STATE_MEMBERS else ""
