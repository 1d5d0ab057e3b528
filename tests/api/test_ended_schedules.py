"""Scheduled tasks of which no firing is left, or few are: what they show, and how they are changed."""

from __future__ import annotations

from typing import Any

import pytest

from app.settings import Settings
from app.store.store import Store
from app.usecases.bulk_work import BulkWork
from app.usecases.dispatch import Dispatcher
from app.usecases.firing import FiringService
from tests.api.calls import EVERY_MINUTE, Api, fields_of
from tests.conftest import VirtualClock
from tests.store.making import PlainMessages

MINUTE_MS = 60_000


@pytest.fixture
def beat(store: Store, clock: VirtualClock) -> FiringService:
    return FiringService(store, Dispatcher(PlainMessages(), 5.0), clock, spread=lambda: 0.0)


def fire(beat: FiringService, clock: VirtualClock, times: int = 1) -> None:
    for _ in range(times):
        clock.advance(MINUTE_MS)
        assert beat.fire_due(10) == 1


def read(api: Api, schedule: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"/api/scheduled-tasks/{schedule['id']}").get_json()
    return found


def patch(api: Api, schedule: dict[str, Any], **changes: object) -> dict[str, Any]:
    response = api.patch(f"/api/scheduled-tasks/{schedule['id']}", changes)
    assert response.status_code == 200, response.text
    changed: dict[str, Any] = response.get_json()
    return changed


def test_no_more_firings_are_shown_than_max_runs_leaves(api: Api, beat: FiringService, clock: VirtualClock) -> None:
    schedule = api.schedule(max_runs=3)
    assert [run[11:16] for run in schedule["next_runs"]] == ["08:31", "08:32", "08:33"]
    fire(beat, clock)
    api.post(f"/api/scheduled-tasks/{schedule['id']}/run")  # does not count for max_runs
    assert [run[11:16] for run in read(api, schedule)["next_runs"]] == ["08:32", "08:33"]
    assert len(patch(api, schedule, max_runs=100)["next_runs"]) == 5


def test_max_runs_that_is_reached_already_ends_it(api: Api, beat: FiringService, clock: VirtualClock) -> None:
    schedule = api.schedule()
    fire(beat, clock, times=3)
    ended = patch(api, schedule, max_runs=2)
    assert (ended["status"], ended["next_run_at"], ended["next_runs"]) == ("ended", None, [])
    clock.advance(MINUTE_MS)
    assert beat.fire_due(10) == 0
    assert patch(api, schedule, max_runs=4)["status"] == "active"


def test_an_ended_one_that_is_renamed_stays_ended(api: Api, beat: FiringService, clock: VirtualClock) -> None:
    by_count = api.schedule(max_runs=1)
    fire(beat, clock)
    by_time = api.schedule(end_at="2026-11-23T08:32:00Z")
    fire(beat, clock)
    for schedule in (by_count, by_time):
        renamed = patch(api, schedule, name="new", timeout=5)
        assert (renamed["name"], renamed["status"], renamed["next_runs"]) == ("new", "ended", [])
    assert patch(api, by_time, end_at="2026-11-23T08:33:00+00:00")["status"] == "active"
    response = api.patch(f"/api/scheduled-tasks/{by_time['id']}", {"end_at": "2026-11-23T08:31:00Z"})
    assert fields_of(response) == ["end_at"], "a new end is a wish that can't come true"


def test_a_file_with_a_past_end_can_be_applied_again(api: Api, beat: FiringService, clock: VirtualClock) -> None:
    path, body = "/api/scheduled-tasks/by-key/once", {**EVERY_MINUTE, "end_at": "2026-11-23T08:31:00Z"}
    schedule = api.put(path, body).get_json()
    fire(beat, clock)
    ended = read(api, schedule)
    assert ended["status"] == "ended"
    same = api.put(path, {**body, "cron_expression": " * * * * * ", "end_at": "2026-11-23T09:31:00+01:00"})
    assert (same.status_code, same.get_json()) == (200, ended), "nothing is written"


def test_a_firing_that_is_outstanding_stays_when_its_schedule_is_changed_after_the_end(
    api: Api, beat: FiringService, clock: VirtualClock
) -> None:
    schedule = api.schedule(end_at="2026-11-23T08:31:00Z")
    clock.advance(5 * MINUTE_MS)  # no beat was running
    assert patch(api, schedule, name="new")["next_run_at"] == "2026-11-23T08:31:00.000Z"
    assert beat.fire_due(10) == 1
    assert (read(api, schedule)["run_count"], read(api, schedule)["status"]) == (1, "ended")


@pytest.mark.parametrize("by_bulk", [False, True])
def test_a_paused_one_without_firings_ends_when_it_is_resumed(
    api: Api, store: Store, beat: FiringService, clock: VirtualClock, by_bulk: bool
) -> None:
    schedule = api.schedule()
    fire(beat, clock)
    api.post(f"/api/scheduled-tasks/{schedule['id']}/pause")
    assert patch(api, schedule, max_runs=1)["status"] == "paused"
    if by_bulk:
        api.post("/api/bulk", {"of": "scheduled-tasks", "action": "resume", "ids": [schedule["id"]]})
        BulkWork(store, Dispatcher(PlainMessages(), 5.0), Settings(), "beat@test").work_off(clock())
    else:
        assert api.post(f"/api/scheduled-tasks/{schedule['id']}/resume").get_json()["status"] == "ended"
    assert (read(api, schedule)["status"], read(api, schedule)["next_runs"]) == ("ended", [])
