"""Commands that are sent and not waited for."""

from __future__ import annotations

import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from app.domain.errors import Unavailable
from app.store.client import CONNECT_TIMEOUT_SECONDS, connect
from app.store.oneway import OneWay
from tests.lateness import Lateness
from tests.servers import ROOT, RedisServer, wait_until


def length(url: str) -> int:
    with redis.Redis.from_url(url) as client:
        return int(client.llen("list"))


def test_commands_arrive_in_order(own_server: RedisServer) -> None:
    oneway = OneWay(connect(own_server.url))
    for number in range(100):
        oneway.send("RPUSH", "list", number)
    with redis.Redis.from_url(own_server.url, decode_responses=True) as client:
        wait_until(lambda: client.llen("list") == 100, 10, "all commands")
        assert client.lrange("list", 0, -1) == [str(number) for number in range(100)]
    oneway.close()


def test_a_command_that_redis_refuses_does_no_harm_to_the_next(own_server: RedisServer) -> None:
    oneway = OneWay(connect(own_server.url))
    oneway.send("NO", "SUCH", "COMMAND")
    oneway.send("RPUSH", "list", 1)
    wait_until(lambda: length(own_server.url) == 1, 10, "the second command")
    oneway.close()


def test_a_connection_that_redis_has_closed_is_made_again(own_server: RedisServer) -> None:
    oneway = OneWay(connect(own_server.url))
    oneway.send("RPUSH", "list", 1)
    wait_until(lambda: length(own_server.url) == 1, 10, "the first command")
    with redis.Redis.from_url(own_server.url) as client:
        client.client_kill_filter(_type="normal", skipme=True)
    oneway.send("RPUSH", "list", 2)
    wait_until(lambda: length(own_server.url) == 2, 10, "the command on a new connection")
    oneway.close()


def test_without_redis_it_says_so_and_goes_on_when_redis_is_back(own_server: RedisServer) -> None:
    oneway = OneWay(connect(own_server.url))
    oneway.send("RPUSH", "list", 1)
    own_server.stop()
    with pytest.raises(Unavailable):
        oneway.send("RPUSH", "list", 2)
    own_server.start()
    oneway.send("RPUSH", "list", 3)
    wait_until(lambda: length(own_server.url) == 1, 10, "the command on the new server")
    oneway.close()


#: A process of its own, since this one has threads: sends one command before a fork and one on each side of it.
FORKING = """
import os, sys
from app.store.client import CONNECT_TIMEOUT_SECONDS, connect
from app.store.oneway import OneWay

oneway = OneWay(connect(sys.argv[1]))
oneway.send("RPUSH", "list", "before")
child = os.fork()
oneway.send("RPUSH", "list", "parent" if child else "child")
if child:
    os.waitpid(child, 0)
    input()
"""


def test_callers_do_not_queue_up_behind_one_that_can_not_connect() -> None:
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for client in (first, second):  # from now on the system answers nobody who connects
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        oneway = OneWay(connect(f"redis://127.0.0.1:{listener.getsockname()[1]}"))
        number = 20

        def send(_: int) -> None:
            with pytest.raises(Unavailable):
                oneway.send("RPUSH", "list", 1)

        with Lateness() as lateness, ThreadPoolExecutor(number) as pool:
            list(pool.map(send, range(number)))
        assert lateness.taken_seconds < number * CONNECT_TIMEOUT_SECONDS / 2
        oneway.close()


def test_a_forked_process_has_a_connection_of_its_own(own_server: RedisServer) -> None:
    command = [sys.executable, "-c", FORKING, own_server.url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, cwd=ROOT) as process:
        wait_until(lambda: length(own_server.url) == 3, 20, "the commands of both")
        with redis.Redis.from_url(own_server.url) as client:
            wait_until(lambda: len(client.client_list(_type="normal")) == 2, 10, "the end of the child's connection")
        process.communicate(b"\n")
