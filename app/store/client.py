"""The connection to Redis: bounded in number and patience, with one error for "can't be reached".

Patience: a call connects and gets its first answer, or ends in Unavailable, within 2 seconds, whatever Redis does:
away, hanging, loading its data, out of memory, a replica that takes no writes, between two masters.
"""

from __future__ import annotations

import re
import threading
from typing import Any

import redis
from redis.backoff import ConstantBackoff
from redis.exceptions import (
    BusyLoadingError,
    ConnectionError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    TimeoutError,
)
from redis.retry import Retry
from redis.sentinel import Sentinel

from app.domain.errors import Full, Unavailable
from app.sentinel_url import is_sentinel, parse_sentinel_url
from app.store.breaker import Breaker

CONNECT_TIMEOUT_SECONDS = 0.4
REPLY_TIMEOUT_SECONDS = 1.5
POOL_TIMEOUT_SECONDS = 0.4
#: What an Unavailable says where a command was sent and may have been carried out: the connection broke.
REPLY_LOST = "ReplyLost"
#: Several Sentinels may have to be asked.
SENTINEL_TIMEOUT_SECONDS = 0.3
#: Where a pool can't make its callers wait, it has some connections to spare.
SPARE_CONNECTIONS = 16

_UNAVAILABLE = (ConnectionError, TimeoutError, BusyLoadingError, MasterDownError, ReadOnlyError, OutOfMemoryError)
#: Errors that redis-py has no class for, and the same ones as older servers tell them out of a script.
_UNAVAILABLE_CODE = re.compile(r"(?:^|[ :-])(OOM|READONLY|MISCONF|NOREPLICAS|BUSY) ")


def as_unavailable(error: RedisError) -> Unavailable | None:
    """What `error` is for us, None where Redis is there and a command was wrong."""
    code = _UNAVAILABLE_CODE.search(str(error))
    if isinstance(error, OutOfMemoryError) or (code and code[1] == "OOM"):
        return Full("Redis is out of memory; nothing was changed")
    if isinstance(error, _UNAVAILABLE):
        return Unavailable(type(error).__name__)
    return Unavailable(code[1]) if code else None


class Pipeline(redis.client.Pipeline):
    """A pipeline that raises Unavailable where Redis can't be reached."""

    breaker: Breaker

    def execute(self, raise_on_error: bool = True) -> Any:
        run = super().execute
        try:
            return self.breaker.run(lambda: run(raise_on_error))
        except RedisError as error:
            if (ours := as_unavailable(error)) is not None:
                raise ours from error
            raise


class _Replies(threading.local):
    """Whether a thread's present command was sent, and the connection broke before its reply: it may be carried out.

    Once is enough, whatever another try ends in.
    """

    one_was_lost = False


class Client(redis.Redis):
    """A client that raises Unavailable where Redis can't be reached, or can't be written to."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._breaker = Breaker()
        self._replies = _Replies()

    def execute_command(self, *args: Any, **options: Any) -> Any:
        run = super().execute_command
        self._replies.one_was_lost = False
        try:
            return self._breaker.run(lambda: run(*args, **options))  # type: ignore[no-untyped-call]
        except RedisError as error:
            ours = as_unavailable(error)
            if ours is not None and self._replies.one_was_lost:
                raise Unavailable(REPLY_LOST) from error
            if ours is not None:
                raise ours from error
            raise

    def parse_response(self, connection: Any, command_name: str, **options: Any) -> Any:
        """Read a reply. The command's option `meanwhile` is called before: Redis has the command, and works on it."""
        meanwhile = options.pop("meanwhile", None)
        if meanwhile is not None:
            try:
                meanwhile()
            except BaseException:
                connection.disconnect()  # else the next to use it would read this reply
                raise
        try:
            return super().parse_response(connection, command_name, **options)  # type: ignore[no-untyped-call]
        except ConnectionError as error:
            # The base class alone: a broken connection. Those derived from it are replies.
            self._replies.one_was_lost = self._replies.one_was_lost or type(error) is ConnectionError
            raise

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Pipeline:
        pipeline = Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        pipeline.breaker = self._breaker
        return pipeline

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

    Callers beyond `max_connections` wait a moment for a free one. Raises ValueError for a URL that can't be used.
    """
    if is_sentinel(url):
        return _connect_by_sentinel(url, max_connections)
    pool = redis.BlockingConnectionPool.from_url(
        url, max_connections=max_connections, timeout=POOL_TIMEOUT_SECONDS, **_connection_options(url)
    )
    return Client(connection_pool=pool)


def _connect_by_sentinel(url: str, max_connections: int) -> Client:
    """A client of the service's master, whichever that is when a connection is made."""
    parts = parse_sentinel_url(url)
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        list(parts.nodes),
        sentinel_kwargs={
            "password": parts.sentinel_password,
            "socket_connect_timeout": SENTINEL_TIMEOUT_SECONDS,
            "socket_timeout": SENTINEL_TIMEOUT_SECONDS,
            "retry": Retry(ConstantBackoff(0), 0),
        },
        username=parts.username,
        password=parts.password,
        db=parts.database,
        max_connections=max_connections + SPARE_CONNECTIONS,
        **_connection_options(url),
    )
    client: Client = sentinel.master_for(parts.service, redis_class=Client)  # type: ignore[no-untyped-call]
    return client


def _connection_options(url: str) -> dict[str, Any]:
    return {
        **({} if url.startswith("unix:") else {"socket_keepalive": True}),
        "decode_responses": True,
        "socket_connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "socket_timeout": REPLY_TIMEOUT_SECONDS,
        # Once more on a connection that Redis closed while it was idle. Not after a timeout: that would double the
        # patience, and make a call twice that may have been carried out.
        "retry": Retry(ConstantBackoff(0.05), 1, supported_errors=(ConnectionError,)),
        "health_check_interval": 0,
    }
