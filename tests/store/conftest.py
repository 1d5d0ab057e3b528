"""The store's Redis lets it do only what docs/redis.md says that it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from hypothesis import HealthCheck, settings

from tests.conftest import is_long_run
from tests.redis_acl import PASSWORD, create_user, refusals
from tests.servers import throw_away_redis

#: Sequences of calls that a state machine tries in CI, and in each minute of a long run.
SEQUENCES, SEQUENCES_PER_MINUTE = 40, 400


@pytest.fixture
def sequences(pytestconfig: pytest.Config) -> settings:
    """What a state machine tries: sequences of up to 50 calls."""
    minutes = pytestconfig.getoption("--minutes")
    return settings(
        max_examples=round(SEQUENCES_PER_MINUTE * minutes) if is_long_run(pytestconfig) else SEQUENCES,
        stateful_step_count=50,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


@pytest.fixture(scope="session")
def admin_url(redis_program_path: Path) -> Iterator[str]:
    """The URL of the same Redis for the tests themselves, who may do everything."""
    with throw_away_redis(redis_program_path) as server:
        yield server.url


@pytest.fixture(scope="session")
def shared_redis(admin_url: str) -> Iterator[str]:
    """The URL for the store, whose user may do nothing else. Fails if it was refused something."""
    with redis.Redis.from_url(admin_url, decode_responses=True) as admin:
        create_user(admin)
        yield admin_url.replace("unix://", f"unix://celeriac:{PASSWORD}@")
        assert refusals(admin) == []


@pytest.fixture
def redis_url(shared_redis: str, admin_url: str, plain_client: Callable[[str], redis.Redis]) -> str:
    """The URL of an empty Redis, for the store's user, who may not empty it."""
    plain_client(admin_url).flushdb()
    return shared_redis


@pytest.fixture
def raw_redis(redis_url: str, admin_url: str, plain_client: Callable[[str], redis.Redis]) -> redis.Redis:
    """A plain client of the test's Redis, to inspect the store's keys."""
    return plain_client(admin_url)
