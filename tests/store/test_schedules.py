"""Scheduled tasks, and each firing taken once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.ids import firing_id
from app.domain.status import Kind, ScheduleStatus, Status, TaskType
from app.store import schedules as schedules_module
from app.store.schedules import Firings, Schedule, ScheduleFilters
from app.store.store import Store
from app.store.tasks import Filters
from tests.conftest import VirtualClock
from tests.store.making import claimed, new_schedule, new_task, scheduled

NOBODY = "01a20786-bb40-7dea-8c0d-e64779664cff"


def read(store: Store, schedule_id: str) -> Schedule:
    schedule = store.schedules.get(schedule_id)
    assert schedule is not None
    return schedule


def due(schedule: Schedule, now_ms: int, **changes: Any) -> Firings:
    """The firing of a schedule that is due now; the next one is in a minute."""
    assert schedule.next_run_ms is not None
    at_ms = schedule.next_run_ms
    task = new_task(
        now_ms, id=firing_id(schedule.id, at_ms), task_type=TaskType.SCHEDULED, scheduled_task_id=schedule.id
    )
    return replace(Firings(schedule, at_ms + 60_000, "allow", None, (), [(at_ms, task)]), **changes)


def tasks_of(store: Store, schedule: Schedule) -> list[str]:
    return [task.id for task in reversed(store.tasks.page(Filters(scheduled_task_id=schedule.id), 200).items)]


def outcomes(store: Store, schedule: Schedule) -> list[tuple[int, str]]:
    notes, _ = store.schedules.firings(schedule.id, 200, None)
    return [(note.at_ms, note.outcome) for note in reversed(notes)]


def test_a_new_schedule_is_read_as_it_was_written(store: Store, clock: VirtualClock) -> None:
    schedule = new_schedule(clock(), name='ü "*"', tags=["a:b", "ü"], kind=Kind.API, key="k/1", spec={"api_url": "ü"})
    assert store.schedules.create(schedule, clock()) == schedule.id
    assert store.schedules.get(schedule.id) == schedule
    assert store.schedules.get(NOBODY) is None
    assert store.schedules.id_of_key("k/1") == schedule.id
    assert store.schedules.id_of_key("k") is None


def test_a_key_is_one_schedules_own(store: Store, clock: VirtualClock) -> None:
    first, second = (new_schedule(clock(), key="k") for _ in range(2))
    assert store.schedules.create(first, clock()) == first.id
    assert store.schedules.create(second, clock()) == first.id
    assert store.schedules.get(second.id) is None
    store.schedules.delete(first.id)
    assert store.schedules.create(second, clock()) == second.id


def test_what_is_due_comes_the_most_overdue_first(store: Store, clock: VirtualClock) -> None:
    later = scheduled(store, clock(), next_run_ms=clock() + 2_000)
    sooner = scheduled(store, clock(), next_run_ms=clock() + 1_000)
    assert store.schedules.next_due_ms() == clock() + 1_000
    assert store.schedules.due(clock() + 999, 10) == []
    assert store.schedules.due(clock() + 2_000, 10) == [(sooner.id, clock() + 1_000), (later.id, clock() + 2_000)]
    assert store.schedules.due(clock() + 2_000, 1) == [(sooner.id, clock() + 1_000)]


def test_a_firing_creates_its_task_and_moves_on(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    now_ms = clock.advance(60_000)
    assert store.schedules.fire([due(schedule, now_ms)], now_ms) == 1
    (task_id,) = tasks_of(store, schedule)
    assert task_id == firing_id(schedule.id, now_ms)
    after = read(store, schedule.id)
    assert (after.next_run_ms, after.run_count, after.last_task_id) == (now_ms + 60_000, 1, task_id)
    assert outcomes(store, schedule) == [(now_ms, "created")]


def test_a_firing_is_taken_once_and_only_of_what_was_seen(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    now_ms = clock.advance(60_000)
    firing = due(schedule, now_ms)
    other = scheduled(store, clock(), next_run_ms=now_ms)
    assert store.schedules.fire([firing, due(other, now_ms)], now_ms) == 2
    assert store.schedules.fire([firing, due(other, now_ms)], now_ms) == 0, "another beat saw the same"
    changed = read(store, schedule.id)
    assert store.schedules.change(changed, replace(changed, name="new"), now_ms)
    assert store.schedules.fire([due(changed, now_ms)], now_ms) == 0, "it was changed meanwhile"
    assert store.schedules.fire([due(replace(schedule, id=NOBODY), now_ms)], now_ms) == 0
    assert (len(tasks_of(store, schedule)), len(tasks_of(store, other))) == (1, 1)


def test_of_many_beats_one_takes_each_firing(store: Store, clock: VirtualClock) -> None:
    schedules = [scheduled(store, clock()) for _ in range(30)]
    now_ms, taken, barrier = clock.advance(60_000), [], threading.Barrier(6)

    def beat() -> None:
        barrier.wait(10)
        for schedule in schedules:
            taken.append(store.schedules.fire([due(schedule, now_ms)], now_ms))

    threads = [threading.Thread(target=beat) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sum(taken) == len(schedules)
    for schedule in schedules:
        assert len(tasks_of(store, schedule)) == read(store, schedule.id).run_count == 1


def test_the_last_firing_ends_it(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    now_ms = clock.advance(60_000)
    store.schedules.fire([due(schedule, now_ms, following_ms=None)], now_ms)
    after = read(store, schedule.id)
    assert (after.status, after.next_run_ms) == (ScheduleStatus.ENDED, None)
    assert store.schedules.next_due_ms() is None
    (listed,) = store.schedules.page(ScheduleFilters(status=ScheduleStatus.ENDED), 10).items
    assert listed == after


def test_max_runs_ends_it(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    for _ in range(2):
        now_ms = clock.advance(60_000)
        store.schedules.fire([due(read(store, schedule.id), now_ms, max_runs=2)], now_ms)
    after = read(store, schedule.id)
    assert (after.status, after.run_count, after.next_run_ms) == (ScheduleStatus.ENDED, 2, None)


@pytest.mark.parametrize(
    ("overlap", "expected", "last_status", "skipped"),
    [
        ("allow", ["created", "created"], Status.QUEUED, 0),
        ("skip", ["created", "skipped_overlap"], Status.QUEUED, 1),
        ("stop_previous", ["created", "created"], Status.STOPPED, 0),
    ],
)
def test_overlap_decides_while_the_last_task_is_not_finished(
    store: Store, clock: VirtualClock, overlap: str, expected: Sequence[str], last_status: Status, skipped: int
) -> None:
    schedule = scheduled(store, clock())
    for _ in range(2):
        now_ms = clock.advance(60_000)
        store.schedules.fire([due(read(store, schedule.id), now_ms, overlap=overlap)], now_ms)
    assert [outcome for _, outcome in outcomes(store, schedule)] == expected
    first = tasks_of(store, schedule)[0]
    assert store.tasks.status(first) is last_status
    assert read(store, schedule.id).skipped_count == skipped
    assert read(store, schedule.id).next_run_ms == clock() + 60_000


def test_missed_firings_are_written_down(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    first_ms = clock.advance(60_000)
    now_ms = clock.advance(120_000)
    missed = (first_ms, first_ms + 60_000)
    task = new_task(now_ms, scheduled_task_id=schedule.id)
    store.schedules.fire([due(schedule, now_ms, missed=missed, tasks=[(now_ms, task)])], now_ms)
    assert outcomes(store, schedule) == [(missed[0], "missed"), (missed[1], "missed"), (now_ms, "created")]
    assert read(store, schedule.id).missed_count == 2


def test_firings_are_paged_newest_first(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    for _ in range(5):
        now_ms = clock.advance(60_000)
        store.schedules.fire([due(read(store, schedule.id), now_ms)], now_ms)
    found, cursor = store.schedules.firings(schedule.id, 2, None)
    while cursor is not None:
        more, cursor = store.schedules.firings(schedule.id, 2, cursor)
        found += more
    assert [note.at_ms for note in found] == [clock() - number * 60_000 for number in range(5)]
    assert [note.task_id for note in reversed(found)] == tasks_of(store, schedule)


def test_a_paused_one_does_not_fire_and_a_resumed_one_does(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    active, paused = ScheduleStatus.ACTIVE, ScheduleStatus.PAUSED
    assert store.schedules.move(schedule.id, clock(), active, paused, None) == (active, paused)
    assert store.schedules.move(schedule.id, clock(), active, paused, None) == (paused, paused)
    now_ms = clock.advance(60_000)
    assert store.schedules.due(now_ms, 10) == []
    assert store.schedules.fire([due(schedule, now_ms)], now_ms) == 0
    with store.subscriber.watch(store.keys.beat) as watch:
        assert store.subscriber.confirm(store.keys.beat)
        assert store.schedules.move(schedule.id, now_ms, paused, active, now_ms + 1_000) == (paused, active)
        assert watch.wait(5), "a sleeping beat was not woken"
    assert store.schedules.next_due_ms() == now_ms + 1_000
    assert store.schedules.move(NOBODY, now_ms, active, paused, None) == ("", "")


def test_a_change_of_what_is_no_longer_so_changes_nothing(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock(), tags=["a"])
    changed = replace(schedule, name="new", tags=["b"], kind=Kind.API, next_run_ms=clock() + 5)
    assert store.schedules.change(schedule, changed, clock.advance(1))
    assert not store.schedules.change(schedule, replace(schedule, name="late"), clock())
    after = read(store, schedule.id)
    assert after == replace(changed, updated_ms=clock(), revision="2")
    assert [one.id for one in store.schedules.page(ScheduleFilters(kind=Kind.API, tag="b"), 10).items] == [schedule.id]
    assert store.schedules.page(ScheduleFilters(kind=Kind.CODE), 10).items == []


def test_a_run_beside_the_schedule_leaves_its_next_firing_alone(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    task = new_task(clock(), scheduled_task_id=schedule.id)
    assert store.schedules.run_now(schedule.id, task, clock())
    after = read(store, schedule.id)
    assert (after.next_run_ms, after.run_count, after.last_task_id) == (schedule.next_run_ms, 1, task.id)
    assert not store.schedules.run_now(NOBODY, new_task(clock()), clock())


def test_a_deleted_schedule_leaves_its_tasks_and_nothing_else(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    schedule = scheduled(store, clock(), tags=["a"], key="k")
    now_ms = clock.advance(60_000)
    store.schedules.fire([due(schedule, now_ms)], now_ms)
    (task_id,) = tasks_of(store, schedule)
    assert store.schedules.delete(schedule.id)
    assert not store.schedules.delete(schedule.id)
    assert tasks_of(store, schedule) == [task_id]
    claimed(store, task_id, now_ms)
    store.tasks.stop(task_id, now_ms, force=True)
    store.tasks.delete(task_id)
    left = {key for key in raw_redis.keys("*") if not key.startswith("celeriac:minute:")}
    assert left <= {store.keys.seq, "celeriac:celeriac.code"}


NAMES = ("nightly", "night", 'a:b"*', "ü")
TAGS = ("a", "a:b", "ü*")
MADE = st.tuples(
    st.sampled_from(Kind), st.sampled_from(ScheduleStatus), st.sampled_from(NAMES), st.sets(st.sampled_from(TAGS))
)
FILTERS = st.builds(
    ScheduleFilters,
    status=st.none() | st.sampled_from(ScheduleStatus),
    kind=st.none() | st.sampled_from(Kind),
    name=st.none() | st.sampled_from([*NAMES, "n", "x"]),
    name_is_prefix=st.booleans(),
    tag=st.none() | st.sampled_from([*TAGS, "b"]),
)


@given(
    made=st.lists(MADE, max_size=20), filters=FILTERS, limit=st.sampled_from([1, 3, 200]), scan=st.sampled_from([2, 50])
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_walk_finds_exactly_what_matches_newest_first(
    store: Store, raw_redis: redis.Redis, made: list[Any], filters: ScheduleFilters, limit: int, scan: int
) -> None:
    raw_redis.flushdb()
    clock = VirtualClock()
    expected = []
    for kind, status, name, tags in made:
        schedule = scheduled(store, clock(), kind=kind, name=name, tags=sorted(tags))
        if status is not ScheduleStatus.ACTIVE:
            store.schedules.move(schedule.id, clock(), ScheduleStatus.ACTIVE, status, None)
        named = filters.name is None or name == filters.name
        if filters.name is not None and filters.name_is_prefix:
            named = name.startswith(filters.name)
        fits = filters.status in (None, status) and filters.kind in (None, kind)
        if named and fits and (filters.tag is None or filters.tag in tags):
            expected.append(schedule.id)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schedules_module, "SCAN_PER_CALL", scan)
        found: list[str] = []
        cursor = None
        while True:
            page = store.schedules.page(filters, limit, cursor)
            found += [schedule.id for schedule in page.items]
            assert len(page.items) <= limit
            if page.cursor is None:
                break
            assert page.cursor != cursor
            cursor = page.cursor
    assert found == expected[::-1]
