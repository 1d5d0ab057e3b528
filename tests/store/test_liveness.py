"""Heartbeats and their lifetime."""

from __future__ import annotations

from app.store.heartbeats import SILENCE_MS, Beat
from app.store.liveness import FORGET_MS
from app.store.store import Store
from tests.conftest import VirtualClock


def test_a_worker_is_listed_with_its_facts_until_its_heartbeat_is_too_old(store: Store, clock: VirtualClock) -> None:
    store.liveness.worker_alive("celery@ü", {"queues": ["celeriac.code"], "pid": 7}, clock())
    expected = [{"hostname": "celery@ü", "seen_ms": clock(), "queues": ["celeriac.code"], "pid": 7}]
    assert store.liveness.workers(clock()) == expected
    assert store.liveness.workers(clock.advance(SILENCE_MS - 1)) == expected
    assert store.liveness.workers(clock.advance(1)) == []


def test_a_worker_and_a_beat_count_as_gone_after_the_same_silence(store: Store, clock: VirtualClock) -> None:
    store.liveness.worker_alive("w", {}, clock())
    store.liveness.beat_ticked("b", clock())
    beat = store.liveness.last_beat()
    assert beat is not None
    for ms, is_alive in ((SILENCE_MS - 1, True), (SILENCE_MS, False), (1 - SILENCE_MS, True), (-SILENCE_MS, False)):
        now_ms = clock() + ms
        found = [bool(store.liveness.workers(now_ms)), bool(store.liveness.beats(now_ms)), beat.is_alive(now_ms)]
        assert found == [is_alive] * 3, ms


def test_a_worker_that_shuts_down_is_removed(store: Store, clock: VirtualClock) -> None:
    for name in ("one", "two"):
        store.liveness.worker_alive(name, {}, clock())
    store.liveness.worker_gone("one")
    assert [worker["hostname"] for worker in store.liveness.workers(clock())] == ["two"]


def test_a_worker_is_forgotten_after_a_minute_without_heartbeat(store: Store, clock: VirtualClock) -> None:
    store.liveness.worker_alive("old", {}, clock())
    store.liveness.beat_ticked("old", clock())
    store.liveness.worker_alive("new", {}, clock.advance(FORGET_MS))
    store.liveness.beat_ticked("new", clock())
    store.liveness.beat_gone("new")
    assert store.liveness.last_beat() is None


def test_the_last_beat_is_returned_alive_or_not(store: Store, clock: VirtualClock) -> None:
    assert store.liveness.last_beat() is None
    store.liveness.beat_ticked("one", clock())
    store.liveness.beat_ticked("two", clock.advance(1_000))
    assert store.liveness.last_beat() == Beat("two", clock())
    store.liveness.beat_gone("two")
    assert store.liveness.last_beat() == Beat("one", clock() - 1_000)


def test_a_successful_ping_raises_nothing(store: Store) -> None:
    store.liveness.ping()


def test_setting_the_clock_back_keeps_no_dead_process_alive(store: Store, clock: VirtualClock) -> None:
    store.liveness.worker_alive("gone", {}, clock())
    store.liveness.beat_ticked("gone", clock())
    hour_ago = clock() - 3_600_000
    assert store.liveness.workers(hour_ago) == []
    beat = store.liveness.last_beat()
    assert beat is not None
    assert (beat.is_alive(clock()), beat.is_alive(hour_ago)) == (True, False)
    store.liveness.beat_ticked("lives", hour_ago)
    assert store.liveness.last_beat() == Beat("lives", hour_ago), "a beat with a future tick must not hide others"
