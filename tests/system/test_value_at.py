"""A value of Redis, read without a client's package."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import redis

from app.launch.redis_location import value_at
from tests.servers import RedisServer


def test_it_is_the_value_of_a_key(raw_redis: redis.Redis, redis_url: str) -> None:
    path = redis_url.removeprefix("unix://").partition("?")[0]
    raw_redis.set("form", "2")
    assert value_at(path, "form") == "2"
    assert value_at(path, "none") == ""


@pytest.mark.parametrize("value", ["", "a\r\nb", "long" * 100])
def test_what_does_not_fit_is_no_answer(raw_redis: redis.Redis, redis_url: str, value: str) -> None:
    raw_redis.set("form", value)
    assert value_at(redis_url.removeprefix("unix://").partition("?")[0], "form") is None


def test_a_refusal_is_no_answer(own_server: RedisServer) -> None:
    with redis.Redis.from_url(own_server.url) as client:
        client.rpush("list", "1")
        assert value_at(str(own_server.socket), "list") is None
        client.config_set("requirepass", "secret")
        assert value_at(str(own_server.socket), "list") is None


def test_nobody_and_silence_are_no_answer(tmp_path: Path) -> None:
    assert value_at(str(tmp_path / "nobody.sock"), "form") is None
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert value_at(("127.0.0.1", silent.getsockname()[1]), "form", timeout_seconds=0.05) is None
