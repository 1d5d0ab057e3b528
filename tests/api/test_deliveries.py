"""GET /api/deliveries, GET /api/deliveries/{id}, POST /api/deliveries/{id}/replay; and the body of a callback."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.api import responses
from app.domain.deliveries import DeliveryStatus
from app.domain.outcome import Outcome
from app.domain.times import to_rfc3339
from app.store.deliveries import Delivery, NewDelivery, Try
from app.store.store import Store
from app.usecases.deliveries import callback_body
from tests.api.calls import CALL, CODE, DIVISION, UNKNOWN_ID, Api, PlayedWorker
from tests.conftest import VirtualClock

URL = "https://example.com/told?token=1"


def tell(store: Store, clock: VirtualClock, status: DeliveryStatus, **more: Any) -> Delivery:
    """Try the delivery that is due."""
    (delivery,) = store.deliveries.claim(clock(), clock() + 1_000, 10)
    made = Try(clock(), 200 if status == "delivered" else 503, 1.5, None if status == "delivered" else "no")
    store.deliveries.end_try(delivery, clock(), status, made=made, **more)
    return delivery


def the_only(api: Api, query: str = "") -> dict[str, Any]:
    (item,) = api.get(f"/api/deliveries{query}").get_json()["items"]
    found: dict[str, Any] = item
    return found


def test_a_delivery_shows_each_try(api: Api, worker: PlayedWorker, store: Store, clock: VirtualClock) -> None:
    task = api.create(callback_url=URL)
    assert api.get("/api/deliveries").get_json() == {"items": [], "next_cursor": None}
    worker.run(task["id"], Outcome(failure=DIVISION))
    now = to_rfc3339(clock())
    item = the_only(api)
    assert item == {
        "id": item["id"],
        "event_id": f"msg_{item['id']}",
        "type": "task.failed",
        "channel": None,
        "url": URL,
        "task_id": task["id"],
        "scheduled_task_id": None,
        "status": "pending",
        "tried": 0,
        "last_try": None,
        "next_try_at": now,
        "created_at": now,
        "finished_at": None,
    }
    tell(store, clock, DeliveryStatus.PENDING, next_try_ms=clock() + 5_000)
    clock.advance(5_000)
    tell(store, clock, DeliveryStatus.DELIVERED)
    first = {"at": now, "status": 503, "ms": 1.5, "error": "no"}
    last = {"at": to_rfc3339(clock()), "status": 200, "ms": 1.5, "error": None}
    one = api.get(f"/api/deliveries/{item['id']}").get_json()
    assert one["tries"] == [first, last]
    assert (one["status"], one["tried"], one["next_try_at"], one["finished_at"]) == ("delivered", 2, None, last["at"])
    assert the_only(api) == {name: value for name, value in one.items() if name != "tries"}


def test_filters_and_pages(api: Api, worker: PlayedWorker, store: Store, clock: VirtualClock) -> None:
    schedule = api.schedule(callback_url=URL)
    by_schedule = api.post(f"/api/scheduled-tasks/{schedule['id']}/run").get_json()
    for task in (api.create(callback_url=URL), by_schedule):
        worker.run(task["id"], Outcome(result_json=b"1"))
        tell(store, clock, DeliveryStatus.DELIVERED)
        clock.advance(1)
    store.deliveries.add(NewDelivery("test", channel="ops", data={}), clock())
    assert the_only(api, f"?task_id={by_schedule['id']}")["scheduled_task_id"] == schedule["id"]
    assert the_only(api, f"?scheduled_task_id={schedule['id']}")["task_id"] == by_schedule["id"]
    assert the_only(api, "?channel=ops")["status"] == "pending"
    assert the_only(api, "?status=pending")["channel"] == "ops"
    first = api.get("/api/deliveries?limit=2&status=")
    assert len(first.get_json()["items"]) == 2
    cursor = first.get_json()["next_cursor"]
    assert first.headers["Link"] == f'</api/deliveries?limit=2&status=&cursor={cursor}>; rel="next"'
    assert len(api.get(f"/api/deliveries?limit=2&cursor={cursor}").get_json()["items"]) == 1


@pytest.mark.parametrize("query", ["status=waiting", "cursor=x", "limit=0", "kind=code"])
def test_wrong_parameters_are_refused(api: Api, query: str) -> None:
    response = api.get(f"/api/deliveries?{query}")
    assert response.status_code == 422
    assert [wrong["field"] for wrong in response.get_json()["errors"]] == [query.partition("=")[0]]


def test_a_replay(api: Api, worker: PlayedWorker, store: Store, clock: VirtualClock) -> None:
    task = api.create(callback_url=URL)
    worker.run(task["id"], Outcome(result_json=b"1"))
    told = tell(store, clock, DeliveryStatus.FAILED)
    response = api.post(f"/api/deliveries/{told.id}/replay")
    assert response.status_code == 202
    again = response.get_json()
    assert (again["status"], again["tried"], again["event_id"]) == ("pending", 0, told.event_id)
    tell(store, clock, DeliveryStatus.DELIVERED)
    api.delete(f"/api/tasks/{task['id']}")
    response = api.post(f"/api/deliveries/{told.id}/replay")
    assert response.status_code == 409
    assert "task_status" not in response.get_json()


@pytest.mark.parametrize("delivery_id", [UNKNOWN_ID, "x"])
def test_an_unknown_delivery(api: Api, delivery_id: str) -> None:
    assert api.get(f"/api/deliveries/{delivery_id}").status_code == 404
    assert api.post(f"/api/deliveries/{delivery_id}/replay").status_code == 404


def test_deleting_an_unfinished_task_tells_its_callback(api: Api, store: Store) -> None:
    for fields in ({}, {"task_type": "delayed", "delay_seconds": 60}):
        task = api.create(callback_url=URL, **fields)
        assert api.delete(f"/api/tasks/{task['id']}").status_code == 204
        assert api.get(f"/api/tasks/{task['id']}").status_code == 404
        item = the_only(api, f"?task_id={task['id']}")
        assert item["type"] == "task.stopped"
        delivery = store.deliveries.get(item["id"])
        assert delivery is not None
        subject = store.deliveries.subject(delivery)
        assert subject is not None
        assert json.loads(callback_body(delivery, subject))["data"]["status"] == "stopped"


# --- the body ------------------------------------------------------------------------------------------

SECRETS: dict[str, Any] = {"headers": {"X-Token": "s3cret"}, "data": {"password": "s3cret"}, "params": {"k": "s3cret"}}


@pytest.mark.parametrize(
    ("spec", "outcome"),
    [
        (CODE, Outcome(result_json='{"a":[1,"ü"]}'.encode(), stdout="out\n", cpu_ms=0.8, memory_kb=5120)),
        (CODE, Outcome(failure=DIVISION)),
        (CODE, Outcome(stopped=True)),
        ({**CALL, **SECRETS}, Outcome(result_json=b'{"status_code": 200}')),
    ],
    ids=["succeeded", "failed", "stopped", "api"],
)
def test_the_body_is_the_finished_task_without_the_body_of_its_spec(
    api: Api, worker: PlayedWorker, store: Store, clock: VirtualClock, spec: dict[str, Any], outcome: Outcome
) -> None:
    task = api.post("/api/tasks", {**spec, "callback_url": URL, "tags": ["a"], "expires_in": 60}).get_json()
    worker.run(task["id"], outcome)
    (delivery,) = store.deliveries.claim(clock(), clock() + 1_000, 10)
    subject = store.deliveries.subject(delivery)
    assert subject is not None
    body = callback_body(delivery, subject)
    told = json.loads(body)
    responses.Callback.model_validate(told)
    shown = api.get(f"/api/tasks/{task['id']}").get_json()
    assert told["type"] == f"task.{shown['status']}"
    assert told["timestamp"] == shown["finished_at"] == to_rfc3339(clock())
    assert told["data"] == {name: shown[name] for name in told["data"]}
    left_out = {"callback_url", "callback_on", "alert", "attempts", "history", "retry_delay", "retry_max_delay"}
    bodies = {"function_code", "function_name", "args", "kwargs", "headers", "params", "data"}
    bodies |= {"follow_redirects", "expected_status", "expected_body", "retry_on"}
    assert shown.keys() - told["data"].keys() == left_out | (bodies & shown.keys())
    assert b"s3cret" not in body
    assert callback_body(delivery, subject) == body
