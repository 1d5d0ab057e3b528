"""A cron expression in words."""

from __future__ import annotations

from cron_descriptor import Options, get_description

from app.domain.cron_fields import split_fields


def describe(expression: str) -> str:
    """English, 24-hour clock. The expression must be a valid one.

    cron-descriptor says wrong things about a list with `L` or `#` in it ("1,5#2": the second Monday and
    Friday), so each such entry gets a sentence of its own: a list is the union of its entries.
    """
    *times, day, month, weekday = split_fields(expression)
    sentences = [
        get_description(" ".join([*times, days, month, weekdays]), _options())
        for days in _alternatives(day)
        for weekdays in _alternatives(weekday)
    ]
    return "; ".join(sentences)


def _options() -> Options:
    # With a locale of its own it does not ask the environment for one.
    return Options(use_24hour_time_format=True, locale_code="en_US")


def _alternatives(field: str) -> list[str]:
    """The plain entries together, then each of the others."""
    entries = list(dict.fromkeys(field.upper().split(",")))
    special = [entry for entry in entries if "#" in entry or entry.startswith("L") or entry.endswith("L")]
    plain = [entry for entry in entries if entry not in special]
    return ([",".join(plain)] if plain else []) + special
