"""Signs of life, and how long they count."""

from __future__ import annotations

from app.store.liveness import FORGET_MS, SILENCE_MS, Beat
from app.store.store import Store
from tests.conftest import VirtualClock


def test_a_worker_is_there_with_what_it_says_until_it_is_silent_for_too_long(store: Store, clock: VirtualClock) -> None:
    store.liveness.worker_alive("celery@ü", {"queues": ["celeriac.code"], "pid": 7}, clock())
    expected = [{"hostname": "celery@ü", "seen_ms": clock(), "queues": ["celeriac.code"], "pid": 7}]
    assert store.liveness.workers(clock()) == expected
    assert store.liveness.workers(clock.advance(SILENCE_MS)) == expected
    assert store.liveness.workers(clock.advance(1)) == []


def test_a_worker_that_ends_says_so(store: Store, clock: VirtualClock) -> None:
    for name in ("one", "two"):
        store.liveness.worker_alive(name, {}, clock())
    store.liveness.worker_gone("one")
    assert [worker["hostname"] for worker in store.liveness.workers(clock())] == ["two"]


def test_who_was_silent_for_a_minute_is_forgotten(store: Store, clock: VirtualClock) -> None:
    store.liveness.worker_alive("old", {}, clock())
    store.liveness.beat_ticked("old", clock())
    store.liveness.worker_alive("new", {}, clock.advance(FORGET_MS))
    store.liveness.beat_ticked("new", clock())
    store.liveness.beat_gone("new")
    assert store.liveness.last_beat() is None


def test_the_beat_that_ticked_last_is_told_alive_or_not(store: Store, clock: VirtualClock) -> None:
    assert store.liveness.last_beat() is None
    store.liveness.beat_ticked("one", clock())
    store.liveness.beat_ticked("two", clock.advance(1_000))
    assert store.liveness.last_beat() == Beat("two", clock())
    store.liveness.beat_gone("two")
    assert store.liveness.last_beat() == Beat("one", clock() - 1_000)


def test_a_ping_that_works_says_nothing(store: Store) -> None:
    store.liveness.ping()


def test_a_clock_that_was_set_back_leaves_nobody_alive_who_is_gone(store: Store, clock: VirtualClock) -> None:
    store.liveness.worker_alive("gone", {}, clock())
    store.liveness.beat_ticked("gone", clock())
    hour_ago = clock() - 3_600_000
    assert store.liveness.workers(hour_ago) == []
    beat = store.liveness.last_beat()
    assert beat is not None
    assert (beat.is_alive(clock()), beat.is_alive(hour_ago)) == (True, False)
    store.liveness.beat_ticked("lives", hour_ago)
    assert store.liveness.last_beat() == Beat("lives", hour_ago), "the one from the future hides nobody"
