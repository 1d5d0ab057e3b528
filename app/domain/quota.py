"""Quotas: how many calls a caller may make in a span of time, one quota for each action. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

MAX_CALLS = 1_000_000
MAX_SECONDS = 86_400
OFF = "off"

_QUOTA = re.compile(r"(\w+):(\d{1,7})/(\d{1,5})", re.ASCII)


class Action(StrEnum):
    """What a call does, as far as quotas are concerned."""

    READ = "read"  # GET, HEAD, OPTIONS
    WRITE = "write"  # every other method


@dataclass(frozen=True, slots=True)
class Quota:
    """`calls` at once, after which they become available again at `calls` per `seconds`."""

    calls: int
    seconds: int


Quotas = Mapping[Action, Quota]


def parse_quotas(text: str) -> Quotas:
    """Read `read:2000/10,write:1000/10` (calls per seconds); an action that is left out has no limit; `off`: none has.

    Raises ValueError.
    """
    if text.strip().lower() == OFF:
        return {}
    quotas: dict[Action, Quota] = {}
    for word in filter(None, map(str.strip, text.split(","))):
        action, quota = _parse(word)
        if action in quotas:
            raise ValueError(f"has two limits for {action}")
        quotas[action] = quota
    return quotas


def _parse(word: str) -> tuple[Action, Quota]:
    match = _QUOTA.fullmatch(word)
    if match is None or match[1] not in set(Action):
        raise ValueError(f"must be off, or a list like read:2000/10,write:1000/10 (calls/seconds); {word[:50]} is not")
    calls, seconds = int(match[2]), int(match[3])
    if not (1 <= calls <= MAX_CALLS and 1 <= seconds <= MAX_SECONDS):
        raise ValueError(f"must allow 1 to {MAX_CALLS} calls in 1 to {MAX_SECONDS} seconds; {word} does not")
    return Action(match[1]), Quota(calls, seconds)
