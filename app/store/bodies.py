"""The body of a task: the fields of its spec that only its attempts and GET of the one task need.

It is JSON without the fields that have their default. Short JSON is a field of the record, since a key of its own would
take more memory than the text; longer JSON is a key beside the record. The field that is declared as shared, the source
of a program, is not in the JSON. A short source is a field of the record too. A longer one is kept once, however many
tasks and scheduled tasks have it: under its hash, with the number of those that have it (`hold_program` in `_lib.lua`).
The hash is SHA-256, computed here from the source itself, so no caller can name a program that is not its own.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from app.domain.fields import Kept, names_kept
from app.domain.spec import TaskSpec, fields_of_others
from app.domain.status import Kind
from app.store.columns import SHARED, SPEC, dump_json

#: The longest text, in bytes, that is a field of the record. By its default, Redis keeps no longer value in a compact
#: hash; and the hash of a program takes 48 bytes of a record, so sharing pays from there on.
INLINE_BYTES = 64

(_PROGRAM,) = names_kept(TaskSpec, Kept.SHARED)
_DEFAULTS: dict[str, Any] = {
    name: TaskSpec.model_fields[name].get_default(call_default_factory=True)
    for name in names_kept(TaskSpec, Kept.BODY)
    if name != _PROGRAM
}
_DEFAULTS_OF: dict[Kind, dict[str, Any]] = {
    kind: {name: default for name, default in _DEFAULTS.items() if name not in fields_of_others(kind)} for kind in Kind
}


@dataclass(frozen=True, slots=True)
class StoredBody:
    """The body as it is stored.

    record: fields of the record: short name, text, … · beside: what is kept beside it, "" for nothing
    program: the source that is kept once and that the record names by its hash, "" for none
    """

    record: list[str]
    beside: str
    program: str


def body_of(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The spec fields that are not in the record."""
    return {name: value for name, value in spec.items() if name not in SPEC}


def write_body(spec: Mapping[str, Any]) -> StoredBody:
    """The stored form of the body in a spec."""
    record: list[str] = []
    beside = program = ""
    kept = {name: value for name, value in spec.items() if name not in SPEC and not _is_elsewhere(name, value)}
    if kept:
        text = dump_json(kept)
        if is_short(text):
            record += (SHARED["body"].short, text)
        else:
            beside = text
    source = spec.get(_PROGRAM)
    if source is not None and "\0" not in source:  # a NUL separates the values of a batch
        if is_short(source):
            record += (SHARED["program"].short, source)
        else:
            record += (SHARED["program_hash"].short, hash_of(source))
            program = source
    return StoredBody(record, beside, program)


def _is_elsewhere(name: str, value: Any) -> bool:
    """Whether the JSON leaves a field out: it has its default, or is the program."""
    if name == _PROGRAM:
        return value is None or "\0" not in value
    return name in _DEFAULTS and bool(value == _DEFAULTS[name])


def read_body(kind: Kind, record: Mapping[str, str], beside: str, program: str) -> dict[str, Any]:
    """The body of a task or scheduled task: from its record by short names, and from what is kept beside that."""
    text = record.get(SHARED["body"].short) or beside
    body = {**_DEFAULTS_OF[kind], **json.loads(text or "{}")}
    source = record.get(SHARED["program"].short, program or None)
    if source is not None:
        body[_PROGRAM] = source
    return body


def is_short(text: str) -> bool:
    """Whether a text is kept in the record."""
    return len(text) <= INLINE_BYTES and len(text.encode()) <= INLINE_BYTES


def hash_of(source: str) -> str:
    """The name of a program: its SHA-256 in base64."""
    return urlsafe_b64encode(sha256(source.encode()).digest()).decode().rstrip("=")
