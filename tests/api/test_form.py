"""What callers see while the data has another form."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from flask import Flask

from app.api.context import EXTENSION
from app.domain.form import FORM
from app.store.store import Store
from tests.api.calls import EVERY_CALL, Api

CHANGING = f"the data in Redis is being changed from form 1 to form {FORM}; nothing was changed"


@pytest.fixture
def key(store: Store) -> str:
    """The key of the form."""
    return store.keys.form


@pytest.mark.parametrize(("method", "path", "body"), EVERY_CALL)
def test_calls_get_503_with_the_reason_while_data_is_changed(
    web: Flask, raw_redis: redis.Redis, key: str, method: str, path: str, body: Any
) -> None:
    raw_redis.set(key, f"1>{FORM}")
    raw_redis.set(f"{key}:lease", "another process")
    assert not web.extensions[EXTENSION].form.check()
    response = Api(web).call(method, path, json=body)
    assert (response.status_code, response.get_json()["detail"]) == (503, CHANGING)
    assert response.get_json()["type"] == "urn:celeriac:problem:unavailable"
    assert int(response.headers["Retry-After"]) > 0


def test_health_tells_of_it(api: Api, raw_redis: redis.Redis, key: str) -> None:
    raw_redis.set(key, f"1>{FORM}")
    response = api.get("/health")
    assert response.status_code == 503
    assert response.get_json()["data"] == {"status": "down", "detail": CHANGING}
    assert response.get_json()["redis"] == {"status": "ok"}
    assert api.get("/health/ready").status_code == 503
    assert api.get("/health/live").status_code == 200


def test_health_tells_how_far_the_rest_of_a_change_is(api: Api, raw_redis: redis.Redis, key: str) -> None:
    raw_redis.set(key, FORM)
    work = {"target": FORM, "step": "tasks", "cursor": "", "done": 7, "size": 9, "began_ms": 1, "last_seq": 1}
    raw_redis.hset(f"{key}:work", mapping=work)  # type: ignore[arg-type]
    part = api.get("/health").get_json()["data"]
    assert part == {"status": "ok", "form": FORM, "change": {"step": "tasks", "done": 7, "of": 9}}
