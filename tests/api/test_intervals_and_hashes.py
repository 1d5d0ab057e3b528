"""Schedules by `every_seconds`, and `H` in an expression: through the API and a beat on the virtual clock."""

from __future__ import annotations

import pytest

from app.store.store import Store
from app.usecases.dispatch import Dispatcher
from app.usecases.firing import FiringService
from tests.api.calls import PROGRAM, Api, created, fields_of
from tests.conftest import VirtualClock
from tests.store.making import PlainMessages


@pytest.fixture
def beat(store: Store, clock: VirtualClock) -> FiringService:
    return FiringService(store, Dispatcher(PlainMessages(), 5.0), clock, spread=lambda: 0.0)


def every(api: Api, seconds: int, **fields: object) -> dict[str, object]:
    return created(api.post("/api/scheduled-tasks", {"name": "n", **PROGRAM, "every_seconds": seconds, **fields}))


def test_an_interval_is_counted_from_the_creation(api: Api, clock: VirtualClock) -> None:
    schedule = every(api, 5400)
    assert schedule["cron_expression"] is None
    assert schedule["next_runs"] == [
        "2026-11-23T10:00:00.000Z",
        "2026-11-23T11:30:00.000Z",
        "2026-11-23T13:00:00.000Z",
        "2026-11-23T14:30:00.000Z",
        "2026-11-23T16:00:00.000Z",
    ]
    clock.advance(60_000)
    renamed = api.patch(f"/api/scheduled-tasks/{schedule['id']}", {"name": "new"}).get_json()
    assert renamed["next_runs"] == schedule["next_runs"], "a change counts from the creation still"


def test_firings_that_are_caught_up_keep_their_order_despite_jitter(
    api: Api, store: Store, clock: VirtualClock
) -> None:
    """Each is put off by half the distance to the one after it, which is another one that is caught up."""
    fields = {"cron_expression": "0 9,17 * * *", "catch_up": "all", "jitter_seconds": 43_200}
    created(api.post("/api/scheduled-tasks", {"name": "n", **PROGRAM, **fields}))
    clock.advance(510 * 60_000)
    FiringService(store, Dispatcher(PlainMessages(), 5.0), clock, spread=lambda: 1.0).fire_due(10)
    due = [task["due_at"] for task in api.get("/api/tasks").get_json()["items"]]  # that of 17:00 first
    assert due == ["2026-11-24T01:00:00.000Z", "2026-11-23T13:00:00.000Z"]


def test_an_interval_with_a_start_is_counted_from_it(api: Api) -> None:
    every_second_week = every(api, 1_209_600, start_at="2026-11-02T06:00:00+01:00", timezone="Europe/Berlin")
    assert every_second_week["next_run_at"] == "2026-11-30T05:00:00.000Z"
    to_come = every(api, 60, start_at="2026-12-01T00:00:00Z")
    assert to_come["next_run_at"] == "2026-12-01T00:00:00.000Z"
    assert fields_of(
        api.post(
            "/api/scheduled-tasks",
            {"name": "n", **PROGRAM, "every_seconds": 86_400, "end_at": "2026-11-23T09:00:00Z"},
        )
    ) == ["end_at"]


@pytest.mark.parametrize("every_seconds", [86_400, 86_400.0])
def test_an_end_before_the_first_firing_is_refused_however_the_interval_is_written(
    api: Api, every_seconds: float
) -> None:
    timing = {"every_seconds": every_seconds, "end_at": "2026-11-23T09:00:00Z"}
    body = {"name": "n", **PROGRAM, **timing}
    path = "/api/scheduled-tasks/by-key/daily"
    assert fields_of(api.post("/api/scheduled-tasks", body)) == ["end_at"]
    assert fields_of(api.put(path, body)) == ["end_at"]
    made = created(api.put(path, {**body, "end_at": None}))
    assert made["every_seconds"] == 86_400
    assert fields_of(api.put(path, body)) == ["end_at"]
    assert fields_of(api.patch(f"/api/scheduled-tasks/{made['id']}", timing)) == ["end_at"]
    assert api.get(f"/api/scheduled-tasks/{made['id']}").get_json() == made


def test_an_end_that_is_given_later_leaves_the_firings_before_it(api: Api, clock: VirtualClock) -> None:
    """They are counted from the creation, not from the change."""
    made = every(api, 86_400)
    clock.advance(23 * 3_600_000)
    next_run_at = made["next_run_at"]
    changed = api.patch(f"/api/scheduled-tasks/{made['id']}", {"end_at": next_run_at})
    assert (changed.status_code, changed.get_json()["next_runs"]) == (200, [next_run_at])
    refused = api.patch(f"/api/scheduled-tasks/{made['id']}", {"end_at": "2026-11-24T08:29:59.999Z"})
    assert fields_of(refused) == ["end_at"]


def test_an_interval_fires_and_goes_on(api: Api, store: Store, beat: FiringService, clock: VirtualClock) -> None:
    schedule = every(api, 90)
    for number in (1, 2, 3):
        clock.advance(90_000)
        assert beat.fire_due(10) == 1
        after = api.get(f"/api/scheduled-tasks/{schedule['id']}").get_json()
        assert after["run_count"] == number
    firings = api.get(f"/api/scheduled-tasks/{schedule['id']}/firings").get_json()["items"]
    assert [firing["at"][11:19] for firing in firings] == ["08:34:30", "08:33:00", "08:31:30"]


def test_an_interval_is_previewed_in_words(api: Api) -> None:
    answer = api.post("/api/cron/preview", {"every_seconds": 5400, "count": 2}).get_json()
    assert answer == {
        "description": "Every 90 minutes",
        "next_runs": ["2026-11-23T10:00:00.000Z", "2026-11-23T11:30:00.000Z"],
    }
    both = {"every_seconds": 5400, "cron_expression": "* * * * *"}
    assert fields_of(api.post("/api/cron/preview", both)) == ["cron_expression", "every_seconds"]


def test_a_schedule_can_go_over_to_an_interval_and_back(api: Api) -> None:
    path = f"/api/scheduled-tasks/{api.schedule()['id']}"
    interval = api.patch(path, {"every_seconds": 7200}).get_json()
    assert (interval["cron_expression"], interval["every_seconds"]) == (None, 7200)
    assert interval["next_run_at"] == "2026-11-23T10:30:00.000Z"
    cron = api.patch(path, {"cron_expression": "0 9 * * *"}).get_json()
    assert (cron["cron_expression"], cron["every_seconds"]) == ("0 9 * * *", None)


def test_a_hundred_hourly_schedules_with_a_hash_are_spread_over_the_hour(
    api: Api, store: Store, beat: FiringService, clock: VirtualClock
) -> None:
    schedules = [api.schedule(cron_expression="H * * * *") for _ in range(100)]
    minutes = {schedule["id"]: schedule["next_run_at"][14:16] for schedule in schedules}
    assert len(set(minutes.values())) > 30
    for schedule in schedules[:5]:
        again = api.get(f"/api/scheduled-tasks/{schedule['id']}").get_json()
        assert {run[14:16] for run in again["next_runs"]} == {minutes[schedule["id"]]}, "its own, always the same"
    clock.advance(3_600_000)
    beat.fire_due(200)
    for schedule in schedules:
        after = api.get(f"/api/scheduled-tasks/{schedule['id']}").get_json()
        assert (after["run_count"], after["next_run_at"][14:16]) == (1, minutes[schedule["id"]])


def test_a_hash_is_previewed_as_an_example(api: Api) -> None:
    answer = api.post("/api/cron/preview", {"cron_expression": "H 3 * * *", "count": 1}).get_json()
    assert "an example: each scheduled task gets its own number for H" in answer["description"]
