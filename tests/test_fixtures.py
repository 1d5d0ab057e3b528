"""What the fixtures of tests/conftest.py promise to every test."""

from __future__ import annotations

import pytest
import redis


@pytest.mark.parametrize("turn", [1, 2])
def test_redis_is_empty_whatever_the_test_before_left(
    redis_url: str, turn: int, request: pytest.FixtureRequest
) -> None:
    """A test that asked for the URL alone started a worker, which ran what the test before had left."""
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("left", turn)
    assert request.getfixturevalue("raw_redis").get("left") == str(turn), "a client looks at the same Redis"
