"""Types of a spec's fields. Checks that pydantic does not have are functions that raise ValueError."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, ValidationInfo, field_validator

from app.domain.annotations import bare
from app.domain.errors import Problem
from app.domain.numbers import plain_number
from app.domain.times import parse_rfc3339, to_rfc3339

MAX_CODE_BYTES = 262_144
MAX_ARGS_BYTES = 262_144

#: Written without a fraction if it is whole: 30, not 30.0.
Number = Annotated[float, PlainSerializer(lambda value: plain_number(value))]


class Fields(BaseModel):
    """Base of the models of a spec. Unknown fields are refused, and nothing is converted: "5" is not a number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _take_whole_numbers(cls, value: Any, info: ValidationInfo) -> Any:
        """JSON has one type of number, so `5.0` is an integer too."""
        if type(value) is float and info.field_name in _whole_fields(cls):
            return plain_number(value)
        return value


@cache
def _whole_fields(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(name for name, field in model.model_fields.items() if bare(field.annotation) in (int, int | None))


def checked(check: Callable[[Any], object]) -> AfterValidator:
    """Turn a function that raises ValueError into a validator."""

    def validate(value: Any) -> Any:
        check(value)
        return value

    return AfterValidator(validate)


def distinct(noun: str) -> AfterValidator:
    """The validator of a list whose values differ. `noun`: what they are called in its message."""

    def check(values: Sequence[str]) -> None:
        if len(set(values)) < len(values):
            raise ValueError(f"must not contain the same {noun} twice")

    return checked(check)


def _check_code(code: str) -> None:
    if len(code.encode()) > MAX_CODE_BYTES:
        raise ValueError(f"must have at most {MAX_CODE_BYTES} bytes")


def _check_identifier(name: str) -> None:
    if not name.isidentifier():
        raise ValueError("is not a valid function name")


_CODE_SCHEMA: dict[str, Any] = {"format": "python", "maxLength": MAX_CODE_BYTES}
Code = Annotated[str, Field(min_length=1, json_schema_extra=_CODE_SCHEMA), checked(_check_code)]
Identifier = Annotated[
    str,
    Field(min_length=1, max_length=200, json_schema_extra={"format": "python-identifier"}),
    checked(_check_identifier),
]
#: Kept as every other time is shown, however it was written.
Time = Annotated[
    str,
    Field(max_length=40, json_schema_extra={"format": "date-time"}),
    AfterValidator(lambda text: to_rfc3339(parse_rfc3339(text))),
]
Tags = Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=20)]
Pause = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]


#: json.dumps would make an encoder at each call.
_encode_finite = json.JSONEncoder(allow_nan=False).encode


def finite_problems(fields: Mapping[str, Any], *names: str) -> list[Problem]:
    """Problems of numbers such as 1e999: Python reads them as infinity, which a JSON response cannot contain."""
    message = "contains a number that is too large"
    return [Problem(name, message) for name in names if not _is_finite(fields.get(name))]


def _is_finite(value: Any) -> bool:
    try:
        _encode_finite(value)
    except ValueError:
        return False
    return True
