"""What a step of a migration is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.store.client import Client
from app.store.keys import Keys
from app.store.scripts import Scripts


@dataclass(frozen=True, slots=True)
class Data:
    """The data to change."""

    client: Client
    keys: Keys
    scripts: Scripts


@dataclass(frozen=True, slots=True)
class Work:
    """The progress of a change of the form.

    cursor: what the last part of `step` has returned, "" before the first · done, size: how many records of the step
    are done, and how many it has · last_seq: the last sequence number of the older form
    """

    target: int
    step: str
    cursor: str
    done: int
    size: int
    began_ms: int
    last_seq: int


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a step that is done. cursor: where the next part begins, None after the last · done: its records."""

    cursor: str | None
    done: int


@dataclass(frozen=True, slots=True)
class Step:
    """A step.

    run: does the part at the cursor, in a few milliseconds · size: counts the records of the step, roughly
    is_exclusive: whether nothing else may use the data meanwhile
    """

    name: str
    run: Callable[[Data, Work], Part]
    size: Callable[[Data], int]
    is_exclusive: bool = False
