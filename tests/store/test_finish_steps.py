"""The steps at the end of a task: an added step runs exactly once per end, whatever ended the task."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from app.domain.outcome import Ending
from app.store import scripts
from app.store.messages import NO_MESSAGE
from app.store.store import Store
from tests.conftest import VirtualClock
from tests.store.making import FAILED, LEASE_MS, STOPPED, SUCCEEDED, WORKER_LOST, claimed, created

LIST = "local FINISH_STEPS = {\n"
STEP = "  function(ending) redis.call('RPUSH', P .. 'steps', ending.id .. ' ' .. ending.status) end,\n"


@pytest.fixture
def store(redis_url: str, raw_redis: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store whose scripts have an additional step."""
    folder = tmp_path / "lua"
    shutil.copytree(scripts._FOLDER, folder)
    library = folder / "_lib.lua"
    assert library.read_text().count(LIST) == 1
    library.write_text(library.read_text().replace(LIST, LIST + STEP))
    monkeypatch.setattr(scripts, "_FOLDER", folder)
    store = Store.at(redis_url)
    yield store
    store.close()


def succeed(store: Store, clock: VirtualClock) -> str:
    task_id = created(store, clock())
    store.tasks.finish(claimed(store, task_id, clock()), SUCCEEDED, clock(), 1.0)
    return f"{task_id} succeeded"


def fail_after_a_retry(store: Store, clock: VirtualClock) -> str:
    task_id = created(store, clock())
    attempt = claimed(store, task_id, clock())
    store.tasks.run_again(attempt, FAILED, clock(), 1.0, clock(), NO_MESSAGE, Ending.COUNTED, entry=None)
    store.tasks.finish(claimed(store, task_id, clock()), FAILED, clock(), 1.0)
    return f"{task_id} failed"


def stop_what_waits(store: Store, clock: VirtualClock) -> str:
    task_id = created(store, clock(), due_ms=clock() + 60_000)
    store.tasks.stop(task_id, clock())
    return f"{task_id} stopped"


def stop_what_runs(store: Store, clock: VirtualClock) -> str:
    task_id = created(store, clock())
    attempt = claimed(store, task_id, clock())
    store.tasks.stop(task_id, clock())
    store.tasks.finish(attempt, STOPPED, clock(), 1.0)
    return f"{task_id} stopped"


def stop_whose_worker_is_silent(store: Store, clock: VirtualClock) -> str:
    task_id = created(store, clock())
    attempt = claimed(store, task_id, clock())
    store.tasks.stop(task_id, clock(), force=True)
    assert store.tasks.finish(attempt, SUCCEEDED, clock(), 1.0) == "superseded"
    return f"{task_id} stopped"


def stop_before_a_retry(store: Store, clock: VirtualClock) -> str:
    task_id = created(store, clock())
    attempt = claimed(store, task_id, clock())
    store.tasks.stop(task_id, clock())
    store.tasks.run_again(attempt, FAILED, clock(), 1.0, clock(), NO_MESSAGE, Ending.COUNTED, entry=None)
    return f"{task_id} stopped"


def lose_too_many_workers(store: Store, clock: VirtualClock) -> str:
    task_id = created(store, clock())
    claimed(store, task_id, clock())
    (lost,) = store.recovery.expired_leases(clock.advance(LEASE_MS + 1), 10)
    store.recovery.take_back(lost, clock(), NO_MESSAGE, 1, WORKER_LOST, {})
    return f"{task_id} failed"


ENDS: list[Callable[[Store, VirtualClock], str]] = [
    succeed,
    fail_after_a_retry,
    stop_what_waits,
    stop_what_runs,
    stop_whose_worker_is_silent,
    stop_before_a_retry,
    lose_too_many_workers,
]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_a_step_runs_once(
    store: Store, clock: VirtualClock, raw_redis: redis.Redis, end: Callable[[Store, VirtualClock], str]
) -> None:
    expected = end(store, clock)
    assert raw_redis.lrange("celeriac:steps", 0, -1) == [expected]


def test_no_step_runs_for_a_retry_or_a_deletion(store: Store, clock: VirtualClock, raw_redis: redis.Redis) -> None:
    task_id = created(store, clock())
    attempt = claimed(store, task_id, clock())
    store.tasks.run_again(attempt, FAILED, clock(), 1.0, clock() + 5, NO_MESSAGE, Ending.COUNTED, entry=None)
    store.tasks.delete(task_id)
    assert raw_redis.exists("celeriac:steps") == 0
