"""ALERT_CHANNELS and HEARTBEAT_URL: what is found wrong on a real Redis, and who is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from app.domain.alerts.service import AWAY_MS
from app.domain.channels.notice import Notice, NoticeType, message_of
from app.domain.errors import Unavailable
from app.settings import Settings, SettingsError, read_settings
from app.store.deliveries import DeliveryFilters
from app.store.store import Store
from app.usecases.service_watch import LOOK_EVERY_MS, ServiceWatch
from tasks.heartbeat_call import EVERY_SECONDS, LOOK_SECONDS, HeartbeatCall
from tests.conftest import VirtualClock
from tests.http.target import OK, Target, answering, http
from tests.servers import used_memory_bytes, wait_until
from tests.store.making import created
from tests.worker.conftest import Start

LATE_SECONDS = 300.0


@pytest.fixture
def watch(store: Store) -> ServiceWatch:
    return ServiceWatch(store, ["ops"], LATE_SECONDS)


@pytest.fixture
def keep_well(store: Store, clock: VirtualClock) -> Callable[..., None]:
    """Reports a beat and a worker for each queue, except those that are left out."""

    def keep_well(*without: str) -> None:
        if "beat" not in without:
            store.liveness.beat_ticked("beat@here", clock())
        for queue in ("celeriac.code", "celeriac.api"):
            if queue not in without:
                store.liveness.worker_alive(f"{queue}@here", {"queues": [queue]}, clock())

    return keep_well


def told(store: Store) -> list[tuple[str, str, str]]:
    """Type, subject and detail of every notice, oldest first."""
    items = store.deliveries.page(DeliveryFilters(channel="ops"), 200).items
    data: list[Any] = [item.data for item in reversed(items)]
    return [(one["type"], one["subject"], one.get("reason", "")) for one in data]


def look_for(
    watch: ServiceWatch, clock: VirtualClock, keep_well: Callable[..., None], seconds: int, *without: str
) -> None:
    """Look every five seconds for so long."""
    for _ in range(0, seconds * 1000, LOOK_EVERY_MS):
        clock.advance(LOOK_EVERY_MS)
        keep_well(*without)
        watch.run(clock())


def test_all_is_well(store: Store, watch: ServiceWatch, clock: VirtualClock, keep_well: Callable[..., None]) -> None:
    look_for(watch, clock, keep_well, 120)
    assert told(store) == []
    assert watch.findings(clock()) == {}


def test_a_worker_that_lives_and_fetches_nothing_serves_no_queue(
    store: Store, watch: ServiceWatch, clock: VirtualClock, keep_well: Callable[..., None]
) -> None:
    """As `/health` and the metrics count it."""
    keep_well()
    store.liveness.worker_alive("celeriac.api@here", {"queues": ["celeriac.api"], "consuming": False}, clock())
    assert watch.findings(clock()) == {"workers:celeriac.api": ("workers", "celeriac.api")}


@pytest.mark.parametrize(
    ("missing", "subject", "detail"),
    [("beat", "beat", ""), ("celeriac.code", "workers", "celeriac.code"), ("celeriac.api", "workers", "celeriac.api")],
)
def test_a_beat_or_workers_that_are_away_are_told_once_and_their_return(
    store: Store,
    watch: ServiceWatch,
    clock: VirtualClock,
    keep_well: Callable[..., None],
    missing: str,
    subject: str,
    detail: str,
) -> None:
    look_for(watch, clock, keep_well, 60)
    look_for(watch, clock, keep_well, 35, missing)
    assert told(store) == []  # 10 s until it counts as gone, and 30 s of patience
    look_for(watch, clock, keep_well, 120, missing)
    assert told(store) == [("trouble", subject, detail)]
    look_for(watch, clock, keep_well, 10)
    assert told(store) == [("trouble", subject, detail), ("well", subject, detail)]


def test_a_queue_whose_oldest_task_waits_too_long_is_told(
    store: Store, watch: ServiceWatch, clock: VirtualClock, keep_well: Callable[..., None]
) -> None:
    task_id = created(store, clock())
    look_for(watch, clock, keep_well, 295)
    assert "queue:celeriac.code" not in watch.findings(clock())
    look_for(watch, clock, keep_well, 60)
    assert told(store) == [("trouble", "queue", "celeriac.code")]
    store.tasks.stop(task_id, clock())
    look_for(watch, clock, keep_well, 10)
    assert told(store)[-1] == ("well", "queue", "celeriac.code")


def test_a_memory_that_fills_is_told_and_so_are_refused_writes(
    store: Store, watch: ServiceWatch, clock: VirtualClock, keep_well: Callable[..., None], raw_redis: redis.Redis
) -> None:
    raw_redis.setrange("ballast", 20_000_000, "x")  # of which a server that has just started takes little more
    used_bytes = used_memory_bytes(raw_redis)
    try:
        raw_redis.config_set("maxmemory", str(round(used_bytes / 0.9)))
        look_for(watch, clock, keep_well, 60)
        assert [subject for _, subject, _ in told(store)] == ["memory"]
        raw_redis.config_set("maxmemory", str(used_bytes // 2))
        look_for(watch, clock, keep_well, 60)
        assert [subject for _, subject, _ in told(store)] == ["memory", "writes"]
    finally:
        raw_redis.config_set("maxmemory", "0")
        raw_redis.delete("ballast")
    look_for(watch, clock, keep_well, 10)
    assert sorted(told(store)[2:]) == [("well", "memory", told(store)[2][2]), ("well", "writes", told(store)[3][2])]


def test_a_service_that_was_away_as_a_whole_is_told_by_the_first_that_returns(
    store: Store, watch: ServiceWatch, clock: VirtualClock, keep_well: Callable[..., None]
) -> None:
    look_for(watch, clock, keep_well, 60)
    clock.advance(3_600_000)
    look_for(watch, clock, keep_well, 60)
    look_for(ServiceWatch(store, ["ops"], LATE_SECONDS), clock, keep_well, 60)
    assert told(store) == [("well", "away", "")]


def test_refused_writes_are_told_once_they_are_over_and_not_as_a_missing_beat(
    store: Store, watch: ServiceWatch, clock: VirtualClock, keep_well: Callable[..., None], raw_redis: redis.Redis
) -> None:
    look_for(watch, clock, keep_well, 60)
    raw_redis.config_set("min-replicas-to-write", "1")
    try:
        with pytest.raises(Unavailable):
            look_for(watch, clock, keep_well, 5)
        with pytest.raises(Unavailable):
            watch.run(clock.advance(AWAY_MS))
    finally:
        raw_redis.config_set("min-replicas-to-write", "0")
    look_for(watch, clock, keep_well, 10)
    assert told(store) == [("well", "away", "")]
    away = Notice(NoticeType.WELL, "away", clock())
    assert "or Redis was away or refused writes" in message_of(away, "en", "").headline
    assert "或者 Redis 不可用、拒绝写入" in message_of(away, "zh", "").headline


def test_without_channels_nothing_is_stored(
    store: Store, clock: VirtualClock, keep_well: Callable[..., None], raw_redis: redis.Redis
) -> None:
    look_for(ServiceWatch(store, [], LATE_SECONDS), clock, keep_well, 60, "beat")
    assert raw_redis.keys("celeriac:alerts:*") == []


def test_a_while_without_channels_is_no_absence(
    store: Store, watch: ServiceWatch, clock: VirtualClock, keep_well: Callable[..., None]
) -> None:
    look_for(watch, clock, keep_well, 60)
    look_for(ServiceWatch(store, [], LATE_SECONDS), clock, keep_well, 120)
    look_for(ServiceWatch(store, ["ops"], LATE_SECONDS), clock, keep_well, 60)
    assert told(store) == []


# --- HEARTBEAT_URL ----------------------------------------------------------------------------------


@pytest.fixture
def call_of(store: Store, clock: VirtualClock) -> Iterator[Callable[..., HeartbeatCall]]:
    """Makes calls of a URL, with these settings."""
    made: list[HeartbeatCall] = []

    def call_of(url: str, **settings: Any) -> HeartbeatCall:
        made.append(HeartbeatCall(Settings(heartbeat_url=url, **settings), store, clock))
        return made[-1]

    yield call_of
    for call in made:
        call.stop()


def test_the_url_is_called_while_all_is_well_by_one_beat_in_a_minute(
    call_of: Callable[..., HeartbeatCall],
    clock: VirtualClock,
    keep_well: Callable[..., None],
    raw_redis: redis.Redis,
) -> None:
    with Target(answering(OK)) as target:
        beats = [call_of(f"{target.url}/ping") for _ in range(3)]
        assert [beat.call_if_well() for beat in beats] == [False] * 3  # no beat, no worker
        keep_well()
        assert [beat.call_if_well() for beat in beats] == [True, False, False]
        left_ms: Any = raw_redis.pttl("celeriac:alerts:called")
        assert 0 < left_ms <= (EVERY_SECONDS - LOOK_SECONDS) * 1000
        raw_redis.delete("celeriac:alerts:called")
        keep_well("beat")
        clock.advance(20_000)
        assert [beat.call_if_well() for beat in beats] == [False] * 3
    assert [(one.method, one.path) for one in target.received] == [("GET", "/ping")]


def test_a_url_that_fails_is_logged_once_without_the_url(
    call_of: Callable[..., HeartbeatCall],
    keep_well: Callable[..., None],
    raw_redis: redis.Redis,
    caplog: pytest.LogCaptureFixture,
) -> None:
    keep_well()
    with Target(answering(http(status="500 No"), http(status="500 No"), OK)) as target:
        call = call_of(f"{target.url}/s3cret")
        results = []
        for _ in range(3):
            results.append(call.call_if_well())
            raw_redis.delete("celeriac:alerts:called")
    assert results == [False, False, True]
    assert [record.levelname for record in caplog.records if record.name == "celeriac.beat"] == ["WARNING"]
    assert "s3cret" not in caplog.text


def test_the_url_may_not_lead_where_tasks_may_not_go(
    call_of: Callable[..., HeartbeatCall], keep_well: Callable[..., None]
) -> None:
    keep_well()
    with Target(answering(OK)) as target:
        assert not call_of(target.url, host="0.0.0.0").call_if_well()
        assert target.connections == 0


def test_a_real_beat_calls_the_url(store: Store, start: Start, start_worker: Start) -> None:
    with Target(answering(OK)) as target:
        start_worker("one", "-Q", "celeriac.code,celeriac.api")
        start("beat", HEARTBEAT_URL=f"{target.url}/ping")
        wait_until(lambda: target.received, 30, "a call")


def test_a_beat_tells_which_channels_of_the_settings_do_not_exist(store: Store, start: Start, tmp_path: Path) -> None:
    file = tmp_path / "channels.toml"
    file.write_text('[ops]\nkind = "webhook"\nurl = "https://example.com/"\n')
    beat = start(
        "beat", CHANNELS_FILE=str(file), ALERT_CHANNELS="ops,oncall,night", ALERT_DEFAULT='{"channels": ["ops"]}'
    )
    beat.wait_for(
        "ALERT_CHANNELS names channels that do not exist; create them, or nobody is told action=channels_missing"
    )
    wait_until(store.liveness.last_beat, 60, "a first tick")
    assert 'channels="oncall, night"' in beat.output
    assert "ALERT_DEFAULT names" not in beat.output


def test_a_channel_that_is_named_twice_is_told_once() -> None:
    assert read_settings({"ALERT_CHANNELS": "ops,oncall,ops"}).alert_channels == ("ops", "oncall")


@pytest.mark.parametrize(
    ("name", "text"), [("HEARTBEAT_URL", "ftp://x"), ("ALERT_CHANNELS", "a b"), ("QUEUE_LATE_AFTER", "0")]
)
def test_wrong_settings_stop_the_process(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} "):
        read_settings({name: text})
