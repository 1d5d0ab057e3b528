"""A cron expression as text -> its six fields as text."""

from __future__ import annotations

import re

from app.domain.cron.errors import CronError

MAX_LENGTH = 200

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

_STRANGE = re.compile(r"[^0-9A-Za-z*,/#@?() \t-]")
_QUESTION_MARK = re.compile(r"(?<![^,])\?(?=[,/]|$)")  # as a whole entry, or in front of a step
_ZONE_PREFIX = re.compile(r"(CRON_)?TZ=", re.IGNORECASE)
_YEAR = re.compile(r"(19|20)\d\d([-,/].*)?")
_ANY_YEAR = re.compile(r"[*?](/[0-9]+)?")
_DURATION = re.compile(r"(?:[0-9]{1,6}[wdhms])+", re.IGNORECASE)
_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
#: What other schedulers write, and what to write here instead.
_FOREIGN = {
    re.compile(
        r"cron\s*\(", re.IGNORECASE
    ): "'cron(…)' is not supported; write the five fields between the parentheses, without the year",
    re.compile(r"rate\s*\(|every\b", re.IGNORECASE): "words are not supported; for a fixed interval use every_seconds",
    re.compile(
        r".*[0-9]:[0-9]{2}", re.DOTALL
    ): "a time like 9:30 is not supported; write the minute and the hour: 30 9 * * *",
}


def split_fields(expression: str) -> list[str]:
    """The six fields as they were written, seconds first ("0" where there were five).

    Aliases are written out, and `?` becomes `*`. CronError when there are not five or six fields.
    """
    _check_characters(expression)
    text = expression.strip()
    if text.startswith("@"):
        text = _written_out(text)
    written = text.split()
    _refuse_a_year(written)
    fields = [_QUESTION_MARK.sub("*", field) for field in written]
    if len(fields) not in (5, 6):
        raise CronError(
            "a cron expression has five fields (minute, hour, day of month, month, day of week)"
            f" or six (with the second first); this one has {len(fields)}"
        )
    return fields if len(fields) == 6 else ["0", *fields]


def _check_characters(expression: str) -> None:
    if len(expression) > MAX_LENGTH:
        raise CronError(f"a cron expression has at most {MAX_LENGTH} characters, not {len(expression)}")
    if _ZONE_PREFIX.match(expression.strip()):
        raise CronError("a time zone in the expression is not supported; write it in the field timezone")
    for pattern, instead in _FOREIGN.items():
        if pattern.match(expression.strip()):
            raise CronError(instead)
    if f"@{expression.strip().lower()}" in ALIASES:
        raise CronError(f"{expression.strip()!r} is not supported; write '@{expression.strip().lower()}'")
    strange = _STRANGE.search(expression)
    if strange:
        raise CronError(f"{strange[0]!r} has no meaning in a cron expression")


def _written_out(alias: str) -> str:
    if alias.lower() in ALIASES:
        return ALIASES[alias.lower()]
    if alias.lower().startswith("@every"):
        raise CronError(f"'@every' is not supported; for a fixed interval use every_seconds{_as_seconds(alias[6:])}")
    name = alias.split()[0]
    if name.lower() in ALIASES:
        raise CronError(f"{name!r} must stand alone")
    raise CronError(f"{name!r} is not one of {', '.join(ALIASES)}")


def _as_seconds(duration: str) -> str:
    """`: 5400` for ` 1h30m`, or nothing if it is not a duration of whole seconds."""
    text = duration.strip().lower()
    if not _DURATION.fullmatch(text):
        return ""
    seconds = sum(int(number) * _SECONDS[unit] for number, unit in re.findall(r"([0-9]+)(.)", text))
    return f": {seconds}" if seconds else ""


def _refuse_a_year(fields: list[str]) -> None:
    """Quartz has a year as its seventh field, AWS as its sixth, after five that begin with the minute.

    Read with the second first, AWS's `0 10 * * ? *` would fire 24 times a day. The `?` gives it away: it is for days.
    """
    last = fields[-1] if fields else ""
    is_quartz = len(fields) == 7 and bool(_YEAR.fullmatch(last) or _ANY_YEAR.fullmatch(last))
    is_aws = len(fields) == 6 and bool(_YEAR.fullmatch(last) or _has_days_of_five(fields))
    if is_quartz or is_aws:
        raise CronError(
            f"a year ({last!r}, the last field) is not supported; leave it out, and bound the schedule"
            " with start_at and end_at"
        )


def _has_days_of_five(fields: list[str]) -> bool:
    """Tell whether `?` stands where days are if the minute comes first, and nowhere else."""
    return [position for position, field in enumerate(fields) if field == "?"] in ([2], [4], [2, 4])
