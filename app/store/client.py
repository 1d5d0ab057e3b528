"""The connection to Redis: bounded in number and patience, with one error for "can't be reached"."""

from __future__ import annotations

from typing import Any

import redis
from redis.backoff import ConstantBackoff
from redis.exceptions import (
    BusyLoadingError,
    ConnectionError,
    OutOfMemoryError,
    ReadOnlyError,
    TimeoutError,
)
from redis.retry import Retry

from app.domain.errors import Full, Unavailable

CONNECT_TIMEOUT_SECONDS = 1.0
REPLY_TIMEOUT_SECONDS = 1.5
POOL_TIMEOUT_SECONDS = 1.0

_UNAVAILABLE = (ConnectionError, TimeoutError, BusyLoadingError, ReadOnlyError, OutOfMemoryError)


def _ours(error: Exception) -> Unavailable:
    if isinstance(error, OutOfMemoryError):
        return Full("Redis has no memory left; nothing was changed")
    return Unavailable(type(error).__name__)


class Pipeline(redis.client.Pipeline):
    """A pipeline that raises Unavailable where Redis can't be reached."""

    def execute(self, raise_on_error: bool = True) -> Any:
        try:
            return super().execute(raise_on_error)
        except _UNAVAILABLE as error:
            raise _ours(error) from error


class Client(redis.Redis):
    """A client that raises Unavailable where Redis can't be reached, or can't be written to."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        try:
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        except _UNAVAILABLE as error:
            raise _ours(error) from error

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Pipeline:
        return Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)

    def by_score(self, key: str, low: int | str, high: int | str, limit: int) -> list[tuple[str, int]]:
        """(member, score) of a ZSET with low <= score <= high, the lowest first."""
        found: Any = self.zrange(key, str(low), str(high), byscore=True, offset=0, num=limit, withscores=True)
        return [(str(member), int(score)) for member, score in found]

    def by_rank(self, key: str, skip: int, limit: int) -> list[tuple[str, int]]:
        """(member, score) of a ZSET, the lowest first, without the first `skip` of them."""
        found: Any = self.zrange(key, skip, skip + limit - 1, withscores=True)
        return [(str(member), int(score)) for member, score in found]

    def first(self, key: str, *, highest: bool = False) -> tuple[str, int] | None:
        """(member, score) of the lowest, or the highest, of a ZSET; None where it is empty."""
        found: Any = self.zrange(key, 0, 0, desc=highest, withscores=True)
        return (str(found[0][0]), int(found[0][1])) if found else None


def connect(url: str, max_connections: int = 64) -> Client:
    """A client for `url`; connects at its first command.

    Callers beyond `max_connections` wait up to a second for a free one.
    """
    pool = redis.BlockingConnectionPool.from_url(
        url,
        max_connections=max_connections,
        timeout=POOL_TIMEOUT_SECONDS,
        decode_responses=True,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        socket_timeout=REPLY_TIMEOUT_SECONDS,
        # Once more on a connection that Redis closed while it was idle. Not after a timeout: that would double the
        # patience, and make a call twice that may have been carried out.
        retry=Retry(ConstantBackoff(0.05), 1, supported_errors=(ConnectionError,)),
        health_check_interval=0,
    )
    return Client(connection_pool=pool)
