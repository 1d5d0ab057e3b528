"""Which errors mean that Redis is unavailable, and which that a command was wrong."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

import pytest
import redis
from redis import exceptions

from app.domain.errors import Full, Unavailable, reason_of
from app.store.arguments import packed, packed_command
from app.store.client import REPLY_LOST, Client, as_unavailable, connect
from tests.servers import RedisServer


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (exceptions.ConnectionError("refused"), Unavailable, "ConnectionError"),
        (exceptions.TimeoutError("slow"), Unavailable, "TimeoutError"),
        (exceptions.ReadOnlyError("You can't write"), Unavailable, "ReadOnlyError"),
        (exceptions.MasterDownError("Link with MASTER is down"), Unavailable, "MasterDownError"),
        (exceptions.OutOfMemoryError("command not allowed"), Full, "Redis is out of memory; nothing was changed"),
        # redis-py has no class for these
        (exceptions.ResponseError("MISCONF Errors writing to the AOF file"), Unavailable, "MISCONF"),
        (exceptions.ResponseError("NOREPLICAS Not enough good replicas to write."), Unavailable, "NOREPLICAS"),
        (exceptions.ResponseError("BUSY Redis is busy running a script."), Unavailable, "BUSY"),
        (exceptions.ResponseError("DB index is out of range"), Unavailable, "no such database"),
        (exceptions.InvalidResponse('Protocol error, got "H" as reply type byte'), Unavailable, "not a Redis"),
        # the format of Redis 6.2 for errors within a script
        (
            exceptions.ResponseError("Error running script (call to f_1): @user_script:5: -OOM command not allowed"),
            Full,
            "Redis is out of memory; nothing was changed",
        ),
        (
            exceptions.ResponseError("Error running script (call to f_1): @user_script:5: -READONLY You can't write"),
            Unavailable,
            "READONLY",
        ),
    ],
)
def test_redis_is_unavailable(error: exceptions.RedisError, kind: type[Unavailable], reason: str) -> None:
    found = as_unavailable(error)
    assert (type(found), str(found)) == (kind, reason)


def test_reason_has_the_words_of_redis() -> None:
    error = Unavailable("AuthenticationError")
    error.__cause__ = exceptions.AuthenticationError("WRONGPASS invalid username-password pair")
    assert reason_of(error) == "AuthenticationError: WRONGPASS invalid username-password pair"
    error.__cause__ = exceptions.ConnectionError("No master found for 'a' : <redis.client.Redis(…)>")
    assert reason_of(error) == "AuthenticationError: No master found for 'a'"
    assert reason_of(Unavailable("silent")) == "silent"


@pytest.mark.parametrize("text", ["wrong number of arguments", "WRONGTYPE Operation against a key", "unknown BUSY"])
def test_a_command_was_wrong(text: str) -> None:
    assert as_unavailable(exceptions.ResponseError(text)) is None


@pytest.fixture
def client(own_server: RedisServer) -> Iterator[Client]:
    with closing(connect(own_server.url)) as client:
        client.ping()
        yield client


def test_a_command_whose_reply_is_lost_may_have_been_executed(own_server: RedisServer, client: Client) -> None:
    with pytest.raises(Unavailable) as lost:
        # Redis dies before it replies to this command.
        client.execute_command("BLPOP", "nothing", 0, meanwhile=lambda: own_server.stop(signal.SIGKILL))
    assert str(lost.value) == REPLY_LOST
    with pytest.raises(Unavailable) as refused:
        client.set("a", 1)
    assert str(refused.value) == "ConnectionError", "this command was not sent"


def test_a_lost_reply_followed_by_a_successful_retry_is_no_error(own_server: RedisServer, client: Client) -> None:
    def restart() -> None:
        own_server.stop(signal.SIGKILL)
        own_server.start()

    meanwhile = iter([restart, lambda: None])
    answer: list[str] | None = client.execute_command("BLPOP", "nothing", 0.5, meanwhile=lambda: next(meanwhile)())  # type: ignore[no-untyped-call]
    assert answer is None
    assert next(meanwhile, None) is None, "the command must be sent twice"


def ask_packed(client: Client) -> object:
    return client.execute_packed(b"*2\r\n" + packed("ECHO", "theirs"))


def ask_in_a_pipeline(client: Client, *, transaction: bool = False) -> object:
    with client.pipeline(transaction=transaction) as pipeline:
        pipeline.echo("theirs")
        return pipeline.execute()


def ask_in_a_packed_transaction(client: Client) -> object:
    return client.transaction_packed([packed_command("ECHO", "theirs")])


ASK = [
    lambda client: client.echo("theirs"),
    ask_packed,
    ask_in_a_pipeline,
    partial(ask_in_a_pipeline, transaction=True),
    ask_in_a_packed_transaction,
]


@pytest.mark.parametrize("ask", ASK, ids=["command", "packed", "pipeline", "transaction", "packed transaction"])
def test_a_command_that_is_interrupted_leaves_its_reply_to_no_other(
    client: Client, monkeypatch: pytest.MonkeyPatch, ask: Callable[[Client], object]
) -> None:
    """A signal ends beat between any two of its steps, and its other threads use its connections for a moment more."""

    def interrupted(*_: object, **__: object) -> None:
        monkeypatch.undo()
        raise SystemExit

    monkeypatch.setattr(redis.Redis, "parse_response", interrupted)
    with pytest.raises(SystemExit):
        ask(client)
    assert client.echo("mine") == "mine"


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (packed_command("LLEN"), "wrong number of arguments"),  # refused when it should be queued
        (packed_command("LLEN", "text"), "WRONGTYPE"),  # fails when it is carried out
    ],
    ids=["refused", "failed"],
)
def test_a_wrong_command_fails_its_transaction_and_leaves_no_reply_to_others(
    client: Client, wrong: bytes, error: str
) -> None:
    client.set("text", "x")
    asked = packed_command("ECHO", "theirs")
    with pytest.raises(exceptions.ResponseError, match=error):
        client.transaction_packed([asked, wrong, asked])
    assert client.echo("mine") == "mine"
    assert client.transaction_packed([asked, asked]) == ["theirs", "theirs"]


def test_a_transaction_on_a_connection_that_redis_has_closed_is_sent_again(
    client: Client, own_server: RedisServer
) -> None:
    own_server.stop(signal.SIGKILL)
    own_server.start()
    assert client.transaction_packed([packed_command("ECHO", "mine")]) == ["mine"]


def test_a_transaction_whose_reply_is_lost_may_have_been_executed(
    own_server: RedisServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Client._pass_over

    def killed(client: Client, connection: object, queued: int) -> None:
        """Between the sending of the commands and the first reply."""
        own_server.stop(signal.SIGKILL)
        read(client, connection, queued)

    monkeypatch.setattr(Client, "_pass_over", killed)
    own_server.send_signal(signal.SIGSTOP)
    assert own_server.process is not None
    os.waitid(os.P_PID, own_server.process.pid, os.WSTOPPED)
    with pytest.raises(Unavailable) as lost:
        client.transaction_packed([packed_command("ECHO", "theirs")])
    assert str(lost.value) == REPLY_LOST
