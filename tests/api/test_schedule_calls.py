"""The calls of /api/scheduled-tasks and /api/cron."""

from __future__ import annotations

import pytest

from app.store.store import Store
from tests.api.calls import CALL, EVERY_MINUTE, Api, created, fields_of
from tests.conftest import VirtualClock
from tests.store.making import FAILED, STOPPED, SUCCEEDED, finished


def test_create_answers_with_the_next_five_firings(api: Api) -> None:
    response = api.post(
        "/api/scheduled-tasks", {**EVERY_MINUTE, "cron_expression": "0 9 * * *", "timezone": "Europe/Berlin"}
    )
    schedule = created(response)
    assert response.headers["Location"] == f"/api/scheduled-tasks/{schedule['id']}"
    assert (schedule["status"], schedule["run_count"], schedule["last_task_id"]) == ("active", 0, None)
    assert schedule["next_run_at"] == "2026-11-24T08:00:00.000Z"
    assert schedule["next_runs"] == [f"2026-11-{day}T08:00:00.000Z" for day in range(24, 29)]
    assert api.get(f"/api/scheduled-tasks/{schedule['id']}").get_json() == schedule


def test_the_list_has_filters_and_pages(api: Api) -> None:
    ids = [api.schedule(name=f"s{number}", tags=["even"] if number % 2 == 0 else [])["id"] for number in range(5)]
    api.post(f"/api/scheduled-tasks/{ids[0]}/pause")
    first = api.get("/api/scheduled-tasks?limit=2").get_json()
    second = api.get(f"/api/scheduled-tasks?limit=3&cursor={first['next_cursor']}").get_json()
    assert [item["id"] for item in first["items"] + second["items"]] == ids[::-1]
    assert [item["name"] for item in api.get("/api/scheduled-tasks?tag=even").get_json()["items"]] == ["s4", "s2", "s0"]
    assert [item["name"] for item in api.get("/api/scheduled-tasks?status=paused").get_json()["items"]] == ["s0"]
    assert [item["name"] for item in api.get("/api/scheduled-tasks?name=s3&kind=code").get_json()["items"]] == ["s3"]
    assert api.get("/api/scheduled-tasks?kind=api").get_json()["items"] == []


def test_the_list_finds_the_failing_ones(api: Api, store: Store, clock: VirtualClock) -> None:
    ids = [api.schedule(name=f"s{number}")["id"] for number in range(4)]
    for schedule_id, outcome in zip(ids, (FAILED, SUCCEEDED, STOPPED), strict=False):
        finished(store, clock(), outcome, scheduled_task_id=schedule_id)
    for word, schedule_id in zip(("failed", "succeeded", "stopped"), ids, strict=False):
        for sort in ("created", "next_run"):
            found = api.get(f"/api/scheduled-tasks?last_outcome={word}&sort={sort}").get_json()["items"]
            assert [(item["id"], item["last_outcome"]) for item in found] == [(schedule_id, word)]
    body = {"of": "scheduled-tasks", "action": "pause", "filter": {"last_outcome": "failed"}, "dry_run": True}
    assert api.post("/api/bulk", body).get_json() == {"matched": 1}
    assert fields_of(api.get("/api/scheduled-tasks?last_outcome=running")) == ["last_outcome"]


def test_the_list_can_be_sorted_by_the_next_firing(api: Api) -> None:
    ids = {
        minute: api.schedule(name=f"at {minute}", cron_expression=f"{minute} 12 * * *")["id"]
        for minute in (30, 10, 20, 40)
    }
    api.post(f"/api/scheduled-tasks/{ids[40]}/pause")
    expected = [ids[10], ids[20], ids[30]]
    first = api.get("/api/scheduled-tasks?sort=next_run&name=at*&limit=2")
    assert [item["id"] for item in first.get_json()["items"]] == expected[:2]
    second = api.get(first.headers["Link"].split(">")[0][1:])
    assert [item["id"] for item in second.get_json()["items"]] == expected[2:]
    assert second.get_json()["next_cursor"] is None
    assert api.get("/api/scheduled-tasks?sort=next_run&status=paused").get_json()["items"] == []
    newest = api.get("/api/scheduled-tasks?sort=created&limit=1").get_json()
    assert [item["id"] for item in newest["items"]] == [ids[40]]
    assert fields_of(api.get("/api/scheduled-tasks?sort=finished")) == ["sort"]
    for query in (f"sort=next_run&cursor={newest['next_cursor']}", f"cursor={first.get_json()['next_cursor']}"):
        assert fields_of(api.get(f"/api/scheduled-tasks?{query}")) == ["cursor"]


def test_pause_and_resume_count_from_now(api: Api, clock: VirtualClock) -> None:
    schedule = api.schedule()
    paused = api.post(f"/api/scheduled-tasks/{schedule['id']}/pause").get_json()
    assert (paused["status"], paused["next_run_at"], paused["next_runs"]) == ("paused", None, [])
    assert api.post(f"/api/scheduled-tasks/{schedule['id']}/pause").status_code == 200
    clock.advance(3_600_000)
    resumed = api.post(f"/api/scheduled-tasks/{schedule['id']}/resume").get_json()
    assert (resumed["status"], resumed["next_run_at"]) == ("active", "2026-11-23T09:31:00.000Z")


def test_after_the_clock_was_set_back_a_resume_counts_from_the_new_time(api: Api, clock: VirtualClock) -> None:
    clock.advance(86_400_000)
    schedule = api.schedule()
    clock.advance(-86_400_000)
    path = f"/api/scheduled-tasks/{schedule['id']}"
    assert api.patch(path, {"name": "other"}).get_json()["next_run_at"] == "2026-11-24T08:31:00.000Z"
    api.post(f"{path}/pause")
    assert api.post(f"{path}/resume").get_json()["next_run_at"] == "2026-11-23T08:31:00.000Z"


def test_run_now_creates_a_task_beside_the_schedule(api: Api) -> None:
    schedule = api.schedule()
    task = created(api.post(f"/api/scheduled-tasks/{schedule['id']}/run"))
    assert (task["task_type"], task["scheduled_task_id"], task["status"]) == ("scheduled", schedule["id"], "queued")
    after = api.get(f"/api/scheduled-tasks/{schedule['id']}").get_json()
    assert (after["last_task_id"], after["next_run_at"]) == (task["id"], schedule["next_run_at"])
    tasks = api.get(f"/api/scheduled-tasks/{schedule['id']}/tasks").get_json()["items"]
    assert [item["id"] for item in tasks] == [task["id"]]


def test_delete_leaves_the_tasks(api: Api) -> None:
    schedule = api.schedule()
    task = created(api.post(f"/api/scheduled-tasks/{schedule['id']}/run"))
    assert api.delete(f"/api/scheduled-tasks/{schedule['id']}").status_code == 204
    assert api.get(f"/api/scheduled-tasks/{schedule['id']}").status_code == 404
    assert api.get(f"/api/tasks/{task['id']}").status_code == 200


@pytest.mark.parametrize(
    ("change", "next_run_at"),
    [
        ({"name": "other", "tags": ["x"], "overlap": "skip"}, "2026-11-23T08:31:00.000Z"),
        ({"cron_expression": "0 12 * * *"}, "2026-11-23T12:00:00.000Z"),
        ({"cron_expression": "0 12 * * *", "timezone": "Asia/Tokyo"}, "2026-11-24T03:00:00.000Z"),
        ({"start_at": "2026-12-01T00:00:00.000Z"}, "2026-12-01T00:00:00.000Z"),
        ({"api_url": CALL["api_url"]}, "2026-11-23T08:31:00.000Z"),
    ],
)
def test_any_field_can_be_changed(api: Api, change: dict[str, object], next_run_at: str) -> None:
    schedule = api.schedule()
    changed = api.patch(f"/api/scheduled-tasks/{schedule['id']}", change).get_json()
    assert changed["next_run_at"] == next_run_at
    assert {name: changed[name] for name in change} == change
    assert changed["id"] == schedule["id"]


def test_null_gives_a_field_its_default(api: Api) -> None:
    schedule = api.schedule(timeout=5, max_runs=3)
    changed = api.patch(f"/api/scheduled-tasks/{schedule['id']}", {"timeout": None, "max_runs": None}).get_json()
    assert (changed["timeout"], changed["max_runs"]) == (30, None)


def test_a_bad_change_changes_nothing(api: Api) -> None:
    schedule = api.schedule()
    response = api.patch(f"/api/scheduled-tasks/{schedule['id']}", {"cron_expression": "0 0 30 2 *", "nmae": "x"})
    assert sorted(fields_of(response)) == ["cron_expression", "nmae"]
    assert fields_of(api.patch(f"/api/scheduled-tasks/{schedule['id']}", [])) == [""]
    assert api.get(f"/api/scheduled-tasks/{schedule['id']}").get_json() == schedule


def test_put_by_key_creates_once_and_changes_then(api: Api) -> None:
    first = api.put("/api/scheduled-tasks/by-key/nightly", EVERY_MINUTE)
    second = api.put("/api/scheduled-tasks/by-key/nightly", {**EVERY_MINUTE, "name": "other", "tags": ["x"]})
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.get_json()["id"] == second.get_json()["id"]
    assert (second.get_json()["name"], second.get_json()["key"]) == ("other", "nightly")
    assert len(api.get("/api/scheduled-tasks").get_json()["items"]) == 1
    same = api.put("/api/scheduled-tasks/by-key/nightly", {**EVERY_MINUTE, "name": "other", "tags": ["x"]})
    assert same.get_json()["next_run_at"] == second.get_json()["next_run_at"]
    api.delete(f"/api/scheduled-tasks/{first.get_json()['id']}")
    assert api.put("/api/scheduled-tasks/by-key/nightly", EVERY_MINUTE).status_code == 201


@pytest.mark.parametrize("key", ["a%0Ab", "%ff", "%EF%BF%BD", "a" * 201])
def test_a_key_that_is_no_plain_text_is_refused(api: Api, key: str) -> None:
    response = api.put(f"/api/scheduled-tasks/by-key/{key}", EVERY_MINUTE)
    assert (response.status_code, fields_of(response)) == (422, ["key"])
    assert api.get("/api/scheduled-tasks").get_json()["items"] == []


def test_an_end_that_leaves_no_firing_is_refused(api: Api) -> None:
    response = api.post("/api/scheduled-tasks", {**EVERY_MINUTE, "end_at": "2026-11-23T08:30:30Z"})
    assert fields_of(response) == ["end_at"]


@pytest.mark.parametrize(
    "written", ["2026-12-01T01:00:00+01:00", "2026-12-01 00:00:00+0000", "2026-12-01t00:00:00.000999z"]
)
def test_its_bounds_are_shown_as_all_times_however_they_are_written(api: Api, written: str) -> None:
    path, body = "/api/scheduled-tasks/by-key/bounded", {**EVERY_MINUTE, "start_at": written}
    schedule = api.put(path, {**body, "end_at": written}).get_json()
    assert (schedule["start_at"], schedule["end_at"]) == ("2026-12-01T00:00:00.000Z", "2026-12-01T00:00:00.000Z")
    assert api.put(path, {**body, "end_at": schedule["end_at"]}).get_json() == schedule, "nothing has changed"


@pytest.mark.parametrize("timing", [{"cron_expression": "@daily"}, {"cron_expression": None, "every_seconds": 60}])
def test_a_start_in_the_last_year_or_beyond_it_is_refused(api: Api, timing: dict[str, object]) -> None:
    for start_at in ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59-01:00"):  # the second is in the year 10000 in UTC
        body = {**EVERY_MINUTE, **timing, "timezone": "Pacific/Kiritimati", "start_at": start_at}
        assert fields_of(api.post("/api/scheduled-tasks", body)) == ["start_at"]


def test_preview_creates_nothing(api: Api) -> None:
    body = {"cron_expression": "30 8 * * 1-5", "timezone": "Europe/Berlin", "count": 2}
    answer = api.post("/api/cron/preview", body).get_json()
    assert answer["next_runs"] == ["2026-11-24T07:30:00.000Z", "2026-11-25T07:30:00.000Z"]
    assert "08:30" in answer["description"]
    assert fields_of(api.post("/api/cron/preview", {**body, "count": 101})) == ["count"]
    assert api.get("/api/scheduled-tasks").get_json()["items"] == []
