"""The field `alert` of tasks and scheduled tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from app.domain.checks import Fields, Number, checked, distinct
from app.domain.errors import Problem
from app.domain.short_names import MAX_CHARACTERS, PATTERN, check_short_name, is_short_name

MAX_CHANNELS_OF_RULE = 10
MAX_SECONDS = 31_536_000

On = Literal["failed", "missed", "late", "stopped", "recovered"]
ALL_ON: tuple[On, ...] = get_args(On)


_Name = Annotated[
    str,
    Field(min_length=1, max_length=MAX_CHARACTERS, json_schema_extra={"pattern": PATTERN}),
    checked(check_short_name),
]
_Names = Annotated[
    list[_Name],
    Field(max_length=MAX_CHANNELS_OF_RULE, json_schema_extra={"uniqueItems": True}),
    distinct("value"),
]
_Ons = Annotated[list[On], Field(min_length=1, json_schema_extra={"uniqueItems": True}), distinct("value")]
_Seconds = Annotated[Number, Field(ge=1, le=MAX_SECONDS, allow_inf_nan=False)]


class TaskAlert(Fields):
    """Who is told when an immediate or delayed task has failed for good. Null counts as left out."""

    @model_validator(mode="before")
    @classmethod
    def _leave_out_null(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: each for name, each in value.items() if each is not None or name not in cls.model_fields}

    channels: _Names = Field(description="The names of the channels that are told; none: nobody.")


class ScheduleAlert(TaskAlert):
    """Who is told of what becomes of a scheduled task."""

    on: _Ons = Field(list(ALL_ON), description="What they are told of.")
    after_failures: Annotated[int, Field(ge=1, le=1000)] = Field(
        1, description="How many tasks in a row must have failed before they are told of it."
    )
    late_after: _Seconds | None = Field(
        None, description="Seconds after its time at which a task that has not finished is late."
    )
    silent_after: _Seconds | None = Field(
        None, description="Seconds without a success after which they are told: a dead man's switch."
    )
    remind_every: Annotated[Number, Field(ge=60, le=MAX_SECONDS, allow_inf_nan=False)] | None = Field(
        None, description="Seconds after which they are told again, while it lasts."
    )


def channels_named(fields: Mapping[str, Any]) -> list[str]:
    """The channels that the field `alert` of a raw spec names; none if the model of the field finds it wrong."""
    alert = fields.get("alert")
    names = alert.get("channels") if isinstance(alert, dict) else None
    if not isinstance(names, list) or len(names) > MAX_CHANNELS_OF_RULE:
        return []
    return [name for name in names if isinstance(name, str) and is_short_name(name)]


def no_channel(name: str) -> Problem:
    """A rule names a channel that does not exist."""
    return Problem("alert.channels", f"there is no channel {name[:64]}")
