"""The connection to Redis: a limited number of connections, limited waiting, and one error for "unavailable".

A call connects and receives its first reply, or raises Unavailable, within 2 seconds, whatever the state of Redis:
down, hanging, loading its data, out of memory, a read-only replica, or failing over to another master.
"""

from __future__ import annotations

import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import redis
from redis.backoff import ConstantBackoff
from redis.exceptions import (
    BusyLoadingError,
    ConnectionError,
    InvalidResponse,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,
)
from redis.retry import Retry
from redis.sentinel import Sentinel

from app.domain.errors import Full, OtherForm, Unavailable
from app.domain.form import RESTORING, Form
from app.sentinel_url import is_sentinel, parse_sentinel_url
from app.store.arguments import packed_command
from app.store.breaker import Breaker
from app.store.pool import Pool, SentinelPool

Answer = TypeVar("Answer")

#: A command that is wrong, unknown to the server, or not permitted to the user.
RefusedByRedis = ResponseError

CONNECT_TIMEOUT_SECONDS = 0.4
REPLY_TIMEOUT_SECONDS = 1.5
RAW_TIMEOUT_SECONDS = 30.0
#: Before a command is sent again on a new connection, which happens once.
RETRY_PAUSE_SECONDS = 0.05
#: Text of an Unavailable whose command was sent but lost its connection before the reply: it may have been executed.
REPLY_LOST = "ReplyLost"
#: Short, because several Sentinels may have to be tried.
SENTINEL_TIMEOUT_SECONDS = 0.3

_MULTI, _EXEC = packed_command("MULTI"), packed_command("EXEC")
_UNAVAILABLE = (ConnectionError, TimeoutError, BusyLoadingError, MasterDownError, ReadOnlyError, OutOfMemoryError)
#: The error of a script that found another form of data (scripts.py).
_OTHER_FORM = re.compile(r"(?:^|[ :-])FORM (\S+)")
_NO_DATABASE = "DB index is out of range"
#: Errors without a class in redis-py, and the form in which older servers report errors from within a script.
_UNAVAILABLE_CODE = re.compile(r"(?:^|[ :-])(OOM|READONLY|MISCONF|NOREPLICAS|BUSY) ")


def as_unavailable(error: RedisError) -> Unavailable | None:
    """The Unavailable that corresponds to `error`, or None if Redis is available and the command was wrong."""
    code = _UNAVAILABLE_CODE.search(str(error))
    if isinstance(error, OutOfMemoryError) or (code and code[1] == "OOM"):
        return Full("Redis is out of memory; nothing was changed")
    if isinstance(error, _UNAVAILABLE):
        return Unavailable(_tls_reason(error) or type(error).__name__)
    if code:
        return Unavailable(code[1])
    if isinstance(error, InvalidResponse) or str(error) == _NO_DATABASE:
        return Unavailable("not a Redis" if isinstance(error, InvalidResponse) else "no such database")
    form = _OTHER_FORM.search(str(error))
    return other_form(form[1]) if form else None


def other_form(text: str) -> OtherForm:
    """The error for data whose form is stored as `text`."""
    if text == RESTORING:
        return OtherForm("a backup is being restored into this Redis; nothing was changed: wait until that is complete")
    try:
        return OtherForm(Form.parse(text).words)
    except ValueError as error:
        return OtherForm(f"{error}; nothing was changed")


def _tls_reason(error: BaseException) -> str | None:
    """Why TLS failed, for those who set it up; None if something else did."""
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"TLS: certificate verify failed: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return f"TLS: {cause.reason}"
    return None if cause is None else _tls_reason(cause)


def _close_if_interrupted(connection: Any, error: BaseException) -> None:
    """Close a connection whose caller is interrupted: the next command would get the reply that is still to come.

    redis-py does so while it sends and while it reads, but a signal may end beat between the two.
    """
    if not isinstance(error, Exception):
        connection.disconnect()


def _without_errors(replies: list[Any]) -> list[Any]:
    """The replies of a transaction. Raises the first error among them."""
    for reply in replies:
        if isinstance(reply, RedisError):
            raise reply
    return replies


class Pipeline(redis.client.Pipeline):
    """A pipeline that raises Unavailable if Redis can't be reached."""

    breaker: Breaker

    def execute(self, raise_on_error: bool = True) -> Any:
        run = super().execute
        try:
            return self.breaker.run(lambda: run(raise_on_error))
        except RedisError as error:
            if (ours := as_unavailable(error)) is not None:
                raise ours from error
            raise

    def _execute_pipeline(self, connection: Any, *args: Any) -> Any:
        try:
            return super()._execute_pipeline(connection, *args)  # type: ignore[no-untyped-call]
        except BaseException as error:
            _close_if_interrupted(connection, error)
            raise

    def _execute_transaction(self, connection: Any, *args: Any) -> Any:
        try:
            return super()._execute_transaction(connection, *args)
        except BaseException as error:
            _close_if_interrupted(connection, error)
            raise


class _Replies(threading.local):
    """Whether the thread's current command lost its connection after it was sent, so it may have been executed.

    One lost reply is enough, whatever the result of a second try.
    """

    one_was_lost = False


class Client(redis.Redis):
    """A client that raises Unavailable if Redis can't be reached or accepts no writes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._breaker = Breaker()
        self._replies = _Replies()

    def execute_command(self, *args: Any, **options: Any) -> Any:
        run = super().execute_command
        return self._guarded(lambda: run(*args, **options))  # type: ignore[no-untyped-call]

    def execute_packed(self, command: bytes) -> Any:
        """The reply to a command in the form in which it is sent: much faster than `execute_command`.

        Raises the same errors, and sends the command again in the same case.
        """
        return self._guarded(lambda: self._exchange(command))

    def transaction_packed(self, commands: Sequence[bytes]) -> list[Any]:
        """The replies to commands in the form in which they are sent, of one moment and in one round trip.

        For many commands much faster than a pipeline, which packs each command and looks at each reply in Python. So
        the form of replies is that of the connection's protocol. Raises the first error if there is one, and sends all
        again in the same case as other methods.
        """
        request = b"".join((_MULTI, *commands, _EXEC))
        return self._guarded(lambda: _without_errors(self._exchange(request, queued=1 + len(commands))))

    def _guarded(self, run: Callable[[], Answer]) -> Answer:
        self._replies.one_was_lost = False
        try:
            return self._breaker.run(run)
        except RedisError as error:
            ours = as_unavailable(error)
            if ours is not None and self._replies.one_was_lost:
                raise Unavailable(REPLY_LOST) from error
            if ours is not None:
                raise ours from error
            raise

    def _exchange(self, command: bytes, queued: int = 0) -> Any:
        """Send a command and read its reply, after those that say that so many commands are queued."""
        connection: Any = self.connection_pool.get_connection()
        try:
            try:
                return self._exchange_on(connection, command, queued)
            except ConnectionError:
                time.sleep(RETRY_PAUSE_SECONDS)
                return self._exchange_on(connection, command, queued)
        finally:
            self.connection_pool.release(connection)

    def _exchange_on(self, connection: Any, command: bytes, queued: int) -> Any:
        try:
            connection.send_packed_command((command,), check_health=False)
            self._pass_over(connection, queued)
            return self.parse_response(connection, "")
        except ConnectionError:
            connection.disconnect()
            raise
        except BaseException as error:
            _close_if_interrupted(connection, error)
            raise

    def _pass_over(self, connection: Any, queued: int) -> None:
        """Read the replies that say that commands are queued. If one is refused, those that follow are not awaited."""
        try:
            for _ in range(queued):
                connection.read_response()
        except ConnectionError as error:
            self._note_lost(error)
            raise
        except ResponseError:
            connection.disconnect()
            raise

    def _send_command_parse_response(self, conn: Any, *args: Any, **options: Any) -> Any:
        try:
            return super()._send_command_parse_response(conn, *args, **options)  # type: ignore[no-untyped-call]
        except BaseException as error:
            _close_if_interrupted(conn, error)
            raise

    def parse_response(self, connection: Any, command_name: str, **options: Any) -> Any:
        """Read a reply. Before that, call the command's option `meanwhile`, while Redis executes the command."""
        meanwhile = options.pop("meanwhile", None)
        if meanwhile is not None:
            try:
                meanwhile()
            except BaseException:
                connection.disconnect()  # otherwise the next user of the connection would read this reply
                raise
        try:
            return super().parse_response(connection, command_name, **options)  # type: ignore[no-untyped-call]
        except ConnectionError as error:
            self._note_lost(error)
            raise

    def _note_lost(self, error: ConnectionError) -> None:
        # Only the base class means a broken connection. Its subclasses are replies.
        self._replies.one_was_lost = self._replies.one_was_lost or type(error) is ConnectionError

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Pipeline:
        pipeline = Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        pipeline.breaker = self._breaker
        return pipeline

    def by_score(self, key: str, low: int | str, high: int | str, limit: int) -> list[tuple[str, int]]:
        """(member, score) of a ZSET with low <= score <= high, lowest first."""
        found: Any = self.zrange(key, str(low), str(high), byscore=True, offset=0, num=limit, withscores=True)
        return [(str(member), int(score)) for member, score in found]

    def by_rank(self, key: str, skip: int, limit: int) -> list[tuple[str, int]]:
        """(member, score) of a ZSET, lowest first, without the first `skip` members."""
        found: Any = self.zrange(key, skip, skip + limit - 1, withscores=True)
        return [(str(member), int(score)) for member, score in found]

    def first(self, key: str, *, highest: bool = False) -> tuple[str, int] | None:
        """(member, score) of the lowest or highest member of a ZSET; None if it is empty."""
        found: Any = self.zrange(key, 0, 0, desc=highest, withscores=True)
        return (str(found[0][0]), int(found[0][1])) if found else None


def connect(url: str, max_connections: int = 64) -> Client:
    """A client for `url`. It connects at its first command.

    Callers beyond `max_connections` wait briefly for a free connection. Raises ValueError for an unusable URL.
    """
    return _connect(url, max_connections, _connection_options(url))


def connect_raw(url: str) -> Client:
    """A client whose replies are bytes, as Redis sends them: for copies of all data.

    It waits longer than others, and sends no command twice. Raises ValueError for an unusable URL.
    """
    raw = {
        "decode_responses": False,
        "protocol": 2,
        "socket_timeout": RAW_TIMEOUT_SECONDS,
        "retry": Retry(ConstantBackoff(0), 0),
    }
    client = _connect(url, 2, {**_connection_options(url), **raw})
    client.response_callbacks.clear()
    return client


def _connect(url: str, max_connections: int, options: Mapping[str, Any]) -> Client:
    if is_sentinel(url):
        return _connect_by_sentinel(url, max_connections, options)
    pool = Pool.from_url(url, max_connections=max_connections, **options)
    try:
        pool.make_connection()
    except TypeError as error:  # the URL's query has an option that redis-py does not know
        raise ValueError(f"an option in its query is not known: {str(error).rpartition(' ')[2]}") from None
    client = Client(connection_pool=pool)
    client.auto_close_connection_pool = True  # the pool is its own, and closed with it
    return client


def _connect_by_sentinel(url: str, max_connections: int, options: Mapping[str, Any]) -> Client:
    """A client of the service's current master, looked up for each new connection."""
    parts = parse_sentinel_url(url)
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        list(parts.nodes),
        sentinel_kwargs={
            **parts.sentinel_options(SENTINEL_TIMEOUT_SECONDS),
            "retry": Retry(ConstantBackoff(0), 0),
        },
        username=parts.username,
        password=parts.password,
        db=parts.database,
        max_connections=max_connections,
        **({} if parts.tls is None else {"ssl": True, **parts.tls.options()}),
        **options,
    )
    client: Client = sentinel.master_for(  # type: ignore[no-untyped-call]
        parts.service, redis_class=Client, connection_pool_class=SentinelPool
    )
    return client


def _connection_options(url: str) -> dict[str, Any]:
    return {
        **({} if url.startswith("unix:") else {"socket_keepalive": True}),
        "decode_responses": True,
        "driver_info": None,  # two commands for each connection, which an ACL would have to allow
        "socket_connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "socket_timeout": REPLY_TIMEOUT_SECONDS,
        # Retry once, for a connection that Redis closed while it was idle. Not after a timeout: a retry would double
        # the waiting time, and repeat a call that may have been executed.
        "retry": Retry(ConstantBackoff(RETRY_PAUSE_SECONDS), 1, supported_errors=(ConnectionError,)),
        "health_check_interval": 0,
    }
