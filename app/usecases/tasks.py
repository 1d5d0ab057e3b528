"""Use cases of tasks: create, retry, read, wait, change, stop, delete. Independent of Flask and Celery."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from app.clock import Clock
from app.domain.errors import Conflict, NotFound, Problem, Unavailable, problem_with
from app.domain.idempotency import RequestKey
from app.domain.ids import is_id, new_id
from app.domain.kinds.kind import no_problems
from app.domain.spec import Rules, TaskSpec, parse_task
from app.domain.status import Status, TaskType
from app.domain.times import to_rfc3339
from app.store.admission import EarlierRequest
from app.store.failures import ErrorGroup
from app.store.listing import Filters, Order, Page
from app.store.record import Task
from app.store.store import Store
from app.store.subscriber import Watch
from app.store.tasks import UNTOLD, NewTask, as_created, told
from app.usecases.admission import Admission, same_request
from app.usecases.changes import CHANGE_TRIES, Make, changed, gives_time, raw_of, retried, with_schedules_own
from app.usecases.code_check import CodeChecker, code_problems
from app.usecases.dispatch import Dispatcher
from app.usecases.export import exported
from app.usecases.waiting import read_until

#: How long a stop waits for the worker to end the attempt before it writes the end of the task itself.
STOP_PATIENCE_SECONDS = 0.8
_DELETE_TRIES = 3

#: Checks what a request asks for at a time in ms, and by the rules for its alert, and returns what makes the task. A
#: repetition has no such rules, as a channel may be gone since. Raises InvalidSpec, NotFound, Conflict.
#: To check a long program on a busy machine takes seconds, so the time of the creation is taken afterwards: with one of
#: before, the task would stand among later ones in the list, where `created_before` does not look for it.
Check = Callable[[int, Rules], Make]


class TaskService:
    """The operations on tasks. Raises the errors of app/domain/errors.py."""

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
        self._admission = admission
        self._dispatcher = dispatcher
        self._checker = checker
        self._clock = clock
        self._alert_problems = alert_problems

    def create(self, raw: Any, wait_seconds: float = 0) -> Task:
        """Create the task that the JSON value `raw` describes, and wait up to `wait_seconds` for it to finish."""
        return self.create_once(raw, None, wait_seconds)[0]

    def create_once(self, raw: Any, key: RequestKey | None, wait_seconds: float = 0) -> tuple[Task, bool]:
        """Like `create`, but a repetition of an earlier request with this key creates nothing.

        Returns the task as it was created (or its current state, after a wait), and whether an earlier request
        created it. Raises KeyReused if the key was used with a different body.
        """
        return self._make_once(partial(self._made_of, raw), key, wait_seconds)

    def retry_once(
        self, task_id: str, changes: Any, key: RequestKey | None, wait_seconds: float = 0
    ) -> tuple[Task, bool]:
        """Run a finished task again: create a task with the same spec, in which `changes` are made as by `patch`.

        It is due now unless the changes give a time. Returns as `create_once`. A repetition shows the task as it was
        created, or its current state once the first task is gone. Raises Conflict if the task has not finished.
        """
        return self._make_once(partial(self._retry_of, task_id, changes), key, wait_seconds)

    def _make_once(self, check: Check, key: RequestKey | None, wait_seconds: float) -> tuple[Task, bool]:
        earlier = self._admission.earlier(key)
        if earlier is not None:
            return self._created_before(check, earlier, wait_seconds), True
        deadline = time.monotonic() + wait_seconds
        make = check(self._clock(), self._alert_problems)
        now_ms = self._clock()
        task = make(new_id(now_ms), now_ms)
        if wait_seconds > 0:
            return self._create_and_wait(task, check, key, now_ms, deadline)
        earlier = self._write(task, key, now_ms)
        if earlier is not None:
            return self._created_before(check, earlier, 0), True
        return as_created(task, now_ms), False

    def _create_and_wait(
        self, task: NewTask, check: Check, key: RequestKey | None, now_ms: int, deadline: float
    ) -> tuple[Task, bool]:
        with self._store.inbox.expect(task.id) as watch:
            hears = self._store.inbox.is_open()
            earlier = self._write(replace(task, inbox=self._store.inbox.name), key, now_ms)
            if earlier is not None:
                return self._created_before(check, earlier, deadline - time.monotonic()), True
            try:
                # It was open before the task existed, so the finish can't be missed: no read is needed first.
                if hears and not watch.is_ending:
                    watch.wait(deadline - time.monotonic())
                if watch.news:
                    return told(task.id, watch.news), False
                return self._wait(task.id, watch, deadline - time.monotonic(), sure=hears), False
            except (NotFound, Unavailable):
                # It was created, if only to be deleted: an error would make the caller create it again.
                return as_created(task, now_ms), False

    def _created_before(self, check: Check, earlier: EarlierRequest, wait_seconds: float) -> Task:
        """The task of an earlier request with the same body: after a wait, or as it was created, even if it is gone."""
        if wait_seconds > 0:
            with suppress(NotFound):
                return self.get(earlier.created_id, wait_seconds)
        try:
            task = check(earlier.now_ms, no_problems)(earlier.created_id, earlier.now_ms)
        except NotFound:  # it is a retry of a task that is gone
            return self.get(earlier.created_id)
        return as_created(task, earlier.now_ms)

    def _made_of(self, raw: Any, now_ms: int, alert_problems: Rules) -> Make:
        return partial(self._dispatcher.from_request, self._parse(raw, now_ms, alert_problems))

    def _retry_of(self, original_id: str, changes: Any, now_ms: int, alert_problems: Rules) -> Make:
        """Return what makes the task that runs `original_id` again. Channels that the original names may be gone."""
        seen = self._store.tasks.spec_of(original_id) if is_id(original_id) else None
        if seen is None:
            raise NotFound("task not found")
        if not seen.status.finished:
            raise Conflict(f"only a finished task can be retried; this one is {seen.status}", seen.status)

        def inspect(fields: dict[str, Any]) -> list[Problem]:
            return [*code_problems(fields, self._checker), *alert_problems(changes)]

        return retried(self._dispatcher, seen, changes, now_ms, inspect)

    def _parse(self, raw: Any, now_ms: int, alert_problems: Rules, problems: Sequence[Problem] = ()) -> TaskSpec:
        def inspect(fields: dict[str, Any]) -> list[Problem]:
            return [*problems, *code_problems(fields, self._checker), *alert_problems(fields)]

        return parse_task(raw, now_ms, inspect)

    def _write(self, task: NewTask, key: RequestKey | None, now_ms: int) -> EarlierRequest | None:
        """Create the task. Returns the earlier request if another one with the same key was first."""
        created = self._store.tasks.create([task], now_ms, self._admission.for_task(now_ms, key))
        return same_request(key, created) if isinstance(created, EarlierRequest) else None

    def get(self, task_id: str, wait_seconds: float = 0) -> Task:
        """One task with all its fields, after waiting up to `wait_seconds` for it to finish."""
        task = self._store.tasks.get(task_id) if is_id(task_id) else None
        if task is None:
            raise NotFound("task not found")
        if wait_seconds > 0 and not task.status.finished:
            channel = self._store.keys.done(task_id)
            with self._store.subscriber.watch(channel) as watch:
                hears = self._store.subscriber.confirm(channel)
                return self._wait(task_id, watch, wait_seconds, sure=hears)
        return task

    def awaited(self, task: Task, wait_seconds: float) -> Task:
        """A task that was just created, after waiting up to `wait_seconds` for it to finish."""
        if wait_seconds <= 0:
            return task
        try:
            return self.get(task.id, wait_seconds)
        except (NotFound, Unavailable):  # it was created, if only to be deleted: see `_create_and_wait`
            return task

    def _wait(self, task_id: str, watch: Watch, seconds: float, *, sure: bool) -> Task:
        """The task, once its finish is announced or the time is up."""
        return read_until(lambda task: task.status.finished, partial(self.get, task_id), watch, seconds, sure=sure)

    def page(self, filters: Filters, limit: int, cursor: str | None, order: Order = Order.CREATED) -> Page:
        """A page of the tasks that match."""
        with problem_with("cursor"):
            return self._store.listing.page(filters, limit, cursor, order)

    def upcoming(self, limit: int) -> list[Task]:
        """The waiting tasks that are due next, the earliest first."""
        return self._store.listing.upcoming(limit)

    def export(self, filters: Filters) -> Iterator[Task]:
        """All tasks that match, whole, oldest first (see `exported`)."""
        return exported(self._store, filters)

    def error_groups(self, since_ms: int | None, limit: int) -> list[ErrorGroup]:
        """Failures grouped by fingerprint, the last failure first."""
        return self._store.failures.groups(since_ms, limit)

    def patch(self, task_id: str, changes: Any) -> Task:
        """Change fields of a waiting task. A delay counts from now, and null resets a field to its default.

        Raises Conflict once the task is queued.
        """
        for _ in range(CHANGE_TRIES):
            seen, now_ms = self.get(task_id), self._clock()
            if seen.status is not Status.WAITING:
                raise Conflict(f"only a waiting task can be changed; this one is {seen.status}", seen.status)
            spec, due_ms = self._changed(seen, changes, now_ms)
            task_type = TaskType.DELAYED if gives_time(changes) else seen.task_type
            task = self._dispatcher.from_spec(spec, task_id, task_type, due_ms, now_ms)
            task = replace(task, spec=with_schedules_own(task.spec, seen))
            if self._store.tasks.change(seen, task, now_ms):
                return self.get(task_id)
        raise Conflict("the task keeps changing; try again", seen.status)

    def _changed(self, seen: Task, changes: Any, now_ms: int) -> tuple[TaskSpec, int]:
        """The changed spec, and the time at which the task is due: a new one if the changes give one."""
        before = raw_of(seen)
        raw = changed(before, changes)
        # The channels of a rule that stays may be gone.
        alert_problems = no_problems if raw.get("alert") == before.get("alert") else self._alert_problems
        if gives_time(raw):
            spec = self._parse(raw, now_ms, alert_problems)
            return spec, spec.due_ms(now_ms)
        problems = _type_problems(seen, raw.get("task_type"))
        # The due time stays. The rules between the fields need one, and any will do.
        raw |= {"task_type": TaskType.DELAYED, "run_at": to_rfc3339(seen.due_ms)}
        return self._parse(raw, now_ms, alert_problems, problems), seen.due_ms

    def stop(self, task_id: str) -> Task:
        """Stop a task before it starts or while it runs; returns once it is stopped.

        Raises Conflict if it had finished already, or finished before the stop took effect.
        """
        self._stop(task_id)
        return self.get(task_id)

    def _stop(self, task_id: str) -> None:
        if not is_id(task_id):
            raise NotFound("task not found")
        channel = self._store.keys.done(task_id)
        with self._store.subscriber.watch(channel) as watch:
            before, after = self._store.tasks.stop(task_id, self._clock())
            if before == "":
                raise NotFound("task not found")
            if before == Status.RUNNING:
                after = self._await_end(task_id, watch)
            elif Status(before).finished:
                raise Conflict(f"the task has already finished: it {_past(before)}", before)
        if after != Status.STOPPED:
            raise Conflict(f"the task finished before it could be stopped: it {_past(after)}", after)

    def _await_end(self, task_id: str, watch: Watch) -> str:
        """Wait for the worker to end a running attempt; if it does not, write the end of the task here."""
        deadline = time.monotonic() + STOP_PATIENCE_SECONDS
        self._store.subscriber.confirm(self._store.keys.done(task_id), STOP_PATIENCE_SECONDS)
        while True:  # read first: the attempt may have ended before the subscription was active
            status = self._store.tasks.status(task_id)
            if status is None:
                raise NotFound("the task was deleted")
            remaining = deadline - time.monotonic()
            if status is not Status.RUNNING or remaining <= 0:
                break
            watch.wait(remaining)
        return self._store.tasks.stop(task_id, self._clock(), force=True)[1]

    def delete(self, task_id: str) -> None:
        """Stop the task if it has not finished, and remove all its data."""
        for _ in range(_DELETE_TRIES):
            status = self._store.tasks.delete(task_id) if is_id(task_id) else ""
            if status == "":
                raise NotFound("task not found")
            if status not in (Status.RUNNING, UNTOLD):
                return
            try:
                self._stop(task_id)
            except Conflict:
                continue  # it finished before the stop took effect
        raise Conflict("the task keeps restarting; stop it first", Status.RUNNING)


def _past(status: str) -> str:
    return f"was {status}" if status == Status.STOPPED else status


def _type_problems(seen: Task, wanted: Any) -> list[Problem]:
    """The problem of a change to `task_type` without a time; empty if the type stays the same."""
    if wanted is None or wanted == seen.task_type:
        return []
    return [
        Problem("task_type", "can only change together with delay_seconds or run_at; a run_at in the past means now")
    ]
