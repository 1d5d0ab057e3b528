"""Checked fields -> the numbers that they allow: the one place that asks croniter."""

from __future__ import annotations

from typing import TypeAlias

#: Numbers, and `*` for all of them.
Expanded: TypeAlias = list[int | str]


def expand(fields: list[str], hash_id: str | None = None) -> tuple[list[Expanded], dict[int, set[int | str]]]:
    """Six fields, seconds first -> the numbers of each, and the nth ones (1..5 or `l`) of each day of the week.

    They must have been checked by Kind: croniter reads some ranges otherwise, and its errors are not for users.
    """
    # Imported where an expression is really read: it takes 40 ms, and asks the system for its architecture.
    from croniter import croniter

    second, *others = fields
    hashed_by = None if hash_id is None else hash_id.encode()
    (*found, seconds), nth = croniter.expand(" ".join([*others, second]), hash_id=hashed_by)
    return [seconds, *found], nth
