"""GET /api/audit: a line for each change, none for what changes nothing, and never a body or a key."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.api.context import compose
from app.api.web import create_web
from app.settings import ApiKey, Settings
from app.store import audit as audit_module
from app.store.store import Store
from app.usecases.api_keys import ApiKeyService
from sandbox import Sandbox
from tests.api.calls import CODE, EVERY_MINUTE, UNKNOWN_ID, Api, audit_lines, fields_of
from tests.api.conftest import MakeWeb
from tests.conftest import VirtualClock

ADMIN = ApiKey("ops", "admin", "admin-key-0123456789abcdef0123456789abcdef")
WRITER = ApiKey("ci", "write", "write-key-0123456789abcdef0123456789abcdef")
GUARDED = Settings(api_keys=(ADMIN, WRITER))


def whats(lines: list[dict[str, Any]]) -> list[tuple[str, str, str | None, int]]:
    """What was changed, the oldest first."""
    return [(line["method"], line["route"], line["target_id"], line["status"]) for line in reversed(lines)]


def test_a_line_tells_who_changed_what_when_and_from_where(make_web: MakeWeb) -> None:
    web = make_web(GUARDED)
    created = Api(web, {"X-API-Key": WRITER.secret}).create()
    lines = audit_lines(Api(web, {"X-API-Key": ADMIN.secret}), 1)
    assert lines == [
        {
            "id": lines[0]["id"],
            "at": created["created_at"],
            "who": "ci",
            "method": "POST",
            "route": "/api/tasks",
            "target_id": created["id"],
            "status": 201,
            "address": "127.0.0.1",
        }
    ]


def test_every_change_leaves_one_line(api: Api) -> None:
    task = api.create(task_type="delayed", delay_seconds=60)["id"]
    api.patch(f"/api/tasks/{task}", {"name": "x"})
    api.post(f"/api/tasks/{task}/stop")
    api.delete(f"/api/tasks/{task}")
    schedule = api.schedule()["id"]
    api.post(f"/api/scheduled-tasks/{schedule}/pause")
    api.put("/api/scheduled-tasks/by-key/mine", EVERY_MINUTE)
    lines = audit_lines(api, 7)
    assert whats(lines) == [
        ("POST", "/api/tasks", task, 201),
        ("PATCH", "/api/tasks/{task_id}", task, 200),
        ("POST", "/api/tasks/{task_id}/stop", task, 200),
        ("DELETE", "/api/tasks/{task_id}", task, 204),
        ("POST", "/api/scheduled-tasks", schedule, 201),
        ("POST", "/api/scheduled-tasks/{schedule_id}/pause", schedule, 200),
        ("PUT", "/api/scheduled-tasks/by-key/{key}", "mine", 201),
    ]
    assert {line["who"] for line in lines} == {"local"}


def test_what_changes_nothing_leaves_no_line(api: Api, make_web: MakeWeb) -> None:
    api.get("/api/tasks")
    api.post("/api/tasks", {"name": ""})
    api.post(f"/api/tasks/{UNKNOWN_ID}/stop")
    api.post("/api/cron/preview", {"cron_expression": "* * * * *"})
    api.post("/api/bulk", {"of": "tasks", "action": "stop", "filter": {"status": "queued"}, "dry_run": True})
    api.post("/api/tasks", CODE, headers={"Origin": "http://evil.example"})
    api.call("PATCH", "/api/tasks")
    task = api.create()["id"]
    assert whats(audit_lines(api, 1)) == [("POST", "/api/tasks", task, 201)], "of what came last"


def test_a_repeated_request_leaves_no_second_line(api: Api) -> None:
    for _ in range(2):
        api.post("/api/tasks", CODE, headers={"Idempotency-Key": "once"})
    api.schedule()
    assert [line["route"] for line in audit_lines(api, 2)] == ["/api/scheduled-tasks", "/api/tasks"]


def test_no_line_holds_a_body_a_query_or_a_key(make_web: MakeWeb, store: Store) -> None:
    web = make_web(GUARDED)
    secret = {"Authorization": "Bearer very-secret"}
    Api(web, {"X-API-Key": WRITER.secret}).create(api_url="http://x.test/?token=very-secret", headers=secret)
    admin = Api(web, {"X-API-Key": ADMIN.secret})
    audit_lines(admin, 1)
    found = admin.get("/api/audit").text
    assert "very-secret" not in found
    assert WRITER.secret not in found


def test_commands_that_change_keys_leave_lines(api: Api, store: Store, clock: VirtualClock) -> None:
    service = ApiKeyService(store.api_keys, store.audit, (), clock)
    service.create("ci", "read", None)
    service.rotate("ci", 60, None)
    service.revoke("ci")
    lines = audit_lines(api, 3)
    assert lines[0] == {
        "id": lines[0]["id"],
        "at": lines[0]["at"],
        "who": "start.py",
        "method": "CLI",
        "route": "keys revoke",
        "target_id": "ci",
        "status": None,
        "address": None,
    }
    assert [line["route"] for line in lines] == ["keys revoke", "keys rotate", "keys create"]


def test_it_is_paged_newest_first(api: Api) -> None:
    ids = [api.create()["id"] for _ in range(5)]
    audit_lines(api, 5)
    first = api.get("/api/audit?limit=3")
    second = api.get(first.headers["Link"].split(">")[0][1:])
    page, rest = first.get_json(), second.get_json()
    assert [line["target_id"] for line in page["items"] + rest["items"]] == ids[::-1]
    assert (rest["next_cursor"], "Link" in second.headers) == (None, False)


@pytest.mark.parametrize("scan", [1, 4, 2_000])
def test_the_changes_of_one_thing_and_those_by_one_caller_are_found(
    make_web: MakeWeb, monkeypatch: pytest.MonkeyPatch, scan: int
) -> None:
    monkeypatch.setattr(audit_module, "SCAN_PER_PAGE", scan)
    web = make_web(GUARDED)
    admin, writer = (Api(web, {"X-API-Key": key.secret}) for key in (ADMIN, WRITER))
    ids = [writer.schedule()["id"] for _ in range(2)]
    for call in ("pause", "resume", "pause"):
        for schedule_id in ids:
            admin.post(f"/api/scheduled-tasks/{schedule_id}/{call}")
    audit_lines(admin, 8)

    def found(query: str, limit: int) -> list[dict[str, Any]]:
        items, path = [], f"/api/audit?{query}&limit={limit}"
        page = admin.get(path).get_json()
        for _ in range(8):
            assert len(page["items"]) <= limit
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            page = admin.get(f"{path}&cursor={page['next_cursor']}").get_json()
        pytest.fail("more pages than lines")

    for limit in (1, 2, 200):
        assert [line["route"].rpartition("/")[2] for line in found(f"target_id={ids[0]}", limit)] == [
            *("pause", "resume", "pause"),
            "scheduled-tasks",
        ]
        assert [line["target_id"] for line in found("who=ci", limit)] == ids[::-1]
        assert len(found(f"who=ops&target_id={ids[1]}", limit)) == 3
        assert found("who=nobody", limit) == []


@pytest.mark.parametrize(("query", "field"), [("cursor=x", "cursor"), ("limit=0", "limit"), ("colour=red", "colour")])
def test_a_wrong_parameter_is_named(api: Api, query: str, field: str) -> None:
    assert fields_of(api.get(f"/api/audit?{query}")) == [field]


def test_only_admins_may_see_it(make_web: MakeWeb) -> None:
    web = make_web(GUARDED)
    assert Api(web).get("/api/audit").status_code == 401
    answer = Api(web, {"X-API-Key": WRITER.secret}).get("/api/audit")
    assert answer.status_code == 403
    assert answer.get_json()["detail"] == "the key ci may only write: this needs admin"


def test_a_line_that_can_not_be_sent_is_in_the_log_and_the_change_is_answered(
    store: Store, clock: VirtualClock, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = Store.at("redis://127.0.0.1:1/0")  # port 1: nobody listens
    context = replace(compose(Settings(), store, sandbox.check, clock), audit=nowhere.audit)
    assert Api(create_web(context)).post("/api/tasks", CODE).status_code == 201
    (record,) = [record for record in caplog.records if record.name == "celeriac.audit"]
    told = vars(record)
    assert (told["action"], told["who"], told["route"]) == ("audit_lost", "local", "/api/tasks")
    nowhere.close()
