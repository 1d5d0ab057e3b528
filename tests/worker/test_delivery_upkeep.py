"""The maintenance of deliveries: what it puts back, what it removes, and what it says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.clock import ClockSteps
from app.domain.deliveries import DeliveryStatus
from app.settings import Settings
from app.store.deliveries import DeliveryFilters, NewDelivery
from app.store.store import Store
from app.usecases.dispatch import Dispatcher
from app.usecases.maintenance import Maintenance
from tests.conftest import VirtualClock

NEW = NewDelivery("test", channel="ops", data={})


def maintenance(
    store: Store, dispatcher: Dispatcher, steps: ClockSteps | None = None, **settings: float
) -> Maintenance:
    return Maintenance(store, dispatcher, replace(Settings(), **settings), "beat@test", steps)  # type: ignore[arg-type]


def count(store: Store) -> int:
    return len(store.deliveries.page(DeliveryFilters(), 200).items)


def test_a_lost_try_is_put_back(
    store: Store, dispatcher: Dispatcher, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    delivery_id = store.deliveries.add(NEW, clock())
    store.deliveries.claim(clock(), clock() + 1_000, 10)
    beat = maintenance(store, dispatcher)
    beat.run(clock.advance(1_000))
    assert store.deliveries.claim(clock(), clock() + 1_000, 10) == []
    beat.run(clock.advance(1))
    assert "deliveries were lost with a worker" in caplog.text
    assert [one.id for one in store.deliveries.claim(clock(), clock() + 1_000, 10)] == [delivery_id]


def test_a_clock_that_was_set_forward_takes_no_try_from_a_live_worker(
    store: Store, dispatcher: Dispatcher, clock: VirtualClock
) -> None:
    store.deliveries.add(NEW, clock())
    (delivery,) = store.deliveries.claim(clock(), clock() + 1_000, 10)
    beat = maintenance(store, dispatcher, ClockSteps(clock(), steady=lambda: 0.0))
    beat.run(clock.advance(3_600_000))
    assert store.deliveries.end_try(delivery, clock(), DeliveryStatus.DELIVERED) == "delivered"


def test_it_trims_once_a_second_by_age_and_number(store: Store, dispatcher: Dispatcher, clock: VirtualClock) -> None:
    def add(number: int) -> None:
        for _ in range(number):
            store.deliveries.add(NEW, clock())
        for delivery in store.deliveries.claim(clock(), clock() + 1_000, number):
            store.deliveries.end_try(delivery, clock(), DeliveryStatus.FAILED)

    beat = maintenance(store, dispatcher, delivery_ttl=60.0, max_deliveries=5)
    add(7)
    beat.run(clock())
    assert count(store) == 5
    add(1)
    beat.run(clock.advance(999))
    assert count(store) == 6
    beat.run(clock.advance(1))
    assert count(store) == 5
    beat.run(clock.advance(60_001))
    assert count(store) == 0


def test_it_says_so_when_pending_deliveries_have_to_go(
    store: Store, dispatcher: Dispatcher, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        store.deliveries.add(NEW, clock())
    maintenance(store, dispatcher, max_deliveries=2).run(clock())
    assert count(store) == 2
    assert "MAX_DELIVERIES" in caplog.text
