"""GET /api/tasks/{id}; how it waits is in test_wait.py"""

from __future__ import annotations

from app.domain.outcome import Ending, Failure, Outcome
from app.settings import Settings
from app.store.messages import NO_MESSAGE
from app.store.store import Store
from app.usecases.dispatch import Dispatcher
from app.usecases.maintenance import Maintenance
from tests.api.calls import Api, PlayedWorker, fields_of
from tests.conftest import VirtualClock
from tests.store.making import PlainMessages


def test_a_succeeded_task_has_its_result_output_and_times(api: Api, worker: PlayedWorker, clock: VirtualClock) -> None:
    task = api.create()
    clock.advance(1500)
    worker.succeed(task["id"], b'{"rows":[1,2.5,null,"\xc3\xa9"]}', stdout="hello\n")
    found = api.get(f"/api/tasks/{task['id']}").get_json()
    assert (found["status"], found["result"], found["stdout"]) == (
        "succeeded",
        {"rows": [1, 2.5, None, "é"]},
        "hello\n",
    )
    assert (found["started_at"], found["duration_ms"]) == ("2026-11-23T08:30:01.500Z", 3.1)
    assert (found["worker"], found["cpu_ms"], found["memory_kb"]) == ("code@played", 0.8, 5120)
    assert [attempt["attempt"] for attempt in found["attempts"]] == [1]


def test_a_result_of_null_is_null(api: Api, worker: PlayedWorker) -> None:
    task = api.create()
    worker.succeed(task["id"], b"null")
    found = api.get(f"/api/tasks/{task['id']}").get_json()
    assert (found["status"], found["result"], found["error"]) == ("succeeded", None, None)


def test_a_failed_task_says_why(api: Api, worker: PlayedWorker) -> None:
    task = api.create()
    worker.fail(task["id"])
    found = api.get(f"/api/tasks/{task['id']}").get_json()
    assert found["status"] == "failed"
    assert found["error"] == {
        "type": "ZeroDivisionError",
        "message": "division by zero",
        "line": 2,
        "traceback": "…",
    }
    assert found["attempts"][0]["error"] == found["error"]


def test_the_answer_of_a_failed_call_is_kept(api: Api, store: Store, worker: PlayedWorker, clock: VirtualClock) -> None:
    task = api.create(api_url="http://target.test/")
    result = b'{"status_code":404,"headers":{},"body":"no","body_truncated":false,"url":"u","elapsed_ms":1.5}'
    outcome = Outcome(result_json=result, failure=Failure("HTTPStatusError", "the target answered 404"))
    store.tasks.finish(worker.start(task["id"]), outcome, clock(), 2.0)
    found = api.get(f"/api/tasks/{task['id']}").get_json()
    assert (found["status"], found["error"]["type"], found["result"]["status_code"]) == (
        "failed",
        "HTTPStatusError",
        404,
    )


def test_earlier_attempts_are_listed(api: Api, store: Store, worker: PlayedWorker, clock: VirtualClock) -> None:
    task = api.create(max_retries=3)
    attempt = worker.start(task["id"])
    failure = Failure("ValueError", "not yet")
    now_ms = clock()
    entry = {
        "attempt": 1,
        "started_at": "2026-11-23T08:30:00.000Z",
        "finished_at": "2026-11-23T08:30:00.000Z",
        "duration_ms": 1.0,
        "worker": "code@played",
        "error": failure.as_json(),
    }
    store.tasks.run_again(
        attempt, Outcome(failure=failure), now_ms, 1.0, now_ms, NO_MESSAGE, Ending.COUNTED, entry=entry
    )
    worker.succeed(task["id"])
    found = api.get(f"/api/tasks/{task['id']}").get_json()
    assert [(each["attempt"], each["error"] is None) for each in found["attempts"]] == [(1, False), (2, True)]
    assert (found["attempt"], found["status"], found["error"]) == (2, "succeeded", None)


def test_wait_takes_any_number_of_decimals(api: Api, worker: PlayedWorker) -> None:
    task_id = api.create()["id"]
    worker.succeed(task_id)
    assert api.get(f"/api/tasks/{task_id}?wait=0.{'3' * 50}").status_code == 200
    assert fields_of(api.get(f"/api/tasks/{task_id}?wait=60.{'3' * 50}")) == ["wait"]


def test_an_attempt_whose_worker_died_is_listed(
    api: Api, store: Store, worker: PlayedWorker, clock: VirtualClock
) -> None:
    task_id = api.create()["id"]
    worker.start(task_id)
    Maintenance(store, Dispatcher(PlainMessages(), 5.0), Settings(), "beat@test").run(clock.advance(60_000))
    worker.succeed(task_id)
    lost, last = api.get(f"/api/tasks/{task_id}").get_json()["attempts"]
    assert (lost["attempt"], lost["duration_ms"], lost["error"]["type"]) == (1, None, "WorkerLostError")
    assert (last["attempt"], last["error"]) == (2, None)
