"""What there is to say of one kind of task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from app.domain.errors import Problem
from app.domain.status import Kind

#: A member of an answer that is left out where there is nothing to say.
Absent = SkipJsonSchema[None]


def _drop_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


def sometimes(description: str) -> Any:
    """The default of a member that may be left out."""
    return Field(None, description=description, json_schema_extra=_drop_default)


def no_problems(_: Mapping[str, Any]) -> list[Problem]:
    """The rules of a kind that has none beyond its fields' own."""
    return []


@dataclass(frozen=True, slots=True)
class KindSpec:
    """A row of the table of kinds.

    label: how sentences call it ("is for code tasks only"). noun: how the document's models do (`CodeTask`).
    marker: the field that makes a task one of this kind. required: the fields that must come with it.
    concurrency_setting: the setting that says how many of its attempts one worker runs at once.
    executor: "module:function" that makes its Executor (tasks/executors/__init__.py).
    problems: looks at the raw fields of a task of this kind, which may be of any type, and names what is wrong.
    is_repeatable: an attempt that broke off for a reason of ours may be made again and uses up no retry. Not so where
    the world outside may have seen it.
    result: the type of `result` in answers.
    example: the body of a request that creates one, for the document.
    """

    kind: Kind
    label: str
    noun: str
    fields: type[BaseModel]
    marker: str
    queue: str
    concurrency_setting: str
    executor: str
    example: Mapping[str, Any]
    result: Any
    result_description: str
    required: tuple[str, ...] = ()
    is_repeatable: bool = True
    problems: Callable[[Mapping[str, Any]], list[Problem]] = field(default=no_problems)

    def concurrency(self, settings: object) -> int:
        """How many attempts of this kind one worker runs at once."""
        return int(getattr(settings, self.concurrency_setting))

    @property
    def own_fields(self) -> tuple[str, ...]:
        """The names of its fields."""
        return tuple(self.fields.model_fields)
