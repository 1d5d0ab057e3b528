"""Use case of batches: create many tasks with one request. Independent of Flask and Celery."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from app.clock import Clock
from app.domain.alerts.rule import channels_named, no_channel
from app.domain.batch import listed, parse_batch, problems_at, refuse_much_code, refuse_schedule
from app.domain.errors import InvalidSpec, Problem, Unavailable
from app.domain.idempotency import RequestKey
from app.domain.ids import batch_ids, first_batch_id
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
#: The problem with the channels of the spec at a place of the batch, if there is one.
_ProblemsAt = Callable[[int, Mapping[str, Any]], list[Problem]]


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
        channel_names: Callable[[], Collection[str]],
    ) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._checker = checker
        self._admission = admission
        self._clock = clock
        self._channel_names = channel_names

    def create_once(self, raw: Any, key: RequestKey | None) -> Batch:
        """Create the tasks that the JSON value `raw` lists: all or none, or with `"atomic": false` the valid ones.

        A repetition of an earlier request with this key creates nothing, and shows the tasks as they were created.
        Raises InvalidSpec with every problem if the batch is atomic.
        """
        earlier = self._admission.earlier(key)
        if earlier is None:
            channels = _Channels(self._channel_names)
            checked, is_atomic = self._parse(raw, self._clock(), channels.problems)
            now_ms = self._clock()  # the checks may have taken seconds: see app/usecases/tasks.py
            first_id = first_batch_id(now_ms)
            items = self._made_of(checked, first_id, now_ms)
            earlier = self._write(first_id, items, key, now_ms, channels.refused)
            if earlier is None:
                return _batch(items, is_atomic, now_ms)
        self._store.batches.complete(earlier.created_id)  # the process that took the first request may have died
        checked, is_atomic = self._parse(raw, earlier.now_ms, _problems_of_then(earlier.refused))
        items = self._made_of(checked, earlier.created_id, earlier.now_ms)
        return _batch(items, is_atomic, earlier.now_ms, is_repeated=True)

    def _parse(self, raw: Any, now_ms: int, channel_problems: _ProblemsAt) -> tuple[list[_Checked], bool]:
        """What becomes of each spec, and whether they are created together."""
        specs, is_atomic = parse_batch(raw)
        checks = _Checks(specs, self._checker)

        def rules_at(at: int) -> Rules:
            return lambda fields: [*checks(fields), *channel_problems(at, fields)]

        items = [_checked(spec, now_ms, rules_at(at)) for at, spec in enumerate(specs)]
        if is_atomic:
            problems = [
                problem for at, item in enumerate(items) if isinstance(item, list) for problem in problems_at(at, item)
            ]
            if problems:
                raise InvalidSpec(problems)
        return items, is_atomic

    def _made_of(self, checked: Sequence[_Checked], first_id: str, now_ms: int) -> list[_Item]:
        return [
            item if isinstance(item, list) else self._dispatcher.from_request(item, task_id, now_ms)
            for item, task_id in zip(checked, batch_ids(first_id, len(checked)), strict=True)
        ]

    def _write(
        self, first_id: str, items: Sequence[_Item], key: RequestKey | None, now_ms: int, refused: str
    ) -> EarlierRequest | None:
        tasks = [item for item in items if isinstance(item, NewTask)]
        if not tasks:
            return None
        conditions = replace(self._admission.for_task(now_ms, key), refused=refused)
        earlier = self._store.batches.create(first_id, tasks, now_ms, conditions)
        if earlier is not None:
            return same_request(key, earlier)
        try:
            self._store.batches.complete(first_id)
        except Unavailable:  # it is decided: recovery creates the rest, and an error would make the caller repeat it
            more = {"action": "batch_interrupted", "batch_id": first_id, "count": len(tasks)}
            logger.warning("Redis can't be reached; recovery will create the rest of the batch", extra=more)
        return None


class _Channels:
    """Checks that the channels which a batch names exist, and notes where one did not, for a repetition.

    Asks for the names of the channels once, if the batch names any.
    """

    def __init__(self, names: Callable[[], Collection[str]]) -> None:
        self._known = cache(names)
        self._missing: dict[int, int] = {}

    def problems(self, at: int, fields: Mapping[str, Any]) -> list[Problem]:
        """The problem of the spec at this place of the batch, if there is one."""
        for place, name in enumerate(channels_named(fields)):
            if name not in self._known():
                self._missing[at] = place
                return [no_channel(name)]
        return []

    @property
    def refused(self) -> str:
        """Which specs were refused, and for which of the channels that they name: `3.0,17.1`."""
        return ",".join(f"{at}.{place}" for at, place in self._missing.items())


def _problems_of_then(refused: str) -> _ProblemsAt:
    """The same for a repetition: what the first request has noted, whatever channels have come and gone since."""
    pairs = (word.split(".") for word in refused.split(",") if word)
    then = {int(at): int(place) for at, place in pairs}
    return lambda at, fields: [no_channel(channels_named(fields)[then[at]])] if at in then else []


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
