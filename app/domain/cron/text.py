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


def split_fields(expression: str) -> list[str]:
    """The six fields as they were written, seconds first ("0" where there were five).

    Aliases are written out, and `?` becomes `*`. CronError when there are not five or six fields.
    """
    _check_characters(expression)
    text = expression.strip()
    if text.startswith("@"):
        text = _written_out(text)
    fields = [_QUESTION_MARK.sub("*", field) for field in text.split()]
    _refuse_a_year(fields)
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
    strange = _STRANGE.search(expression)
    if strange:
        raise CronError(f"{strange[0]!r} has no meaning in a cron expression")


def _written_out(alias: str) -> str:
    if alias.lower() in ALIASES:
        return ALIASES[alias.lower()]
    if alias.lower().startswith("@every"):
        raise CronError("'@every' is not supported; for a fixed interval use every_seconds")
    name = alias.split()[0]
    if name.lower() in ALIASES:
        raise CronError(f"{name!r} must stand alone")
    raise CronError(f"{name!r} is not one of {', '.join(ALIASES)}")


def _refuse_a_year(fields: list[str]) -> None:
    """Quartz has a year as its seventh field, AWS as its sixth."""
    if len(fields) == 7 or (len(fields) == 6 and _YEAR.fullmatch(fields[5])):
        raise CronError(
            f"a year ({fields[-1]!r}, the last field) is not supported; leave it out, and bound the schedule"
            " with start_at and end_at"
        )
