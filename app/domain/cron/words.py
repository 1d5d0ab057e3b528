"""A cron expression in words."""

from __future__ import annotations

from collections.abc import Iterable

from cron_descriptor import DescriptionTypeEnum, ExpressionDescriptor, Options

from app.domain.cron.fields import parse_fields
from app.domain.cron.text import split_fields


def describe(expression: str) -> str:
    """English, 24-hour clock. CronError when the expression is malformed.

    cron-descriptor knows each field, but not how the two day fields belong together ("every 2 days, or on
    Monday" for `*/2 * mon`, which is AND), nor lists with `L`, `#` or a step ("on the second Monday and Friday"
    for `1,5#2`; it breaks at `0,*/2`): the days are put together here, and such lists are taken apart.
    """
    fields = parse_fields(expression)
    bits = (fields.seconds, fields.minutes, fields.hours, fields.days, fields.months, fields.weekdays)
    written = (_entries(text, bits) for text, bits in zip(split_fields(expression), bits, strict=True))
    *lists, days, months, weekdays = written
    times = [entries[0] for entries in lists]
    month = months[0]
    by_day = _either(_words([*times, day, month, "*"], DescriptionTypeEnum.DAYOFMONTH) for day in days)
    by_weekday = _either(_words([*times, "*", month, weekday], DescriptionTypeEnum.DAYOFWEEK) for weekday in weekdays)
    parts = [
        _words([*times, "*", "*", "*"], DescriptionTypeEnum.FULL),
        _together(by_day, by_weekday, " and " if fields.both_days else " or "),
        _words([*times, "*", month, "*"], DescriptionTypeEnum.MONTH),
    ]
    return ", ".join(part for part in parts if part)


def _words(fields: list[str], part: DescriptionTypeEnum) -> str:
    # With a locale of its own it does not ask the environment for one.
    options = Options(use_24hour_time_format=True, locale_code="en_US")
    words = ExpressionDescriptor(" ".join(fields), options).get_description(part).removeprefix(", ")
    return "" if words == "every day" else words


def _either(phrases: Iterable[str]) -> str:
    alternatives = [phrase for phrase in phrases if phrase]
    if len(alternatives) == 1:
        return alternatives[0]
    return " or ".join(phrase.removeprefix("only ") for phrase in alternatives)


def _together(by_day: str, by_weekday: str, joint: str) -> str:
    if not by_day or not by_weekday:
        return by_day or by_weekday
    return by_day + joint + by_weekday.removeprefix("only ")


def _entries(field: str, bits: int) -> list[str]:
    """What to ask for, one by one: the plain entries together, then each with `L` or `#`."""
    entries = list(dict.fromkeys(field.upper().split(",")))
    if "*" in entries:
        return ["*"]
    special = [entry for entry in entries if "#" in entry or entry.startswith("L") or entry.endswith("L")]
    plain = [entry for entry in entries if entry not in special]
    if len(plain) > 1 and any("/" in entry for entry in plain):
        plain = [str(number) for number in range(bits.bit_length()) if bits >> number & 1]
    return ([",".join(plain)] if plain else []) + special
