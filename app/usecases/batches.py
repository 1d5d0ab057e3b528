"""Use case of batches: create many tasks with one request. Independent of Flask and Celery."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.clock import Clock
from app.domain.batch import listed, parse_batch, problems_at, refuse_much_code, refuse_schedule
from app.domain.errors import InvalidSpec, Problem, Unavailable
from app.domain.idempotency import RequestKey
from app.domain.ids import batch_ids, first_batch_id
from app.domain.kinds.kind import no_problems
from app.domain.spec import Rules, TaskSpec, parse_task
from app.store.admission import EarlierRequest
from app.store.record import Task
from app.store.store import Store
from app.store.tasks import NewTask, as_created
from app.usecases.admission import Admission, same_request
from app.usecases.code_check import CodeChecker, check_key, code_problems
from app.usecases.dispatch import Dispatcher

logger = logging.getLogger("celeriac.tasks")

#: What became of one spec: a task to create, or why not.
_Item = NewTask | list[Problem]
#: The same before the task is made.
_Checked = TaskSpec | list[Problem]


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of a batch. `items`: in the order of the request, the task as it was created, or its problems."""

    items: Sequence[Task | list[Problem]]
    is_atomic: bool
    is_repeated: bool = False


class BatchService:
    """Creates batches. Raises the errors of app/domain/errors.py."""

    def __init__(
        self,
        store: Store,
        dispatcher: Dispatcher,
        checker: CodeChecker,
        admission: Admission,
        clock: Clock,
        alert_problems: Rules = no_problems,
    ) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._checker = checker
        self._admission = admission
        self._clock = clock
        self._alert_problems = alert_problems

    def create_once(self, raw: Any, key: RequestKey | None) -> Batch:
        """Create the tasks that the JSON value `raw` lists: all or none, or with `"atomic": false` the valid ones.

        A repetition of an earlier request with this key creates nothing, and shows the tasks as they were created.
        Raises InvalidSpec with every problem if the batch is atomic.
        """
        earlier = self._admission.earlier(key)
        if earlier is None:
            checked, is_atomic = self._parse(raw, self._clock())
            now_ms = self._clock()  # the checks may have taken seconds: see app/usecases/tasks.py
            first_id = first_batch_id(now_ms)
            items = self._made_of(checked, first_id, now_ms)
            earlier = self._write(first_id, items, key, now_ms)
            if earlier is None:
                return _batch(items, is_atomic, now_ms)
        self._store.batches.complete(earlier.created_id)  # the process that took the first request may have died
        checked, is_atomic = self._parse(raw, earlier.now_ms, earlier.created_id)
        items = self._made_of(checked, earlier.created_id, earlier.now_ms)
        return _batch(items, is_atomic, earlier.now_ms, is_repeated=True)

    def _parse(self, raw: Any, now_ms: int, repeated_id: str | None = None) -> tuple[list[_Checked], bool]:
        """What became of each spec. `repeated_id`: the first id of the batch, if it is an earlier one."""
        specs, is_atomic = parse_batch(raw)
        checks = _Checks(specs, self._checker)
        ids = [None] * len(specs) if repeated_id is None else batch_ids(repeated_id, len(specs))

        def rules_for(spec: Any, task_id: str | None) -> Rules:
            if task_id is not None and (is_atomic or self._is_there(spec, task_id)):
                return checks  # a channel may be gone since the first request
            return lambda fields: [*checks(fields), *self._alert_problems(fields)]

        items = [_checked(spec, now_ms, rules_for(spec, task_id)) for spec, task_id in zip(specs, ids, strict=True)]
        if is_atomic:
            problems = [
                problem for at, item in enumerate(items) if isinstance(item, list) for problem in problems_at(at, item)
            ]
            if problems:
                raise InvalidSpec(problems)
        return items, is_atomic

    def _is_there(self, spec: Any, task_id: str) -> bool:
        """Whether a spec with an alert rule has its task, so that its channels were there."""
        has_rule = isinstance(spec, dict) and spec.get("alert") is not None
        return has_rule and self._store.tasks.status(task_id) is not None

    def _made_of(self, checked: Sequence[_Checked], first_id: str, now_ms: int) -> list[_Item]:
        return [
            item if isinstance(item, list) else self._dispatcher.from_request(item, task_id, now_ms)
            for item, task_id in zip(checked, batch_ids(first_id, len(checked)), strict=True)
        ]

    def _write(
        self, first_id: str, items: Sequence[_Item], key: RequestKey | None, now_ms: int
    ) -> EarlierRequest | None:
        tasks = [item for item in items if isinstance(item, NewTask)]
        if not tasks:
            return None
        earlier = self._store.batches.create(first_id, tasks, now_ms, self._admission.for_task(now_ms, key))
        if earlier is not None:
            return same_request(key, earlier)
        try:
            self._store.batches.complete(first_id)
        except Unavailable:  # it is decided: recovery creates the rest, and an error would make the caller repeat it
            more = {"action": "batch_interrupted", "batch_id": first_id, "count": len(tasks)}
            logger.warning("Redis can't be reached; recovery will create the rest of the batch", extra=more)
        return None


class _Checks:
    """Checks programs: one check for all tasks that share a program and the way to call it.

    Raises InvalidSpec if the programs are too large together.
    """

    def __init__(self, specs: Sequence[Any], checker: CodeChecker) -> None:
        self._checker = checker
        self._found: dict[tuple[str, str, str] | None, list[Problem]] = {}
        keys = {check_key(spec) for spec in specs if isinstance(spec, dict)}
        refuse_much_code(key[0] for key in keys if key is not None)

    def __call__(self, fields: dict[str, Any]) -> list[Problem]:
        key = check_key(fields)
        if key not in self._found:
            self._found[key] = code_problems(fields, self._checker)
        return self._found[key]


def _checked(raw: Any, now_ms: int, rules: Rules) -> _Checked:
    try:
        refuse_schedule(raw)
        return parse_task(raw, now_ms, rules)
    except InvalidSpec as error:
        return listed(error.problems)


def _batch(items: Sequence[_Item], is_atomic: bool, now_ms: int, *, is_repeated: bool = False) -> Batch:
    shown = [as_created(item, now_ms) if isinstance(item, NewTask) else item for item in items]
    return Batch(shown, is_atomic, is_repeated)
