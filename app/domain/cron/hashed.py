"""`H` in an expression: a number that a hash of the schedule's own id picks, so that many schedules spread out.

As in Jenkins and croniter: `H` picks one number of the field, `H(0-29)` one of the range, `H/15` where every 15th
begins. The same id picks the same numbers in every process. In the day of month, `H` goes up to 28, as in Jenkins:
a schedule must not leave out the short months because of its id.
"""

from __future__ import annotations

from functools import lru_cache

from app.domain.cron.errors import CronError
from app.domain.cron.expansion import expand
from app.domain.cron.kind import KINDS, Kind
from app.domain.cron.text import split_fields


@lru_cache(maxsize=4096)
def is_hashed(expression: str) -> bool:
    """Whether the expression has an `H`. False for one that can't be read."""
    try:
        fields = split_fields(expression)
    except CronError:
        return False
    return any(entry[:1] in ("h", "H") for field in fields for entry in field.split(","))


@lru_cache(maxsize=8192)
def resolve(expression: str, hash_id: str) -> str:
    """The expression with numbers in the place of each `H`. Raises CronError where one is malformed."""
    fields = split_fields(expression)
    resolved = (_resolve_field(kind, field, hash_id) for kind, field in zip(KINDS, fields, strict=True))
    return " ".join(resolved)


def _resolve_field(kind: Kind, field: str, hash_id: str) -> str:
    return ",".join(_picked(kind, entry, hash_id) for entry in kind.entries(field))


def _picked(kind: Kind, entry: str, hash_id: str) -> str:
    hashed = kind.hashed(entry)
    if hashed is None:
        return entry
    index = KINDS.index(kind)
    fields = ["*"] * len(KINDS)
    fields[index] = hashed
    return ",".join(map(str, expand(fields, hash_id)[0][index]))
