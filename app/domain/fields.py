"""Declares how a field of a spec is stored: once, in the metadata of the field's annotation.

    timeout: Annotated[float, in_record("to")] = Field(30, ge=0.1, le=3600, description="…")

Validation, creation, PATCH, firing, the record, responses and the OpenAPI document all follow from that declaration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Flag, auto
from functools import cache
from typing import Any

from pydantic import BaseModel, Field

#: What responses show in place of each value inside a secret field.
HIDDEN = "***"


class Kept(Flag):
    """Where a field is stored. A field that is stored nowhere is used only at creation."""

    RECORD = auto()  # in the hash, for scripts, indexes and lists; omitted while it has its default
    BODY = auto()  # in JSON beside the record, for attempts and GET of one task
    TIMING = auto()  # in JSON in a schedule's hash, for beat
    SHARED = auto()  # a text of the body that many tasks have in common: each is stored once (app/store/bodies.py)


NOWHERE = Kept(0)


@dataclass(frozen=True, slots=True)
class Storage:
    """Where and how a field is stored.

    short: the name of its hash field, if it is stored in the record.
    is_secret: responses show the names inside the field, and `***` in place of the values.
    """

    kept: Kept
    short: str = ""
    is_secret: bool = False


def in_record(short: str) -> Storage:
    """Stored in the hash under a short name."""
    return Storage(Kept.RECORD, short)


IN_BODY = Storage(Kept.BODY)
#: One field is shared: the source of programs.
SHARED_IN_BODY = Storage(Kept.BODY | Kept.SHARED)
SECRET_IN_BODY = Storage(Kept.BODY, is_secret=True)
IN_TIMING = Storage(Kept.TIMING)
#: Both beat and the attempt need the field.
IN_TIMING_AND_BODY = Storage(Kept.TIMING | Kept.BODY)
AT_CREATION = Storage(NOWHERE)


@cache
def storage_of(model: type[BaseModel]) -> dict[str, Storage]:
    """name -> Storage for every field of a spec. Raises TypeError for a field that declares none."""
    found = {}
    for name, field in model.model_fields.items():
        storage = next((item for item in field.metadata if isinstance(item, Storage)), None)
        if storage is None:
            raise TypeError(f"{model.__name__}.{name} does not declare where it is stored: see app/domain/fields.py")
        found[name] = storage
    return found


@cache
def names_kept(model: type[BaseModel], where: Kept = Kept.RECORD | Kept.BODY | Kept.TIMING) -> tuple[str, ...]:
    """The fields of a spec that are stored in any of these places."""
    return tuple(name for name, storage in storage_of(model).items() if storage.kept & where)


@cache
def secret_names(model: type[BaseModel]) -> frozenset[str]:
    """The fields of a spec whose values no response shows."""
    return frozenset(name for name, storage in storage_of(model).items() if storage.is_secret)


def with_hidden_values(fields: dict[str, Any], stored: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """The fields of a request with the stored value in the place of each `***`, if there is one of that name.

    So what a response shows can be sent back. Names of headers are the same in any case.
    """
    kept = {name: _with_hidden_values(fields.get(name), stored.get(name)) for name in secret_names(model)}
    return {name: kept.get(name, value) for name, value in fields.items()}


def with_stand_ins(fields: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """The fields with a harmless value in the place of each `***`, to check a spec whose hidden values are unknown."""
    given = {name: fields[name] for name in secret_names(model) if isinstance(fields.get(name), dict)}
    stand_ins = {name: {each: _stand_in(each) for each in value} for name, value in given.items()}
    return with_hidden_values(fields, stand_ins, model)


def _stand_in(name: str) -> str:
    """A value that any header may have, whatever else the spec says: an empty Host would be refused."""
    return "hidden" if name.lower() == "host" else ""


def _with_hidden_values(given: Any, stored: Any) -> Any:
    if not isinstance(given, dict) or not isinstance(stored, dict):
        return given
    known = {name.lower(): value for name, value in stored.items()}
    return {name: known.get(name.lower(), value) if value == HIDDEN else value for name, value in given.items()}


def fresh(make: Callable[[], Any], description: str) -> Any:
    """A field whose default is made anew for each model: pydantic would copy a list or dict, which takes far longer."""
    return Field(default_factory=make, description=description, json_schema_extra={"default": make()})
