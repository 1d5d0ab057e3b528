"""POST /api/bulk, GET /api/bulk, GET /api/bulk/{id} and POST /api/bulk/{id}/abort"""

from __future__ import annotations

import threading
from typing import Any

import pytest
import redis

from app.messaging.encoder import MessageEncoder
from app.settings import Settings
from app.store.bulk import MOST_KEPT
from app.store.store import Store
from app.store.tasks import Hold
from app.usecases.bulk_work import BulkWork
from app.usecases.dispatch import Dispatcher
from tests.api.calls import UNKNOWN_ID, Api, PlayedWorker, fields_of
from tests.api.test_hidden_values import sent_by
from tests.conftest import VirtualClock
from tests.servers import wait_until


@pytest.fixture
def work(store: Store) -> BulkWork:
    """The process that works bulks off, when the test says so."""
    return BulkWork(store, Dispatcher(MessageEncoder(store.keys), 5.0), Settings(), "beat@test")


def begun(api: Api, **body: Any) -> dict[str, Any]:
    """A bulk that was just created."""
    response = api.post("/api/bulk", body)
    assert response.status_code == 202, response.text
    bulk: dict[str, Any] = response.get_json()
    assert response.headers["Location"] == f"/api/bulk/{bulk['id']}"
    return bulk


def statuses(api: Api, *ids: str) -> list[str]:
    return [api.get(f"/api/tasks/{task_id}").get_json()["status"] for task_id in ids]


def test_a_bulk_stops_what_matches_and_nothing_that_comes_later(api: Api, work: BulkWork, clock: VirtualClock) -> None:
    matching = [api.create(tags=["x"])["id"], api.create(tags=["x"], task_type="delayed", delay_seconds=60)["id"]]
    other = api.create()["id"]
    bulk = begun(api, action="stop", filter={"tag": "x"})
    assert (bulk["status"], bulk["matched"], bulk["done"], bulk["of"]) == ("running", 2, 0, "tasks")
    assert bulk["filter"] == {"tag": "x"}
    later = api.create(tags=["x"])["id"]
    work.work_off(clock.advance(10))
    assert statuses(api, *matching, other, later) == ["stopped", "stopped", "queued", "queued"]
    ended = api.get(f"/api/bulk/{bulk['id']}").get_json()
    assert (ended["status"], ended["done"], ended["failed"]) == ("completed", 2, 0)
    assert ended["finished_at"] > ended["created_at"]


def test_what_can_not_be_stopped_is_counted_as_failed(
    api: Api, work: BulkWork, clock: VirtualClock, worker: PlayedWorker
) -> None:
    finished, waiting = api.create()["id"], api.create()["id"]
    worker.succeed(finished)
    bulk = begun(api, action="stop", ids=[finished, waiting])
    work.work_off(clock())
    ended = api.get(f"/api/bulk/{bulk['id']}").get_json()
    assert (ended["status"], ended["done"], ended["failed"], ended["filter"]) == ("completed", 1, 1, None)


def test_a_running_task_is_asked_to_stop_and_not_waited_for(
    api: Api, work: BulkWork, clock: VirtualClock, worker: PlayedWorker, store: Store
) -> None:
    task_id = api.create()["id"]
    attempt = worker.start(task_id)
    heard = threading.Event()
    assert store.subscriber.subscribe(store.keys.stop, lambda message: heard.set()).wait(5)
    bulk = begun(api, action="stop", filter={"status": "running"})
    work.work_off(clock())
    assert api.get(f"/api/bulk/{bulk['id']}").get_json()["status"] == "completed"
    assert heard.wait(5), "the worker was not told"
    assert statuses(api, task_id) == ["running"]
    worker.end_stopped(attempt)
    assert statuses(api, task_id) == ["stopped"]


def test_a_bulk_deletes_every_trace_also_of_what_runs(
    api: Api, work: BulkWork, clock: VirtualClock, worker: PlayedWorker, store: Store
) -> None:
    ids = [api.create()["id"] for _ in range(3)]
    attempt = worker.start(ids[0])
    worker.succeed(ids[1])
    begun(api, action="delete", filter={"kind": "code"})
    work.work_off(clock())
    assert [api.get(f"/api/tasks/{task_id}").status_code for task_id in ids] == [404] * 3
    assert store.tasks.renew([attempt], clock() + 1_000) == [Hold.LOST], "its worker still holds it"
    worker.end_stopped(attempt)
    assert api.get(f"/api/tasks/{ids[0]}").status_code == 404


def test_a_bulk_retries_with_changes(api: Api, work: BulkWork, clock: VirtualClock, worker: PlayedWorker) -> None:
    failed = [api.create(tags=["x"], kwargs={"a": number})["id"] for number in range(3)]
    for task_id in failed:
        worker.fail(task_id)
    unfinished = api.create(tags=["x"])["id"]
    bulk = begun(api, action="retry", filter={"tag": "x"}, changes={"timeout": 60, "tags": None})
    work.work_off(clock.advance(5))
    ended = api.get(f"/api/bulk/{bulk['id']}").get_json()
    assert (ended["matched"], ended["done"], ended["failed"]) == (4, 3, 1)
    listed = api.get("/api/tasks?status=queued").get_json()["items"]
    retries = [api.get(f"/api/tasks/{task['id']}").get_json() for task in listed if task["id"] != unfinished]
    assert {task["retry_of"]: task["kwargs"]["a"] for task in retries} == dict(zip(failed, range(3), strict=True))
    assert {(task["timeout"], tuple(task["tags"]), task["task_type"]) for task in retries} == {(60, (), "immediate")}
    work.work_off(clock.advance(5))
    assert api.get("/api/tasks/stats").get_json()["total"] == 7, "the retries were retried"


def test_a_time_alone_delays_the_retries_as_it_does_for_one(
    api: Api, work: BulkWork, clock: VirtualClock, worker: PlayedWorker
) -> None:
    task_id = api.create()["id"]
    worker.fail(task_id)
    begun(api, action="retry", ids=[task_id], changes={"delay_seconds": 60})
    work.work_off(clock())
    (retry,) = api.get("/api/tasks?status=waiting").get_json()["items"]
    one = api.post(f"/api/tasks/{task_id}/retry", {"delay_seconds": 60}).get_json()
    assert (retry["task_type"], retry["due_at"]) == ("delayed", one["due_at"])


def test_changes_that_one_task_does_not_bear_fail_for_it_alone(
    api: Api, work: BulkWork, clock: VirtualClock, worker: PlayedWorker
) -> None:
    code, call = api.create()["id"], api.create(api_url="http://target.test/")["id"]
    worker.fail(code)
    worker.fail(call)
    bulk = begun(api, action="retry", filter={"status": "failed"}, changes={"method": "PUT"})
    work.work_off(clock())
    ended = api.get(f"/api/bulk/{bulk['id']}").get_json()
    assert (ended["status"], ended["done"], ended["failed"]) == ("completed", 1, 1)


def test_arguments_are_for_the_functions_of_the_tasks(
    api: Api, work: BulkWork, clock: VirtualClock, worker: PlayedWorker
) -> None:
    task_id = api.create(function_code="def f(x): return x", function_name="f", args=[1])["id"]
    worker.fail(task_id)
    bulk = begun(api, action="retry", ids=[task_id], changes={"args": [5, 6, 7], "kwargs": {}})
    work.work_off(clock())
    assert api.get(f"/api/bulk/{bulk['id']}").get_json()["done"] == 1
    (retry,) = api.get("/api/tasks?status=queued").get_json()["items"]
    assert api.get(f"/api/tasks/{retry['id']}").get_json()["args"] == [5, 6, 7]


def test_a_retry_may_call_another_function_of_each_program(
    api: Api, work: BulkWork, clock: VirtualClock, worker: PlayedWorker
) -> None:
    task_id = api.create(function_code="def f(): return 1\ndef other(): return 2", function_name="f")["id"]
    worker.fail(task_id)
    begun(api, action="retry", ids=[task_id], changes={"function_name": "other"})
    work.work_off(clock())
    (retry,) = api.get("/api/tasks?status=queued").get_json()["items"]
    assert api.get(f"/api/tasks/{retry['id']}").get_json()["function_name"] == "other"


def test_a_content_type_is_for_the_data_of_each_task(
    api: Api, work: BulkWork, clock: VirtualClock, worker: PlayedWorker, store: Store
) -> None:
    ids = [api.create(api_url="http://target.test/", data=data)["id"] for data in ("text", {"an": "object"})]
    for task_id in ids:
        worker.succeed(task_id)
    changes = {"headers": {"Content-Type": "text/plain"}}
    bulk = begun(api, action="retry", ids=ids, changes=changes)
    work.work_off(clock())
    ended = api.get(f"/api/bulk/{bulk['id']}").get_json()
    assert (ended["done"], ended["failed"]) == (1, 1)
    (retry,) = api.get("/api/tasks?status=queued").get_json()["items"]
    assert sent_by(store, retry["id"]) == changes["headers"]
    assert api.get(f"/api/tasks/{retry['id']}").get_json()["data"] == "text"


def test_a_hidden_header_keeps_the_value_that_each_task_has(
    api: Api, work: BulkWork, clock: VirtualClock, worker: PlayedWorker, store: Store
) -> None:
    sent = [{"Authorization": "a", "Host": "one.test"}, {"authorization": "b", "host": "two.test", "X": "1"}, {}]
    ids = [api.create(api_url="http://target.test/", headers=headers)["id"] for headers in sent]
    for task_id in ids:
        worker.succeed(task_id)
    changes = {"headers": {"Authorization": "***", "Host": "***", "X-New": "1"}}
    bulk = begun(api, action="retry", ids=ids, changes=changes)
    work.work_off(clock())
    ended = api.get(f"/api/bulk/{bulk['id']}").get_json()
    assert (ended["done"], ended["failed"]) == (2, 1), "the third has no values to keep"
    retries = api.get("/api/tasks?status=queued").get_json()["items"]
    assert {task["retry_of"]: sent_by(store, task["id"]) for task in retries} == {
        ids[0]: {"Authorization": "a", "Host": "one.test", "X-New": "1"},
        ids[1]: {"Authorization": "b", "Host": "two.test", "X-New": "1"},
    }


@pytest.mark.parametrize(
    ("changes", "fields", "message"),
    [
        ({"method": "FETCH"}, ["changes.method"], "should be 'GET'"),
        ({"method": "PUT", "timeout": -1}, ["changes.timeout"], "should be greater than"),
        ({"args": 5}, ["changes.args"], "should be an array"),
        ({"headers": {"Content-Type": "text/plain"}, "data": {}}, ["changes.data"], "must be a string"),
        ({"headers": ["***"]}, ["changes.headers"], "should be an object"),
        ({"headers": {"A": "***", "B": "\n"}}, ["changes.headers"], "the value of B contains a line break"),
    ],
)
def test_changes_that_fit_no_task_are_refused_for_what_is_wrong_with_them(
    api: Api, changes: dict[str, Any], fields: list[str], message: str
) -> None:
    response = api.post("/api/bulk", {"action": "retry", "filter": {"tag": "x"}, "changes": changes})
    assert fields_of(response) == fields
    assert message in response.get_json()["errors"][0]["message"]


def test_a_dry_run_counts_and_does_nothing(api: Api, work: BulkWork, clock: VirtualClock) -> None:
    ids = [api.create(tags=["x"])["id"] for _ in range(3)]
    response = api.post("/api/bulk", {"action": "delete", "filter": {"tag": "x"}, "dry_run": True})
    assert (response.status_code, response.get_json()) == (200, {"matched": 3})
    work.work_off(clock())
    assert statuses(api, *ids) == ["queued"] * 3
    assert api.get("/api/bulk").get_json() == {"items": []}


def test_scheduled_tasks_are_paused_resumed_run_and_deleted(api: Api, work: BulkWork, clock: VirtualClock) -> None:
    ids = [api.schedule(tags=["x"])["id"] for _ in range(3)]
    other = api.schedule()["id"]

    def after(action: str) -> list[str]:
        bulk = begun(api, of="scheduled-tasks", action=action, filter={"tag": "x"})
        work.work_off(clock.advance(10))
        ended = api.get(f"/api/bulk/{bulk['id']}").get_json()
        assert (ended["status"], ended["done"], ended["failed"]) == ("completed", 3, 0)
        return [str(api.get(f"/api/scheduled-tasks/{each}").get_json()["status"]) for each in [*ids, other]]

    assert after("pause") == ["paused"] * 3 + ["active"]
    assert after("resume") == ["active"] * 4
    assert api.get(f"/api/scheduled-tasks/{ids[0]}").get_json()["next_run_at"] is not None
    after("run")
    for schedule_id in ids:
        (task,) = api.get(f"/api/scheduled-tasks/{schedule_id}/tasks").get_json()["items"]
        schedule = api.get(f"/api/scheduled-tasks/{schedule_id}").get_json()
        assert (schedule["last_task_id"], schedule["run_count"]) == (task["id"], 1)
    assert after("delete") == ["404"] * 3 + ["active"]  # of a problem document it is the HTTP status


def test_what_is_gone_is_counted_as_failed(api: Api, work: BulkWork, clock: VirtualClock) -> None:
    for action in ("pause", "resume", "run", "delete"):
        schedule_id = api.schedule()["id"]
        bulk = begun(api, of="scheduled-tasks", action=action, ids=[schedule_id])
        api.delete(f"/api/scheduled-tasks/{schedule_id}")
        work.work_off(clock())
        ended = api.get(f"/api/bulk/{bulk['id']}").get_json()
        assert (action, ended["status"], ended["done"], ended["failed"]) == (action, "completed", 0, 1)


def test_unknown_ids_do_not_match_and_a_bulk_of_nothing_is_completed_at_once(api: Api) -> None:
    bulk = begun(api, action="stop", ids=[UNKNOWN_ID, UNKNOWN_ID])
    assert (bulk["matched"], bulk["status"]) == (0, "completed")
    assert api.get(f"/api/bulk/{bulk['id']}?wait=5").get_json() == bulk


def test_an_aborted_bulk_stands_where_it_was(api: Api, work: BulkWork, clock: VirtualClock) -> None:
    task_id = api.create()["id"]
    bulk = begun(api, action="stop", filter={"kind": "code"})
    aborted = api.post(f"/api/bulk/{bulk['id']}/abort").get_json()
    assert (aborted["status"], aborted["done"]) == ("aborted", 0)
    work.work_off(clock.advance(5))
    assert statuses(api, task_id) == ["queued"]
    assert api.post(f"/api/bulk/{bulk['id']}/abort").get_json() == aborted, "the second abort changed it"


def test_a_wait_ends_with_the_bulk(
    api: Api, work: BulkWork, clock: VirtualClock, store: Store, raw_redis: redis.Redis
) -> None:
    api.create()
    bulk = begun(api, action="stop", filter={"kind": "code"})
    found: list[dict[str, Any]] = []
    waiting = threading.Thread(target=lambda: found.append(api.get(f"/api/bulk/{bulk['id']}?wait=30").get_json()))
    waiting.start()
    channel = store.keys.done(bulk["id"])
    wait_until(lambda: dict(raw_redis.pubsub_numsub(channel)).get(channel), 15, "somebody who waits")
    work.work_off(clock())
    waiting.join(10)
    assert [each["status"] for each in found] == ["completed"]


def test_the_newest_bulk_comes_first(api: Api) -> None:
    ids = [begun(api, action="stop", ids=[UNKNOWN_ID])["id"] for _ in range(3)]
    assert [bulk["id"] for bulk in api.get("/api/bulk").get_json()["items"]] == ids[::-1]


def test_a_repeated_request_begins_one_bulk(api: Api, work: BulkWork, clock: VirtualClock) -> None:
    api.create()
    body, headers = {"action": "stop", "filter": {"kind": "code"}}, {"Idempotency-Key": "once"}
    first = api.post("/api/bulk", body, headers=headers)
    second = api.post("/api/bulk", body, headers=headers)
    assert (second.status_code, second.get_json()["id"]) == (202, first.get_json()["id"])
    assert second.headers["Idempotency-Replayed"] == "true"
    reused = api.post("/api/bulk", {**body, "action": "delete"}, headers=headers)
    assert (reused.status_code, reused.get_json()["type"]) == (422, "urn:celeriac:problem:key-reused")


def test_a_repetition_shows_the_bulk_as_it_stands_and_begins_none_when_it_is_gone(
    api: Api, work: BulkWork, clock: VirtualClock
) -> None:
    api.create()
    body, headers = {"action": "stop", "filter": {"kind": "code"}}, {"Idempotency-Key": "once"}
    first = api.post("/api/bulk", body, headers=headers).get_json()
    work.work_off(clock())
    assert api.post("/api/bulk", body, headers=headers).get_json() == api.get(f"/api/bulk/{first['id']}").get_json()
    newer = [begun(api, action="stop", ids=[UNKNOWN_ID])["id"] for _ in range(MOST_KEPT)]
    assert api.post("/api/bulk", body, headers=headers).status_code == 404
    assert [bulk["id"] for bulk in api.get("/api/bulk").get_json()["items"]] == newer[::-1]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["action"]),
        ({"action": "stop"}, ["filter"]),
        ({"action": "stop", "filter": {}}, ["filter"]),
        ({"action": "stop", "filter": {"tag": ""}}, ["filter.tag"]),
        ({"action": "stop", "filter": {"colour": "red"}}, ["filter.colour"]),
        ({"action": "stop", "filter": {"limit": "5"}}, ["filter.limit"]),
        ({"action": "stop", "filter": {"status": "odd", "kind": "x"}}, ["filter.status", "filter.kind"]),
        ({"action": "stop", "filter": {"status": ["failed"]}}, ["filter.status"]),
        ({"action": "stop", "filter": {"tag": "x"}, "ids": [UNKNOWN_ID]}, ["filter", "ids"]),
        ({"action": "stop", "ids": []}, ["ids"]),
        ({"action": "stop", "ids": [UNKNOWN_ID] * 1001}, ["ids"]),
        ({"action": "stop", "ids": ["1"]}, ["ids[0]"]),
        ({"action": "pause", "filter": {"tag": "x"}}, ["action"]),
        ({"action": "stop", "of": "scheduled-tasks", "filter": {"tag": "x"}}, ["action"]),
        ({"action": "pause", "of": "scheduled-tasks", "filter": {"status": "failed"}}, ["filter.status"]),
        ({"action": "pause", "of": "scheduled-tasks", "filter": {"task_type": "delayed"}}, ["filter.task_type"]),
        ({"action": "stop", "filter": {"tag": "x"}, "changes": {"timeout": 5}}, ["changes"]),
        ({"action": "retry", "filter": {"tag": "x"}, "changes": {"timeout": -1}}, ["changes.timeout"]),
        ({"action": "retry", "filter": {"tag": "x"}, "changes": {"colour": 1}}, ["changes.colour"]),
        ({"action": "retry", "filter": {"tag": "x"}, "changes": {"function_code": "x = 1"}}, ["changes.function_name"]),
        (
            {"action": "retry", "ids": [UNKNOWN_ID], "changes": {"function_code": "def f(:", "function_name": "f"}},
            ["changes.function_code"],
        ),
        ({"action": "stop", "filter": {"tag": "x"}, "colour": 1}, ["colour"]),
        ({"action": "stop", "filter": {"tag": "x"}, "colour": None}, ["colour"]),
        ({"action": "stop", "filter": {"tag": "x"}, "dry_run": "yes"}, ["dry_run"]),
    ],
)
def test_wrong_fields_are_named(api: Api, body: dict[str, Any], fields: list[str]) -> None:
    assert fields_of(api.post("/api/bulk", body)) == fields


def test_no_such_bulk(api: Api) -> None:
    for path in (f"/api/bulk/{UNKNOWN_ID}", "/api/bulk/x", f"/api/bulk/{UNKNOWN_ID}?wait=1"):
        assert api.get(path).status_code == 404
    assert api.post(f"/api/bulk/{UNKNOWN_ID}/abort").status_code == 404
