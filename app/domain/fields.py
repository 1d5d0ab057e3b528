"""How a field of a spec is kept. Said once, where the field is declared, as metadata of its annotation.

    timeout: Annotated[float, in_record("to")] = Field(30, ge=0.1, le=3600, description="…")

From that declaration follow validation, creation, PATCH, firing, the record, answers and the OpenAPI document.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag, auto
from functools import cache

from pydantic import BaseModel


class Kept(Flag):
    """Where a field is kept. A field with no place is used at creation alone."""

    RECORD = auto()  # in the hash: scripts, indexes and lists read it. Left out while it has its default
    BODY = auto()  # in JSON beside the record: an attempt and GET of one task read it
    TIMING = auto()  # in JSON in a schedule's hash: beat reads it


NOWHERE = Kept(0)


@dataclass(frozen=True, slots=True)
class Storage:
    """Where a field is kept.

    short: the name of its hash field, with Kept.RECORD.
    is_secret: answers show the names in it, and `***` for the values.
    """

    kept: Kept
    short: str = ""
    is_secret: bool = False


def in_record(short: str) -> Storage:
    """Kept in the hash, under a short name."""
    return Storage(Kept.RECORD, short)


IN_BODY = Storage(Kept.BODY)
SECRET_IN_BODY = Storage(Kept.BODY, is_secret=True)
IN_TIMING = Storage(Kept.TIMING)
#: Beat needs it, and so does the attempt.
IN_TIMING_AND_BODY = Storage(Kept.TIMING | Kept.BODY)
AT_CREATION = Storage(NOWHERE)


@cache
def storage_of(model: type[BaseModel]) -> dict[str, Storage]:
    """name -> Storage of every field of a spec. Raises TypeError for a field that does not say it."""
    found = {}
    for name, field in model.model_fields.items():
        storage = next((item for item in field.metadata if isinstance(item, Storage)), None)
        if storage is None:
            raise TypeError(f"{model.__name__}.{name} does not say where it is kept: see app/domain/fields.py")
        found[name] = storage
    return found


@cache
def names_kept(model: type[BaseModel], where: Kept = Kept.RECORD | Kept.BODY | Kept.TIMING) -> tuple[str, ...]:
    """The fields of a spec that are kept in one of these places."""
    return tuple(name for name, storage in storage_of(model).items() if storage.kept & where)


@cache
def secret_names(model: type[BaseModel]) -> frozenset[str]:
    """The fields of a spec whose values no answer shows."""
    return frozenset(name for name, storage in storage_of(model).items() if storage.is_secret)
