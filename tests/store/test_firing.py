"""What one call of the firing service takes, and what it leaves for the next one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from app.store.listing import Filters
from app.store.record import Task
from app.store.store import Store
from app.usecases.dispatch import Dispatcher
from app.usecases.firing import SECONDS_PER_CALL, FiringService
from tests.conftest import VirtualClock
from tests.store.making import PlainMessages, scheduled


def beat_of(store: Store, clock: VirtualClock, steady: Callable[[], float]) -> FiringService:
    return FiringService(store, Dispatcher(PlainMessages(), 5.0), clock, steady=steady)


def tasks(store: Store) -> list[Task]:
    """Those that were created, newest first."""
    return store.listing.page(Filters(), 200).items


def test_a_call_ends_in_time_and_the_next_one_takes_the_rest(store: Store, clock: VirtualClock) -> None:
    for _ in range(3):
        scheduled(store, clock())
    clock.advance(60_000)
    beat = beat_of(store, clock, count(0.0, 0.6 * SECONDS_PER_CALL).__next__)  # one plan takes that long
    assert beat.fire_due(10) == 2
    assert store.firings.next_due_ms() == clock(), "nothing is due"
    later_ms = clock.advance(5_000)
    assert beat.fire_due(10) == 1
    assert [task.created_ms for task in tasks(store)] == [later_ms, later_ms - 5_000, later_ms - 5_000]


def test_a_call_makes_progress_however_long_a_plan_takes(store: Store, clock: VirtualClock) -> None:
    scheduled(store, clock())
    clock.advance(60_000)
    assert beat_of(store, clock, count(0.0, 100 * SECONDS_PER_CALL).__next__).fire_due(10) == 1
