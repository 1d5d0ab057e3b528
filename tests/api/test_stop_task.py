"""POST /api/tasks/{id}/stop"""

from __future__ import annotations

import threading

import pytest

from app.store.store import Store
from tests.api.calls import Api, PlayedWorker


@pytest.mark.parametrize(
    "fields", [{}, {"task_type": "delayed", "delay_seconds": 3}, {"task_type": "delayed", "delay_seconds": 9999}]
)
def test_what_has_not_started_never_starts(api: Api, store: Store, fields: dict[str, object]) -> None:
    task = api.create(**fields)
    stopped = api.post(f"/api/tasks/{task['id']}/stop")
    assert stopped.status_code == 200
    assert (stopped.get_json()["status"], stopped.get_json()["started_at"]) == ("stopped", None)
    assert store.tasks.claim(task["id"], "code@played", 2**42, 2**43) == "stopped"


def test_what_runs_is_ended_by_its_worker(api: Api, store: Store, worker: PlayedWorker) -> None:
    task = api.create()
    attempt = worker.start(task["id"])
    heard = threading.Event()
    channel = store.keys.stop
    confirmed = store.subscriber.subscribe(channel, lambda message: heard.set())
    assert confirmed.wait(5)

    def end_when_told() -> None:
        assert heard.wait(5)
        worker.end_stopped(attempt)

    ending = threading.Thread(target=end_when_told)
    ending.start()
    stopped = api.post(f"/api/tasks/{task['id']}/stop")
    ending.join()
    assert stopped.get_json()["status"] == "stopped"


def test_a_worker_that_does_not_answer_can_not_keep_it(api: Api, worker: PlayedWorker) -> None:
    task = api.create()
    attempt = worker.start(task["id"])
    stopped = api.post(f"/api/tasks/{task['id']}/stop")
    assert (stopped.status_code, stopped.get_json()["status"]) == (200, "stopped")
    worker.end_stopped(attempt)  # too late: it changes nothing
    assert api.get(f"/api/tasks/{task['id']}").get_json()["finished_at"] == stopped.get_json()["finished_at"]


def test_a_finished_task_is_a_conflict_that_names_its_status(api: Api, worker: PlayedWorker) -> None:
    task = api.create()
    worker.succeed(task["id"])
    response = api.post(f"/api/tasks/{task['id']}/stop")
    assert response.status_code == 409
    assert response.get_json()["task_status"] == "succeeded"
    assert response.get_json()["detail"] == "the task has already finished: it succeeded"


def test_a_second_stop_is_a_conflict(api: Api) -> None:
    task = api.create()
    assert api.post(f"/api/tasks/{task['id']}/stop").status_code == 200
    response = api.post(f"/api/tasks/{task['id']}/stop")
    assert (response.status_code, response.get_json()["task_status"]) == (409, "stopped")
