"""While Redis is full, accepted tasks still run, keep their leases, and get their results recorded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from app.domain.errors import Full
from app.domain.status import Status
from app.store.messages import NO_MESSAGE
from app.store.store import Store
from app.usecases.tasks import TaskService
from tests.servers import wait_until
from tests.store.making import new_task
from tests.worker.conftest import Start

#: Renewed after a third of it; a worker that stands still for some seconds does not lose it.
LEASE_SECONDS = 8.0
WAITS = "import time\ndef f():\n    print('x' * 50_000)\n    time.sleep(4)\n    return 'done'"
FAILS_ONCE = "def f():\n    return 1 / 0"


@pytest.fixture
def memory(raw_redis: redis.Redis) -> Iterator[redis.Redis]:
    yield raw_redis
    raw_redis.config_set("maxmemory", "0")


def test_fetched_tasks_go_back(store: Store, memory: redis.Redis) -> None:
    task = new_task(0)
    store.tasks.create([task], 0)
    memory.delete(task.message.queue_key)
    memory.config_set("maxmemory", "1")
    (sendable,) = store.recovery.sendable([task.id])
    assert store.recovery.hand_back([(sendable, task.message)]) == 1
    assert memory.lrange(task.message.queue_key, 0, -1) == [task.message.payload]


def is_one_renewed(store: Store, raw: redis.Redis, seen: dict[str, float]) -> bool:
    """Whether a lease has been renewed since this was first asked. `seen`: the first end of each lease."""
    ends = raw.zrange(store.keys.leases, 0, -1, withscores=True)
    return any(end > seen.setdefault(task_id, end) for task_id, end in ends)


def test_accepted_tasks_run_once_to_their_end(
    store: Store, service: TaskService, start_worker: Start, memory: redis.Redis
) -> None:
    worker = start_worker("one", "--pool=threads", "--concurrency=2", LEASE_SECONDS=str(LEASE_SECONDS))
    long = [service.create({"name": "n", "function_code": WAITS, "function_name": "f"}).id for _ in range(4)]
    retried = service.create(
        {"name": "n", "function_code": FAILS_ONCE, "function_name": "f", "max_retries": 1, "retry_delay": 0.1}
    ).id
    wait_until(lambda: service.get(long[0]).status is Status.RUNNING, 10, "a task that runs")
    memory.config_set("maxmemory", "1")
    with pytest.raises(Full):
        store.tasks.create([new_task(0, message=NO_MESSAGE)], 0)
    seen: dict[str, float] = {}
    wait_until(lambda: is_one_renewed(store, memory, seen), 30, "the renewal of a lease")
    wait_until(lambda: all(service.get(each).status.finished for each in [*long, retried]), 30, "the end of all")
    for task in map(service.get, long):
        assert (task.status, task.attempt, task.result_json) == (Status.SUCCEEDED, 1, '"done"')
        assert len(task.stdout) == 50_001
        assert [change.after for change in task.history] == ["queued", "running", "succeeded"], "no lease ran out"
    assert (service.get(retried).status, service.get(retried).attempt) == (Status.FAILED, 2)
    assert "can't be reached" not in worker.output
    assert "Traceback" not in worker.output
