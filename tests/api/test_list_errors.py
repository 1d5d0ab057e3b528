"""GET /api/tasks/errors"""

from __future__ import annotations

import json
from typing import Any

import pytest
import redis

from app.domain.outcome import Ending, Failure, Outcome
from app.store.messages import NO_MESSAGE
from app.store.store import Store
from tests.api.calls import Api, PlayedWorker, fields_of
from tests.conftest import VirtualClock

DAY_MS = 86_400_000


def groups(api: Api, query: str = "") -> list[dict[str, Any]]:
    return list(api.get(f"/api/tasks/errors{query}").get_json()["items"])


def fail(api: Api, worker: PlayedWorker, message: str, **fields: Any) -> str:
    """The id of a task that failed."""
    task_id = str(api.create(**fields)["id"])
    worker.fail(task_id, Failure("ValueError", message, 3, "…"))
    return task_id


def test_without_failures_there_are_no_groups(api: Api, worker: PlayedWorker) -> None:
    worker.succeed(api.create()["id"])
    api.post(f"/api/tasks/{api.create()['id']}/stop")
    assert groups(api) == []


def test_failures_that_differ_in_numbers_only_are_one_group(
    api: Api, worker: PlayedWorker, clock: VirtualClock
) -> None:
    ids = []
    for row in range(7):
        ids.append(fail(api, worker, f"no row {row} at https://a.test/{row}"))
        clock.advance(1_000)
    (group,) = groups(api)
    fingerprint = group.pop("fingerprint")
    assert group == {
        "type": "ValueError",
        "message": "no row <n> at <url>",
        "kind": "code",
        "count": 7,
        "first_at": "2026-11-23T08:30:00.000Z",
        "last_at": "2026-11-23T08:30:06.000Z",
        "task_ids": ids[:1:-1],
        "scheduled_task_ids": [],
    }
    found = api.get(f"/api/tasks?fingerprint={fingerprint}").get_json()["items"]
    assert [item["id"] for item in found] == ids[::-1]


def test_the_group_that_failed_last_comes_first(api: Api, worker: PlayedWorker, clock: VirtualClock) -> None:
    for message in ("a", "b", "c", "a"):
        fail(api, worker, message)
        clock.advance(1_000)
    assert [group["message"] for group in groups(api)] == ["a", "c", "b"]
    assert [group["message"] for group in groups(api, "?limit=1")] == ["a"]
    assert [group["message"] for group in groups(api, "?since=2026-11-23T08:30:02Z")] == ["a", "c"]
    assert fields_of(api.get("/api/tasks/errors?since=yesterday&limit=0&x=1")) == ["since", "limit", "x"]


def test_a_group_names_the_scheduled_tasks_that_failed_last(
    api: Api, worker: PlayedWorker, clock: VirtualClock
) -> None:
    schedules = []
    for _ in range(6):
        schedules.append(api.schedule()["id"])
        task = api.post(f"/api/scheduled-tasks/{schedules[-1]}/run").get_json()
        worker.fail(task["id"])
        clock.advance(1)
    (group,) = groups(api)
    assert group["scheduled_task_ids"] == schedules[:0:-1]


def test_a_task_counts_once_however_many_attempts_it_takes(
    api: Api, store: Store, worker: PlayedWorker, clock: VirtualClock
) -> None:
    task_id = api.create(max_retries=1)["id"]
    outcome = Outcome(failure=Failure("ValueError", "no"))
    attempt = worker.start(task_id)
    store.tasks.run_again(attempt, outcome, clock(), 1.0, clock(), NO_MESSAGE, Ending.COUNTED, entry=None)
    assert groups(api) == []
    assert api.get("/api/tasks?error_type=ValueError").get_json()["items"] == []
    worker.fail(task_id, Failure("ValueError", "no"))
    assert [group["count"] for group in groups(api)] == [1]


def test_a_deleted_task_stays_counted_and_is_no_longer_named(api: Api, worker: PlayedWorker) -> None:
    first, second = fail(api, worker, "a"), fail(api, worker, "a")
    assert api.delete(f"/api/tasks/{second}").status_code == 204
    (group,) = groups(api)
    assert (group["count"], group["task_ids"]) == (2, [first])


def test_a_deleted_scheduled_task_is_no_longer_named(api: Api, worker: PlayedWorker) -> None:
    gone, kept = api.schedule()["id"], api.schedule()["id"]
    for schedule_id in (kept, gone):
        worker.fail(api.post(f"/api/scheduled-tasks/{schedule_id}/run").get_json()["id"])
    assert api.delete(f"/api/scheduled-tasks/{gone}").status_code == 204
    (group,) = groups(api)
    assert (group["count"], group["scheduled_task_ids"]) == (2, [kept])


def test_groups_are_bounded_in_number(
    api: Api, store: Store, worker: PlayedWorker, clock: VirtualClock, raw_redis: redis.Redis
) -> None:
    for number in range(1_003):
        raw_redis.zadd(store.keys.errors, {f"{number:016x}": clock() - 2_000 + number})
    oldest = store.keys.error_group(f"{0:016x}")
    raw_redis.hset(oldest, "count", 1)
    fail(api, worker, "a")
    assert raw_redis.zcard(store.keys.errors) == 1_000
    assert not raw_redis.exists(oldest)


def test_groups_are_bounded_in_age(api: Api, worker: PlayedWorker, clock: VirtualClock) -> None:
    fail(api, worker, "a")
    clock.advance(30 * DAY_MS + 1)
    fail(api, worker, "b")
    assert [group["message"] for group in groups(api)] == ["b"]


@pytest.mark.parametrize("name", ["E" * 5_000, "Ü:*", "a b"])
def test_hostile_names_of_exceptions_are_bounded(api: Api, worker: PlayedWorker, name: str) -> None:
    task_id = api.create()["id"]
    worker.fail(task_id, Failure(name, "\0\n\u2028" * 2_000, 3, "…"))
    (group,) = groups(api)
    assert len(json.dumps(group)) < 5_000
    found = api.get("/api/tasks", query_string={"error_type": group["type"]}).get_json()["items"]
    assert [item["id"] for item in found] == [task_id]
