"""Redis is away, in every way there is: each call is answered with 503 within 2 seconds, and creates nothing half."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis
from flask import Flask

from app.api.context import compose
from app.settings import Settings
from app.store.store import Store
from sandbox import Sandbox
from tests.api.calls import CODE, EVERY_CALL, UNKNOWN_ID, Api
from tests.api.conftest import web_on
from tests.conftest import VirtualClock
from tests.lateness import Lateness
from tests.servers import RedisServer, wait_until

LIMIT_SECONDS = 2.0
#: Seconds after which a held call has noticed that Redis is gone: the listener's silence, and a look at the record.
NOTICED_SECONDS = 8.0

HELD_CALLS: list[tuple[str, str, Any, dict[str, str]]] = [
    ("POST", "/api/tasks", CODE, {"Prefer": "wait=30"}),
    ("POST", "/api/tasks", CODE, {"Prefer": "wait=30", "Idempotency-Key": "once"}),
    ("GET", f"/api/tasks/{UNKNOWN_ID}?wait=30", None, {}),
    ("GET", f"/api/tasks/{UNKNOWN_ID}", None, {"Prefer": "wait=30"}),
]
CALLS = [(*call, {}) for call in EVERY_CALL] + HELD_CALLS


@pytest.fixture
def web(own_server: RedisServer, clock: VirtualClock, sandbox: Sandbox) -> Iterator[Flask]:
    """The application on that Redis, its connections open."""
    yield from application(own_server.url, clock, sandbox)


def application(url: str, clock: VirtualClock, sandbox: Sandbox) -> Iterator[Flask]:
    store = Store.at(url, max_connections=len(CALLS) + 1)
    yield web_on(compose(Settings(), store, sandbox.check, clock))
    store.close()


def answer(web: Flask, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[Any, float]:
    began = time.monotonic()
    options = {"json": body} if body is not None else {}
    response = Api(web).call(method, path, headers=headers, **options)
    return response, time.monotonic() - began


def assert_unavailable(web: Flask, calls: list[tuple[str, str, Any, dict[str, str]]] = CALLS) -> None:
    """All at once, as callers come. Every answer is checked for its shape by `Api`."""
    with Lateness() as late, ThreadPoolExecutor(len(calls)) as pool:
        answers = list(pool.map(lambda call: answer(web, *call), calls))
    found = [
        (call[0], call[1], response.status_code, response.headers.get("Retry-After"), round(seconds, 2))
        for call, (response, seconds) in zip(calls, answers, strict=True)
    ]
    assert [each for each in found if each[2] != 503 or int(each[3] or 0) < 1] == []
    assert [each for each in found if each[4] - late.seconds > LIMIT_SECONDS] == []


def listening(web: Flask) -> None:
    """A call that was held: the listening connection is open."""
    task_id = Api(web).create()["id"]
    Api(web).get(f"/api/tasks/{task_id}?wait=0.01")


def hang(own_server: RedisServer) -> None:
    own_server.send_signal(signal.SIGSTOP)


def kill(own_server: RedisServer) -> None:
    own_server.stop(signal.SIGKILL)


def stop(own_server: RedisServer) -> None:
    own_server.stop()


@pytest.mark.parametrize("end", [hang, kill, stop])
@pytest.mark.parametrize("before", [listening, lambda web: None], ids=["listening", "new"])
def test_it_hangs_or_is_gone(
    web: Flask, own_server: RedisServer, end: Callable[[RedisServer], None], before: Callable[[Flask], None]
) -> None:
    before(web)
    end(own_server)
    assert_unavailable(web)
    if end is hang:
        own_server.send_signal(signal.SIGCONT)
    else:
        own_server.start()
    wait_until(lambda: Api(web).get("/api/tasks").status_code == 200, 15, "answers after its return")
    assert Api(web).post("/api/tasks", CODE, headers={"Prefer": "wait=1"}).status_code == 201


def test_of_many_callers_only_one_at_a_time_waits_for_a_redis_that_hangs(web: Flask, own_server: RedisServer) -> None:
    """With 8 threads, 64 calls that each wait a second and a half would take 12 seconds."""
    listening(web)
    own_server.send_signal(signal.SIGSTOP)
    with Lateness() as late, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: answer(web, "GET", "/api/tasks", None, {}), range(64)))
    assert late.taken_seconds < 6
    assert {response.status_code for response, _ in answers} == {503}
    assert max(seconds for _, seconds in answers) - late.seconds < LIMIT_SECONDS
    own_server.send_signal(signal.SIGCONT)
    wait_until(lambda: Api(web).get("/api/tasks").status_code == 200, 15, "answers after its return")


def writes(calls: list[tuple[str, str, Any, dict[str, str]]]) -> list[tuple[str, str, Any, dict[str, str]]]:
    """Those that would create something: what reads, or finds nothing to change, goes on."""
    return [call for call in calls if call[0] in ("POST", "PUT") and UNKNOWN_ID not in call[1]]


def test_it_is_a_replica_that_takes_no_writes(web: Flask, own_server: RedisServer) -> None:
    task_id = Api(web).create()["id"]
    with redis.Redis.from_url(own_server.url) as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        assert_unavailable(web, writes(CALLS))
        detail = Api(web).post("/api/tasks", CODE).get_json()["detail"]
        assert detail == "Redis is a read-only replica; nothing was changed"
        assert Api(web).get(f"/api/tasks/{task_id}").status_code == 200, "reading goes on"
        client.execute_command("REPLICAOF", "NO", "ONE")
    assert Api(web).create()["status"] == "queued"


def test_it_lacks_the_replicas_that_it_needs(web: Flask, own_server: RedisServer) -> None:
    words = "Redis has fewer replicas than its min-replicas-to-write and refuses writes"
    with redis.Redis.from_url(own_server.url) as client:
        client.config_set("min-replicas-to-write", 1)
        assert_unavailable(web, writes(CALLS))
        assert Api(web).post("/api/tasks", CODE).get_json()["detail"] == f"{words}; nothing was changed"
        assert_told(web, words)
        client.config_set("min-replicas-to-write", 0)
    assert Api(web).get("/health").get_json()["redis"]["status"] == "ok"


def test_it_can_not_write_its_snapshots(web: Flask, own_server: RedisServer) -> None:
    with redis.Redis.from_url(own_server.url) as client:
        in_the_way = Path(client.config_get("dir")["dir"]) / client.config_get("dbfilename")["dbfilename"]
        in_the_way.mkdir()
        client.config_set("save", "3600 1")
        client.set("changed", 1)
        client.bgsave()
        wait_until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", 60, "a snapshot that fails")
        assert_unavailable(web, writes(CALLS))
        assert_told(web, "Redis can't write to its disk and refuses writes")
        client.config_set("save", "")  # otherwise it would not end without a snapshot


def assert_told(web: Flask, words: str) -> None:
    """What reads goes on, and says why nothing is written."""
    redis_part = Api(web).get("/health").get_json()["redis"]
    assert (redis_part["status"], redis_part["detail"]) == ("down", words)
    assert Api(web).get("/health/ready").status_code == 503
    samples = Api(web).get("/metrics").get_data(as_text=True).splitlines()
    assert {"celeriac_up 1.0", "celeriac_redis_writable 0.0"} <= set(samples)


def test_it_is_full(web: Flask, own_server: RedisServer) -> None:
    with redis.Redis.from_url(own_server.url) as client:
        client.config_set("maxmemory", "1")
        assert_unavailable(web, writes(CALLS))
        assert client.dbsize() == 0


@pytest.fixture
def refusing(clock: VirtualClock, sandbox: Sandbox) -> Iterator[Any]:
    """Makes the application on a server that answers everything with one error."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        error = b""

        def serve(connection: socket.socket) -> None:
            with connection:
                while data := connection.recv(65_536):
                    connection.sendall(error * data.count(b"*"))

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:  # closed
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        made: list[Iterator[Flask]] = []

        def make(text: bytes) -> Flask:
            nonlocal error
            error = text
            made.append(application(f"redis://127.0.0.1:{listener.getsockname()[1]}/0", clock, sandbox))
            return next(made[-1])

        yield make
        for each in made:
            assert next(each, None) is None
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (
            b"-LOADING Redis is loading the dataset in memory\r\n",
            "Redis is still loading its data; nothing was changed",
        ),
        (b"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n", None),
        (b"-NOAUTH Authentication required.\r\n", None),
    ],
)
def test_it_answers_with_errors(refusing: Callable[[bytes], Flask], error: bytes, detail: str | None) -> None:
    web = refusing(error)
    assert_unavailable(web)
    said = Api(web).post("/api/tasks", CODE).get_json()["detail"]
    assert said == (detail or "Redis can't be reached; nothing was changed")


def test_a_call_that_was_held_ends_when_redis_hangs(web: Flask, own_server: RedisServer) -> None:
    """Of what was created before it hung the caller hears; a look at a task says that it can't be had."""
    api = Api(web)
    task_id = api.create()["id"]
    with redis.Redis.from_url(own_server.url) as client, ThreadPoolExecutor(2) as pool:
        look = pool.submit(Api(web).get, f"/api/tasks/{task_id}?wait=30")
        creation = pool.submit(Api(web).post, "/api/tasks", CODE, headers={"Prefer": "wait=30"})
        wait_until(lambda: len(client.pubsub_channels()) == 2, 15, "both listen")
        wait_until(lambda: len(api.get("/api/tasks").get_json()["items"]) == 2, 15, "the second task")
        own_server.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        looked, created = look.result(15), creation.result(15)
        assert time.monotonic() - began < NOTICED_SECONDS
        assert looked.status_code == 503
        assert (created.status_code, created.get_json()["status"]) == (201, "queued")
        own_server.send_signal(signal.SIGCONT)
        assert api.get(created.headers["Location"]).status_code == 200
