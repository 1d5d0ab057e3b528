"""Reads a description back: what it claims about a moment. Knows the words, and nothing of the code that makes them."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import date, time

Times = Callable[[time], bool]
Days = Callable[[date], bool]

WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
MONTHS = list(calendar.month_name)[1:]
ORDINALS = ["first", "second", "third", "fourth", "fifth"]
WEEKDAY, MONTH = "|".join(WEEKDAYS), "|".join(MONTHS)

NUMBER = r"\d+(?: through \d+)?"
NUMBERS = rf"{NUMBER}(?:, {NUMBER})*(?:,? and {NUMBER})?"
CLOCK = r"\d\d:\d\d(?::\d\d)?"
CLOCKS = rf"{CLOCK}(?:, {CLOCK})*(?:,? and {CLOCK})?"
SPAN = rf"between {CLOCK} and {CLOCK}"
NTH = rf"the (?:{'|'.join(ORDINALS)}|last) (?:{WEEKDAY}) of the month"
DAY_LIST = rf"(?:{WEEKDAY})(?:, (?:{WEEKDAY}))*(?:,? (?:and|or) (?:{WEEKDAY}))?"
DAY_RANGE = rf"(?:{WEEKDAY}) through (?:{WEEKDAY})"
ON_DAY = rf"on (?:odd|even) days of the month|on days? {NUMBERS} of the month|on the last day of the month"
ON_WEEKDAY = rf"on (?:any day from {DAY_RANGE}|{NTH}|{DAY_LIST})"
EITHER = rf"(?:{ON_DAY}|{ON_WEEKDAY})(?: or (?:{ON_DAY}|{ON_WEEKDAY}))*"
IF = rf"(?:an? (?:{DAY_LIST})|any day from {DAY_RANGE}|{NTH})"
MONTH_LIST = rf"(?:{MONTH})(?:, (?:{MONTH}))*(?:,? and (?:{MONTH}))?"

#: In this order, each at most once, a comma between them.
PARTS = {
    "every_second": r"every (?:\d+ )?seconds?",
    "seconds": rf"at {NUMBERS} seconds? past the minute",
    "every_minute": r"every (?:\d+ )?minutes?",
    "minutes": rf"at {NUMBERS} minutes? past the hour",
    "in_minutes": rf"in minutes? {NUMBERS} of the hour",
    "every_hour": r"every (?:\d+ )?hours?",
    "clocks": rf"at {CLOCKS}",
    "spans": rf"{SPAN}(?: and {SPAN})*",
    "weekday_range": rf"{DAY_RANGE}",
    "weekday_list": rf"only on {DAY_LIST}",
    "either": EITHER,
    "only_if": rf"only if {IF}(?: or {IF})*",
    "month_range": rf"(?:{MONTH}) through (?:{MONTH})",
    "month_list": rf"only in {MONTH_LIST}",
}


def read(words: str) -> tuple[Times, Days]:
    """What a description claims about times of day, and about days. AssertionError where it can't be read."""
    # The whole of a description must be read, so that no claim in it goes unchecked.
    found: dict[str, str] = {}
    rest = words[0].lower() + words[1:]
    for name, pattern in PARTS.items():
        match = re.match(rf"(?:{pattern})(?=, |$)", rest)
        if match:
            found[name] = match[0]
            rest = rest[match.end() :].removeprefix(", ")
    assert not rest, f"{rest!r} of {words!r} can't be read"
    return _times(found), _days(found)


def _times(found: dict[str, str]) -> Times:
    seconds = _step_or(found.get("every_second"), found.get("seconds"), 60)
    minutes = _step_or(found.get("every_minute"), found.get("minutes") or found.get("in_minutes"), 60)
    hours = _step_or(found.get("every_hour"), None, 24)
    clocks = [time.fromisoformat(text) for text in re.findall(CLOCK, found.get("clocks", ""))]
    spans = [
        (time.fromisoformat(start), time.fromisoformat(end).replace(second=59))
        for start, end in re.findall(rf"between ({CLOCK}) and ({CLOCK})", found.get("spans", ""))
    ]
    # Nothing said of a smaller unit is its beginning; of a greater one, all of it.
    own_minutes = minutes if minutes is not None else (range(60) if seconds is not None else [0])
    own_seconds = seconds if seconds is not None else [0]
    named_times = clocks and minutes is None

    def claims(moment: time) -> bool:
        if named_times:
            return moment in clocks
        hour = hours is None or moment.hour in hours
        hour = hour and (not clocks or moment.replace(minute=0, second=0) in clocks)
        hour = hour and (not spans or any(_within(moment, *span) for span in spans))
        return hour and moment.minute in own_minutes and moment.second in own_seconds

    return claims


def _within(moment: time, first: time, last: time) -> bool:
    return first <= moment <= last if first <= last else (moment >= first or moment <= last)


def _step_or(every: str | None, listed: str | None, cycle: int) -> set[int] | None:
    if every:
        step = re.search(r"\d+", every)
        return set(range(0, cycle, int(step[0]) if step else 1))
    return _numbers(listed) if listed else None


def _numbers(text: str) -> set[int]:
    numbers: set[int] = set()
    for first, last in re.findall(r"(\d+)(?: through (\d+))?", text):
        numbers.update(range(int(first), int(last or first) + 1))
    return numbers


def _days(found: dict[str, str]) -> Days:
    parts = ("weekday_range", "weekday_list", "either", "only_if")
    said = [_alternatives(found[part]) for part in parts if part in found]

    def claims(day: date) -> bool:
        if "month_range" in found and MONTHS[day.month - 1] not in _cycle(found["month_range"], MONTHS):
            return False
        if "month_list" in found and MONTHS[day.month - 1] not in found["month_list"]:
            return False
        return all(says(day) for says in said)

    return claims


def _alternatives(text: str) -> Days:
    """Whether any of the alternatives is a day."""
    nths = set(re.findall(NTH, text))
    last_day = "the last day of the month" in text
    numbers = set().union(*(_numbers(listed) for listed in re.findall(rf"on days? ({NUMBERS}) of the month", text)))
    numbers |= {number for number in range(1, 32) if ("even days" if number % 2 == 0 else "odd days") in text}
    weekdays = {weekday for found in re.findall(DAY_RANGE, text) for weekday in _cycle(found, WEEKDAYS)}
    weekdays |= set(re.findall(WEEKDAY, re.sub(rf"{NTH}|{DAY_RANGE}", "", text)))

    def claims(day: date) -> bool:
        weekday = WEEKDAYS[day.isoweekday() % 7]
        if day.day in numbers or weekday in weekdays:
            return True
        left = calendar.monthrange(day.year, day.month)[1] - day.day
        return (
            f"the {ORDINALS[(day.day - 1) // 7]} {weekday} of the month" in nths
            or (f"the last {weekday} of the month" in nths and left < 7)
            or (last_day and left == 0)
        )

    return claims


def _cycle(text: str, names: list[str]) -> list[str]:
    """The names from the first to the second, round the end where need be."""
    first, last = (names.index(name) for name in text.split(" through "))
    return names[first : last + 1] if first <= last else names[first:] + names[: last + 1]
