"""Connections that threads take in turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import redis
from redis.connection import Connection

from app.domain.errors import Unavailable
from app.store import pool
from app.store.client import Client, connect
from tests.servers import wait_until

THREADS = 32


@pytest.fixture
def client(admin_url: str) -> Iterator[Client]:
    with closing(connect(admin_url, max_connections=4)) as client:
        client.client_setname("x")  # connects
        yield client


def connections(raw_redis: redis.Redis) -> set[str]:
    """The ids of the connections besides `raw_redis`'s own."""
    own = str(raw_redis.client_id())
    return {each["id"] for each in raw_redis.client_list()} - {own}


def test_calls_one_after_the_other_share_a_connection(client: Client, raw_redis: redis.Redis) -> None:
    before = connections(raw_redis)
    for _ in range(3):
        client.ping()
    with ThreadPoolExecutor(1) as other:
        other.submit(client.ping).result(10)
    assert connections(raw_redis) == before


def test_a_client_that_is_closed_leaves_no_connection(admin_url: str, raw_redis: redis.Redis) -> None:
    before = connections(raw_redis)
    client = connect(admin_url)
    client.ping()
    assert len(connections(raw_redis) - before) == 1
    client.close()
    wait_until(lambda: connections(raw_redis) == before, 10, "Redis has closed it")


def test_many_threads_get_their_own_replies_over_few_connections(
    client: Client, raw_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "WAIT_SECONDS", 30.0)  # the machine may be busy
    before = len(connections(raw_redis)) - 1
    begin = threading.Barrier(THREADS)

    def echoes(thread: int) -> bool:
        begin.wait(10)
        texts = [f"{thread} {number}" for number in range(50)]
        return [client.echo(text) for text in texts] == texts

    with ThreadPoolExecutor(THREADS) as threads:
        assert all(threads.map(echoes, range(THREADS)))
    assert len(connections(raw_redis)) - before <= 4


def test_a_caller_waits_for_a_connection_and_gets_the_first_that_is_free(
    admin_url: str, raw_redis: redis.Redis
) -> None:
    with closing(connect(admin_url, max_connections=1)) as client, ThreadPoolExecutor(2) as threads:
        first = threads.submit(client.blpop, ["list"], 10)
        wait_until(lambda: raw_redis.info("clients")["blocked_clients"] == 1, 10, "a connection in use")
        second = threads.submit(client.ping)
        raw_redis.rpush("list", "x")
        assert first.result(10) == ("list", "x")
        assert second.result(10) is True


def test_who_waits_is_served_before_who_comes_later(admin_url: str) -> None:
    """Else a thread that calls again and again could keep others waiting until they give up."""
    order: list[str] = []
    with closing(connect(admin_url, max_connections=1)) as client, ThreadPoolExecutor(1) as threads:
        connections = client.connection_pool
        assert isinstance(connections, pool.Pool)

        def take(name: str) -> Connection:
            connection = connections.get_connection()
            order.append(name)
            return connection

        first = take("this thread")
        waiting = threads.submit(lambda: connections.release(take("the waiting thread")))
        wait_until(lambda: connections._waiting, 10, "a thread that waits")
        connections.release(first)
        connections.release(take("this thread"))
        waiting.result(10)
    assert order == ["this thread", "the waiting thread", "this thread"]


def test_without_a_free_connection_a_call_gives_up_soon(admin_url: str, raw_redis: redis.Redis) -> None:
    with closing(connect(admin_url, max_connections=1)) as client, ThreadPoolExecutor(1) as threads:
        first = threads.submit(client.blpop, ["list"], 10)
        wait_until(lambda: raw_redis.info("clients")["blocked_clients"] == 1, 10, "a connection in use")
        began = time.monotonic()
        with pytest.raises(Unavailable):
            client.ping()
        assert time.monotonic() - began < 5, "the connection is in use for 10 seconds"
        raw_redis.rpush("list", "x")
        first.result(10)
        assert client.ping() is True


def test_a_connection_that_nobody_uses_is_closed(
    client: Client, raw_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadPoolExecutor(2) as threads:
        waiting = threads.submit(client.blpop, ["list"], 10)
        wait_until(lambda: raw_redis.info("clients")["blocked_clients"] == 1, 10, "a connection in use")
        client.ping()  # on a second connection
        before = connections(raw_redis)
        raw_redis.rpush("list", "x")
        waiting.result(10)
    monkeypatch.setattr(pool, "IDLE_SECONDS", 0.0)
    client.ping()  # the older of the two is closed
    wait_until(lambda: len(connections(raw_redis)) == len(before) - 1, 10, "the end of an unused connection")
    for _ in range(3):
        assert client.ping() is True, "the place of a closed connection is free again"


def test_a_connection_that_redis_has_closed_is_opened_again(client: Client, raw_redis: redis.Redis) -> None:
    raw_redis.client_kill_filter(_type="normal", skipme=True)
    assert client.ping() is True


def test_a_connection_idle_for_long_is_looked_at_first(
    client: Client, raw_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the command is sent once."""
    monkeypatch.setattr(pool, "TRUSTED_SECONDS", 0.0)
    raw_redis.client_kill_filter(_type="normal", skipme=True)
    sent: list[None] = []
    client.execute_command("PING", meanwhile=lambda: sent.append(None))  # type: ignore[no-untyped-call]
    assert len(sent) == 1
