"""The description of a kind of task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from app.domain.errors import Problem
from app.domain.status import Kind

#: Part of the type of an answer's optional member.
Absent = SkipJsonSchema[None]


def _drop_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


def sometimes(description: str) -> Any:
    """The default of an answer's optional member."""
    return Field(None, description=description, json_schema_extra=_drop_default)


def no_problems(_: Mapping[str, Any]) -> list[Problem]:
    """The rules of a kind without rules between its fields."""
    return []


@dataclass(frozen=True, slots=True)
class KindSpec:
    """A row of the table of kinds.

    label: its name in messages ("is for code tasks only"). noun: its name in models of the document (`CodeTask`).
    marker: the field whose presence makes a task one of this kind. required: further fields that it must have.
    summary: its fields that lists show; they must be kept in the record.
    concurrency_setting: the setting for the number of attempts that one worker runs at once.
    executor: "module:function" that returns its Executor (tasks/executors/__init__.py).
    problems: checks the raw fields of a task of this kind, which may have any type, and returns the problems.
    is_repeatable: whether an attempt that failed because of a bug of ours is repeated without using up a retry. False
    if the outside world may have noticed the attempt.
    result: the type of `result` in answers.
    example: the body of a request that creates a task of this kind, for the document.
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
    summary: tuple[str, ...] = ()
    is_repeatable: bool = True
    problems: Callable[[Mapping[str, Any]], list[Problem]] = field(default=no_problems)

    def concurrency(self, settings: object) -> int:
        """Return how many attempts of this kind one worker runs at once."""
        return int(getattr(settings, self.concurrency_setting))

    @property
    def own_fields(self) -> tuple[str, ...]:
        """The names of its fields."""
        return _names_of(self.fields)


@cache
def _names_of(model: type[BaseModel]) -> tuple[str, ...]:
    return tuple(model.model_fields)
