"""Without Redis, every method of the store raises Unavailable within 2 seconds."""

from __future__ import annotations

import inspect
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from app.domain.deliveries import DeliveryStatus
from app.domain.errors import Unavailable
from app.domain.outcome import Ending
from app.domain.status import Kind, ScheduleStatus, Status, TaskType
from app.store.deliveries import Delivery, DeliveryFilters, NewDelivery
from app.store.listing import Filters
from app.store.record import Task
from app.store.recovery import LostAttempt, Sendable
from app.store.schedules import ScheduleFilters
from app.store.store import Store
from app.store.tasks import Attempt
from tests.lateness import Lateness
from tests.servers import RedisServer
from tests.store.making import ENTRY, FAILED, MESSAGE, SUCCEEDED, WORKER_LOST, new_schedule, new_task

LIMIT_SECONDS = 2.0
#: So many threads wake up at the end of a wait, and take turns: with all calls at once, the last one counts theirs too.
CALLS_AT_ONCE = 25
ID = "01a20786-bb40-7dea-8c0d-e64779664cff"
ATTEMPT = Attempt(ID, 1, 1, Kind.CODE, 0, {})
TASK = Task(ID, "n", TaskType.DELAYED, Kind.CODE, Status.WAITING, 0, 0)
DELIVERY = Delivery(ID, "msg", "test", DeliveryStatus.PENDING, 0, task_id=ID)
LOST = LostAttempt(ID, "code", 5, 1, 1, 0, "w", "retry")
ACTIVE, PAUSED = ScheduleStatus.ACTIVE, ScheduleStatus.PAUSED

CALLS: dict[str, Callable[[Store], Any]] = {
    "tasks.create": lambda store: store.tasks.create([new_task(0)], 0),
    "tasks.get": lambda store: store.tasks.get(ID),
    "tasks.spec_of": lambda store: store.tasks.spec_of(ID),
    "tasks.specs_of": lambda store: store.tasks.specs_of([ID]),
    "tasks.expire": lambda store: store.tasks.expire(0, 10, "beat"),
    "batches.create": lambda store: store.batches.create(ID, [new_task(0)] * 101, 0),
    "batches.complete": lambda store: store.batches.complete(ID),
    "batches.incomplete": lambda store: store.batches.incomplete(10),
    "tasks.status": lambda store: store.tasks.status(ID),
    "listing.page": lambda store: store.listing.page(Filters(), 10),
    "listing.upcoming": lambda store: store.listing.upcoming(10),
    "failures.groups": lambda store: store.failures.groups(None, 10),
    "listing.position": lambda store: store.listing.position(),
    "tasks.claim": lambda store: store.tasks.claim(ID, "w", 0, 1),
    "tasks.finish": lambda store: store.tasks.finish(ATTEMPT, SUCCEEDED, 0, 1.0),
    "tasks.run_again": lambda store: store.tasks.run_again(
        ATTEMPT, FAILED, 0, 1.0, 0, MESSAGE, Ending.COUNTED, entry=ENTRY
    ),
    "tasks.change": lambda store: store.tasks.change(TASK, new_task(0), 0),
    "tasks.stop": lambda store: store.tasks.stop(ID, 0),
    "tasks.delete": lambda store: store.tasks.delete(ID),
    "tasks.renew": lambda store: store.tasks.renew([ATTEMPT], 0),
    "schedules.create": lambda store: store.schedules.create(new_schedule(0), 0),
    "schedules.change": lambda store: store.schedules.change(new_schedule(0), new_schedule(0), 0),
    "schedules.id_of_key": lambda store: store.schedules.id_of_key("k"),
    "schedules.get": lambda store: store.schedules.get(ID),
    "schedules.page": lambda store: store.schedules.page(ScheduleFilters(), 10),
    "schedules.move": lambda store: store.schedules.move(ID, 0, ACTIVE, PAUSED, None),
    "schedules.retime": lambda store: store.schedules.retime([], 0, ""),
    "schedules.zone_version": lambda store: store.schedules.zone_version(),
    "schedules.delete": lambda store: store.schedules.delete(ID),
    "firings.due": lambda store: store.firings.due(0, 10),
    "firings.next_due_ms": lambda store: store.firings.next_due_ms(),
    "firings.fire": lambda store: store.firings.fire([], 0),
    "firings.fire_each": lambda store: store.firings.fire_each([[]], 0),
    "firings.page": lambda store: store.firings.page(ID, 10, None),
    "schedules.run_now": lambda store: store.schedules.run_now(ID, new_task(0), 0),
    "recovery.waiting_until": lambda store: store.recovery.waiting_until(0, 10),
    "recovery.next_due_ms": lambda store: store.recovery.next_due_ms(),
    "recovery.oldest_queued": lambda store: store.recovery.oldest_queued(),
    "recovery.lists_with_old": lambda store: store.recovery.lists_with_old(0),
    "recovery.queued_until": lambda store: store.recovery.queued_until(Kind.CODE, 5, 0, 10),
    "recovery.message_ms": lambda store: store.recovery.message_ms(Kind.CODE, 5, ID),
    "recovery.oldest_message": lambda store: store.recovery.oldest_message("q"),
    "recovery.drop_messages": lambda store: store.recovery.drop_messages(["q"], 10),
    "recovery.queued_ms": lambda store: store.recovery.queued_ms(Kind.CODE, 5, ID),
    "recovery.send": lambda store: store.recovery.send([(Sendable(ID, "code", 5, 0), MESSAGE)], 0),
    "recovery.sendable": lambda store: store.recovery.sendable([ID]),
    "recovery.hand_back": lambda store: store.recovery.hand_back([(Sendable(ID, "code", 5, 0), MESSAGE)]),
    "recovery.mark_overdue": lambda store: store.recovery.mark_overdue(0, 0, 10),
    "recovery.expired_leases": lambda store: store.recovery.expired_leases(0, 10),
    "recovery.take_back": lambda store: store.recovery.take_back(LOST, 0, MESSAGE, 3, WORKER_LOST, ENTRY),
    "deliveries.add": lambda store: store.deliveries.add(NewDelivery("test"), 0),
    "deliveries.get": lambda store: store.deliveries.get(ID),
    "deliveries.page": lambda store: store.deliveries.page(DeliveryFilters(), 10),
    "deliveries.subject": lambda store: store.deliveries.subject(DELIVERY),
    "deliveries.is_any_due": lambda store: store.deliveries.is_any_due(0),
    "deliveries.claim": lambda store: store.deliveries.claim(0, 1, 10),
    "deliveries.end_try": lambda store: store.deliveries.end_try(DELIVERY, 0, DeliveryStatus.DELIVERED),
    "deliveries.take_back": lambda store: store.deliveries.take_back(0, 10),
    "deliveries.replay": lambda store: store.deliveries.replay(ID, 0),
    "deliveries.trim": lambda store: store.deliveries.trim(0, 1, 10),
    "retention.trim": lambda store: store.retention.trim("x", "-inf", 1, 0),
    "retention.count": lambda store: store.retention.count(["x"]),
    "retention.trim_oldest": lambda store: store.retention.trim_oldest(["x"], 0, 1),
    "admission.remembered": lambda store: store.admission.remembered("k"),
    "admission.waiting": lambda store: store.admission.waiting(),
    "admission.memory_share": lambda store: store.admission.memory_share(),
    "stats.read": lambda store: store.stats.read({"code": "q"}, 0),
    "liveness.ping": lambda store: store.liveness.ping(),
    "liveness.listened_channels": lambda store: store.liveness.listened_channels(),
    "liveness.server_time_ms": lambda store: store.liveness.server_time_ms(),
    "liveness.data_state": lambda store: store.liveness.data_state(),
    "liveness.info": lambda store: store.liveness.info(),
    "liveness.worker_alive": lambda store: store.liveness.worker_alive("w", {}, 0),
    "liveness.worker_gone": lambda store: store.liveness.worker_gone("w"),
    "liveness.workers": lambda store: store.liveness.workers(0),
    "liveness.beat_ticked": lambda store: store.liveness.beat_ticked("b", 0),
    "liveness.beat_gone": lambda store: store.liveness.beat_gone("b"),
    "liveness.beats": lambda store: store.liveness.beats(0),
    "liveness.last_beat": lambda store: store.liveness.last_beat(),
    "totals.read": lambda store: store.totals.read(),
    "totals.fold": lambda store: store.totals.fold(1),
    "totals.set_tags": lambda store: store.totals.set_tags(["team"]),
    "totals.add_requests": lambda store: store.totals.add_requests("p", 1, {"refused full": 1}),
}
PARTS = (
    "tasks",
    "batches",
    "listing",
    "failures",
    "schedules",
    "firings",
    "recovery",
    "retention",
    "deliveries",
    "admission",
    "stats",
    "totals",
    "liveness",
)
#: Methods that do not call Redis.
WITHOUT_REDIS = {"retention.indexes_by_creation", "retention.indexes_by_finish"}


def test_every_public_method_is_covered(store: Store) -> None:
    parts = {name: getattr(store, name) for name in PARTS}
    public = {
        f"{part}.{name}"
        for part, one in parts.items()
        for name, _ in inspect.getmembers(one, inspect.ismethod)
        if not name.startswith("_")
    }
    assert public == CALLS.keys() | WITHOUT_REDIS


def answers(store: Store) -> dict[str, tuple[str, float]]:
    """The error of each call, and the seconds until it was raised, less the lateness. Many run at the same time."""

    def measure(call: Callable[[Store], Any]) -> tuple[str, float]:
        began, late_before = time.monotonic(), lateness.seconds
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the caller checks the type
            call(store)
        return caught.type.__name__, time.monotonic() - began - (lateness.seconds - late_before)

    with Lateness() as lateness, ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
        return dict(zip(CALLS, pool.map(measure, CALLS.values()), strict=True))


def assert_all_unavailable(store: Store) -> None:
    found = answers(store)
    wrong = {name: error for name, (error, _) in found.items() if error != Unavailable.__name__}
    late = {name: round(seconds, 2) for name, (_, seconds) in found.items() if seconds > LIMIT_SECONDS}
    assert (wrong, late) == ({}, {})


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a path that is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="cel-") as folder:
        yield Path(folder)


def test_redis_is_not_running(folder: Path) -> None:
    store = Store.at(f"unix://{folder}/nobody.sock")
    assert_all_unavailable(store)
    store.close()


def test_redis_stops_while_connections_are_open(folder: Path, redis_program_path: Path) -> None:
    server = RedisServer(redis_program_path, folder)
    server.start()
    store = Store.at(server.url)
    store.liveness.ping()
    server.stop()
    assert_all_unavailable(store)
    server.start()
    store.liveness.ping()
    assert store.tasks.create([new_task(0)], 0) == 1, "Redis is back, and the same store works again"
    store.close()
    server.stop()


def test_redis_accepts_connections_and_never_replies(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "silent.sock"))
        listener.listen(128)
        store = Store.at(f"unix://{folder}/silent.sock")
        assert_all_unavailable(store)
        store.close()


def test_redis_is_full(store: Store, raw_redis: Any) -> None:
    """With `noeviction`, writes that need memory are refused and write nothing."""
    raw_redis.config_set("maxmemory", "1")
    try:
        with pytest.raises(Unavailable):
            store.tasks.create([new_task(0)], 0)
        assert store.tasks.get(ID) is None, "reading still works"
    finally:
        raw_redis.config_set("maxmemory", "0")
    assert raw_redis.dbsize() == 0
