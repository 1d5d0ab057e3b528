"""A change, a pause, a delete or another beat races with a firing: one outcome or the other, never a mixture.

A race between processes is an order of Lua calls on the server. The first tests make both orders from the same view;
the others race with threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import redis

from app.api.context import compose
from app.clock import system_clock
from app.domain.errors import Conflict, NotFound
from app.domain.status import ScheduleStatus
from app.settings import Settings
from app.store.listing import Filters
from app.store.schedules import Schedule, ScheduleStore
from app.store.store import Store
from app.usecases.dispatch import Dispatcher
from app.usecases.firing import FiringService
from app.usecases.schedules import ScheduleService, rule_of
from tests.conftest import VirtualClock
from tests.store.making import PlainMessages, changed, due, message_for, scheduled

SPEC = {
    "name": "old",
    "cron_expression": "* * * * * *",
    "function_code": "def f(): return 1",
    "function_name": "f",
}
ROUNDS = 15


def service_of(store: Store, clock: Callable[[], int]) -> ScheduleService:
    return compose(Settings(), store, lambda *_: [], clock).schedules


def beat_of(store: Store, clock: Callable[[], int]) -> FiringService:
    return FiringService(store, Dispatcher(PlainMessages(), 5.0), clock)


def names_of_tasks(store: Store, schedule_id: str) -> list[str]:
    return [task.name for task in store.listing.page(Filters(scheduled_task_id=schedule_id), 200).items]


def assert_whole(store: Store, raw: redis.Redis, schedule_id: str, status: ScheduleStatus) -> Schedule:
    """Assert that record, indexes and list of firings agree."""
    schedule = store.schedules.get(schedule_id)
    assert schedule is not None
    assert schedule.status is status
    tasks = store.listing.page(Filters(scheduled_task_id=schedule_id), 200).items
    notes, _ = store.firings.page(schedule_id, 200, None)
    created = [note.task_id or "" for note in notes if note.outcome == "created"]
    assert sorted(created) == sorted(task.id for task in tasks)
    assert schedule.run_count == len(tasks)
    assert schedule.missed_count == len(notes) - len(created)
    score = raw.zscore(store.keys.cron, schedule_id)
    assert score == schedule.next_run_ms, "the record and the cron index have different times"
    assert (score is not None) == (status is ScheduleStatus.ACTIVE)
    homes = [one for one in ScheduleStatus if raw.zscore(store.keys.schedule_index(schedule.kind, one), schedule_id)]
    assert homes == [status]
    return schedule


def run_together(*jobs: Callable[[], object]) -> list[Any]:
    """Run all calls at once, each in a thread, and return each result or exception."""
    barrier, answers = threading.Barrier(len(jobs)), dict[int, Any]()

    def run(number: int, job: Callable[[], object]) -> None:
        barrier.wait(10)
        try:
            answers[number] = job()
        except Exception as error:  # returned to the test
            answers[number] = error

    threads = [threading.Thread(target=run, args=(number, job)) for number, job in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return [answers[number] for number in range(len(jobs))]


# --- both orders -----------------------------------------------------------------------------------


def patched(store: Store, seen: Schedule, now_ms: int) -> bool:
    return store.schedules.change(seen, changed(seen, name="new"), now_ms)


def paused(store: Store, seen: Schedule, now_ms: int) -> bool:
    active, pause = ScheduleStatus.ACTIVE, ScheduleStatus.PAUSED
    return store.schedules.move(seen.id, now_ms, active, pause, None) == (active, pause)


def deleted(store: Store, seen: Schedule, now_ms: int) -> bool:
    return store.schedules.delete(seen.id)


@pytest.mark.parametrize("act", [patched, paused, deleted])
def test_a_beat_with_an_outdated_view_creates_nothing(store: Store, clock: VirtualClock, act: Any) -> None:
    seen = scheduled(store, clock(), name="old")
    now_ms = clock.advance(60_000)
    assert act(store, seen, now_ms)
    before = store.schedules.get(seen.id)
    assert store.firings.fire([due(seen)], now_ms) == 0
    assert names_of_tasks(store, seen.id) == []
    assert store.firings.page(seen.id, 10, None) == ([], None)
    assert store.schedules.get(seen.id) == before, "a firing was written in part"


def test_a_patch_of_an_outdated_view_changes_nothing_and_is_repeated(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    seen = scheduled(store, clock(), name="old")
    now_ms = clock.advance(60_000)
    assert store.firings.fire([due(seen)], now_ms) == 1
    assert not patched(store, seen, now_ms)
    fired = assert_whole(store, raw_redis, seen.id, ScheduleStatus.ACTIVE)
    assert (fired.name, fired.next_run_ms) == ("old", now_ms + 60_000)
    assert patched(store, fired, now_ms)
    assert assert_whole(store, raw_redis, seen.id, ScheduleStatus.ACTIVE).name == "new"
    assert names_of_tasks(store, seen.id) == ["old"]


def test_a_pause_after_the_firing_keeps_the_firing(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    seen = scheduled(store, clock())
    now_ms = clock.advance(60_000)
    assert store.firings.fire([due(seen)], now_ms) == 1
    assert paused(store, seen, now_ms)
    assert assert_whole(store, raw_redis, seen.id, ScheduleStatus.PAUSED).run_count == 1


def test_a_resume_that_meets_a_change_counts_by_the_new_rule(
    store: Store, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = service_of(store, clock)
    schedule = service.create(SPEC)
    service.pause(schedule.id)
    move = ScheduleStore.move

    def move_after_a_change(self: ScheduleStore, *values: Any) -> tuple[str, str]:
        monkeypatch.undo()
        service.patch(schedule.id, {"cron_expression": "0 9 * * *"})
        return move(self, *values)

    monkeypatch.setattr(ScheduleStore, "move", move_after_a_change)
    resumed = service.resume(schedule.id)
    assert (resumed.status, resumed.spec["cron_expression"]) == (ScheduleStatus.ACTIVE, "0 9 * * *")
    assert resumed.next_run_ms == rule_of(resumed).next_after(clock())
    assert service.resume(schedule.id) == resumed


def test_two_beats_with_the_same_view_create_one_task(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    seen = scheduled(store, clock())
    now_ms = clock.advance(60_000)
    taken = [store.firings.fire([due(seen)], now_ms) for _ in range(2)]
    assert taken == [1, 0]
    assert assert_whole(store, raw_redis, seen.id, ScheduleStatus.ACTIVE).run_count == 1
    assert raw_redis.llen(message_for("any").queue_key) == 1


# --- with threads ----------------------------------------------------------------------------------


def test_concurrent_beats_with_the_same_view_create_one_task_each_time(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    for _ in range(ROUNDS):
        seen = scheduled(store, clock())
        now_ms = clock.advance(60_000)
        taken = run_together(*[lambda: store.firings.fire([due(seen)], now_ms)] * 4)  # noqa: B023
        assert sorted(taken) == [0, 0, 0, 1]
        assert assert_whole(store, raw_redis, seen.id, ScheduleStatus.ACTIVE).run_count == 1


def test_a_patch_that_races_with_a_firing_is_atomic(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    service, beat = service_of(store, clock), beat_of(store, clock)
    for _ in range(ROUNDS):
        schedule = service.create(SPEC)
        clock.advance(1_000)
        answers = run_together(lambda: service.patch(schedule.id, {"name": "new"}), lambda: beat.fire_due(10))  # noqa: B023
        assert isinstance(answers[0], Schedule), answers
        after = assert_whole(store, raw_redis, schedule.id, ScheduleStatus.ACTIVE)
        assert after.name == "new", "the change was lost"
        names = names_of_tasks(store, schedule.id)
        assert names in (["old"], ["new"], [])
        if not names:  # the patch came first; the next tick fires what is due then
            assert after.next_run_ms == schedule.next_run_ms
            assert beat.fire_due(10) == 1
            assert names_of_tasks(store, schedule.id) == ["new"]
        service.delete(schedule.id)


def test_a_pause_that_races_with_a_firing_is_atomic(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    service, beat = service_of(store, clock), beat_of(store, clock)
    for _ in range(ROUNDS):
        schedule = service.create(SPEC)
        clock.advance(1_000)
        run_together(lambda: service.pause(schedule.id), lambda: beat.fire_due(10))  # noqa: B023
        after = assert_whole(store, raw_redis, schedule.id, ScheduleStatus.PAUSED)
        assert after.run_count in (0, 1)
        clock.advance(5_000)
        assert beat.fire_due(10) == 0
        assert len(names_of_tasks(store, schedule.id)) == after.run_count, "the schedule fired while it was paused"


def test_a_delete_that_races_with_a_firing_leaves_no_schedule(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    service, beat = service_of(store, clock), beat_of(store, clock)
    for _ in range(ROUNDS):
        schedule = service.create(SPEC)
        clock.advance(1_000)
        run_together(lambda: service.delete(schedule.id), lambda: beat.fire_due(10))  # noqa: B023
        with pytest.raises(NotFound):
            service.get(schedule.id)
        assert len(names_of_tasks(store, schedule.id)) <= 1
        assert list(raw_redis.scan_iter(f"{store.keys.schedule(schedule.id)}*")) == []
        assert raw_redis.zcard(store.keys.cron) == 0


def test_a_put_that_races_with_a_firing_is_atomic(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    service, beat = service_of(store, clock), beat_of(store, clock)
    schedule, _ = service.put("k", SPEC)
    for number in range(ROUNDS):
        clock.advance(1_000)
        spec = {**SPEC, "name": f"n{number}"}
        answers = run_together(lambda: service.put("k", spec), lambda: beat.fire_due(10))  # noqa: B023
        assert not isinstance(answers[0], Exception), answers
        after = assert_whole(store, raw_redis, schedule.id, ScheduleStatus.ACTIVE)
        assert (after.name, after.key) == (f"n{number}", "k")
    beat.fire_due(10)
    assert store.schedules.id_of_key("k") == schedule.id


def test_twenty_puts_of_one_key_create_one_schedule(store: Store, raw_redis: redis.Redis) -> None:
    service = service_of(store, system_clock)
    specs = [{**SPEC, "name": f"n{number}", "cron_expression": "0 0 1 1 *"} for number in range(20)]

    def put(spec: Any) -> object:
        while True:
            try:
                return service.put("k", spec)
            except Conflict:  # nineteen others change it, so the caller retries
                continue

    answers = run_together(*[lambda spec=spec: put(spec) for spec in specs])
    assert {schedule.id for schedule, _ in answers} == {store.schedules.id_of_key("k")}
    assert raw_redis.zcard(store.keys.cron) == 1
    (schedule_id,) = {schedule.id for schedule, _ in answers}
    assert assert_whole(store, raw_redis, schedule_id, ScheduleStatus.ACTIVE).name in {spec["name"] for spec in specs}
    assert sum(is_new for _, is_new in answers) == 1


RACERS = 50


def test_of_50_equal_puts_at_once_one_creates_and_none_is_refused(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    service = service_of(store, clock)
    answers: list[tuple[Schedule, bool]] = run_together(*[lambda: service.put("k", SPEC)] * RACERS)
    assert [answer for answer in answers if isinstance(answer, Exception)] == []
    assert [is_new for _, is_new in answers].count(True) == 1
    assert len({schedule.id for schedule, _ in answers}) == 1
    assert assert_whole(store, raw_redis, answers[0][0].id, ScheduleStatus.ACTIVE).revision == "1", "nothing changed"


def test_of_50_different_puts_at_once_each_succeeds(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    service = service_of(store, clock)
    specs = [{**SPEC, "name": f"n{number}"} for number in range(RACERS)]
    answers: list[tuple[Schedule, bool]] = run_together(*[partial(service.put, "k", spec) for spec in specs])
    assert [answer for answer in answers if isinstance(answer, Exception)] == []
    after = assert_whole(store, raw_redis, answers[0][0].id, ScheduleStatus.ACTIVE)
    assert after.revision == str(RACERS), "one creation, then a change for each of the others"


def test_a_put_that_races_with_a_delete_updates_or_creates(store: Store, clock: VirtualClock) -> None:
    service = service_of(store, clock)
    for number in range(ROUNDS):
        schedule, _ = service.put("k", SPEC)
        spec = {**SPEC, "name": f"n{number}"}
        answers = run_together(partial(service.put, "k", spec), partial(service.delete, schedule.id))
        assert not isinstance(answers[0], Exception), answers


def test_a_put_without_changes_is_written_only_for_an_ended_schedule(store: Store, clock: VirtualClock) -> None:
    service = service_of(store, clock)
    first, _ = service.put("k", SPEC)
    clock.advance(500)
    assert service.put("k", SPEC) == (first, False)
    store.schedules.move(first.id, clock(), ScheduleStatus.ACTIVE, ScheduleStatus.ENDED, None)
    again, _ = service.put("k", SPEC)
    assert (again.status, again.id) == (ScheduleStatus.ACTIVE, first.id)
