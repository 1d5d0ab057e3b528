"""Lines in the log about requests: changes as they happen, refusals as counts."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from app.api import request_log
from tests.api.calls import CODE, EVERY_MINUTE, Api


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, dict[str, Any]]]:
    """(sentence, what is attached) of the lines so far, which are then forgotten."""
    found = [
        (
            record.message,
            {
                name: vars(record).get(name)
                for name in ("action", "task_id", "schedule_id", "key", "channel", "delivery_id")
            },
        )
        for record in caplog.records
        if record.name == "celeriac.api"
    ]
    caplog.clear()
    return [(message, {name: value for name, value in extra.items() if value}) for message, extra in found]


@pytest.fixture(autouse=True)
def _at_info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "celeriac.api")


def test_each_change_of_a_task_has_a_line(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    task_id = api.create(task_type="delayed", delay_seconds=60)["id"]
    path = f"/api/tasks/{task_id}"
    api.patch(path, {"name": "y"})
    api.post(f"{path}/stop")
    api.delete(path)
    assert lines(caplog) == [
        ("task created", {"action": "tasks_create", "task_id": task_id}),
        ("task changed", {"action": "tasks_patch", "task_id": task_id}),
        ("task stopped by a caller", {"action": "tasks_stop", "task_id": task_id}),
        ("task deleted", {"action": "tasks_delete", "task_id": task_id}),
    ]


def test_each_change_of_a_scheduled_task_has_a_line(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    schedule_id = api.schedule()["id"]
    for action in ("pause", "resume"):
        api.post(f"/api/scheduled-tasks/{schedule_id}/{action}")
    api.put("/api/scheduled-tasks/by-key/mine", EVERY_MINUTE)
    created, paused, resumed, put = lines(caplog)
    assert created == ("scheduled task created", {"action": "scheduled_tasks_create", "schedule_id": schedule_id})
    assert paused == ("scheduled task paused", {"action": "scheduled_tasks_pause", "schedule_id": schedule_id})
    assert resumed[0] == "scheduled task resumed"
    assert put[1]["key"] == "mine"


def test_each_change_of_a_channel_has_a_line(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    path = "/api/channels/ops"
    api.put(path, {"kind": "slack", "url": "https://hooks.slack.com/services/t0ken"})
    api.patch(path, {"language": "zh"})
    delivery_id = api.post(f"{path}/test").get_json()["id"]
    api.delete(path)
    assert lines(caplog) == [
        ("channel created or replaced", {"action": "channels_put", "channel": "ops"}),
        ("channel changed", {"action": "channels_patch", "channel": "ops"}),
        ("test notice created", {"action": "channels_test", "channel": "ops", "delivery_id": delivery_id}),
        ("channel deleted", {"action": "channels_delete", "channel": "ops"}),
    ]
    assert "t0ken" not in caplog.text


def test_a_repeated_request_is_not_told_as_a_creation(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        api.post("/api/tasks", CODE, headers={"Idempotency-Key": "k"})
    assert [sentence for sentence, _ in lines(caplog)] == [
        "task created",
        "request repeated; the earlier answer was sent",
    ]


def test_reading_previews_and_dry_runs_have_none(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    api.get("/api/tasks")
    api.post("/api/bulk", {"action": "stop", "filter": {"status": "queued"}, "dry_run": True})
    api.post("/api/cron/preview", {"cron_expression": "@daily"})
    assert lines(caplog) == []


def test_refusals_are_counted_by_status_and_told_once_a_window(
    api: Api, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        api.post("/api/tasks", {})
    api.get("/api/nothing")
    assert lines(caplog) == []
    monkeypatch.setattr(request_log, "WINDOW_SECONDS", 0.0)
    api.get("/api/tasks")
    (record,) = [record for record in caplog.records if record.name == "celeriac.api"]
    told = {name: vars(record)[name] for name in ("action", "count", "status_404", "status_422")}
    assert told == {"action": "requests_refused", "count": 4, "status_404": 1, "status_422": 3}
    caplog.clear()
    api.get("/api/tasks")
    assert lines(caplog) == []
