"""Any sequence of calls, by any number of workers and beats, against a model under a virtual clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, cast

import redis
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.domain.outcome import Ending, Outcome
from app.domain.status import TRANSITIONS, Kind, Status, TaskType
from app.store.bodies import INLINE_BYTES
from app.store.messages import NO_MESSAGE
from app.store.recovery import Sendable
from app.store.store import Store
from app.store.tasks import MAX_LOSSES, Attempt, Hold
from tests.conftest import VirtualClock
from tests.store import making
from tests.store.making import COUNTERS, ENTRY, FAILED, LEASE_MS, STOPPED, SUCCEEDED, WORKER_LOST, message_for, new_task

HORIZON_MS = 5_000
AGES_MS = 10**10
MAX_TASKS = 3  # few, so that each sees many events
TAGS = ("a", "a:b")
PAUSES_MS = st.sampled_from([0, 1_000, 60_000])
SOURCES = st.sampled_from(["def f(): pass", "#" * 100, "#" * 101])
EXPIRIES = st.sampled_from([None, None, 1.5, 30])
ENDINGS = st.sampled_from(Ending)


@dataclass
class Model:
    """The expected state of one task."""

    id: str
    kind: Kind
    task_type: TaskType
    status: Status
    due_ms: int
    sent: bool
    attempt: int = 0
    losses: int = 0
    lease_until_ms: int = 0
    current: Attempt | None = None
    stop_asked: bool = False
    tags: tuple[str, ...] = ()
    expires_in: float | None = None
    source: str = ""
    final: dict[str, str] = field(default_factory=dict)

    def wait_again(self, due_ms: int, now_ms: int) -> None:
        self.status = Status.WAITING if due_ms > now_ms else Status.QUEUED
        self.due_ms, self.sent, self.current = due_ms, due_ms - now_ms <= HORIZON_MS, None

    def may_expire(self) -> bool:
        """Whether it fails unless it starts in time."""
        return self.expires_in is not None and not self.attempt and self.status in (Status.WAITING, Status.QUEUED)

    def is_expired(self, now_ms: int) -> bool:
        return self.may_expire() and now_ms > self.due_ms + (self.expires_in or 0) * 1000

    def end(self, status: Status) -> None:
        self.status, self.current, self.stop_asked = status, None, False


#: Every list of messages that the machine uses: all its tasks have the default priority.
ALL_LISTS = [(kind, 5) for kind in Kind]


class TaskMachine(RuleBasedStateMachine):
    """Each rule predicts the result; the invariants inspect the keys in Redis."""

    tasks = Bundle("tasks")
    attempts = Bundle("attempts")

    def __init__(self, store: Store, raw: redis.Redis) -> None:
        super().__init__()
        raw.flushdb()
        self.store, self.raw, self.clock = store, raw, VirtualClock()
        self.models: dict[str, Model] = {}
        self.seen: dict[str, Status] = {}

    def with_status(self, *statuses: Status) -> list[Model]:
        return [model for model in self.models.values() if model.status in statuses]

    # --- actions of callers and workers --------------------------------------------------------------

    @precondition(lambda self: len(self.models) < MAX_TASKS)
    @rule(
        target=tasks,
        kind=st.sampled_from(Kind),
        task_type=st.sampled_from(TaskType),
        delay_ms=st.sampled_from([0, 0, 1_000, 60_000]),
        tags=st.sets(st.sampled_from(TAGS)),
        expires_in=EXPIRIES,
        source=SOURCES,
    )
    def create(
        self, kind: Kind, task_type: TaskType, delay_ms: int, tags: set[str], expires_in: float | None, source: str
    ) -> str:
        now_ms = self.clock()
        own = {"kind": kind, "task_type": task_type, "tags": sorted(tags), "expires_in": expires_in}
        task = new_task(now_ms, due_ms=now_ms + delay_ms, function_code=source, **own)
        if delay_ms > HORIZON_MS:
            task = replace(task, message=NO_MESSAGE)
        assert self.store.tasks.create([task], now_ms) == 1
        assert self.store.tasks.create([task], now_ms) == 0, "an existing id was created again"
        status = Status.WAITING if delay_ms else Status.QUEUED
        self.models[task.id] = Model(
            task.id,
            kind,
            task_type,
            status,
            task.due_ms,
            delay_ms <= HORIZON_MS,
            tags=tuple(task.spec["tags"]),
            expires_in=expires_in,
            source=source,
        )
        return task.id

    @rule(ms=st.sampled_from([1, 400, 2_000, LEASE_MS, 60_000]))
    def time_passes(self, ms: int) -> None:
        self.clock.advance(ms)

    @rule(ms=st.sampled_from([1, 2_000, 60_000]))
    def clock_is_set_back(self, ms: int) -> None:
        """NTP set the clock, or the next caller is another machine with another clock."""
        self.clock.advance(-ms)

    @rule(target=attempts, task_id=tasks)
    def claim(self, task_id: str) -> Any:
        return self._claim(task_id)

    def _claim(self, task_id: str) -> Any:
        now_ms, model = self.clock(), self.models.get(task_id)
        answer = self.store.tasks.claim(task_id, "w", now_ms, now_ms + LEASE_MS)
        if model is None:
            assert answer == ""
        elif model.status is Status.WAITING and model.due_ms > now_ms:
            assert answer == "early"
            model.sent = False
        elif model.status not in (Status.WAITING, Status.QUEUED):
            assert answer == model.status
        elif model.is_expired(now_ms):
            assert answer == "expired"
            model.end(Status.FAILED)
        else:
            assert isinstance(answer, Attempt)
            model.attempt += 1
            assert (answer.number, answer.losses) == (model.attempt, model.losses)
            assert answer.spec["function_code"] == model.source
            model.status, model.current, model.lease_until_ms = Status.RUNNING, answer, now_ms + LEASE_MS
            return answer
        return multiple()  # no attempt was created

    @precondition(lambda self: self.with_status(Status.WAITING, Status.QUEUED))
    @rule(target=attempts, data=st.data())
    def claim_what_is_due(self, data: st.DataObject) -> Any:
        """Most claims of real workers succeed, and so do these."""
        model = data.draw(st.sampled_from(self.with_status(Status.WAITING, Status.QUEUED)))
        self.clock.now_ms = max(self.clock(), model.due_ms)
        return self._claim(model.id)

    @rule()
    def expire(self) -> None:
        expired = [model for model in self.models.values() if model.is_expired(self.clock())]
        assert self.store.tasks.expire(self.clock(), 10, "beat") == len(expired)
        for model in expired:
            model.end(Status.FAILED)

    @rule(attempt=attempts, outcome=st.sampled_from([SUCCEEDED, FAILED, STOPPED]))
    def finish(self, attempt: Attempt, outcome: Outcome) -> None:
        answer = self.store.tasks.finish(attempt, outcome, self.clock(), 1.0)
        model = self.models.get(attempt.task_id)
        if model is None:
            assert answer == ""
        elif model.current is not attempt:
            assert answer == "superseded"
        else:
            model.end(status_of(outcome))
            assert answer == model.status

    @rule(attempt=attempts, pause_ms=PAUSES_MS, ending=ENDINGS)
    def run_again(self, attempt: Attempt, pause_ms: int, ending: Ending) -> None:
        self._run_again(attempt, pause_ms, ending)

    @precondition(lambda self: self.with_status(Status.RUNNING))
    @rule(data=st.data(), pause_ms=PAUSES_MS, ending=ENDINGS)
    def run_again_what_runs(self, data: st.DataObject, pause_ms: int, ending: Ending) -> None:
        model = data.draw(st.sampled_from(self.with_status(Status.RUNNING)))
        assert model.current is not None
        self._run_again(model.current, pause_ms, ending)

    def _run_again(self, attempt: Attempt, pause_ms: int, ending: Ending) -> None:
        now_ms, model = self.clock(), self.models.get(attempt.task_id)
        pause_ms = 0 if ending is Ending.RETURNED else pause_ms  # returned attempts are queued at once
        message = message_for(attempt.task_id) if pause_ms <= HORIZON_MS else NO_MESSAGE
        answer = self.store.tasks.run_again(
            attempt, FAILED, now_ms, 1.0, now_ms + pause_ms, message, ending, entry=ENTRY
        )
        if model is None:
            assert answer == ""
        elif model.current is not attempt:
            assert answer == "superseded"
        else:
            if model.stop_asked:
                model.end(Status.STOPPED)
            else:
                model.wait_again(model.due_ms if ending is Ending.RETURNED else now_ms + pause_ms, now_ms)
                model.status = Status.WAITING if pause_ms else Status.QUEUED
                model.attempt -= ending is Ending.RETURNED
                model.losses += ending is Ending.LOST
            assert answer == model.status

    @rule(task_id=tasks, force=st.booleans())
    def stop(self, task_id: str, force: bool) -> None:
        before, after = self.store.tasks.stop(task_id, self.clock(), force=force)
        model = self.models.get(task_id)
        if model is None:
            assert (before, after) == ("", "")
            return
        assert before == model.status
        if model.status in (Status.WAITING, Status.QUEUED) or (model.status is Status.RUNNING and force):
            model.end(Status.STOPPED)
        elif model.status is Status.RUNNING:
            model.stop_asked = True
        assert after == model.status

    @rule(
        task_id=tasks,
        kind=st.sampled_from(Kind),
        delay_ms=PAUSES_MS,
        tags=st.sets(st.sampled_from(TAGS)),
        expires_in=EXPIRIES,
        source=SOURCES,
    )
    def change(
        self, task_id: str, kind: Kind, delay_ms: int, tags: set[str], expires_in: float | None, source: str
    ) -> None:
        """A PATCH of kind, time, expiry, tags and program, for a task that still waits as it was seen."""
        now_ms, model, seen = self.clock(), self.models.get(task_id), self.store.tasks.get(task_id)
        assert (seen is None) == (model is None)
        if seen is None or model is None:
            return
        message = message_for(task_id) if delay_ms <= HORIZON_MS else NO_MESSAGE
        changed = new_task(now_ms, id=task_id, kind=kind, task_type=TaskType.DELAYED, due_ms=now_ms + delay_ms)
        own = {"tags": sorted(tags), "expires_in": expires_in, "function_code": source}
        changed = making.changed(changed, message=message, **own)
        assert self.store.tasks.change(seen, changed, now_ms) == (model.status is Status.WAITING)
        if model.status is Status.WAITING:
            model.kind, model.task_type, model.tags = kind, TaskType.DELAYED, tuple(changed.spec["tags"])
            model.expires_in, model.source = expires_in, source
            model.wait_again(now_ms + delay_ms, now_ms)
        assert not self.store.tasks.change(seen, changed, now_ms), "the view is outdated"

    @rule(task_id=consumes(tasks))
    def delete(self, task_id: str) -> None:
        answer, model = self.store.tasks.delete(task_id), self.models.get(task_id)
        assert answer == ("" if model is None else model.status)
        if model is not None and model.status is not Status.RUNNING:
            del self.models[task_id]
            self.seen.pop(task_id, None)

    @rule(attempt=attempts)
    def renew(self, attempt: Attempt) -> None:
        until_ms = self.clock() + LEASE_MS
        (hold,) = self.store.tasks.renew([attempt], until_ms)
        model = self.models.get(attempt.task_id)
        is_current = model is not None and model.current is attempt
        if not is_current or model is None:
            assert hold is Hold.LOST
            return
        assert hold is (Hold.STOPPING if model.stop_asked else Hold.RENEWED)
        model.lease_until_ms = until_ms

    @rule(task_id=tasks)
    def give_back(self, task_id: str) -> None:
        """A worker that shuts down returns a message that it has fetched, or believes it has."""
        found = self.store.recovery.sendable([task_id])
        model = self.models.get(task_id)
        assert [task.task_id for task in found] == ([] if model is None else [task_id])
        number = self.store.recovery.hand_back([(task, message_for(task_id)) for task in found])
        if model is None:
            assert number == 0
        elif model.status is Status.WAITING:
            assert number == model.sent
            model.sent = False
        else:
            assert number == (model.status is Status.QUEUED)

    # --- actions of beats ----------------------------------------------------------------------------

    @rule()
    def take_back_lost(self) -> None:
        now_ms = self.clock()
        lost = self.store.recovery.expired_leases(now_ms, 100)
        expected = {
            model.id
            for model in self.models.values()
            if model.status is Status.RUNNING and model.lease_until_ms < now_ms
        }
        assert {attempt.task_id for attempt in lost} == expected
        for attempt in lost:
            model = self.models[attempt.task_id]
            answer = self.store.recovery.take_back(
                attempt, now_ms, message_for(attempt.task_id), MAX_LOSSES, WORKER_LOST, ENTRY
            )
            if model.stop_asked:
                model.end(Status.STOPPED)
            elif model.losses + 1 >= MAX_LOSSES:
                model.end(Status.FAILED)
            else:
                model.losses += 1
                model.status, model.current = Status.QUEUED, None
            assert answer == model.status

    @rule()
    def promote(self) -> None:
        now_ms = self.clock()
        near = self.store.recovery.waiting_until(now_ms + HORIZON_MS, 100)
        expected = {
            model.id
            for model in self.models.values()
            if model.status is Status.WAITING and not model.sent and model.due_ms <= now_ms + HORIZON_MS
        }
        assert {task.task_id for task in near} == expected
        assert self._send(near) == len(near)
        assert self._send(near) == sum(task.due_ms <= now_ms for task in near), "two beats saw the same tasks"
        for task in near:
            self.models[task.task_id].wait_again(task.due_ms, now_ms)

    @rule()
    def resend(self) -> None:
        later_ms = self.clock() + AGES_MS  # includes messages sent by a later clock
        queued = [task for one in ALL_LISTS for task in self.store.recovery.queued_until(*one, later_ms, 100)]
        assert {task.task_id for task in queued} == {
            model.id for model in self.models.values() if model.status is Status.QUEUED
        }
        assert self._send(queued) == len(queued)

    def _send(self, tasks: list[Sendable]) -> int:
        return self.store.recovery.send([(task, message_for(task.task_id)) for task in tasks], self.clock())

    @rule()
    def mark_overdue(self) -> None:
        now_ms = self.clock()
        late = [
            model
            for model in self.models.values()
            if model.status is Status.WAITING and model.sent and model.due_ms <= now_ms - 500
        ]
        assert self.store.recovery.mark_overdue(now_ms, now_ms - 500, 100) == len(late)
        for model in late:
            model.status = Status.QUEUED

    # --- what reads everything -----------------------------------------------------------------------

    @rule()
    def counts_equal_a_recount(self) -> None:
        """No invariant: it takes 210 commands, and the leaves whose sizes it counts are looked at after every rule."""
        stats = self.store.stats.read({}, self.clock())
        recount = dict.fromkeys(stats.tasks, 0)
        for model in self.models.values():
            recount[model.kind, model.task_type, model.status] += 1
        assert stats.tasks == recount
        assert stats.waiting == sum(model.status is Status.WAITING for model in self.models.values())

    # --- invariants ----------------------------------------------------------------------------------

    @invariant()
    def every_status_is_the_models_and_every_change_is_an_arrow(self) -> None:
        for model in self.models.values():
            record = self.raw.hgetall(self.store.keys.task(model.id))
            status = Status(record["st"])
            assert status is model.status
            before = self.seen.get(model.id, status)
            assert before is status or (before, status) in TRANSITIONS
            self.seen[model.id] = status
            assert (int(record["at"]), int(record["du"])) == (model.attempt, model.due_ms)
            if status.finished:
                model.final = model.final or record
                assert record == model.final, "a finished task changed"

    @invariant()
    def the_history_leads_to_where_the_task_is_by_legal_changes(self) -> None:
        for model in self.models.values():
            task = self.store.tasks.get(model.id)
            assert task is not None
            creation, *changes = task.history
            assert (creation.before, creation.at_ms) == (None, task.created_ms)
            before = creation
            for change in changes:
                assert change.before is before.after
                assert (change.before, change.after) in TRANSITIONS
                assert change.who
                assert change.why
                before = change
            assert before.after is model.status

    @invariant()
    def each_task_is_in_exactly_one_leaf(self) -> None:
        leaves = self.members(self.raw.keys("celeriac:ix:*"))
        assert sorted((task_id, leaf) for leaf, ids in leaves.items() for task_id in ids) == sorted(
            (model.id, self.store.keys.task_index(model.kind, model.task_type, model.status))
            for model in self.models.values()
        )

    @invariant()
    def each_unfinished_task_is_where_somebody_looks_for_it(self) -> None:
        keys, models = self.store.keys, self.models.values()
        places = {
            keys.due: [m.id for m in models if m.status is Status.WAITING and not m.sent],
            keys.sent: [m.id for m in models if m.status is Status.WAITING and m.sent],
            keys.expiring: [m.id for m in models if m.may_expire()],
            **{
                keys.queued(*one): [m.id for m in models if m.status is Status.QUEUED and m.kind == one[0]]
                for one in ALL_LISTS
            },
            keys.leases: [m.id for m in models if m.status is Status.RUNNING],
        }
        found = self.members(places)
        for key, expected in places.items():
            assert sorted(found[key]) == sorted(expected), key

    @invariant()
    def tags_hold_exactly_their_tasks(self) -> None:
        found = self.members(self.store.keys.tag(tag) for tag in TAGS)
        for tag in TAGS:
            tagged = [model.id for model in self.models.values() if tag in model.tags]
            assert sorted(found[self.store.keys.tag(tag)]) == sorted(tagged)

    @invariant()
    def programs_are_kept_and_counted(self) -> None:
        have = Counter(model.source for model in self.models.values() if len(model.source) > INLINE_BYTES)
        kept = [cast("dict[str, str]", self.raw.hgetall(key)) for key in self.raw.keys("celeriac:program:*")]
        assert {program["text"]: int(program["uses"]) for program in kept} == have

    def members(self, keys: Iterable[str]) -> dict[str, list[str]]:
        """What each of these ZSETs holds. It takes one round trip: the invariants are most of this test."""
        names = list(keys)
        with self.raw.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.zrange(name, 0, -1)
            return dict(zip(names, pipeline.execute(), strict=True))

    def teardown(self) -> None:
        """After everything is deleted, only counters and unfetched messages remain."""
        for model in self.models.values():
            self.store.tasks.stop(model.id, self.clock(), force=True)
            assert self.store.tasks.delete(model.id)
        passing = (*COUNTERS, "celeriac:error", "celeriac:call:")
        kept = [key for key in self.raw.keys("*") if not key.startswith(passing)]
        assert set(kept) <= {self.store.keys.seq, message_for("").queue_key}


def status_of(outcome: Outcome) -> Status:
    if outcome.stopped:
        return Status.STOPPED
    return Status.SUCCEEDED if outcome.failure is None else Status.FAILED


def test_any_sequence_of_calls_keeps_the_store_consistent(
    store: Store, raw_redis: redis.Redis, sequences: settings
) -> None:
    run_state_machine_as_test(lambda: TaskMachine(store, raw_redis), settings=sequences)
