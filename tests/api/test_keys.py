"""Calls with keys that are kept in Redis: valid at once, in every process, and refused as soon as they are revoked."""

from __future__ import annotations

import signal

import pytest
from flask import Flask

from app.api.context import compose
from app.api.guard import needed_scope
from app.domain.quota import Action
from app.settings import ApiKey, Settings
from app.store.store import Store
from app.usecases.access import NOTICED_MS
from app.usecases.api_keys import ApiKeyService
from sandbox import Sandbox
from tests.api.calls import BASE_URL, CODE, UNKNOWN_ID, Api
from tests.api.conftest import MakeWeb, web_on
from tests.conftest import VirtualClock
from tests.lateness import Lateness
from tests.servers import RedisServer

PUBLIC = Settings(host="0.0.0.0", rate_limit={})


@pytest.fixture
def keys(store: Store, clock: VirtualClock) -> ApiKeyService:
    """The keys of the test's Redis."""
    return ApiKeyService(store.api_keys, store.audit, (), clock)


def status(web: Flask, key: str = "", path: str = "/api/tasks", **headers: str) -> int:
    headers |= {"X-API-Key": key} if key else {}
    return web.test_client().get(path, base_url=BASE_URL, headers=headers).status_code


def test_the_first_key_closes_a_running_service_within_a_second(
    web: Flask, keys: ApiKeyService, clock: VirtualClock
) -> None:
    assert status(web) == 200
    key = keys.create("ci", "read", None)
    clock.advance(NOTICED_MS)
    assert status(web) == 401
    assert status(web, key.secret) == 200
    assert status(web, path="/health/live") == 200


def test_every_process_refuses_a_revoked_key_at_once(make_web: MakeWeb, keys: ApiKeyService) -> None:
    first, second = make_web(PUBLIC), make_web(PUBLIC)
    secret = keys.create("ci", "read", None).secret
    assert [status(web, secret) for web in (first, second)] == [200, 200]
    keys.revoke("ci")
    assert [status(web, secret) for web in (first, second)] == [401, 401]


def test_a_service_for_other_machines_never_opens_because_its_last_key_is_gone(
    make_web: MakeWeb, keys: ApiKeyService, clock: VirtualClock
) -> None:
    web = make_web(PUBLIC)
    keys.create("ci", "read", None)
    keys.revoke("ci")
    clock.advance(NOTICED_MS)
    assert status(web) == 401


def test_a_service_does_not_open_because_its_last_key_has_expired(
    web: Flask, keys: ApiKeyService, clock: VirtualClock
) -> None:
    secret = keys.create("ci", "read", 60).secret
    assert status(web, secret) == 200
    clock.advance(60_000)
    assert status(web, secret) == 401
    assert status(web) == 401


def test_old_and_new_key_are_valid_while_a_rotation_overlaps(
    make_web: MakeWeb, keys: ApiKeyService, clock: VirtualClock
) -> None:
    web = make_web(PUBLIC)
    old = keys.create("ci", "read", None).secret
    new = keys.rotate("ci", 3_600, None).secret
    assert [status(web, old), status(web, new)] == [200, 200]
    clock.advance(3_600_000)
    assert [status(web, old), status(web, new)] == [401, 200]


def test_keys_of_the_setting_and_stored_ones_stand_beside_each_other(make_web: MakeWeb, keys: ApiKeyService) -> None:
    web = make_web(Settings(api_keys=(ApiKey("env", "read", "e" * 32),)))
    assert status(web, "e" * 32) == 200
    assert status(web, keys.create("ci", "read", None).secret) == 200
    assert status(web, "f" * 32) == 401


def test_the_last_use_of_each_key_is_known(
    make_web: MakeWeb, store: Store, keys: ApiKeyService, clock: VirtualClock
) -> None:
    known = (ApiKey("env", "read", "e" * 32),)
    web = make_web(Settings(api_keys=known))
    secret = keys.create("ci", "read", None).secret
    now_ms = clock.advance(90_000)
    for key in (secret, "e" * 32):
        status(web, key)
    listed = ApiKeyService(store.api_keys, store.audit, known, clock).all()
    assert [(key.name, key.is_stored, key.used_ms) for key in listed] == [("ci", True, now_ms), ("env", False, now_ms)]


@pytest.mark.parametrize("scope", ["read", "write", "admin"])
def test_each_scope_may_do_what_it_may(make_web: MakeWeb, keys: ApiKeyService, scope: str) -> None:
    api = Api(make_web(PUBLIC), {"Authorization": f"Bearer {keys.create('k', scope, None).secret}"})
    assert api.get("/api/tasks").status_code == 200
    assert api.post("/api/tasks", CODE).status_code == (403 if scope == "read" else 201)
    assert api.get("/api/audit").status_code == (200 if scope == "admin" else 403)


@pytest.mark.parametrize(
    ("action", "path", "scope"),
    [
        (Action.READ, "/api/tasks", "read"),
        (Action.READ, "/metrics", "read"),
        (Action.READ, "/api/auditor", "read"),
        (Action.READ, "/api/audit", "admin"),
        (Action.READ, "/api/channels/<name>", "admin"),
        (Action.READ, "/api/secrets", "admin"),
        (Action.WRITE, "/api/tasks/<task_id>/stop", "write"),
        (Action.WRITE, "/api/scheduled-tasks", "write"),
        (Action.WRITE, "/api/bulk", "write"),
        (Action.WRITE, "/api/cron/preview", "write"),
        (Action.WRITE, "/api/channels/<name>", "admin"),
        (Action.WRITE, "/api/concurrency/<key>", "admin"),
        (Action.WRITE, "/anything/new", "admin"),
    ],
)
def test_write_is_for_tasks_and_schedules_and_the_rest_is_for_admins(action: Action, path: str, scope: str) -> None:
    assert needed_scope(action, path) == scope


# --- without Redis ---------------------------------------------------------------------------------


@pytest.fixture
def away_with_a_key(clock: VirtualClock, sandbox: Sandbox) -> Flask:
    """An API for other machines whose Redis does not answer, with one key in the setting."""
    store = Store.at("redis://127.0.0.1:1/0")  # port 1: nobody listens
    settings = Settings(host="0.0.0.0", api_keys=(ApiKey("env", "read", "e" * 32),))
    return web_on(compose(settings, store, sandbox.check, clock))


def test_without_redis_no_key_is_valid_and_none_is_refused_but_none_at_all(away_with_a_key: Flask) -> None:
    for key in ("e" * 32, "f" * 32):
        assert status(away_with_a_key, key) == 503
    assert status(away_with_a_key) == 401


def test_health_tells_that_redis_is_away_whoever_asks(away_with_a_key: Flask, away: Flask) -> None:
    for web, key in ((away_with_a_key, "f" * 32), (away, "")):
        answer = web.test_client().get("/health", base_url=BASE_URL, headers={"X-API-Key": key})
        assert answer.status_code == 503
        assert set(answer.get_json()) == {"status", "version", "redis"}


def test_without_redis_nobody_is_taken_for_a_caller_that_needs_no_key(away: Flask) -> None:
    answer = Api(away).get(f"/api/tasks/{UNKNOWN_ID}")
    assert answer.status_code == 503
    assert answer.get_json()["detail"] == "Redis can't be reached; nothing was changed"


@pytest.mark.parametrize("settings", [Settings(), PUBLIC, Settings(api_keys=(ApiKey("env", "read", "e" * 32),))])
@pytest.mark.parametrize("path", ["/api/tasks", "/health", "/openapi.json"])
def test_a_redis_that_hangs_holds_nobody_up_for_longer_than_without_keys(
    own_server: RedisServer, clock: VirtualClock, sandbox: Sandbox, settings: Settings, path: str
) -> None:
    store = Store.at(own_server.url)
    web = web_on(compose(settings, store, sandbox.check, clock))
    own_server.send_signal(signal.SIGSTOP)
    with Lateness() as late:
        assert status(web, "e" * 32, path) == 503
    assert late.taken_seconds < 2.8, "two waits would take 3 seconds"
    own_server.send_signal(signal.SIGCONT)
    store.close()
