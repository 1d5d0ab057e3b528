"""A cron expression in English, 24-hour clock.

The words are made of the numbers that fire, not of the text: `*/50` of the minutes is "at 0 and 50 minutes past the
hour", since the hour is no multiple of it. "Every 15 minutes" is said only where it is true all day long.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.domain.cron.fields import LAST, Fields, parse_fields

_ORDINALS = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", LAST: "last"}
_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September", "October"),
    *("November", "December"),
)
_ODD_DAYS, _EVEN_DAYS = list(range(1, 32, 2)), list(range(2, 31, 2))
#: Fewer times a day than this are named one by one, not as "every 6 hours".
_MANY_TIMES = 5
#: So many numbers in a row are a range in words.
_RANGE = 3


def describe(expression: str) -> str:
    """CronError when the expression is malformed."""
    fields = parse_fields(expression)
    parts = [*_times(fields), _days(fields), _months(_numbers(fields.months))]
    words = ", ".join(part for part in parts if part)
    return words[0].upper() + words[1:]


# --- times of day ----------------------------------------------------------------------------------


def _times(fields: Fields) -> list[str]:
    seconds, minutes, hours = map(_numbers, (fields.seconds, fields.minutes, fields.hours))
    if len(seconds) == len(minutes) == 1 and _are_few(hours):
        return [f"at {_listed([_clock(hour, minutes[0], seconds[0]) for hour in hours])}"]
    if seconds != [0]:
        return [_seconds(seconds), _minutes_of_seconds(minutes), _between(hours)]
    step = _step(hours, 24)
    if minutes == [0] and step:
        return [_every(step, "hour")]
    if len(minutes) == 1 and step:
        return [_past(minutes, "minute", "hour"), _every(step, "hour") if step > 1 else ""]
    if _step(minutes, 60):
        return [_every(_step(minutes, 60), "minute"), _between(hours)]
    return [_past(minutes, "minute", "hour"), _at_hours(hours)]


def _are_few(hours: list[int]) -> bool:
    """Whether they are better named one by one than as a step or a range."""
    return not (_is_range(hours, 24) or (_step(hours, 24) and len(hours) >= _MANY_TIMES))


def _seconds(seconds: list[int]) -> str:
    step = _step(seconds, 60)
    return _every(step, "second") if step else _past(seconds, "second", "minute")


def _minutes_of_seconds(minutes: list[int]) -> str:
    if len(minutes) == 60:
        return ""
    return f"in minute{_s(minutes)} {_ranged(minutes)} of the hour"


def _at_hours(hours: list[int]) -> str:
    """For something that happens at named minutes of these hours."""
    if len(hours) == 24:
        return ""
    if all(first == last for first, last in _runs(hours, 24)):
        return f"at {_listed([_clock(hour, 0, 0) for hour in hours])}"
    return _between(hours)


def _between(hours: list[int]) -> str:
    if len(hours) == 24:
        return ""
    return " and ".join(f"between {_clock(first, 0, 0)} and {_clock(last, 59, 0)}" for first, last in _runs(hours, 24))


def _clock(hour: int, minute: int, second: int) -> str:
    return f"{hour:02}:{minute:02}" + (f":{second:02}" if second else "")


def _past(numbers: list[int], unit: str, whole: str) -> str:
    return f"at {_ranged(numbers)} {unit}{'' if numbers == [1] else 's'} past the {whole}"


def _every(step: int, unit: str) -> str:
    return f"every {unit}" if step == 1 else f"every {step} {unit}s"


def _step(numbers: list[int], cycle: int) -> int:
    """n where they are every nth of the cycle, without a shorter last step; else 0."""
    step = cycle // len(numbers)
    return step if len(numbers) > 1 and numbers == list(range(0, cycle, step)) else 0


# --- days ------------------------------------------------------------------------------------------


def _days(fields: Fields) -> str:
    by_day = "" if len(_numbers(fields.days)) == 31 else _by_day(fields)
    any_weekday = len(_numbers(fields.weekdays)) == 7
    if not fields.both_days:
        return "" if any_weekday or not by_day else f"{by_day} or {_or_weekday(fields)}"
    if any_weekday:
        return by_day
    return f"{by_day}, only if {_if_weekday(fields)}" if by_day else _only_weekday(fields)


def _by_day(fields: Fields) -> str:
    days = _numbers(fields.days)
    phrases = []
    if days in (_ODD_DAYS, _EVEN_DAYS):
        phrases.append(f"on {'odd' if days == _ODD_DAYS else 'even'} days of the month")
    elif days:
        phrases.append(f"on day{_s(days)} {_ranged(days)} of the month")
    if fields.last_day:
        phrases.append("on the last day of the month")
    return " or ".join(phrases)


def _only_weekday(fields: Fields) -> str:
    """Where nothing but the day of the week decides."""
    weekdays = _numbers(fields.weekdays)
    if fields.nth_weekdays:
        return _or_weekday(fields)
    if _is_range(weekdays, 7):
        return _through(weekdays, _WEEKDAYS, 0)
    return f"only on {_listed([_WEEKDAYS[day] for day in weekdays])}"


def _or_weekday(fields: Fields) -> str:
    weekdays = _numbers(fields.weekdays)
    phrases = [f"on {nth}" for nth in _nth(fields)]
    if _is_range(weekdays, 7):
        phrases.insert(0, f"on any day from {_through(weekdays, _WEEKDAYS, 0)}")
    elif weekdays:
        phrases.insert(0, f"on {_listed([_WEEKDAYS[day] for day in weekdays], 'or')}")
    return " or ".join(phrases)


def _if_weekday(fields: Fields) -> str:
    weekdays = _numbers(fields.weekdays)
    phrases = _nth(fields)
    if _is_range(weekdays, 7):
        phrases.insert(0, f"any day from {_through(weekdays, _WEEKDAYS, 0)}")
    elif weekdays:
        phrases.insert(0, f"a {_listed([_WEEKDAYS[day] for day in weekdays], 'or')}")
    return " or ".join(phrases)


def _nth(fields: Fields) -> list[str]:
    return [f"the {_ORDINALS[nth]} {_WEEKDAYS[day]} of the month" for day, nth in sorted(fields.nth_weekdays)]


def _months(months: list[int]) -> str:
    if len(months) == 12:
        return ""
    if _is_range(months, 12):
        return _through(months, _MONTHS, 1)
    return f"only in {_listed([_MONTHS[month - 1] for month in months])}"


# --- numbers and lists -----------------------------------------------------------------------------


def _numbers(bits: int) -> list[int]:
    return [number for number in range(bits.bit_length()) if bits >> number & 1]


def _runs(numbers: list[int], cycle: int | None = None) -> list[tuple[int, int]]:
    """First and last of each row of neighbours; in a cycle the last number is the first one's neighbour."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    if cycle and len(runs) > 1 and (runs[-1][1] + 1 - runs[0][0]) % cycle == 0:
        runs[0] = (runs.pop()[0], runs[0][1])
    return runs


def _is_range(numbers: list[int], cycle: int) -> bool:
    return _RANGE <= len(numbers) < cycle and len(_runs(numbers, cycle)) == 1


def _through(numbers: list[int], names: Sequence[str], low: int) -> str:
    ((first, last),) = _runs(numbers, len(names))
    return f"{names[first - low]} through {names[last - low]}"


def _ranged(numbers: list[int]) -> str:
    """`0, 1, and 20 through 40`."""
    words: list[str] = []
    for first, last in _runs(numbers):
        if last - first + 1 >= _RANGE:
            words.append(f"{first} through {last}")
        else:
            words += [str(number) for number in range(first, last + 1)]
    return _listed(words)


def _listed(words: list[str], joint: str = "and") -> str:
    if len(words) <= 2:
        return f" {joint} ".join(words)
    return f"{', '.join(words[:-1])}, {joint} {words[-1]}"


def _s(numbers: list[int]) -> str:
    return "" if len(numbers) == 1 else "s"
