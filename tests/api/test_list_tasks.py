"""GET /api/tasks"""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.calls import Api, PlayedWorker, fields_of
from tests.conftest import VirtualClock


def names(api: Api, query: str = "") -> list[str]:
    return [item["name"] for item in api.get(f"/api/tasks{query}").get_json()["items"]]


@pytest.fixture
def eight(api: Api, worker: PlayedWorker, clock: VirtualClock) -> list[dict[str, Any]]:
    """Tasks of every kind and status, one a second, the oldest first."""
    tasks = []
    for fields in (
        {"name": "code queued"},
        {"name": "code running", "tags": ["a", "b"]},
        {"name": "code succeeded", "tags": ["a"]},
        {"name": "code failed"},
        {"name": "code stopped"},
        {"name": "code waiting", "task_type": "delayed", "delay_seconds": 60},
        {"name": "api queued", "api_url": "http://target.test/", "tags": ["b"]},
        {"name": "api waiting", "api_url": "http://target.test/", "task_type": "delayed", "delay_seconds": 60},
    ):
        tasks.append(api.create(**fields))
        clock.advance(1000)
    worker.start(tasks[1]["id"])
    worker.succeed(tasks[2]["id"])
    worker.fail(tasks[3]["id"])
    assert api.post(f"/api/tasks/{tasks[4]['id']}/stop").status_code == 200
    return tasks


def test_without_tasks_the_list_is_empty(api: Api) -> None:
    assert api.get("/api/tasks").get_json() == {"items": [], "next_cursor": None}


@pytest.mark.usefixtures("eight")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["api waiting", "api queued", "code waiting", "code stopped", "code failed", "code succeeded",
              "code running", "code queued"]),
        ("?status=queued", ["api queued", "code queued"]),
        ("?status=running", ["code running"]),
        ("?status=succeeded", ["code succeeded"]),
        ("?status=failed", ["code failed"]),
        ("?status=stopped", ["code stopped"]),
        ("?kind=api", ["api waiting", "api queued"]),
        ("?task_type=delayed", ["api waiting", "code waiting"]),
        ("?kind=code&status=waiting", ["code waiting"]),
        ("?name=code+queued", ["code queued"]),
        ("?name=code+s*", ["code stopped", "code succeeded"]),
        ("?name=CODE+S*", ["code stopped", "code succeeded"]),
        ("?name=*ED", ["api queued", "code stopped", "code failed", "code succeeded", "code queued"]),
        ("?name=*e+s*", ["code stopped", "code succeeded"]),
        ("?error_type=ZeroDivisionError", ["code failed"]),
        ("?error_type=ZeroDivisionError&status=stopped", []),
        ("?error_type=zerodivisionerror", []),
        ("?fingerprint=0123456789abcdef", []),
        ("?name=*&kind=api", ["api waiting", "api queued"]),
        ("?tag=a", ["code succeeded", "code running"]),
        ("?tag=b&kind=api&status=queued&name=api*&task_type=immediate", ["api queued"]),
        ("?tag=a&kind=api", []),
        ("?created_after=2026-11-23T08:30:06Z", ["api waiting", "api queued"]),
        ("?created_before=2026-11-23T09:30:01%2B01:00", ["code queued"]),
        ("?created_before=2026-11-23T09:30:01+01:00", ["code queued"]),
        ("?created_after=2026-11-23T08:30:01Z&created_before=2026-11-23T08:30:03Z", ["code succeeded", "code running"]),
        ("?status=&name=&tag=x", []),
    ],
)  # fmt: skip
def test_filters_combine(api: Api, query: str, expected: list[str]) -> None:
    assert names(api, query) == expected


def test_a_summary_has_no_body(api: Api, eight: list[dict[str, Any]]) -> None:
    item = next(each for each in api.get("/api/tasks").get_json()["items"] if each["id"] == eight[3]["id"])
    assert {"result", "stdout", "function_code", "args", "api_url", "headers"}.isdisjoint(item)
    assert item["error"] == {"type": "ZeroDivisionError", "message": "division by zero", "line": 2}


@pytest.mark.usefixtures("eight")
def test_a_summary_of_an_api_task_tells_what_it_calls(api: Api) -> None:
    api.create(name="put", api_url="http://target.test/x?y=1", method="put")
    items = api.get("/api/tasks?kind=api").get_json()["items"]
    calls = [(item["name"], item["method"], item["api_url"]) for item in items[:2]]
    assert calls == [("put", "PUT", "http://target.test/x?y=1"), ("api waiting", "GET", "http://target.test/")]


def test_the_link_to_the_next_page_has_the_same_filters(api: Api) -> None:
    for _ in range(3):
        api.create(name="a b&c", tags=["é"])
    first = api.get("/api/tasks?limit=2&name=A+B%26*&tag=%C3%A9")
    link, _, relation = first.headers["Link"].partition("; ")
    assert relation == 'rel="next"'
    last = api.get(link.strip("<>"))
    assert (len(last.get_json()["items"]), "Link" in last.headers) == (1, False)


def test_a_repeated_parameter_is_refused_and_a_single_one_counts_on_every_page(api: Api) -> None:
    for name in ("a", "a", "b"):
        api.create(name=name)
    repeated = api.get("/api/tasks?limit=1&name=a&name=b")
    wanted = [{"field": "name", "message": "may be given only once"}]
    assert (repeated.status_code, repeated.get_json()["errors"]) == (422, wanted)
    first = api.get("/api/tasks?limit=1&name=a")
    assert first.headers["Link"].count("name=") == 1
    assert names(api, first.headers["Link"].split(">")[0].partition("?")[2].join(("?", ""))) == ["a"]


def test_the_newest_finish_comes_first(
    api: Api, worker: PlayedWorker, clock: VirtualClock, eight: list[dict[str, Any]]
) -> None:
    clock.advance(1)
    worker.succeed(eight[0]["id"])
    finished = ["code queued", "code stopped", "code failed", "code succeeded"]
    assert names(api, "?sort=finished") == finished
    page = api.get("/api/tasks?sort=finished&limit=3").get_json()
    assert names(api, f"?sort=finished&cursor={page['next_cursor']}") == finished[3:]
    assert names(api, "?sort=finished&status=queued") == []
    assert names(api, "?sort=created&status=failed") == ["code failed"]
    assert fields_of(api.get("/api/tasks?sort=newest")) == ["sort"]


def test_pages_hold_everything_once_and_in_order(api: Api) -> None:
    created = [api.create(name=f"task {index}")["name"] for index in range(11)]  # all within one millisecond
    seen, cursor, pages = [], "", 0
    while True:
        page = api.get(f"/api/tasks?limit=4&cursor={cursor}").get_json()
        seen += [item["name"] for item in page["items"]]
        pages += 1
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert (seen, pages) == (created[::-1], 3)


def test_a_cursor_stays_good_while_tasks_come_and_go(api: Api) -> None:
    ids = [api.create(name=str(index))["id"] for index in range(6)]
    page = api.get("/api/tasks?limit=3").get_json()
    api.create(name="new")
    assert api.delete(f"/api/tasks/{ids[3]}").status_code == 204
    assert names(api, f"?cursor={page['next_cursor']}") == ["2", "1", "0"]


def test_a_page_holds_50_unless_told(api: Api) -> None:
    for _ in range(51):
        api.create()
    page = api.get("/api/tasks").get_json()
    assert len(page["items"]) == 50
    assert page["next_cursor"]
    assert api.get("/api/tasks?limit=200").get_json()["next_cursor"] is None


def test_tasks_of_a_scheduled_task(api: Api) -> None:
    schedule = api.schedule()
    task = api.post(f"/api/scheduled-tasks/{schedule['id']}/run").get_json()
    api.create(name="another")
    assert names(api, f"?scheduled_task_id={schedule['id']}") == [task["name"]]
    assert names(api, "?scheduled_task_id=unknown") == []
