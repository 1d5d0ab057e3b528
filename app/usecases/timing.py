"""The fields that decide when a scheduled task fires: checking them, and making the rule."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from app.domain.cron import Cron, CronError, CronZoneError
from app.domain.errors import Problem
from app.domain.firings import Rule, Timing
from app.domain.interval import MAX_SECONDS, MIN_SECONDS, Interval
from app.domain.numbers import plain_number
from app.domain.times import parse_rfc3339, to_datetime


def make_rule(fields: Mapping[str, Any], schedule_id: str, created_ms: int) -> Rule:
    """Return the rule for fields that were checked before. The schedule's id decides the value of each `H`.

    An interval is counted from `start_at`, or from the creation if there is none.
    """
    start_ms = time_of(fields, "start_at")
    return Rule(_timing_of(fields, schedule_id, created_ms, start_ms), start_ms, time_of(fields, "end_at"))


def _timing_of(fields: Mapping[str, Any], schedule_id: str, created_ms: int, start_ms: int | None) -> Timing:
    every_seconds = fields.get("every_seconds")
    if every_seconds is not None:
        return Interval.counted(every_seconds, start_ms=start_ms, created_ms=created_ms)
    return Cron(fields["cron_expression"].strip(), fields["timezone"], schedule_id)


#: The fields that decide when a schedule fires.
BOUNDS = ("start_at", "end_at")
TIMES = ("cron_expression", "every_seconds", "timezone", *BOUNDS)


def timing_problems(
    fields: Mapping[str, Any],
    schedule_id: str,
    now_ms: int,
    before: Mapping[str, Any] | None = None,
    created_ms: int | None = None,
) -> list[Problem]:
    """Return the problems of the fields that decide when a raw spec fires. Each field may have any type.

    `before`, `created_ms`: the fields of the schedule that is changed, and its creation, from which an interval counts.
    If its times stay, it may have no firing left.
    """
    problems = _cron_problems(fields, schedule_id, now_ms)
    if problems or (before is not None and _has_same_times(fields, before)):
        return problems
    return _range_problems(fields, schedule_id, now_ms, now_ms if created_ms is None else created_ms)


def _has_same_times(fields: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    return all(_plain(name, fields.get(name)) == _plain(name, before.get(name)) for name in TIMES)


def _plain(name: str, value: Any) -> Any:
    """Return the value without what makes no difference: blanks, and how a time is written."""
    if not isinstance(value, str):
        return value
    with suppress(ValueError):  # the model reports it
        return parse_rfc3339(value) if name in BOUNDS else value.strip()
    return value


def _cron_problems(fields: Mapping[str, Any], schedule_id: str, now_ms: int) -> list[Problem]:
    """Return the problems of the expression and of the time zone, independently of each other."""
    expression, timezone = fields.get("cron_expression"), fields.get("timezone")
    if not isinstance(timezone, str):
        return []  # the model reports it
    problems: list[Problem] = []
    try:
        Cron.parse(
            expression if isinstance(expression, str) else "@daily",  # checks only the time zone
            timezone,
            now=to_datetime(now_ms),
            hash_id=schedule_id,
        )
    except CronZoneError as error:
        problems.append(Problem("timezone", str(error)))
        problems += _cron_problems({**fields, "timezone": "UTC"}, schedule_id, now_ms)
    except CronError as error:
        problems.append(Problem("cron_expression", str(error)))
    return problems


def _range_problems(fields: Mapping[str, Any], schedule_id: str, now_ms: int, created_ms: int) -> list[Problem]:
    """Refuse a schedule without a firing between start_at and end_at: it would end before it began."""
    try:
        start_ms, end_ms = time_of(fields, "start_at"), time_of(fields, "end_at")
    except ValueError:
        return []  # the model reports it
    fields = {**fields, "every_seconds": plain_number(fields.get("every_seconds"))}  # as the model takes it
    if not _says_when(fields) or (start_ms is None and end_ms is None):
        return []
    if make_rule(fields, schedule_id, created_ms).next_after(now_ms) is None:
        return [Problem("start_at" if end_ms is None else "end_at", "leaves no firing from now on")]
    return []


def _says_when(fields: Mapping[str, Any]) -> bool:
    """Tell whether there is exactly one valid expression or interval."""
    expression, every_seconds = fields.get("cron_expression"), fields.get("every_seconds")
    if not isinstance(fields.get("timezone"), str) or (expression is None) == (every_seconds is None):
        return False
    if expression is not None:
        return isinstance(expression, str)
    return type(every_seconds) is int and MIN_SECONDS <= every_seconds <= MAX_SECONDS


def time_of(fields: Mapping[str, Any], name: str) -> int | None:
    """Return an RFC 3339 field in ms, or None if it is left out. Raises ValueError if it is not a time."""
    text = fields.get(name)
    if text is None:
        return None
    if not isinstance(text, str):
        raise ValueError("is not a time")
    return parse_rfc3339(text)
