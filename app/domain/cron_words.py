"""A cron expression in words."""

from __future__ import annotations

from collections.abc import Iterable

from cron_descriptor import DescriptionTypeEnum, ExpressionDescriptor, Options

from app.domain.cron_fields import parse_fields, split_fields


def describe(expression: str) -> str:
    """English, 24-hour clock. CronError when the expression is malformed.

    cron-descriptor knows each field, but not how the two day fields belong together ("every 2 days, or on
    Monday" for `*/2 * mon`, which is AND), nor lists with `L` or `#` ("on the second Monday and Friday" for
    `1,5#2`): the days are put together here, entry by entry.
    """
    *times, day, month, weekday = (_without_star_lists(field) for field in split_fields(expression))
    sentence = _words([*times, "*", "*", "*"], DescriptionTypeEnum.FULL)
    groups = [
        _either(_words([*times, entry, month, "*"], DescriptionTypeEnum.DAYOFMONTH) for entry in _entries(day)),
        _either(_words([*times, "*", month, entry], DescriptionTypeEnum.DAYOFWEEK) for entry in _entries(weekday)),
    ]
    days = [group for group in groups if group]
    if len(days) == 2:
        joint = " and " if parse_fields(expression).both_days else " or "
        days = [joint.join(group.removeprefix("only ") for group in days)]
    months = _words([*times, "*", month, "*"], DescriptionTypeEnum.MONTH)
    return ", ".join(part for part in [sentence, *days, months] if part)


def _words(fields: list[str], part: DescriptionTypeEnum) -> str:
    # With a locale of its own it does not ask the environment for one.
    options = Options(use_24hour_time_format=True, locale_code="en_US")
    words = ExpressionDescriptor(" ".join(fields), options).get_description(part)
    words = words.removeprefix(", ")
    return "" if words == "every day" else words


def _either(phrases: Iterable[str]) -> str:
    alternatives = [phrase for phrase in phrases if phrase]
    if len(alternatives) == 1:
        return alternatives[0]
    return " or ".join(phrase.removeprefix("only ") for phrase in alternatives)


def _without_star_lists(field: str) -> str:
    return "*" if "*" in field.split(",") else field.upper()


def _entries(field: str) -> list[str]:
    """The plain entries together, then each with `L` or `#`; nothing for a field that is `*`."""
    if field == "*":
        return []
    entries = list(dict.fromkeys(field.split(",")))
    special = [entry for entry in entries if "#" in entry or entry.startswith("L") or entry.endswith("L")]
    plain = [entry for entry in entries if entry not in special]
    return ([",".join(plain)] if plain else []) + special
