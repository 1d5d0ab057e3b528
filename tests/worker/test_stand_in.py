"""When beat sends deliveries: while no live worker does."""

from __future__ import annotations

from app.store.store import Store
from tasks.deliveries.stand_in import LOOK_EVERY_MS, StandIn
from tests.conftest import VirtualClock


def test_it_is_needed_while_no_worker_for_api_tasks_lives(store: Store, clock: VirtualClock) -> None:
    stand_in = StandIn(store.liveness, clock)
    assert stand_in.is_needed()
    store.liveness.worker_alive("code@here", {"queues": ["celeriac.code"]}, clock())
    clock.advance(LOOK_EVERY_MS)
    assert stand_in.is_needed()
    store.liveness.worker_alive("both@here", {"queues": ["celeriac.code", "celeriac.api"]}, clock())
    assert stand_in.is_needed(), "it has just looked"
    clock.advance(LOOK_EVERY_MS)
    assert not stand_in.is_needed()
    store.liveness.worker_gone("both@here")
    clock.advance(LOOK_EVERY_MS)
    assert stand_in.is_needed()


def test_a_worker_that_was_killed_is_missed_and_a_clock_that_is_set_back_changes_nothing(
    store: Store, clock: VirtualClock
) -> None:
    stand_in = StandIn(store.liveness, clock)
    store.liveness.worker_alive("api@here", {"queues": ["celeriac.api"]}, clock())
    assert not stand_in.is_needed()
    clock.advance(11_000)
    assert stand_in.is_needed()
    clock.advance(-11_000)
    assert not stand_in.is_needed()
