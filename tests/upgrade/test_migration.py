"""Bringing data of form 1 to the present form: step by step, interrupted, and while it is in use."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from app.domain.errors import OtherForm
from app.domain.form import FORM, Form
from app.domain.status import Status
from app.store.form import FormStore
from app.store.migrations import STEPS, names, schedules, tasks
from app.store.record import Task
from app.store.store import Store
from app.usecases.form_watch import FormUpkeep, FormWatch
from tests.conftest import VirtualClock
from tests.servers import RedisServer, throw_away_redis
from tests.store.making import SUCCEEDED, claimed
from tests.system.chaos.checks.keys import keys

FOLDER = Path(__file__).parent
FACTS: dict[str, Any] = json.loads(gzip.decompress((FOLDER / "form-1.json.gz").read_bytes()))
DUMP = gzip.decompress((FOLDER / "form-1.rdb.gz").read_bytes())
#: When the dump was made: the newest of its tasks.
MADE_MS = int(max(FACTS["tasks"]).replace("-", "")[:12], 16)


@pytest.fixture(scope="module")
def server(redis_program_path: Path) -> Iterator[RedisServer]:
    """A server for data of form 1."""
    with throw_away_redis(redis_program_path) as server:
        yield server


@pytest.fixture
def raw(server: RedisServer) -> Iterator[redis.Redis]:
    """A plain client of a server with the data of form 1."""
    server.stop()
    (server.socket.parent / "dump.rdb").write_bytes(DUMP)
    server.start()
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        yield client


@pytest.fixture
def store(raw: redis.Redis, server: RedisServer) -> Iterator[Store]:
    """The present store on it."""
    store = Store.at(server.url)
    yield store
    store.close()


@pytest.fixture
def clock() -> VirtualClock:
    """The virtual clock, at the time of the dump."""
    clock = VirtualClock()
    clock.now_ms = MADE_MS
    return clock


def finish(form: FormStore, now_ms: int) -> int:
    """Do everything that is left, in so many parts."""
    parts = 0
    while form.advance(now_ms):
        parts += 1
    return parts


def until_in_use(form: FormStore, now_ms: int) -> None:
    """Do the exclusive steps."""
    while not form.look().is_current:
        form.advance(now_ms)


def everything(raw: redis.Redis) -> dict[str, Any]:
    """All data, by key."""
    read = {
        "string": raw.get,
        "hash": raw.hgetall,
        "list": lambda name: raw.lrange(name, 0, -1),
        "zset": lambda name: raw.zrange(name, 0, -1, withscores=True),
        "stream": lambda name: raw.xrange(name),
        "set": raw.smembers,
    }
    return {name: read[str(raw.type(name))](name) for name in raw.scan_iter(count=1_000)}


def all_tasks(store: Store) -> dict[str, Task]:
    """Every task with everything that is kept of it."""
    found = {task_id: store.tasks.get(task_id) for task_id in FACTS["tasks"]}
    return {task_id: task for task_id, task in found.items() if task is not None}


def test_each_form_has_steps_and_the_exclusive_ones_come_first() -> None:
    assert list(STEPS) == list(range(2, FORM + 1))
    for steps in STEPS.values():
        exclusive = [step.is_exclusive for step in steps]
        assert exclusive[0]  # begins with one, so that no other version works on the data
        assert exclusive == sorted(exclusive, reverse=True)


def test_old_data_is_refused_until_it_is_changed(store: Store, clock: VirtualClock) -> None:
    assert store.form.look() == Form(1)
    with pytest.raises(OtherForm, match="being changed from form 1 to form 2"):
        store.tasks.get(FACTS["ids"]["code ok"])
    assert store.form.advance(clock())
    assert str(store.form.look()) == "1>2"
    with pytest.raises(OtherForm):
        store.tasks.get(FACTS["ids"]["code ok"])
    until_in_use(store.form, clock())
    assert store.tasks.get(FACTS["ids"]["code ok"]) is not None


def test_a_migration_that_is_interrupted_everywhere_ends_the_same(
    store: Store, raw: redis.Redis, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, server: RedisServer
) -> None:
    for module, limit in ((names, "NAMES_PER_PART"), (schedules, "SCHEDULES_PER_PART"), (tasks, "TASKS_PER_PART")):
        monkeypatch.setattr(module, limit, 3)
    run = store.form._scripts
    lost = 0

    def lose_each_first(script: str, /, **values: Any) -> Any:
        """Each part is done, and the process dies before it has recorded that: so it is done again."""
        nonlocal lost
        if script in ("form_advance", "form_end") and lost % 2 == 0:
            lost += 1
            return None
        lost += script in ("form_advance", "form_end")
        return run(script, **values)

    monkeypatch.setattr(store.form, "_scripts", lose_each_first)
    finish(store.form, clock())
    assert lost > 80
    interrupted = everything(raw)

    server.stop()
    (server.socket.parent / "dump.rdb").write_bytes(DUMP)
    server.start()
    straight = Store.at(server.url)
    assert finish(straight.form, clock()) < lost
    assert everything(raw) == interrupted
    straight.close()


def test_two_processes_at_once_end_the_same(
    store: Store, raw: redis.Redis, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, server: RedisServer
) -> None:
    monkeypatch.setattr(tasks, "TASKS_PER_PART", 5)
    another = Store.at(server.url)
    threads = [threading.Thread(target=finish, args=(each.form, clock())) for each in (store, another)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    another.close()
    assert store.form.progress() is None
    wrong = [finding for finding in keys(raw) if "program:" in str(finding)]
    assert wrong == []


def test_tasks_read_the_same_before_and_after(store: Store, clock: VirtualClock) -> None:
    until_in_use(store.form, clock())
    before = all_tasks(store)
    assert len(before) == len(FACTS["tasks"])
    finish(store.form, clock())
    after = all_tasks(store)
    for task_id, task in after.items():
        if task.status is Status.STOPPED and task.started_ms is None:
            assert task.queued_ms is None  # form 1 said that by the absence of the field
        elif task.status.finished:
            assert task == before[task_id]
        assert task.spec == before[task_id].spec
        assert task.history == before[task_id].history


def test_tasks_are_worked_on_meanwhile(store: Store, raw: redis.Redis, clock: VirtualClock) -> None:
    until_in_use(store.form, clock())
    ids = FACTS["ids"]
    attempt = claimed(store, ids["queued LONG"], clock())
    assert attempt.spec["function_code"].startswith("import json")
    assert attempt.spec["function_name"] == "long"
    assert store.tasks.finish(attempt, SUCCEEDED, clock(), 1.0) == Status.SUCCEEDED
    assert store.tasks.delete(ids["code ok"]) == Status.SUCCEEDED
    finish(store.form, clock())
    done = store.tasks.get(ids["queued LONG"])
    assert done is not None
    assert (done.status, done.cpu_ms, done.result_json) == (Status.SUCCEEDED, SUCCEEDED.cpu_ms, "7")
    assert done.spec["function_code"].startswith("import json")
    assert store.tasks.get(ids["code ok"]) is None
    assert not [finding for finding in keys(raw) if "program" in str(finding) or "its task is gone" in str(finding)]


def test_a_process_does_it_by_itself(store: Store, raw: redis.Redis, clock: VirtualClock) -> None:
    watch = FormWatch(store.form, clock)
    watch.wait()
    watch.require()
    progress = store.form.progress()
    assert progress is not None
    assert (progress.step, progress.done, progress.is_exclusive) == ("tasks", 0, False)
    assert progress.size == len(FACTS["tasks"])
    upkeep = FormUpkeep(store.form, "me")
    while store.form.progress() is not None:
        upkeep.bring_up_to_date(clock())
    assert not list(raw.scan_iter("celeriac:form:*"))
    upkeep.bring_up_to_date(clock())  # nothing is left to do


def test_a_change_whose_progress_is_lost_begins_again(store: Store, raw: redis.Redis, clock: VirtualClock) -> None:
    for _ in range(3):
        store.form.advance(clock())
    raw.delete(f"{store.keys.form}:work")
    finish(store.form, clock())
    assert raw.get(store.keys.form) == str(FORM)
    assert raw.type(store.keys.newest) == "zset"
