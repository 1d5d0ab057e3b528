"""Scheduled tasks, each of whose firings runs once."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.fields import Kept, names_kept
from app.domain.ids import firing_id, new_id
from app.domain.names import name_pattern
from app.domain.outcome import Outcome
from app.domain.spec import ScheduleSpec
from app.domain.status import FINISHED, Kind, ScheduleStatus, Status, TaskType
from app.store import schedules as schedules_module
from app.store.columns import SHORT_NAMES
from app.store.firings import DueSchedule, Firing, FiringRecord
from app.store.listing import Filters
from app.store.messages import DELIVERY_TAG, TASK_ID, MessageTemplate
from app.store.schedules import Schedule, ScheduleFilters, ScheduleOrder, task_spec_of
from app.store.store import Store
from app.store.tasks import Hold
from tests.conftest import VirtualClock
from tests.store.making import (
    API_SCHEDULE_SPEC,
    COUNTERS,
    FAILED,
    SCHEDULE_SPEC,
    STOPPED,
    SUCCEEDED,
    TEMPLATE,
    changed,
    claimed,
    due,
    finished,
    firing,
    message_for,
    new_schedule,
    new_task,
    scheduled,
)

NOBODY = "01a20786-bb40-7dea-8c0d-e64779664cff"


def read(store: Store, schedule_id: str) -> Schedule:
    schedule = store.schedules.get(schedule_id)
    assert schedule is not None
    return schedule


def tasks_of(store: Store, schedule: Schedule) -> list[str]:
    return [task.id for task in reversed(store.listing.page(Filters(scheduled_task_id=schedule.id), 200).items)]


def outcomes(store: Store, schedule: Schedule) -> list[tuple[int, str]]:
    notes, _ = store.firings.page(schedule.id, 200, None)
    return [(note.at_ms, note.outcome) for note in reversed(notes)]


def test_a_new_schedule_is_read_as_it_was_written(store: Store, clock: VirtualClock) -> None:
    schedule = new_schedule(
        clock(), name='ü "*"', tags=["a:b", "ü"], kind=Kind.API, key="k/1", spec={"api_url": "ü", "method": "GET"}
    )
    assert store.schedules.create(schedule, clock()) == schedule.id
    assert store.schedules.get(schedule.id) == schedule
    assert store.schedules.get(NOBODY) is None
    assert store.schedules.id_of_key("k/1") == schedule.id
    assert store.schedules.id_of_key("k") is None


def test_a_key_belongs_to_one_schedule(store: Store, clock: VirtualClock) -> None:
    first, second = (new_schedule(clock(), key="k") for _ in range(2))
    assert store.schedules.create(first, clock()) == first.id
    assert store.schedules.create(second, clock()) == first.id
    assert store.schedules.get(second.id) is None
    store.schedules.delete(first.id)
    assert store.schedules.create(second, clock()) == second.id


def test_due_schedules_come_most_overdue_first(store: Store, clock: VirtualClock) -> None:
    later = scheduled(store, clock(), next_run_ms=clock() + 2_000)
    sooner = scheduled(store, clock(), next_run_ms=clock() + 1_000)
    assert store.firings.next_due_ms() == clock() + 1_000
    assert store.firings.due(clock() + 999, 10) == []
    found = store.firings.due(clock() + 2_000, 10)
    assert [(one.id, one.next_run_ms) for one in found] == [
        (sooner.id, str(clock() + 1_000)),
        (later.id, str(clock() + 2_000)),
    ]
    assert store.firings.due(clock() + 2_000, 1) == found[:1]


def test_a_due_schedule_contains_all_that_beat_needs(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock(), kind=Kind.API, priority=7, timezone="Europe/Berlin", overlap="ü")
    (found,) = store.firings.due(clock() + 60_000, 10)
    assert found == DueSchedule(
        schedule.id, str(schedule.next_run_ms), "1", "api", "7", str(clock()), found.timing_json
    )
    assert json.loads(found.timing_json) == {
        **{name: SCHEDULE_SPEC[name] for name in names_kept(ScheduleSpec, Kept.TIMING)},
        "cron_expression": "* * * * *",
        "timezone": "Europe/Berlin",
        "overlap": "ü",
    }


def test_a_firing_creates_its_task_and_advances_the_schedule(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    now_ms = clock.advance(60_000)
    assert store.firings.fire([due(schedule)], now_ms) == 1
    (task_id,) = tasks_of(store, schedule)
    assert task_id == firing_id(schedule.id, now_ms)
    after = read(store, schedule.id)
    assert (after.next_run_ms, after.run_count, after.last_task_id) == (now_ms + 60_000, 1, task_id)
    assert outcomes(store, schedule) == [(now_ms, "created")]


def assert_made_of(store: Store, schedule: Schedule, task_id: str, due_ms: int, now_ms: int | None = None) -> None:
    """The task has all spec fields of its schedule."""
    task, schedule = store.tasks.get(task_id), read(store, schedule.id)
    assert task is not None
    assert task.kind == schedule.kind
    assert task.spec == task_spec_of(schedule)
    assert (task.task_type, task.scheduled_task_id) == (TaskType.SCHEDULED, schedule.id)
    assert (task.due_ms, task.created_ms) == (due_ms, now_ms or due_ms)
    assert task.attempt == 0


def test_on_worker_lost_is_in_the_record_of_a_firings_task(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    schedules = [scheduled(store, clock(), spec={"on_worker_lost": word}) for word in ("fail", "retry")]
    now_ms = clock.advance(60_000)
    store.firings.fire([due(schedule) for schedule in schedules], now_ms)
    tasks = [store.keys.task(firing_id(schedule.id, now_ms)) for schedule in schedules]
    assert [raw_redis.hget(task, "ol") for task in tasks] == ["fail", None]


def test_a_firings_task_matches_its_schedule(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    tags, spec = ["a", "ü"], {"api_url": "ü" * 70_000}
    changes = {"name": 'ü "*"', "tags": tags, "timeout": 1.5, "max_retries": 3, "priority": 9, "spec": spec}
    schedules = [scheduled(store, clock(), **changes), scheduled(store, clock(), kind=Kind.API)]
    now_ms = clock.advance(60_000)
    assert store.firings.fire([due(schedule) for schedule in schedules], now_ms) == 2
    task_ids = [firing_id(schedule.id, now_ms) for schedule in schedules]
    for schedule, task_id in zip(schedules, task_ids, strict=True):
        assert_made_of(store, schedule, task_id, now_ms)
        assert store.tasks.status(task_id) is Status.QUEUED
    assert [task.id for task in store.listing.page(Filters(tag="ü"), 10).items] == task_ids[:1]
    messages = raw_redis.lrange(message_for("").queue_key, 0, -1)
    assert messages == [message_for(task_id).payload for task_id in reversed(task_ids)]


def test_python_and_lua_fill_templates_in_the_same_way(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    template = MessageTemplate("celeriac:q", (TASK_ID, "a", "@b", TASK_ID, "ü"))
    schedule = scheduled(store, clock())
    now_ms = clock.advance(60_000)
    task_id = firing_id(schedule.id, now_ms)
    tagged = MessageTemplate("celeriac:tagged", (DELIVERY_TAG,))
    firings = [Firing(now_ms, now_ms, task_id, template), Firing(now_ms + 1, now_ms, NOBODY, tagged)]
    store.firings.fire([due(schedule, firings=firings)], now_ms)
    assert raw_redis.lrange("celeriac:q", 0, -1) == [template.fill(task_id).payload]
    assert raw_redis.lrange("celeriac:tagged", 0, -1) == [NOBODY[-12:]]


def test_a_delayed_firing_waits(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    now_ms = clock.advance(60_000)
    near = Firing(now_ms, now_ms + 1_000, firing_id(schedule.id, now_ms), TEMPLATE)
    far = Firing(now_ms + 1, now_ms + 60_000, NOBODY, None)
    store.firings.fire([due(schedule, firings=[near, far])], now_ms)
    for one, key in ((near, store.keys.sent), (far, store.keys.due)):
        assert store.tasks.status(one.task_id) is Status.WAITING
        assert_made_of(store, schedule, one.task_id, one.due_ms, now_ms)
        assert raw_redis.zrange(key, 0, -1, withscores=True) == [(one.task_id, one.due_ms)]
    assert raw_redis.llen(TEMPLATE.queue_key) == 1
    assert raw_redis.keys("celeriac:queued:*") == []


def test_a_firing_whose_task_exists_leaves_it_unchanged(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    now_ms = clock.advance(60_000)
    store.firings.fire([due(schedule)], now_ms)
    task_id = firing_id(schedule.id, now_ms)
    before = claimed(store, task_id, now_ms), store.tasks.get(task_id)
    again = due(read(store, schedule.id), firings=[firing(schedule.id, now_ms)])
    assert store.firings.fire([again], clock.advance(60_000)) == 1
    assert store.tasks.get(task_id) == before[1]
    assert tasks_of(store, schedule) == [task_id]


def test_a_firing_runs_once_and_only_for_the_state_that_was_seen(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    now_ms = clock.advance(60_000)
    seen = due(schedule)
    other = scheduled(store, clock(), next_run_ms=now_ms)
    assert store.firings.fire([seen, due(other)], now_ms) == 2
    assert store.firings.fire([seen, due(other)], now_ms) == 0, "another beat fired it already"
    fresh = read(store, schedule.id)
    assert store.schedules.change(fresh, changed(fresh, name="new"), now_ms)
    assert store.firings.fire([due(fresh)], now_ms) == 0, "it was changed meanwhile"
    assert store.firings.fire([due(replace(schedule, id=NOBODY))], now_ms) == 0
    assert (len(tasks_of(store, schedule)), len(tasks_of(store, other))) == (1, 1)


def test_of_many_beats_one_runs_each_firing(store: Store, clock: VirtualClock) -> None:
    schedules = [scheduled(store, clock()) for _ in range(30)]
    now_ms, taken, barrier = clock.advance(60_000), [], threading.Barrier(6)

    def beat() -> None:
        barrier.wait(10)
        for schedule in schedules:
            taken.append(store.firings.fire([due(schedule)], now_ms))

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
    store.firings.fire([due(schedule, following_ms=None)], now_ms)
    after = read(store, schedule.id)
    assert (after.status, after.next_run_ms) == (ScheduleStatus.ENDED, None)
    assert store.firings.next_due_ms() is None
    (listed,) = store.schedules.page(ScheduleFilters(status=ScheduleStatus.ENDED), 10).items
    assert listed.spec.items() <= after.spec.items()
    assert replace(after, spec=listed.spec) == listed


def test_max_runs_ends_it(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    for _ in range(2):
        now_ms = clock.advance(60_000)
        store.firings.fire([due(read(store, schedule.id), max_runs=2)], now_ms)
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
        store.firings.fire([due(read(store, schedule.id), overlap=overlap)], now_ms)
    assert [outcome for _, outcome in outcomes(store, schedule)] == expected
    first = tasks_of(store, schedule)[0]
    assert store.tasks.status(first) is last_status
    assert read(store, schedule.id).skipped_count == skipped
    assert read(store, schedule.id).next_run_ms == clock() + 60_000


@pytest.mark.parametrize("outcome", [SUCCEEDED, FAILED, STOPPED])
def test_a_task_that_has_finished_holds_up_no_firing(store: Store, clock: VirtualClock, outcome: Outcome) -> None:
    schedule = scheduled(store, clock())
    for _ in range(2):
        now_ms = clock.advance(60_000)
        store.firings.fire([due(read(store, schedule.id), overlap="skip")], now_ms)
        store.tasks.finish(claimed(store, tasks_of(store, schedule)[-1], now_ms), outcome, now_ms, 1.0)
    assert [outcome for _, outcome in outcomes(store, schedule)] == ["created", "created"]


def test_several_firings_at_once_count_one_by_one_up_to_max_runs(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    now_ms = clock.advance(120_000)
    firings = [firing(schedule.id, now_ms - 60_000), firing(schedule.id, now_ms)]
    store.firings.fire([due(schedule, firings=firings, max_runs=1)], now_ms)
    assert tasks_of(store, schedule) == [firing_id(schedule.id, now_ms - 60_000)]
    assert read(store, schedule.id).status is ScheduleStatus.ENDED


def test_of_several_firings_at_once_each_stops_the_one_before(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    now_ms = clock.advance(120_000)
    firings = [firing(schedule.id, now_ms - 60_000), firing(schedule.id, now_ms)]
    store.firings.fire([due(schedule, firings=firings, overlap="stop_previous")], now_ms)
    first, last = tasks_of(store, schedule)
    assert (store.tasks.status(first), store.tasks.status(last)) == (Status.STOPPED, Status.QUEUED)
    for status, task_id in ((Status.STOPPED, first), (Status.QUEUED, last)):
        assert [task.id for task in store.listing.page(Filters(status=status), 10).items] == [task_id]
    assert store.recovery.queued_ms(Kind.CODE, 5, first) is None
    stopped = store.tasks.get(first)
    assert stopped is not None
    assert (stopped.history[-1].who, stopped.history[-1].why) == ("beat", "next firing of its schedule")


def test_the_tasks_of_one_call_have_sequence_numbers_of_their_own(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    schedule = scheduled(store, clock())
    now_ms = clock.advance(120_000)
    firings = [firing(schedule.id, now_ms - 60_000), firing(schedule.id, now_ms)]
    store.firings.fire([due(schedule, firings=firings)], now_ms)
    store.tasks.create([new_task(now_ms)], now_ms)
    scores = [
        score
        for task_type in (TaskType.SCHEDULED, TaskType.IMMEDIATE)
        for _, score in raw_redis.zrange(store.keys.task_index("code", task_type, "queued"), 0, -1, withscores=True)
    ]
    assert scores == [now_ms * 2048 + place for place in range(3)]


def test_a_firing_asks_a_running_task_to_stop(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    now_ms = clock.advance(60_000)
    store.firings.fire([due(schedule, overlap="stop_previous")], now_ms)
    attempt = claimed(store, firing_id(schedule.id, now_ms), now_ms)
    store.firings.fire([due(read(store, schedule.id), overlap="stop_previous")], clock.advance(60_000))
    assert store.tasks.status(attempt.task_id) is Status.RUNNING
    assert store.tasks.renew([attempt], clock()) == [Hold.STOPPING]


def test_firings_that_are_only_missed_leave_the_last_task(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    schedule = scheduled(store, clock())
    now_ms = clock.advance(60_000)
    for _ in range(2):
        store.firings.fire([due(read(store, schedule.id), missed=[now_ms], firings=[])], now_ms)
        assert read(store, schedule.id).last_task_id is None
    assert read(store, schedule.id).missed_count == 2
    assert not raw_redis.hexists(store.keys.schedule(schedule.id), SHORT_NAMES["skipped_count"])
    assert read(store, schedule.id).next_run_ms == now_ms + 120_000


def fired_past(store: Store, clock: VirtualClock, missed: int, skipped: int, **changes: Any) -> tuple[str, int, int]:
    """Fire a schedule whose last task has not finished. Returns its id, the first of the missed or skipped, and now."""
    schedule = scheduled(store, clock(), **changes)
    store.firings.fire([due(schedule, overlap="skip")], clock.advance(60_000))
    first_ms = clock() + 60_000
    now_ms = clock.advance(60_000 * (missed + skipped))
    times = range(first_ms, now_ms + 1, 60_000)
    firings = [firing(schedule.id, at_ms) for at_ms in times[missed:]]
    store.firings.fire([due(read(store, schedule.id), overlap="skip", missed=times[:missed], firings=firings)], now_ms)
    return schedule.id, first_ms, now_ms


def alert_events(raw: redis.Redis) -> list[Any]:
    return [json.loads(fields["e"]) for _, fields in raw.xrange("celeriac:alerts:events")]


@pytest.mark.parametrize(("missed", "skipped"), [(0, 1), (1, 0), (0, 2), (2, 0), (2, 2)])
@pytest.mark.parametrize("has_own_rule", [True, False])
def test_an_alert_rule_gets_the_number_of_firings_that_did_not_happen_and_the_first(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, missed: int, skipped: int, has_own_rule: bool
) -> None:
    if not has_own_rule:
        raw_redis.set("celeriac:alerts:default", "{}")
    own = {"alert": {"channels": ["ops"]}} if has_own_rule else {}
    schedule_id, first_ms, now_ms = fired_past(store, clock, missed, skipped, **own)
    expected = ["missed", schedule_id, str(missed + skipped), str(first_ms), str(now_ms)]
    assert alert_events(raw_redis) == [expected]


def test_the_task_of_a_firing_is_looked_at_when_it_is_late_by_its_rule(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    schedule = scheduled(store, clock(), alert={"channels": ["ops"], "late_after": 1.5})
    now_ms = clock.advance(60_000)
    store.firings.fire([due(schedule)], now_ms)
    expected = [(firing_id(schedule.id, now_ms), now_ms + 1_500)]
    assert raw_redis.zrange("celeriac:alerts:late", 0, -1, withscores=True) == expected


def test_without_a_rule_or_a_missed_firing_no_event_is_written(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    fired_past(store, clock, 1, 1)
    punctual = scheduled(store, clock(), alert={"channels": ["ops"]})
    store.firings.fire([due(punctual)], clock.advance(60_000))
    assert alert_events(raw_redis) == []
    record = raw_redis.hgetall(store.keys.schedule(punctual.id))
    assert not {SHORT_NAMES["skipped_count"], SHORT_NAMES["missed_count"]} & record.keys()
    schedule_id, *_ = fired_past(store, clock, 1, 1)
    assert (read(store, schedule_id).missed_count, read(store, schedule_id).skipped_count) == (1, 1)


def test_missed_firings_are_recorded(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    first_ms = clock.advance(60_000)
    now_ms = clock.advance(120_000)
    missed = (first_ms, first_ms + 60_000)
    store.firings.fire([due(schedule, missed=missed, firings=[firing(schedule.id, now_ms)])], now_ms)
    assert outcomes(store, schedule) == [(missed[0], "missed"), (missed[1], "missed"), (now_ms, "created")]
    assert read(store, schedule.id).missed_count == 2


def test_the_newest_thousand_firings_are_kept(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    now_ms = clock.advance(2_000_000)
    missed = range(now_ms - 1_500, now_ms)
    store.firings.fire([due(schedule, missed=missed, firings=[firing(schedule.id, now_ms)])], now_ms)
    assert raw_redis.zcard(f"{store.keys.schedule(schedule.id)}:firings") == 1_000
    assert outcomes(store, schedule)[-2:] == [(now_ms - 1, "missed"), (now_ms, "created")]
    assert read(store, schedule.id).missed_count == 1_500


@pytest.mark.parametrize("counter", ["fired_count", "skipped_count", "missed_count"])
@pytest.mark.parametrize("outcome", ["created", "missed", "skipped_overlap"])
def test_the_oldest_record_goes_whatever_its_outcome_and_that_of_the_newest(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, counter: str, outcome: str
) -> None:
    schedule = scheduled(store, clock())
    now_ms = clock.advance(60_000)
    last = new_task(now_ms)
    assert store.schedules.run_now(schedule.id, last, now_ms)
    records = f"{store.keys.schedule(schedule.id)}:firings"
    raw_redis.zadd(records, {f"{number}:missed:": number for number in range(1_000)})
    raw_redis.hset(store.keys.schedule(schedule.id), SHORT_NAMES["fired_count"], 0)
    raw_redis.hset(store.keys.schedule(schedule.id), SHORT_NAMES[counter], 1_000)
    asked = due(read(store, schedule.id), overlap="skip" if outcome == "skipped_overlap" else "allow")
    if outcome == "missed":
        asked = asked._replace(missed=[now_ms], firings=[])
    store.firings.fire([asked], now_ms)
    assert raw_redis.zcard(records) == 1_000
    assert outcomes(store, schedule)[-1] == (now_ms, outcome)


def test_new_firings_do_not_shift_pages(store: Store, clock: VirtualClock) -> None:
    schedule, found, cursor = scheduled(store, clock()), list[FiringRecord](), None
    now_ms = clock.advance(60_000)
    # All three outcomes in one millisecond, which only hostile clocks can cause.
    first = due(schedule, missed=[now_ms, now_ms - 1], overlap="skip")
    first = first._replace(firings=[*first.firings, firing(schedule.id, now_ms)])
    store.firings.fire([first], now_ms)
    expected = outcomes(store, schedule)[::-1]
    assert expected == [(now_ms, "skipped_overlap"), (now_ms, "missed"), (now_ms, "created"), (now_ms - 1, "missed")]
    while not found or cursor is not None:
        page, cursor = store.firings.page(schedule.id, 1, cursor)
        found += page
        now_ms = clock.advance(60_000)
        store.firings.fire([due(read(store, schedule.id))], now_ms)
    assert [(note.at_ms, note.outcome) for note in found] == expected


def test_firings_are_paged_newest_first(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    for _ in range(5):
        now_ms = clock.advance(60_000)
        store.firings.fire([due(read(store, schedule.id))], now_ms)
    found, cursor = store.firings.page(schedule.id, 2, None)
    while cursor is not None:
        more, cursor = store.firings.page(schedule.id, 2, cursor)
        found += more
    assert [note.at_ms for note in found] == [clock() - number * 60_000 for number in range(5)]
    assert [note.task_id for note in reversed(found)] == tasks_of(store, schedule)


def test_a_paused_schedule_does_not_fire_and_a_resumed_one_does(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    active, paused = ScheduleStatus.ACTIVE, ScheduleStatus.PAUSED
    assert store.schedules.move(schedule.id, clock(), active, paused, None) == (active, paused)
    assert store.schedules.move(schedule.id, clock(), active, paused, None) == (paused, paused)
    now_ms = clock.advance(60_000)
    assert store.firings.due(now_ms, 10) == []
    assert store.firings.fire([due(schedule)], now_ms) == 0
    with store.subscriber.watch(store.keys.beat) as watch:
        assert store.subscriber.confirm(store.keys.beat, 15)
        assert store.schedules.move(schedule.id, now_ms, paused, active, now_ms + 1_000) == (paused, active)
        assert watch.wait(5), "a sleeping beat was not woken"
    assert store.firings.next_due_ms() == now_ms + 1_000
    assert store.schedules.move(NOBODY, now_ms, active, paused, None) == ("", "")


def test_a_change_based_on_an_outdated_view_changes_nothing(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock(), tags=["a"])
    schedule_of_calls = replace(schedule, spec=API_SCHEDULE_SPEC)
    new = changed(schedule_of_calls, name="new", tags=["b"], kind=Kind.API, next_run_ms=clock() + 5)
    assert store.schedules.change(schedule, new, clock.advance(1))
    assert not store.schedules.change(schedule, changed(schedule, name="late"), clock())
    after = read(store, schedule.id)
    assert after == replace(new, updated_ms=clock(), revision="2")
    assert [one.id for one in store.schedules.page(ScheduleFilters(kind=Kind.API, tag="b"), 10).items] == [schedule.id]
    assert store.schedules.page(ScheduleFilters(kind=Kind.CODE), 10).items == []


def test_a_manual_run_leaves_the_next_firing_unchanged(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    task_id = new_id(clock())
    task = new_task(clock(), id=task_id, task_type=TaskType.SCHEDULED, scheduled_task_id=schedule.id)
    assert store.schedules.run_now(schedule.id, task, clock())
    after = read(store, schedule.id)
    assert (after.next_run_ms, after.run_count, after.last_task_id) == (schedule.next_run_ms, 1, task_id)
    assert not store.schedules.run_now(NOBODY, new_task(clock()), clock())


def test_a_manual_run_does_not_count_for_max_runs(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    assert store.schedules.run_now(schedule.id, new_task(clock()), clock())
    now_ms = clock.advance(60_000)
    store.firings.fire([due(schedule, max_runs=2)], now_ms)
    after = read(store, schedule.id)
    assert (after.status, after.run_count) == (ScheduleStatus.ACTIVE, 2)


def test_a_deleted_schedule_leaves_only_its_tasks(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock(), tags=["a"], key="k")
    now_ms = clock.advance(60_000)
    store.firings.fire([due(schedule)], now_ms)
    (task_id,) = tasks_of(store, schedule)
    assert store.schedules.delete(schedule.id)
    assert not store.schedules.delete(schedule.id)
    assert tasks_of(store, schedule) == [task_id]
    claimed(store, task_id, now_ms)
    store.tasks.stop(task_id, now_ms, force=True)
    store.tasks.delete(task_id)
    left = {key for key in raw_redis.keys("*") if not key.startswith((*COUNTERS, "celeriac:call:"))}
    assert left <= {store.keys.seq, "celeriac:celeriac.code"}


def test_the_tasks_of_firings_are_found_by_name(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    for name in ("Nächtlich", "hourly"):
        store.firings.fire([due(scheduled(store, clock(), name=name))], clock() + 60_000)
    (found,) = store.listing.page(Filters(name=name_pattern("NÄCHT*")), 10).items
    assert found.name == "Nächtlich"
    assert store.tasks.delete(found.id) == "queued"
    assert raw_redis.zrange(store.keys.names, 0, -1) == ["hourly"]


NAMES = ("nightly", "Night", 'a:b"*', "Ü")
PATTERNS = (*NAMES, "n", "x", "N*", "*GHT", "*igh*", "ü", "A:*")
TAGS = ("a", "a:b", "ü*")
ENDS = (None, SUCCEEDED, FAILED, STOPPED)
MADE = st.tuples(
    st.sampled_from(Kind),
    st.sampled_from(ScheduleStatus),
    st.sampled_from(NAMES),
    st.sets(st.sampled_from(TAGS)),
    st.sampled_from(ENDS),
)
FILTERS = st.builds(
    ScheduleFilters,
    status=st.none() | st.sampled_from(ScheduleStatus),
    kind=st.none() | st.sampled_from(Kind),
    name=st.none() | st.sampled_from(PATTERNS).map(name_pattern),
    tag=st.none() | st.sampled_from([*TAGS, "b"]),
    last_outcome=st.none() | st.sampled_from(sorted(FINISHED)),
)


@given(
    made=st.lists(st.tuples(MADE, st.sampled_from([1, 2, 3])), max_size=20),
    filters=FILTERS,
    limit=st.sampled_from([1, 3, 200]),
    scan=st.sampled_from([2, 50]),
    order=st.sampled_from(ScheduleOrder),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pages_contain_exactly_the_matches_in_order(
    store: Store,
    raw_redis: redis.Redis,
    made: list[Any],
    filters: ScheduleFilters,
    limit: int,
    scan: int,
    order: ScheduleOrder,
) -> None:
    raw_redis.flushdb()
    clock = VirtualClock()
    expected: list[tuple[int, str]] = []
    for (kind, status, name, tags, end), minutes in made:
        next_run_ms = clock() + 60_000 * minutes
        schedule = scheduled(store, clock(), kind=kind, name=name, tags=sorted(tags), next_run_ms=next_run_ms)
        if status is not ScheduleStatus.ACTIVE:
            store.schedules.move(schedule.id, clock(), ScheduleStatus.ACTIVE, status, None)
        if end is not None:
            finished(store, clock(), end, scheduled_task_id=schedule.id)
        ended = filters.last_outcome in (None, read(store, schedule.id).last_outcome)
        named = filters.name is None or filters.name.matches(name)
        fits = filters.status in (None, status) and filters.kind in (None, kind)
        listed = order is ScheduleOrder.CREATED or status is ScheduleStatus.ACTIVE
        if listed and named and fits and ended and (filters.tag is None or filters.tag in tags):
            expected.append((next_run_ms, schedule.id))
    if order is ScheduleOrder.CREATED:
        expected.reverse()
    else:
        expected.sort()  # those that fire at the same time: by their ids, as Redis has them
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schedules_module, "SCAN_PER_PAGE", scan)
        found: list[str] = []
        cursor = None
        while True:
            page = store.schedules.page(filters, limit, cursor, order)
            found += [schedule.id for schedule in page.items]
            assert len(page.items) <= limit
            if page.cursor is None:
                break
            assert page.cursor != cursor
            cursor = page.cursor
    assert found == [schedule_id for _, schedule_id in expected]


def test_pages_by_the_next_firing_miss_nothing_while_schedules_fire(store: Store, clock: VirtualClock) -> None:
    at_once = sorted(scheduled(store, clock()).id for _ in range(5))
    page = store.schedules.page(ScheduleFilters(), 2, None, ScheduleOrder.NEXT_RUN)
    assert [schedule.id for schedule in page.items] == at_once[:2]
    clock.advance(60_000)
    for schedule_id in at_once[:3]:  # the first two and the next one fire: those that are left stand elsewhere
        store.firings.fire([due(read(store, schedule_id))], clock())
    rest = store.schedules.page(ScheduleFilters(), 2, page.cursor, ScheduleOrder.NEXT_RUN)
    assert [schedule.id for schedule in rest.items] == at_once[3:]
    again = store.schedules.page(ScheduleFilters(), 9, rest.cursor, ScheduleOrder.NEXT_RUN)
    assert [schedule.id for schedule in again.items] == at_once[:3], "their next firing is later"


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ([SUCCEEDED], (Status.SUCCEEDED, 0, 1, 0)),
        ([FAILED, FAILED], (Status.FAILED, 2, 0, 2)),
        ([FAILED, FAILED, SUCCEEDED], (Status.SUCCEEDED, 0, 1, 2)),
        ([FAILED, STOPPED], (Status.STOPPED, 1, 0, 1)),  # a stop is not a failure, and ends no streak
    ],
)
def test_it_knows_how_its_tasks_have_ended(
    store: Store, clock: VirtualClock, ends: list[Outcome], expected: tuple[Status, int, int, int]
) -> None:
    schedule = scheduled(store, clock())
    assert (schedule.last_outcome, schedule.failure_streak) == (None, 0)
    for outcome in ends:
        finished(store, clock.advance(1), outcome, scheduled_task_id=schedule.id)
    found = read(store, schedule.id)
    assert (found.last_outcome, found.failure_streak, found.succeeded_count, found.failed_count) == expected


def test_a_task_leaves_nothing_of_a_schedule_that_was_deleted(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    store.schedules.delete(schedule.id)
    finished(store, clock(), FAILED, scheduled_task_id=schedule.id)
    assert store.schedules.get(schedule.id) is None
