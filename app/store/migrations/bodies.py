"""Form 2: the body is a field of the record if it is short, and leaves out defaults; programs are kept once.

In form 1 the whole body, with the program, was JSON in the key `:spec` beside the record. Every record had one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from app.store.bodies import write_body
from app.store.columns import SHARED, SPEC, dump_json

_OWN = [SHARED[name].short for name in ("body", "program", "program_hash")]


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of a record, besides its body of form 1.

    fields: to set: short name, text, … · beside, program: as in StoredBody · renamed: fields: old and new short name
    removed: fields · keys_removed: suffixes of keys beside the record
    """

    fields: list[str]
    beside: str
    program: str
    renamed: list[tuple[str, str]] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    keys_removed: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        """The change as `form_records` reads it."""
        return dump_json(asdict(self))


def is_old(record: Mapping[str, str], body: str | None) -> bool:
    """Whether a record has its body in form 1; `body` is what is beside it. Some of form 2 look the same."""
    return bool(record) and body is not None and not any(name in record for name in _OWN)


def new_body(body: str) -> Change:
    """What becomes of a body of form 1."""
    kept = json.loads(body)
    fields: list[str] = []
    for name in SPEC.keys() & kept.keys():  # such as the name of the function: it was in the body
        if kept[name] != SPEC[name].default:
            fields += (SPEC[name].short, SPEC[name].write(kept[name]))
    stored = write_body(kept)
    return Change(fields + stored.record, stored.beside, stored.program)
