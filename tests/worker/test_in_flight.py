"""The attempts that a worker holds, and the threads that renew and stop them."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from typing import Any, cast

import pytest

from app.clock import system_clock
from app.domain.status import Kind
from app.settings import Settings
from app.store.store import Store
from app.store.tasks import Attempt
from app.usecases.dispatch import Dispatcher
from app.usecases.maintenance import Maintenance
from app.usecases.outages import GAP_SECONDS, REPORT_SECONDS, Outages
from tasks.heartbeat import Heartbeat
from tasks.leases.in_flight import InFlight
from tasks.watchdog import Watchdog
from tests.servers import wait_until
from tests.store.making import claimed, created

TASK_ID = "0198f3c2-5c1e-7a3b-9f21-3d0c8e6b1a42"


class Cancel:
    def __init__(self) -> None:
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


def attempt(epoch: int) -> Attempt:
    return Attempt(TASK_ID, epoch, epoch, Kind.CODE, 0, {})


def test_two_attempts_of_one_task_are_both_held_and_both_ended() -> None:
    """A worker that slept for longer than a lease may be given the task again while it is still running it."""
    running, old, new = InFlight(), Cancel(), Cancel()
    with running(attempt(1), old, lease_ends=1):
        with running(attempt(2), new, lease_ends=9):
            assert {one.epoch for one in running.attempts()} == {1, 2}
            assert running.lose_leases(until=5) == 1
            assert (old.is_cancelled, new.is_cancelled) == (True, False)
            assert running.cancel(TASK_ID)
            assert new.is_cancelled
        assert [one.epoch for one in running.attempts()] == [1], "the end of one attempt leaves the other"
    assert running.attempts() == []
    assert not running.cancel(TASK_ID)


def test_a_stop_that_comes_before_its_attempt_is_held_still_ends_it() -> None:
    """A stop between the claim and this entry finds nothing to end; only the next renewal would, seconds later."""
    running, stopped, other = InFlight(), Cancel(), Cancel()
    assert not running.cancel(TASK_ID)
    with running(attempt(1), stopped, lease_ends=9), running(replace(attempt(1), task_id="other"), other, lease_ends=9):
        assert (stopped.is_cancelled, other.is_cancelled) == (True, False)


def test_a_lease_is_lost_when_its_end_has_come() -> None:
    running, cancel = InFlight(), Cancel()
    with running(attempt(1), cancel, lease_ends=5) as held:
        assert running.lose_leases(until=4.9) == 0
        assert running.lose_leases(until=5) == 1
        assert (held.lease_is_lost, held.is_given_back, cancel.is_cancelled) == (True, False, True)


def test_a_worker_that_ends_gives_back_all_that_it_holds() -> None:
    running, cancels = InFlight(), [Cancel(), Cancel()]
    with running(attempt(1), cancels[0], lease_ends=5) as one, running(attempt(2), cancels[1], lease_ends=5) as other:
        running.give_back_all()
        for held, cancel in zip((one, other), cancels, strict=True):
            assert (held.is_given_back, held.lease_is_lost, cancel.is_cancelled) == (True, False, True)


class _Broken:
    def __init__(self) -> None:
        self.calls = 0

    def begin_tick(self) -> None:
        """Note nothing."""

    def run(self, now_ms: int) -> None:
        self.calls += 1
        raise ValueError("a record that nobody expected")


class _Watchdog:
    def check(self, now: float) -> None:
        """Find nothing wrong."""


def test_a_defect_in_the_recovery_does_not_keep_a_worker_from_renewing_its_leases(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    running, broken = InFlight(), _Broken()
    held = claimed(store, created(store, system_clock()), system_clock())

    def facts() -> dict[str, Any]:
        return {}

    heartbeat = Heartbeat(
        store, running, cast(Maintenance, broken), "one@test", facts, 1.0, cast(Watchdog, _Watchdog()), system_clock
    )
    with running(held, Cancel(), lease_ends=0) as one:
        heartbeat.start()
        try:
            wait_until(lambda: broken.calls >= 3, 10, "three failures of the recovery")
            ends = one.lease_ends
            wait_until(lambda: one.lease_ends > ends, 10, "a renewal of the lease")
        finally:
            heartbeat.stop()
    assert any(vars(record)["action"] == "heartbeat_failed" for record in caplog.records)


def test_a_worker_notices_an_outage_of_redis_also_while_a_beat_is_alive(store: Store, dispatcher: Dispatcher) -> None:
    store.liveness.beat_ticked("beat@test", system_clock())
    maintenance, seconds = Maintenance(store, dispatcher, Settings(), "one@test"), 0.0
    outages = maintenance.recovery.outages = Outages(lambda: seconds)
    heartbeat = Heartbeat(
        store, InFlight(), maintenance, "one@test", dict, 1.0, cast(Watchdog, _Watchdog()), system_clock
    )
    for after, has_just_ended in ((0, True), (REPORT_SECONDS, False), (GAP_SECONDS, False), (GAP_SECONDS + 0.1, True)):
        seconds += after
        heartbeat._tick()
        assert outages.has_just_ended is has_just_ended


class _Slow:
    """A recovery that takes for ever."""

    def __init__(self) -> None:
        self.began, self.go_on = threading.Event(), threading.Event()

    def begin_tick(self) -> None:
        """Note nothing."""

    def run(self, now_ms: int) -> None:
        self.began.set()
        self.go_on.wait(30)


def test_a_recovery_that_takes_long_does_not_keep_leases_from_being_renewed(store: Store) -> None:
    running, slow = InFlight(), _Slow()
    held = claimed(store, created(store, system_clock()), system_clock())
    watchdog = cast(Watchdog, _Watchdog())
    heartbeat = Heartbeat(store, running, cast(Maintenance, slow), "one@test", dict, 1.0, watchdog, system_clock)
    with running(held, Cancel(), lease_ends=0) as one:
        heartbeat.start()
        try:
            assert slow.began.wait(10)
            ends = one.lease_ends
            wait_until(lambda: one.lease_ends > ends, 10, "a renewal while the recovery goes on")
            assert not slow.go_on.is_set()
        finally:
            slow.go_on.set()
            heartbeat.stop()
