"""Carry out bulks, step by step: a part of the maintenance. How they begin: app/usecases/bulk.py."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from app.domain.bulk import BulkStatus, Of
from app.domain.errors import Full, InvalidSpec, Unavailable
from app.domain.ids import bulk_task_id
from app.domain.status import ScheduleStatus
from app.settings import Settings
from app.store.bodies import body_of
from app.store.bulk import Bulk, SeenSchedule
from app.store.record import Task
from app.store.schedules import Schedule
from app.store.store import Store
from app.store.tasks import NewTask
from app.usecases.admission import Admission
from app.usecases.changes import retried
from app.usecases.dispatch import Dispatcher
from app.usecases.schedules import following_ms

logger = logging.getLogger("celeriac.bulk")

#: How long one round of the maintenance works on bulks, so that its other parts run several times a second.
ROUND_SECONDS = 0.25
#: Tasks, or scheduled tasks, per step, so that no other client of Redis waits longer than a few milliseconds.
STEP = 100
#: Tasks to read at a time for a retry, since their bodies may be large.
READ = 20
#: Characters of programs and bodies in one step that creates tasks.
STEP_CHARACTERS = 1_000_000

#: Makes the tasks that a bulk creates for some ids at a time; None for an id for which there can be none.
Make: TypeAlias = Callable[[Bulk, Sequence[str], int], Iterable[NewTask | None]]


@dataclass(slots=True)
class BulkWork:
    """Carries out bulks in the process `owner`. Not thread-safe.

    Any number of processes may do so at once, but would only get in each other's way: one at a time has the lease.
    """

    store: Store
    dispatcher: Dispatcher
    settings: Settings
    owner: str
    steady: Callable[[], float] = time.monotonic
    is_busy: bool = False  # there is more to do at once
    _admission: Admission = field(init=False)
    _put_off: set[str] = field(default_factory=set)  # bulks that wait for room for their tasks

    def __post_init__(self) -> None:
        self._admission = Admission(self.store.admission, self.settings.max_queued_tasks)

    def work_off(self, now_ms: int) -> None:
        """Take steps of all running bulks in turn, until they have ended or the round is over. Sets `is_busy`.

        Does nothing while another process does this.
        """
        self.is_busy = False
        running = self.store.bulks.running()
        self._put_off &= set(running)
        if not running or not self.store.bulks.lease.take(self.owner):
            return
        deadline = self.steady() + ROUND_SECONDS
        while running and self.steady() < deadline:
            running = [bulk_id for bulk_id in running if self._step(bulk_id, now_ms)]
        self.store.bulks.lease.end()
        self.is_busy = bool(running)

    def _step(self, bulk_id: str, now_ms: int) -> bool:
        """Take one step of a bulk. Returns whether another can follow at once."""
        bulk = self.store.bulks.get(bulk_id)
        if bulk is None or bulk.status is not BulkStatus.RUNNING:
            return False
        try:
            self._act(bulk, now_ms)
        except Full:
            return self._put_it_off(bulk)
        except Unavailable:
            raise
        except Exception:  # a defect that one bulk meets must not stop the others
            more = {"action": "bulk_step_failed", "bulk_id": bulk.id}
            logger.exception("a step of a bulk failed; it is tried again", extra=more)
            return False
        self._put_off.discard(bulk.id)
        return True

    def _put_it_off(self, bulk: Bulk) -> bool:
        if bulk.id not in self._put_off:
            more = {"action": "bulk_put_off", "bulk_id": bulk.id}
            logger.warning("there is no room for more tasks: a bulk is put off", extra=more)
        self._put_off.add(bulk.id)
        return False

    def _act(self, bulk: Bulk, now_ms: int) -> None:
        if bulk.action == "retry":
            self._create(bulk, self._retries_of, now_ms)
        elif bulk.action == "run":
            self._create(bulk, self._firings_of, now_ms)
        elif bulk.of is Of.TASKS:
            self.store.bulks.end_tasks(bulk, STEP, now_ms, f"bulk {bulk.id}")
        else:
            seen = [self._seen(bulk, schedule_id, now_ms) for schedule_id in self.store.bulks.next_ids(bulk.id, STEP)]
            self.store.bulks.move_schedules(bulk, seen, now_ms)

    def _create(self, bulk: Bulk, make: Make, now_ms: int) -> None:
        """Create the next tasks, as many as one step may hold."""
        most_waiting = self._admission.for_task(now_ms).most_waiting
        assert most_waiting is not None, "tasks count towards MAX_QUEUED_TASKS"
        ids, tasks, number = self.store.bulks.next_ids(bulk.id, min(STEP, most_waiting)), list[NewTask](), 0
        while number < len(ids) and _characters(tasks) <= STEP_CHARACTERS:
            some = ids[number : number + READ]
            tasks += [task for task in make(bulk, some, now_ms) if task is not None]
            number += len(some)
        self.store.bulks.create_tasks(bulk, number, tasks, now_ms, most_waiting)

    def _retries_of(self, bulk: Bulk, ids: Sequence[str], now_ms: int) -> Iterator[NewTask | None]:
        """Retries of these tasks; None for a task that is gone or unfinished, or that the changes don't fit."""
        for task in self.store.tasks.specs_of(ids):
            yield self._retry_of(bulk, task, now_ms) if task is not None and task.status.finished else None

    def _retry_of(self, bulk: Bulk, task: Task, now_ms: int) -> NewTask | None:
        new_id = bulk_task_id(bulk.id, task.id)
        try:
            return retried(self.dispatcher, task, dict(bulk.changes), now_ms, lambda _: [])(new_id, now_ms)
        except InvalidSpec:
            return None

    def _firings_of(self, bulk: Bulk, ids: Sequence[str], now_ms: int) -> Iterator[NewTask | None]:
        """A task of each of these scheduled tasks, outside its firings; None if the scheduled task is gone."""
        for schedule in map(self.store.schedules.get, ids):
            if schedule is None:
                yield None
            else:
                yield self.dispatcher.from_schedule(schedule, bulk_task_id(bulk.id, schedule.id), now_ms, now_ms)

    def _seen(self, bulk: Bulk, schedule_id: str, now_ms: int) -> SeenSchedule:
        if bulk.action != "resume":
            return SeenSchedule(schedule_id)
        schedule = self.store.schedules.get(schedule_id)
        return SeenSchedule(schedule_id) if schedule is None else _resumed(schedule, now_ms)


def _characters(tasks: Sequence[NewTask]) -> int:
    return sum(len(str(body_of(task.spec))) for task in tasks)


def _resumed(schedule: Schedule, now_ms: int) -> SeenSchedule:
    if schedule.status is not ScheduleStatus.PAUSED:
        return SeenSchedule(schedule.id, schedule.revision)
    return SeenSchedule(schedule.id, schedule.revision, following_ms(schedule, now_ms))
