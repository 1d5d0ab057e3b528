"""GET /api/tasks/upcoming"""

from __future__ import annotations

from typing import Any

from tests.api.calls import Api


def delayed(api: Api, name: str, seconds: int) -> None:
    api.create(name=name, task_type="delayed", delay_seconds=seconds)


def names(api: Api, query: str = "") -> list[Any]:
    return [item["name"] for item in api.get(f"/api/tasks/upcoming{query}").get_json()["items"]]


def test_the_waiting_tasks_come_in_the_order_in_which_they_are_due(api: Api) -> None:
    for name, seconds in (("a day", 86_400), ("soon", 2), ("an hour", 3_600)):
        delayed(api, name, seconds)
    api.create()  # queued, so it does not wait
    assert names(api) == ["soon", "an hour", "a day"]
    assert names(api, "?limit=2") == ["soon", "an hour"]


def test_nothing_waits(api: Api) -> None:
    assert names(api) == []


def test_unknown_parameters_are_refused(api: Api) -> None:
    assert api.get("/api/tasks/upcoming?sort=due").status_code == 422
