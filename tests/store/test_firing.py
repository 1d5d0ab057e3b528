"""What one call of the firing service takes, and what it leaves for the next one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from app.domain.firings import FIRINGS_PER_STEP
from app.store.listing import Filters
from app.store.record import Task
from app.store.store import Store
from app.usecases.admission import Admission
from app.usecases.dispatch import Dispatcher
from app.usecases.firing import SECONDS_PER_CALL, FiringService
from tests.conftest import VirtualClock
from tests.store.making import PlainMessages, scheduled


def beat_of(store: Store, clock: VirtualClock, **parts: Callable[..., Any]) -> FiringService:
    return FiringService(store, Dispatcher(PlainMessages(), 5.0), clock, **parts)


def tasks(store: Store) -> list[Task]:
    """Those that were created, newest first."""
    return store.listing.page(Filters(), 200).items


def test_a_call_ends_in_time_and_the_next_one_takes_the_rest(store: Store, clock: VirtualClock) -> None:
    for _ in range(3):
        scheduled(store, clock())
    clock.advance(60_000)
    beat = beat_of(store, clock, steady=count(0.0, 0.6 * SECONDS_PER_CALL).__next__)  # one plan takes that long
    assert beat.fire_due(10) == 2
    assert store.firings.next_due_ms() == clock(), "nothing is due"
    later_ms = clock.advance(5_000)
    assert beat.fire_due(10) == 1
    assert [task.created_ms for task in tasks(store)] == [later_ms, later_ms - 5_000, later_ms - 5_000]


def test_a_call_makes_progress_however_long_a_plan_takes(store: Store, clock: VirtualClock) -> None:
    scheduled(store, clock())
    clock.advance(60_000)
    assert beat_of(store, clock, steady=count(0.0, 100 * SECONDS_PER_CALL).__next__).fire_due(10) == 1


def test_a_call_ends_when_there_is_no_room_for_more_tasks_and_loses_nothing(store: Store, clock: VirtualClock) -> None:
    schedules = [scheduled(store, clock(), catch_up="all") for _ in range(3)]
    clock.advance(2 * FIRINGS_PER_STEP * 60_000)
    beat = beat_of(store, clock, steady=lambda: 0.0, has_room=Admission(store.admission, 150).has_room)
    assert beat.fire_due(10) == 2
    assert store.admission.waiting() == 2 * FIRINGS_PER_STEP, "more than one write beyond the limit"
    assert beat.fire_due(10) == 0
    rest = beat_of(store, clock, steady=lambda: 0.0)
    while rest.fire_due(10):
        pass
    for schedule in schedules:
        firings, _ = store.firings.page(schedule.id, 1_000, None)
        assert [(firing.at_ms, firing.outcome) for firing in firings] == [
            (clock() - 60_000 * number, "created") for number in range(2 * FIRINGS_PER_STEP)
        ]
