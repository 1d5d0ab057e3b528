"""Failed tasks by their error: what scripts count, and the groups that they keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.fingerprint import group_of
from app.domain.outcome import Failure
from app.domain.status import Kind
from app.store.columns import dump_json
from app.store.record import record_of
from app.store.scripts import Scripts


def failure_values(kind: Kind | str, failure: Failure) -> str:
    """What `index_failure` of `_lib.lua` takes: JSON [fingerprint, error type, message]."""
    group = group_of(kind, failure)
    return dump_json([group.fingerprint, group.type, group.message])


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Failures with one fingerprint. `message` has blanks for numbers, ids and URLs; times are ms since 1970.

    count: failures since first_ms, of tasks that were removed since too. task_ids: the newest of those that are kept.
    scheduled_task_ids: those that failed last, without deleted ones.
    """

    fingerprint: str
    type: str
    message: str
    kind: Kind
    count: int
    first_ms: int
    last_ms: int
    task_ids: Sequence[str]
    scheduled_task_ids: Sequence[str]


class FailureStore:
    """The groups under one prefix, bounded in number and age. Thread-safe; raises Unavailable without Redis."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    def groups(self, since_ms: int | None, limit: int) -> list[ErrorGroup]:
        """Groups with a failure at `since_ms` or later (None: all), the last failure first."""
        rows = self._scripts("errors", since_ms="-inf" if since_ms is None else since_ms, limit=limit)
        return [_group(*row) for row in zip(rows[::4], rows[1::4], rows[2::4], rows[3::4], strict=True)]


def _group(fingerprint: str, flat: Sequence[str], task_ids: Sequence[str], schedule_ids: Sequence[str]) -> ErrorGroup:
    values = record_of(flat)
    return ErrorGroup(
        fingerprint,
        values["type"],
        values["message"],
        Kind(values["kind"]),
        int(values["count"]),
        int(values["first_ms"]),
        int(values["last_ms"]),
        task_ids,
        schedule_ids,
    )
