"""DELETE /api/tasks/{id}"""

from __future__ import annotations

import redis

from tests.api.calls import Api, PlayedWorker


def traces(raw_redis: redis.Redis, task_id: str) -> list[str]:
    """Keys that speak of a task, by name or (indexes) by what is in them."""
    found = [str(key) for key in raw_redis.scan_iter(f"*{task_id}*")]
    indexes = [str(key) for key in raw_redis.scan_iter("*", _type="zset")]
    return found + [key for key in indexes if raw_redis.zscore(key, task_id) is not None]


def test_nothing_is_left_of_it(api: Api, worker: PlayedWorker, raw_redis: redis.Redis) -> None:
    task = api.create(tags=["a", "b"], max_retries=1)
    worker.succeed(task["id"], b'"result"', stdout="output")
    assert traces(raw_redis, task["id"])
    response = api.delete(f"/api/tasks/{task['id']}")
    assert (response.status_code, response.data) == (204, b"")
    assert traces(raw_redis, task["id"]) == []
    assert api.get(f"/api/tasks/{task['id']}").status_code == 404
    assert api.get("/api/tasks").get_json()["items"] == []


def test_what_waits_is_stopped_and_gone(api: Api, raw_redis: redis.Redis) -> None:
    task = api.create(task_type="delayed", delay_seconds=9999)
    assert api.delete(f"/api/tasks/{task['id']}").status_code == 204
    assert traces(raw_redis, task["id"]) == []


def test_what_runs_is_stopped_and_gone(api: Api, worker: PlayedWorker, raw_redis: redis.Redis) -> None:
    task = api.create()
    attempt = worker.start(task["id"])
    assert api.delete(f"/api/tasks/{task['id']}").status_code == 204
    worker.end_stopped(attempt)  # its worker comes too late
    assert traces(raw_redis, task["id"]) == []


def test_a_second_time_there_is_no_such_task(api: Api) -> None:
    task = api.create()
    assert api.delete(f"/api/tasks/{task['id']}").status_code == 204
    assert api.delete(f"/api/tasks/{task['id']}").status_code == 404


def test_tasks_of_a_deleted_scheduled_task_stay(api: Api) -> None:
    schedule = api.schedule()
    task = api.post(f"/api/scheduled-tasks/{schedule['id']}/run").get_json()
    assert api.delete(f"/api/scheduled-tasks/{schedule['id']}").status_code == 204
    assert api.get(f"/api/tasks/{task['id']}").get_json()["scheduled_task_id"] == schedule["id"]
