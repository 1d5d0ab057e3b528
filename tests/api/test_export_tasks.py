"""GET /api/tasks/export"""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.test import TestResponse

from app.api import export as export_module
from app.api.context import compose
from app.settings import Settings
from app.store.store import Store
from app.usecases.retention import Retention
from sandbox import Sandbox
from tests.api.calls import BASE_URL, CODE, Api, PlayedWorker, adapter, created, fields_of
from tests.api.conftest import web_on
from tests.conftest import VirtualClock
from tests.servers import RedisServer
from tests.store.making import SUCCEEDED, claimed, new_task


def lines_of(response: TestResponse) -> list[dict[str, Any]]:
    """The tasks of an export, each checked against the model of a whole task."""
    assert response.content_type == "application/x-ndjson"
    assert response.data == b"" or response.data.endswith(b"\n")
    lines = response.data.splitlines()
    for line in lines:
        adapter("Task").validate_json(line)
    return [json.loads(line) for line in lines]


def streamed(api: Api, query: str = "") -> TestResponse:
    """An export whose pieces are read one by one."""
    return api.web.test_client().get(f"/api/tasks/export{query}", base_url=BASE_URL, buffered=False)


def ids_in(pieces: Iterator[bytes]) -> list[str]:
    return [json.loads(line)["id"] for line in b"".join(pieces).splitlines()]


def create_many(api: Api, number: int) -> list[str]:
    """The ids of so many tasks, "task 0" first, that are created at once."""
    tasks = [{**CODE, "name": f"task {each}"} for each in range(number)]
    return [task["id"] for task in created(api.post("/api/tasks/batch", {"tasks": tasks}))["items"]]


def test_without_tasks_the_export_is_empty(api: Api) -> None:
    assert lines_of(api.get("/api/tasks/export")) == []


def test_each_line_is_a_whole_task_oldest_first(api: Api, worker: PlayedWorker) -> None:
    ids = create_many(api, 250)
    worker.succeed(ids[0], stdout="printed")
    worker.fail(ids[1])
    lines = lines_of(api.get("/api/tasks/export"))
    assert [line["id"] for line in lines] == ids
    assert (lines[0]["result"], lines[0]["stdout"]) == (7, "printed")
    assert lines[1] == api.get(f"/api/tasks/{ids[1]}").get_json()


def test_the_filters_are_those_of_the_list(api: Api, worker: PlayedWorker) -> None:
    ids = [api.create(name=name)["id"] for name in ("Report 1", "other", "report 2", "report 3")]
    worker.fail(ids[3])
    assert [line["id"] for line in lines_of(api.get("/api/tasks/export?name=REPORT*&status=queued"))] == ids[:3:2]
    assert lines_of(api.get("/api/tasks/export?error_type=ZeroDivisionError"))[0]["id"] == ids[3]
    assert fields_of(api.get("/api/tasks/export?limit=1&status=x")) == ["status", "limit"]


def test_it_accepts_clients_that_want_ndjson(api: Api) -> None:
    assert api.get("/api/tasks/export", headers={"Accept": "application/x-ndjson"}).status_code == 200
    assert api.get("/api/tasks", headers={"Accept": "application/x-ndjson"}).status_code == 406


def test_what_is_created_or_removed_meanwhile_disturbs_nothing(
    api: Api, store: Store, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_module, "PIECE_BYTES", 1)
    ids = create_many(api, 300)
    response = streamed(api)
    pieces = iter(response.response)
    began = [next(pieces) for _ in range(10)]
    for task_id in ids[:5] + ids[150:160]:
        assert api.delete(f"/api/tasks/{task_id}").status_code == 204
    api.create(name="later")
    for task_id in ids[250:260]:  # they change their index, and stay in their place
        store.tasks.finish(claimed(store, task_id, clock()), SUCCEEDED, clock(), 1.0)
    assert ids_in(iter([*began, *pieces])) == ids[:150] + ids[160:]
    response.close()


def test_a_trim_meanwhile_leaves_out_what_it_removed(
    api: Api, store: Store, worker: PlayedWorker, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_module, "PIECE_BYTES", 1)
    ids = create_many(api, 150)
    for task_id in ids:
        worker.succeed(task_id)
    response = streamed(api)
    pieces = iter(response.response)
    began = [next(pieces)]
    settings = api.web.extensions["celeriac"].settings
    retention = Retention(store.retention, settings)
    clock.advance(int(settings.result_ttl * 1000) + 1)
    while retention.trim(clock()):
        pass
    assert ids_in(iter([*began, *pieces])) == ids[:1]
    response.close()


def test_a_task_that_no_longer_has_the_status_is_left_out(
    api: Api, worker: PlayedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_module, "PIECE_BYTES", 1)
    ids = [api.create()["id"] for _ in range(3)]
    response = streamed(api, "?status=queued")
    pieces = iter(response.response)
    began = [next(pieces)]
    worker.succeed(ids[1])
    assert ids_in(iter([*began, *pieces])) == [ids[0], ids[2]]
    response.close()


def test_exports_are_bounded_in_number_and_give_their_places_back(
    api: Api, store: Store, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_module, "PIECE_BYTES", 1)
    store.tasks.create([new_task(clock()) for _ in range(3)], clock())
    running = [streamed(api) for _ in range(2)]
    refused = api.get("/api/tasks/export")
    assert refused.status_code == 503
    assert "Retry-After" in refused.headers
    for response in running:
        response.close()  # the client has gone away
    for _ in range(3):
        assert len(lines_of(api.get("/api/tasks/export"))) == 3
        assert api.web.test_client().head("/api/tasks/export", base_url=BASE_URL).status_code == 200


def test_an_export_that_breaks_off_says_so_in_its_last_line(
    own_server: RedisServer, sandbox: Sandbox, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_module, "PIECE_BYTES", 1)
    store = Store.at(own_server.url)
    api = Api(web_on(compose(Settings(), store, sandbox.check, clock)))
    ids = [api.create()["id"] for _ in range(3)]
    response = streamed(api)
    pieces = iter(response.response)
    first = next(pieces)
    own_server.stop()
    *whole, last = [json.loads(line) for line in b"".join([first, *pieces]).splitlines()]
    assert [line["id"] for line in whole] == ids[:1]
    assert (last["type"], last["status"]) == ("urn:celeriac:problem:unavailable", 503)
    response.close()
    store.close()


def test_an_export_takes_little_memory(api: Api, store: Store, clock: VirtualClock) -> None:
    code = "#" * 100_000
    many = [new_task(clock(), spec={"function_code": code}) for _ in range(300)]
    for task in many:
        store.tasks.create([task], clock())
    response = streamed(api)
    tracemalloc.start()
    size = sum(len(piece) for piece in response.response)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    response.close()
    assert size > 30_000_000
    assert peak < 5_000_000
