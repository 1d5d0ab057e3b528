"""A process that creates a batch is killed before each of its calls of Redis: the batch is there as a whole, or not."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import redis

from app.domain.ids import batch_ids
from app.settings import Settings
from app.store.batches import CHUNK_TASKS
from app.store.store import Store
from app.usecases.dispatch import Dispatcher
from app.usecases.recovery import Recovery
from tests.conftest import VirtualClock
from tests.servers import ROOT
from tests.store.making import PlainMessages
from tests.system import run_module

FIRST_ID = "0198f3c2-5c1e-7000-9f21-3d0c8e6b1a42"
CHUNKS = 3
NUMBER = CHUNKS * CHUNK_TASKS
NOW_MS = 1_795_422_600_000
#: Kills itself before the call of Redis whose number is its second argument.
PROGRAM = f"""
import os, signal, sys
from app.store.admission import Conditions
from app.store.client import Client
from app.store.store import Store
from app.domain.ids import batch_ids
from tests.store.making import new_task

calls, send = 0, Client._guarded

def counted(self, call):
    global calls
    calls += 1
    if calls == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return send(self, call)

store = Store.at(sys.argv[1])
for each in store.batches._scripts._scripts.values():  # otherwise the first call of each script takes three
    store.batches._client.script_load(each.text)
Client._guarded = counted
tasks = [new_task({NOW_MS}, id=task_id) for task_id in batch_ids("{FIRST_ID}", {NUMBER})]
store.batches.create("{FIRST_ID}", tasks, {NOW_MS}, Conditions(key="k", fingerprint="f"))
store.batches.complete("{FIRST_ID}")
"""
#: One call for each chunk to stage it, one to decide, one for each chunk to create it.
CALLS = 2 * CHUNKS + 1


def killed_before(call: int, redis_url: str, folder: Path) -> bool:
    """Whether the process was killed; otherwise it has finished its work."""
    (folder / "creates_batch.py").write_text(PROGRAM)
    ended = run_module("creates_batch", redis_url, str(call), PYTHONPATH=f"{folder}{os.pathsep}{ROOT}")
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
    return ended.returncode == -signal.SIGKILL


@pytest.mark.parametrize("call", range(1, CALLS + 2))
def test_a_killed_process_leaves_all_or_nothing(
    store: Store, raw_redis: redis.Redis, redis_url: str, clock: VirtualClock, tmp_path: Path, call: int
) -> None:
    assert killed_before(call, redis_url, tmp_path) == (call <= CALLS)
    Recovery(store, Dispatcher(PlainMessages(), 5.0), Settings(), "beat").complete_batches(clock())
    is_decided = call > CHUNKS + 1
    there = [task_id for task_id in batch_ids(FIRST_ID, NUMBER) if store.tasks.status(task_id) is not None]
    assert len(there) == (NUMBER if is_decided else 0)
    assert (store.admission.remembered("k") is not None) == is_decided, "the key is remembered with the batch"
    assert raw_redis.zcard("celeriac:queued:code:5") == len(there)
    assert raw_redis.llen("celeriac:celeriac.code") == len(there), "each has one message"
    assert all(raw_redis.ttl(key) > 0 for key in raw_redis.keys("celeriac:batch*"))  # type: ignore[operator]
