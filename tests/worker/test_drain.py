"""A worker that ends on SIGTERM loses nothing, runs nothing twice, and uses up no attempt."""

from __future__ import annotations

import signal
import threading

import pytest
import redis

from app.clock import system_clock
from app.domain.status import Status
from app.store.record import Task
from app.store.store import Store
from app.usecases.dispatch import Dispatcher
from app.usecases.tasks import TaskService
from tasks.drain import BATCH, MOST_FETCHED, Drain
from tasks.leases.in_flight import InFlight
from tests.http.target import OK, Target, Wire, answering
from tests.servers import CeleryProcess, RedisServer, wait_until
from tests.store.making import created, finished
from tests.system import run_module
from tests.worker.conftest import Start, composed

SLEEPS = "import time\ndef f(seconds):\n    time.sleep(seconds)\n    return 'slept'"
FAILS_LATER = "import time\ndef f():\n    time.sleep(4)\n    return 1 / 0"
GIVEN_BACK = "returned by its worker"


def code(source: str, *args: object, **fields: object) -> dict[str, object]:
    return {"name": "n", "function_code": source, "function_name": "f", "args": list(args), **fields}


def is_running(service: TaskService, task: Task) -> bool:
    return service.get(task.id).status is Status.RUNNING


def end(worker: CeleryProcess, seconds: float = 20) -> None:
    """Send SIGTERM and check that the worker ends cleanly, with every process that it started."""
    worker.signal(signal.SIGTERM)
    assert worker.wait(seconds) == 0
    assert worker.left_nothing()


def reasons(task: Task) -> list[str]:
    return [change.why for change in task.history]


def test_a_running_attempt_may_finish_within_the_grace(service: TaskService, start_worker: Start) -> None:
    worker = start_worker(SHUTDOWN_GRACE="20")
    task = service.create(code(SLEEPS, 1.0))
    wait_until(lambda: is_running(service, task), 10, "a start")
    end(worker)
    task = service.get(task.id)
    assert (task.status, task.attempt, task.result_json) == (Status.SUCCEEDED, 1, '"slept"')


def test_a_worker_that_waits_for_its_last_attempt_still_delivers(
    service: TaskService, store: Store, start_worker: Start
) -> None:
    """It may be the only one that does."""
    released = threading.Event()

    def slow(wire: Wire) -> None:
        wire.request()
        released.wait(60)
        wire.send(OK)

    with Target(slow) as target, Target(answering(OK)) as receiver:
        worker = start_worker(SHUTDOWN_GRACE="60")
        task = service.create({"name": "n", "api_url": target.url, "timeout": 60})
        wait_until(lambda: target.received, 30, "a request")
        worker.signal(signal.SIGTERM)
        worker.wait_for("Warm shutdown")
        finished(store, system_clock(), callback_url=receiver.url)
        wait_until(lambda: receiver.received, 15, "the callback")
        assert service.get(task.id).status is Status.RUNNING
        released.set()
        assert worker.wait(30) == 0
    assert service.get(task.id).status is Status.SUCCEEDED


def test_an_attempt_that_outlasts_the_grace_goes_back_uncounted_and_runs_elsewhere(
    service: TaskService, start_worker: Start
) -> None:
    worker = start_worker("one", SHUTDOWN_GRACE="0.3")
    task = service.create(code(FAILS_LATER, max_retries=1, retry_delay=0))
    wait_until(lambda: is_running(service, task), 10, "a start")
    end(worker)
    back = service.get(task.id)
    assert (back.status, back.attempt, back.worker, list(back.attempts)) == (Status.QUEUED, 0, None, [])
    assert (back.error, back.duration_ms, back.due_ms) == (None, None, task.due_ms), "as if it had never started"
    assert reasons(back)[-1] == GIVEN_BACK
    assert "action=task_given_back" in worker.output

    start_worker("two")
    done = service.get(task.id, wait_seconds=20)
    assert (done.status, done.attempt, done.worker) == (Status.FAILED, 2, "two@test"), (
        "both attempts are still available"
    )
    assert [entry["error"]["type"] for entry in done.attempts] == ["ZeroDivisionError"]


def test_a_task_that_may_not_run_again_fails(service: TaskService, store: Store, start_worker: Start) -> None:
    worker = start_worker(SHUTDOWN_GRACE="0.3")
    task = service.create(code(SLEEPS, 60, on_worker_lost="fail", max_retries=5))
    wait_until(lambda: is_running(service, task), 10, "a start")
    end(worker)
    task = service.get(task.id)
    assert (task.status, task.attempt, task.error and task.error["type"]) == (Status.FAILED, 1, "WorkerLostError")
    assert reasons(task)[-1] == "WorkerLostError"
    assert store.totals.read().counters["end:code:immediate:lost:"] == 1


def test_a_stop_wins_over_giving_back(service: TaskService, start_worker: Start) -> None:
    worker = start_worker(SHUTDOWN_GRACE="0.3")
    task = service.create(code(SLEEPS, 60))
    wait_until(lambda: is_running(service, task), 10, "a start")
    worker.signal(signal.SIGTERM)
    service.stop(task.id)
    assert worker.wait(20) == 0
    assert service.get(task.id).status is Status.STOPPED


def test_countdowns_go_back_and_others_start_them(store: Store, raw_redis: redis.Redis, start_worker: Start) -> None:
    ending, staying = (start_worker(name, COUNTDOWN_HORIZON="7") for name in ("one", "two"))
    service = composed(store, countdown_horizon=7).tasks
    raw = code("def f(): return 1", task_type="delayed", delay_seconds=6)  # not due before the end of the first worker
    tasks = [service.create(raw) for _ in range(20)]
    wait_until(lambda: raw_redis.llen(store.keys.queue("celeriac.code", 4)) == 0, 10, "both workers have fetched them")
    end(ending)
    assert "gave back tasks that were not started" in ending.output
    done = [service.get(task.id, wait_seconds=20) for task in tasks]
    assert {(task.status, task.attempt, task.worker) for task in done} == {(Status.SUCCEEDED, 1, "two@test")}
    assert staying.process.poll() is None


def test_a_worker_that_a_monitor_ends_gives_back_what_it_holds(
    redis_url: str, service: TaskService, start_worker: Start
) -> None:
    worker = start_worker("one", "--concurrency=1", "-Q", "celeriac.code", SHUTDOWN_GRACE="0.3")
    tasks = [service.create(code(SLEEPS, 60, timeout=300)) for _ in range(3)]
    wait_until(lambda: is_running(service, tasks[0]), 10, "a start")
    run_module("celery", "-A", "celery_app", "control", "-d", "one@test", "shutdown", REDIS_URL=redis_url)
    assert worker.wait(60) == 0
    assert "fetches nothing" not in worker.output, "nor does it end for that, later"
    assert {service.get(task.id).status for task in tasks} == {Status.QUEUED}
    assert GIVEN_BACK in reasons(service.get(tasks[0].id))
    assert worker.left_nothing()


def test_a_rolling_restart_under_load_loses_doubles_and_fails_nothing(
    service: TaskService, start_worker: Start
) -> None:
    stopping = threading.Event()
    created: list[str] = []

    def load() -> None:
        while not stopping.wait(0.02):
            created.append(service.create(code(SLEEPS, 0.05)).id)

    worker = start_worker("w0", SHUTDOWN_GRACE="20")
    loader = threading.Thread(target=load)
    loader.start()
    outputs = []
    try:
        for number in range(1, 5):
            following = start_worker(f"w{number}", SHUTDOWN_GRACE="20")
            end(worker)
            outputs.append(worker.output)
            worker = following
    finally:
        stopping.set()
        loader.join()
    tasks = [service.get(task_id, wait_seconds=30) for task_id in created]
    assert len(tasks) > 50
    assert {(task.status, task.attempt) for task in tasks} == {(Status.SUCCEEDED, 1)}
    assert {len([reason for reason in reasons(task) if "starts" in reason]) for task in tasks} == {1}, "each ran once"
    assert {len(task.attempts) for task in tasks} == {0}
    assert "resent lost messages" not in "".join([*outputs, worker.output]), "messages on their way were given back"


def test_what_can_not_be_given_back_is_logged_once_with_the_reason(
    own_server: RedisServer, dispatcher: Dispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store.at(own_server.url)
    own_server.stop()
    drain = Drain(store.recovery, dispatcher, InFlight(), 0, lambda: 0)
    drain.fetched("0198f3c2-5c1e-7a3b-9f21-3d0c8e6b1a42")
    drain.consumer_ended()
    drain.begin()
    wait_until(lambda: bool(caplog.records), 15, "a failure")
    drain.finish()
    store.close()
    (record,) = caplog.records
    assert vars(record)["action"] == "give_back_failed"
    assert vars(record)["reason"].startswith("ConnectionError: "), "and the words of the network"


def test_it_gives_back_everything_at_its_end(store: Store, dispatcher: Dispatcher, raw_redis: redis.Redis) -> None:
    """As many as are due at the same time: they were fetched as countdowns."""
    ids = [created(store, system_clock()) for _ in range(3 * BATCH + 1)]
    raw_redis.delete(*raw_redis.keys("celeriac:celeriac.code*"))  # their messages have been fetched
    drain = Drain(store.recovery, dispatcher, InFlight(), 0, system_clock)
    for task_id in ids:
        drain.fetched(task_id)
    drain.begin()
    drain.finish()  # on a busy machine it does not wait for all of it

    def given_back() -> int:
        return sum(raw_redis.llen(name) for name in raw_redis.keys("celeriac:celeriac.code*"))

    wait_until(lambda: given_back() >= len(ids), 15, "the return of all tasks")
    assert given_back() == len(ids)


def test_what_children_have_begun_is_forgotten_now_and_then(
    store: Store, dispatcher: Dispatcher, raw_redis: redis.Redis
) -> None:
    """The parent of a pool of processes hears of no start: it would note each task for ever."""
    held = [created(store, system_clock()) for _ in range(3)]
    raw_redis.delete(*raw_redis.keys("celeriac:celeriac.code*"))
    drain = Drain(store.recovery, dispatcher, InFlight(), 0, system_clock)
    for number in range(3 * MOST_FETCHED):
        drain.keep(held)
        drain.fetched(f"begun {number}")
    for task_id in held:
        drain.keep([*held, task_id])
        drain.fetched(task_id)
    assert len(drain._fetched) <= MOST_FETCHED + 1
    drain.begin()
    drain.finish()
    assert sum(raw_redis.llen(name) for name in raw_redis.keys("celeriac:celeriac.code*")) == 3


# After Ctrl-C Celery exits with status 1.
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 1)])
def test_an_idle_worker_does_not_wait_for_its_grace(start_worker: Start, number: signal.Signals, status: int) -> None:
    worker = start_worker(SHUTDOWN_GRACE="300")
    worker.signal(number)
    assert worker.wait(60) == status
