"""Use cases of bulks: begin, read, wait, abort. How they are carried out: app/usecases/bulk_work.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from app.clock import Clock
from app.domain.bulk import BulkSpec, BulkStatus, Of
from app.domain.errors import InvalidSpec, NotFound, Problem
from app.domain.fields import with_stand_ins
from app.domain.idempotency import RequestKey
from app.domain.ids import is_id, new_id
from app.domain.kinds import KINDS, KindSpec
from app.domain.kinds.kind import no_problems
from app.domain.spec import Rules, TaskSpec, fields_of_others, parse_task
from app.domain.status import Kind
from app.store.admission import EarlierRequest
from app.store.bulk import Bulk
from app.store.listing import Filters
from app.store.schedules import ScheduleFilters
from app.store.store import Store
from app.usecases.admission import Admission, same_request
from app.usecases.changes import changed
from app.usecases.code_check import CodeChecker, code_problems
from app.usecases.waiting import read_until

#: Matches that are read in one call.
PAGE = 500


class BulkService:
    """The operations on bulks. Raises the errors of app/domain/errors.py."""

    def __init__(
        self,
        store: Store,
        checker: CodeChecker,
        admission: Admission,
        clock: Clock,
        alert_problems: Rules = no_problems,
    ) -> None:
        self._store = store
        self._checker = checker
        self._admission = admission
        self._clock = clock
        self._alert_problems = alert_problems

    def count(self, spec: BulkSpec, filters: Filters | ScheduleFilters | None) -> int:
        """How many tasks, or scheduled tasks, the bulk would act on if it began now."""
        self._check_changes(spec)
        return sum(map(len, self._matches(spec, filters)))

    def begin(
        self, spec: BulkSpec, filters: Filters | ScheduleFilters | None, key: RequestKey | None
    ) -> tuple[Bulk, bool]:
        """Begin a bulk over everything that matches now. `filters`: `spec.filter`, parsed; None with `spec.ids`.

        Returns the bulk, and whether an earlier request with this key began it. Raises KeyReused if the key was used
        with a different body, and Busy if too many bulks run.
        """
        earlier = self._admission.earlier(key)
        if earlier is not None:
            return self.get(earlier.created_id), True
        self._check_changes(spec)
        now_ms = self._clock()
        bulk = Bulk(new_id(now_ms), Of(spec.of), spec.action, spec.filter, spec.changes or {}, now_ms)
        matched = 0
        for ids in self._matches(spec, filters):
            matched = self._store.bulks.collect(bulk.id, matched, ids)
        return self._begin(replace(bulk, matched=matched), key, now_ms)

    def _begin(self, bulk: Bulk, key: RequestKey | None, now_ms: int) -> tuple[Bulk, bool]:
        began = self._store.bulks.begin(bulk, now_ms, self._admission.for_schedule(now_ms, key))
        if isinstance(began, EarlierRequest):
            self._store.bulks.forget(bulk.id)
            return self.get(same_request(key, began).created_id), True
        if bulk.matched:
            return bulk, False
        return replace(bulk, status=BulkStatus.COMPLETED, finished_ms=now_ms), False

    def _matches(self, spec: BulkSpec, filters: Filters | ScheduleFilters | None) -> Iterator[list[str]]:
        """The ids that match, newest first, page by page. Tasks created in the meantime are not among them."""
        if spec.ids is not None:  # reversed, since a bulk acts on the last id first
            yield self._store.bulks.existing(Of(spec.of), list(dict.fromkeys(spec.ids)))[::-1]
            return
        indexes = self._store.bulks.indexes_of(filters) if isinstance(filters, Filters) else []
        if indexes:
            yield from self._store.bulks.members(indexes, PAGE)
            return
        cursor: str | None = None
        while True:
            ids, cursor = self._page(filters, cursor)
            yield ids
            if cursor is None:
                return

    def _page(self, filters: Filters | ScheduleFilters | None, cursor: str | None) -> tuple[list[str], str | None]:
        if isinstance(filters, ScheduleFilters):
            schedules = self._store.schedules.page(filters, PAGE, cursor)
            return [schedule.id for schedule in schedules.items], schedules.cursor
        assert filters is not None, "a bulk has filters or ids"
        tasks = self._store.listing.page(filters, PAGE, cursor)
        return [task.id for task in tasks.items], tasks.cursor

    def _check_changes(self, spec: BulkSpec) -> None:
        """Raise InvalidSpec if the changes fit no kind of task. A single task that they do not fit fails by itself."""
        changes = spec.changes
        if not changes:
            return
        if changes.get("function_code") is not None and changes.get("function_name") is None:
            raise InvalidSpec([Problem("changes.function_name", "is required with function_code")])
        if of_alert := self._alert_problems(dict(changes)):
            raise InvalidSpec(_in_changes(of_alert))
        found = {kind: self._problems_of(row, changes) for kind, row in KINDS.items()}
        if all(found.values()):
            raise InvalidSpec(_in_changes(min(found.items(), key=_misfit)[1]))

    def _problems_of(self, row: KindSpec, changes: Mapping[str, Any]) -> list[Problem]:
        """The problems that these changes have whatever else the spec of a task of this kind says."""
        least = {name: row.example[name] for name in ("name", row.marker, *row.required)}
        inspect = no_problems if changes.get("function_code") is None else self._program_problems
        try:
            parse_task(changed(least, with_stand_ins(dict(changes), TaskSpec)), self._clock(), inspect)
        except InvalidSpec as error:
            return error.problems
        return []

    def _program_problems(self, fields: Mapping[str, Any]) -> list[Problem]:
        """The problems of a changed program, except how it is called: the arguments may be each task's own."""
        return [found for found in code_problems(fields, self._checker) if found.field not in ("args", "kwargs")]

    def get(self, bulk_id: str, wait_seconds: float = 0) -> Bulk:
        """One bulk, after waiting up to `wait_seconds` for its end."""
        bulk = self._store.bulks.get(bulk_id) if is_id(bulk_id) else None
        if bulk is None:
            raise NotFound("bulk not found")
        if wait_seconds > 0 and bulk.status is BulkStatus.RUNNING:
            return self._wait(bulk_id, wait_seconds)
        return bulk

    def _wait(self, bulk_id: str, wait_seconds: float) -> Bulk:
        channel = self._store.keys.done(bulk_id)
        with self._store.subscriber.watch(channel) as watch:
            hears = self._store.subscriber.confirm(channel)
            read = partial(self.get, bulk_id)
            return read_until(lambda bulk: bulk.status is not BulkStatus.RUNNING, read, watch, wait_seconds, sure=hears)

    def newest(self) -> list[Bulk]:
        """The last 100 bulks, newest first."""
        return self._store.bulks.newest()

    def abort(self, bulk_id: str) -> Bulk:
        """End a bulk at its current position. One that has ended is not changed."""
        if not is_id(bulk_id) or not self._store.bulks.abort(bulk_id, self._clock()):
            raise NotFound("bulk not found")
        return self.get(bulk_id)


def _in_changes(problems: list[Problem]) -> list[Problem]:
    return [replace(problem, field=f"changes.{problem.field}") for problem in problems]


def _misfit(tried: tuple[Kind, list[Problem]]) -> tuple[int, int]:
    """How badly changes fit a kind: by the fields that are not its own, then by all problems."""
    kind, problems = tried
    foreign = fields_of_others(kind)
    return sum(problem.field in foreign for problem in problems), len(problems)
