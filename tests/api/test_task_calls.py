"""The calls of /api/tasks."""

from __future__ import annotations

import threading
import time

import pytest
import redis

from app.store.store import Store
from tests.api.calls import CALL, CODE, Api, PlayedWorker, created
from tests.conftest import VirtualClock


def test_create_answers_with_the_whole_task_and_where_it_is(api: Api) -> None:
    response = api.post("/api/tasks", {**CODE, "args": [1], "tags": ["a"], "priority": 9})
    task = created(response)
    assert response.headers["Location"] == f"/api/tasks/{task['id']}"
    assert (task["status"], task["kind"], task["task_type"]) == ("queued", "code", "immediate")
    assert (task["attempt"], task["attempts"], task["result"]) == (0, [], None)
    assert task["created_at"] == task["due_at"] == task["queued_at"] == "2026-11-23T08:30:00.000Z"
    assert api.get(f"/api/tasks/{task['id']}").get_json() == task


def test_a_delayed_task_waits_until_it_is_due(api: Api) -> None:
    task = api.create(task_type="delayed", delay_seconds=3600)
    assert (task["status"], task["due_at"], task["queued_at"]) == ("waiting", "2026-11-23T09:30:00.000Z", None)
    past = api.create(task_type="delayed", run_at="2020-01-01T00:00:00+01:00")
    assert (past["status"], past["due_at"]) == ("queued", past["created_at"])


def test_a_scheduled_task_may_be_posted_here_too(api: Api) -> None:
    response = api.post("/api/tasks", {**CODE, "task_type": "scheduled", "cron_expression": "@daily"})
    schedule = created(response)
    assert response.headers["Location"] == f"/api/scheduled-tasks/{schedule['id']}"
    assert schedule["next_run_at"] == "2026-11-24T00:00:00.000Z"


def test_headers_that_a_task_sends_are_never_shown(api: Api) -> None:
    task = api.create(api_url="http://target.test/", headers={"Authorization": "Bearer s3cret"})
    for path in (f"/api/tasks/{task['id']}", "/api/tasks"):
        assert "s3cret" not in api.get(path).text
    assert task["headers"] == {"Authorization": "***"}


def test_a_finished_task_tells_everything(api: Api, worker: PlayedWorker) -> None:
    task = api.create()
    worker.succeed(task["id"], b'{"a": [1, "\xc3\xa9"]}', "hello\n")
    done = api.get(f"/api/tasks/{task['id']}").get_json()
    assert (done["status"], done["result"], done["stdout"]) == ("succeeded", {"a": [1, "é"]}, "hello\n")
    assert (done["attempt"], done["worker"], done["duration_ms"]) == (1, "code@played", 3.1)
    assert [attempt["attempt"] for attempt in done["attempts"]] == [1]


def test_a_failed_task_tells_why(api: Api, worker: PlayedWorker) -> None:
    task = api.create()
    worker.fail(task["id"])
    failed = api.get(f"/api/tasks/{task['id']}").get_json()
    assert (failed["status"], failed["error"]["type"], failed["error"]["line"]) == ("failed", "ZeroDivisionError", 2)


def test_the_list_is_newest_first_in_pages(api: Api, clock: VirtualClock) -> None:
    ids = []
    for number in range(5):
        ids.append(api.create(name=f"task {number}")["id"])
        clock.advance(10)
    first = api.get("/api/tasks?limit=3").get_json()
    rest = api.get(f"/api/tasks?limit=3&cursor={first['next_cursor']}").get_json()
    assert [task["id"] for task in first["items"] + rest["items"]] == ids[::-1]
    assert rest["next_cursor"] is None
    assert "function_code" not in first["items"][0]
    assert "result" not in first["items"][0]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("status=queued", ["b report", "a report"]),
        ("status=waiting&kind=api", ["call"]),
        ("task_type=delayed", ["call"]),
        ("name=a report", ["a report"]),
        ("name=a*", ["a report"]),
        ("tag=x", ["call", "a report"]),
        ("tag=x&kind=code", ["a report"]),
        ("created_after=2026-11-23T08:30:00.010Z", ["call", "b report"]),
        ("created_before=2026-11-23T09:30:00.010+01:00", ["a report"]),
        ("kind=code&task_type=immediate&status=succeeded", []),
    ],
)
def test_filters_can_be_mixed(api: Api, clock: VirtualClock, query: str, names: list[str]) -> None:
    api.create(name="a report", tags=["x", "y"])
    clock.advance(10)
    api.create(name="b report")
    clock.advance(10)
    api.create(name="call", api_url=CALL["api_url"], task_type="delayed", delay_seconds=60, tags=["x"])
    assert [task["name"] for task in api.get(f"/api/tasks?{query}").get_json()["items"]] == names


def test_stop_before_it_starts(api: Api) -> None:
    for task in (api.create(), api.create(task_type="delayed", delay_seconds=60)):
        stopped = api.post(f"/api/tasks/{task['id']}/stop")
        assert (stopped.status_code, stopped.get_json()["status"]) == (200, "stopped")
        again = api.post(f"/api/tasks/{task['id']}/stop")
        assert (again.status_code, again.get_json()["task_status"]) == (409, "stopped")


def test_stop_waits_for_the_worker_that_runs_it(api: Api, worker: PlayedWorker, store: Store) -> None:
    task = api.create()
    attempt = worker.start(task["id"])
    confirmed = store.subscriber.subscribe(store.keys.stop, lambda _: worker.end_stopped(attempt))
    assert confirmed.wait(5)
    started = time.monotonic()
    response = api.post(f"/api/tasks/{task['id']}/stop")
    assert (response.status_code, response.get_json()["status"]) == (200, "stopped")
    assert time.monotonic() - started < 0.7, "it waited for its patience's end, not for the worker"


def test_stop_does_not_wait_for_ever_for_a_worker_that_is_gone(api: Api, worker: PlayedWorker) -> None:
    task = api.create()
    attempt = worker.start(task["id"])
    response = api.post(f"/api/tasks/{task['id']}/stop")
    assert (response.status_code, response.get_json()["status"]) == (200, "stopped")
    worker.end_stopped(attempt)
    assert api.get(f"/api/tasks/{task['id']}").get_json() == response.get_json()


def test_a_finished_task_can_not_be_stopped(api: Api, worker: PlayedWorker) -> None:
    task = api.create()
    worker.succeed(task["id"])
    response = api.post(f"/api/tasks/{task['id']}/stop")
    assert (response.status_code, response.get_json()["task_status"]) == (409, "succeeded")


def test_delete_leaves_no_trace(api: Api, worker: PlayedWorker, raw_redis: redis.Redis) -> None:
    finished, running, waiting = api.create(tags=["x"]), api.create(), api.create(task_type="delayed", delay_seconds=60)
    worker.succeed(finished["id"])
    worker.start(running["id"])
    for task in (finished, running, waiting):
        assert api.delete(f"/api/tasks/{task['id']}").status_code == 204
        assert api.get(f"/api/tasks/{task['id']}").status_code == 404
    left = [str(key) for key in raw_redis.scan_iter()]
    assert [key for key in left if any(task["id"] in key for task in (finished, running, waiting))] == []


def test_a_waiting_task_can_be_changed(api: Api, worker: PlayedWorker) -> None:
    task = api.create(task_type="delayed", delay_seconds=3600, tags=["old"])
    changed = api.patch(f"/api/tasks/{task['id']}", {"name": "new", "tags": ["new"], "args": [5]}).get_json()
    assert (changed["name"], changed["args"], changed["due_at"]) == ("new", [5], task["due_at"])
    assert api.get("/api/tasks?tag=old").get_json()["items"] == []
    sooner = api.patch(f"/api/tasks/{task['id']}", {"delay_seconds": 60}).get_json()
    assert sooner["due_at"] == "2026-11-23T08:31:00.000Z"
    now = api.patch(f"/api/tasks/{task['id']}", {"run_at": "2020-01-01T00:00:00Z"}).get_json()
    assert now["status"] == "queued"
    assert api.patch(f"/api/tasks/{task['id']}", {"name": "late"}).status_code == 409
    worker.succeed(task["id"])


def test_stats_count_what_there_is(api: Api, worker: PlayedWorker) -> None:
    worker.succeed(api.create()["id"])
    worker.fail(api.create()["id"])
    api.create(api_url=CALL["api_url"], task_type="delayed", delay_seconds=60)
    stats = api.get("/api/tasks/stats").get_json()
    assert stats["total"] == 3
    assert stats["by_status"] == {"waiting": 1, "queued": 0, "running": 0, "succeeded": 1, "failed": 1, "stopped": 0}
    assert stats["by_kind"] == {"code": 2, "api": 1}
    assert stats["waiting"] == {"count": 1, "next_due_at": "2026-11-23T08:31:00.000Z"}
    hour = stats["last_hour"]
    assert (hour["finished"], hour["success_rate"], len(hour["per_minute"])) == (2, 0.5, 60)
    assert 2.5 <= hour["duration_ms"]["p50"] <= 3.7


# --- held answers ----------------------------------------------------------------------------------


def test_a_held_answer_comes_when_the_task_is_finished_and_redis_is_not_polled(
    api: Api, worker: PlayedWorker, raw_redis: redis.Redis
) -> None:
    task = api.create()
    answers: list[tuple[str, float]] = []

    def hold() -> None:
        status = api.get(f"/api/tasks/{task['id']}?wait=20").get_json()["status"]
        answers.append((status, time.monotonic()))

    thread = threading.Thread(target=hold)
    thread.start()
    channel = f"celeriac:done:{task['id']}"
    while dict(raw_redis.pubsub_numsub(channel))[channel] == 0:
        time.sleep(0.01)
    before = raw_redis.info("commandstats")
    time.sleep(0.5)  # the time in which a loop would show
    after = raw_redis.info("commandstats")
    calls = {name: after[name]["calls"] - before.get(name, {"calls": 0})["calls"] for name in after}
    finished = time.monotonic()
    worker.succeed(task["id"])
    thread.join(10)
    assert answers[0][0] == "succeeded"
    assert answers[0][1] - finished < 1
    assert calls["cmdstat_evalsha"] <= 1, "the look before the sleep, and no other"


def test_a_held_answer_comes_when_its_time_is_over(api: Api) -> None:
    task = api.create()
    started = time.monotonic()
    assert api.get(f"/api/tasks/{task['id']}", headers={"Prefer": "wait=1"}).get_json()["status"] == "queued"
    assert 0.9 <= time.monotonic() - started < 3


def test_a_create_may_be_held(api: Api) -> None:
    response = api.post("/api/tasks", CODE, headers={"Prefer": "respond-async, wait=1"})
    assert response.status_code == 201
    assert response.headers["Preference-Applied"] == "wait=1"


def test_a_held_task_that_is_deleted_is_404(api: Api, web: object) -> None:
    task = api.create()
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(api.get(f"/api/tasks/{task['id']}?wait=20").status_code))
    thread.start()
    time.sleep(0.2)
    api.delete(f"/api/tasks/{task['id']}")
    thread.join(10)
    assert seen == [404]
