"""`celeriac backup` and `restore`: what is in the file, what is refused, and where it may be restored."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from app.domain.errors import OtherForm, Unavailable
from app.domain.form import RESTORING
from app.launch.backup import command
from app.launch.backup.file import BackupFile, BadBackup, Head, check, write_backup
from app.launch.backup.source import standing_still
from app.launch.embedded_redis import EmbeddedServer
from app.settings import read_settings
from app.store.arguments import packed_command
from app.store.client import connect_raw
from app.store.keys import Keys
from app.store.snapshot import reading
from app.store.snapshot.commands import BadCommand, read_commands
from app.store.snapshot.reading import read_all
from app.store.snapshot.stream import save_copy
from app.store.snapshot.writing import Target
from app.store.store import Store
from tests.conftest import VirtualClock
from tests.redis_acl import PASSWORD, documented_rule, refusals
from tests.servers import ModuleProcess, RedisServer, throw_away_redis
from tests.store.making import SUCCEEDED, claimed, created, scheduled
from tests.system import ROOT, needs_no_local_redis, wait_until
from tests.system import run as run_start

Run = Callable[..., "tuple[int, str, str]"]
HEAD = Head(created_at="2026-11-28T12:00:00Z", version="0.1.0", server="valkey 9.1", form="1")
MANY = 1_234  # more than one part of a large key
DAY_SECONDS = 86_400
#: Type -> what makes a key of it.
SAMPLES: dict[str, Callable[[redis.Redis, str], object]] = {
    "string": lambda raw, key: raw.set(key, "x"),
    "hash": lambda raw, key: raw.hset(key, "f", "v"),
    "list": lambda raw, key: raw.rpush(key, "m"),
    "set": lambda raw, key: raw.sadd(key, "s"),
    "zset": lambda raw, key: raw.zadd(key, {"t": 1}),
    "stream": lambda raw, key: raw.xadd(key, {"who": "ci"}),
}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command on the Redis at a URL; status, stdout and stderr."""

    def run(name: str, *words: object, url: str) -> tuple[int, str, str]:
        monkeypatch.setenv("REDIS_URL", url)
        status = getattr(command, name)([str(word) for word in words])
        out, err = capsys.readouterr()
        return status, out, err

    return run


@pytest.fixture
def source(own_server: RedisServer, clock: VirtualClock) -> Iterator[redis.Redis]:
    """A Redis with a little of everything."""
    store = Store.at(own_server.url)
    clock.now_ms = time.time_ns() // 1_000_000
    scheduled(store, clock())
    for number in range(20):
        created(store, clock(), name=f"Ü {number}", tags=("a", "b:c"))
    store.tasks.finish(claimed(store, created(store, clock()), clock()), SUCCEEDED, clock(), 1.0)
    store.close()
    with redis.Redis.from_url(own_server.url) as raw:
        fill(raw)
        yield raw


@pytest.fixture
def other(redis_program_path: Path) -> Iterator[RedisServer]:
    """A second Redis, empty."""
    with throw_away_redis(redis_program_path) as server:
        yield server


def fill(raw: redis.Redis) -> None:
    """A large key of each type, keys that expire, and keys that no backup contains."""
    raw.hset("celeriac:channels", mapping={f"f{i}": f"v{i}" for i in range(MANY)})
    raw.rpush("celeriac:celeriac.code", *(f"m{i}" for i in range(MANY)))
    raw.zadd("celeriac:tag:many", {f"t{i}": 1_795_422_600_000 * 2_048 + i for i in range(MANY)})
    raw.sadd("celeriac:set", *(f"s{i}" for i in range(MANY)))
    with raw.pipeline(transaction=False) as adding:
        for i in range(MANY):
            adding.xadd("celeriac:audit", {"who": "ci", "i": i}, id=f"{1_000 + i}-0")
        adding.execute()
    raw.set("celeriac:celeriac.api\x06\x163", b"\x00\r\n\xff")
    raw.set("celeriac:idem:soon", "x", ex=DAY_SECONDS)
    raw.set("celeriac:idem:over", "x", px=1)
    for transient in (
        "rate:read:key:a",
        "events:since",
        "call:x",
        "worker:w@h",
        "zones",
        "_kombu.binding.celeriac.code",
    ):
        raw.set(f"celeriac:{transient}", "x")
    raw.set("somebody.else", "x")


def contents(raw: redis.Redis) -> dict[bytes, Any]:
    """Every key with its type, its content, and whether it expires."""
    reads: dict[bytes, Callable[[bytes], Any]] = {
        b"string": raw.get,
        b"hash": raw.hgetall,
        b"list": lambda key: raw.lrange(key, 0, -1),
        b"set": raw.smembers,
        b"zset": lambda key: raw.zrange(key, 0, -1, withscores=True),
        b"stream": raw.xrange,
    }
    found: dict[bytes, Any] = {}
    for key in raw.scan_iter(count=1_000):
        kind: Any = raw.type(key)
        ttl: Any = raw.ttl(key)
        found[key] = (kind, reads[kind](key), ttl > 0)
    return found


def kept(raw: redis.Redis) -> dict[bytes, Any]:
    """What a backup of it contains."""
    other = ("rate:", "events", "call:", "worker", "beats", "zones", "_kombu")
    return {
        key: value
        for key, value in contents(raw).items()
        if key.startswith(b"celeriac:") and not key.decode().removeprefix("celeriac:").startswith(other)
    }


# --- there and back ----------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [[], ["--stopped"]])
def test_restored_data_is_what_was_backed_up(
    words: list[str], run: Run, source: redis.Redis, own_server: RedisServer, other: RedisServer, tmp_path: Path
) -> None:
    file = tmp_path / "b"
    status, out, err = run("backup", file, *words, url=own_server.url)
    assert status == 0, err
    assert out.startswith(f"wrote {file}: 21 tasks, 1 scheduled tasks, ")
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["b"]  # no copy is left behind
    status, out, err = run("restore", file, url=other.url)
    assert status == 0, err
    with redis.Redis.from_url(other.url) as target:
        assert contents(target) == kept(source)
        assert 0 < target.pttl("celeriac:idem:soon") <= DAY_SECONDS * 1_000  # type: ignore[operator]


def test_backup_holds_one_moment(run: Run, source: redis.Redis, own_server: RedisServer, tmp_path: Path) -> None:
    """Two keys that always change together are equal in the file, while a client changes them all the time."""
    change = source.register_script("redis.call('INCR', 'celeriac:seq') redis.call('INCR', 'celeriac:promised')")
    source.mset({"celeriac:seq": 0, "celeriac:promised": 0})
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            change()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        wait_until(lambda: int(source.get("celeriac:seq")) > 0, 15, "the first change")
        assert run("backup", tmp_path / "b", url=own_server.url)[0] == 0
    finally:
        done.set()
        worker.join()
    with BackupFile(tmp_path / "b") as backup:
        strings = {words[1]: words[2] for words in backup.commands() if words[0] == b"SET"}
    assert strings[b"celeriac:seq"] == strings[b"celeriac:promised"] != b"0"


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")
def test_backup_of_a_newer_server_is_restored_into_an_older_one(
    run: Run, source: redis.Redis, own_server: RedisServer, tmp_path: Path
) -> None:
    program = shutil.which("redis-server")
    assert program is not None
    run("backup", tmp_path / "b", url=own_server.url)
    with throw_away_redis(Path(program)) as old:
        assert run("restore", tmp_path / "b", url=old.url)[0] == 0
        assert run("backup", tmp_path / "again", url=old.url)[0] == 0  # its copy is loaded by the newer server
        with redis.Redis.from_url(old.url) as target:
            assert contents(target) == kept(source)
    assert check(tmp_path / "again")[1].words == check(tmp_path / "b")[1].words


def test_embedded_redis_that_nobody_runs_is_backed_up_and_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    needs_no_local_redis()
    monkeypatch.delenv("REDIS_URL", raising=False)
    for name, words in (("backup", ["b"]), ("restore", ["b"])):
        monkeypatch.setenv("VAR_DIR", str(tmp_path / name))
        with _embedded(tmp_path / name) as raw:
            if name == "backup":
                raw.set("celeriac:seq", 7)
        assert getattr(command, name)([str(tmp_path / word) for word in words]) == 0, capsys.readouterr()
    with _embedded(tmp_path / "restore") as raw:
        assert contents(raw)[b"celeriac:seq"] == (b"string", b"7", False)


@contextmanager
def _embedded(folder: Path) -> Iterator[redis.Redis]:
    server = EmbeddedServer(read_settings({"VAR_DIR": str(folder)}), say=print)
    server.start()
    try:
        with redis.Redis.from_url(server.url) as raw:
            yield raw
    finally:
        server.stop()


def test_key_that_has_expired_since_is_not_restored(
    run: Run, own_server: RedisServer, other: RedisServer, tmp_path: Path
) -> None:
    with redis.Redis.from_url(own_server.url) as raw, redis.Redis.from_url(other.url) as target:
        raw.set("celeriac:idem:soon", "x", px=1_500)
        raw.set("celeriac:seq", 1)
        run("backup", tmp_path / "b", url=own_server.url)
        while raw.exists("celeriac:idem:soon"):
            time.sleep(0.01)
        assert run("restore", tmp_path / "b", url=other.url)[0] == 0
        assert target.exists("celeriac:idem:soon") == 0


@pytest.mark.parametrize("kind", ["string", "hash", "list", "set", "zset", "stream"])
def test_key_that_expires_while_it_is_read_is_left_out(
    kind: str, own_server: RedisServer, other: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts_of = reading._facts  # TYPE and PTTL; the values are read next

    def and_expire(client: Any, names: Any) -> list[Any]:
        facts = list(facts_of(client, names))
        raw.delete("celeriac:soon")
        return facts

    with redis.Redis.from_url(own_server.url) as raw, redis.Redis.from_url(other.url) as target:
        SAMPLES[kind](raw, "celeriac:soon")
        raw.expire("celeriac:soon", DAY_SECONDS)
        raw.set("celeriac:seq", 1)
        monkeypatch.setattr(reading, "_facts", and_expire)
        client = connect_raw(own_server.url)
        commands = [command for _, commands in read_all(client) for command in commands]
        client.close()
        with (tmp_path / "b").open("wb") as file:
            write_backup(file, HEAD, commands)
        for words in commands:
            target.execute_command(*words)
        assert target.keys() == [b"celeriac:seq"]


# --- what is refused ---------------------------------------------------------------------------------


@pytest.fixture
def backup(run: Run, source: redis.Redis, own_server: RedisServer, tmp_path: Path) -> Path:
    """A backup of `source`."""
    assert run("backup", tmp_path / "b", url=own_server.url)[0] == 0
    return tmp_path / "b"


def test_redis_with_data_is_left_alone_unless_told_otherwise(run: Run, backup: Path, other: RedisServer) -> None:
    with redis.Redis.from_url(other.url) as target:
        target.mset({"celeriac:seq": 5, "celeriac:t:old": "x", "somebody.else": "y"})
        status, _, err = run("restore", backup, url=other.url)
        assert status == 1
        assert err.splitlines()[-1].endswith("use --replace to delete that, or another Redis")
        assert target.get("celeriac:seq") == b"5"
        assert run("restore", "--replace", backup, url=other.url)[0] == 0
        assert target.exists("celeriac:t:old") == 0
        assert target.get("somebody.else") == b"y"


@pytest.mark.parametrize("alive", ["worker", "beat", "api"])
def test_redis_of_a_running_service_is_left_alone(alive: str, run: Run, backup: Path, other: RedisServer) -> None:
    store = Store.at(other.url)
    now_ms = time.time_ns() // 1_000_000
    listening = redis.Redis.from_url(other.url).pubsub()
    if alive == "worker":
        store.liveness.worker_alive("code@h", {}, now_ms)
    elif alive == "beat":
        store.liveness.beat_ticked("beat@h", now_ms)
    else:
        listening.subscribe("celeriac:inbox:x")
        listening.get_message(timeout=1)
    try:
        for words in (["restore", backup, "--replace"], ["backup", "--stopped", backup.with_name("c")]):
            status, _, err = run(*words, url=other.url)
            assert status == 1
            assert "uses this Redis: stop the service first" in err
    finally:
        listening.close()
        store.close()
    assert not backup.with_name("c").exists()


def test_backup_of_a_redis_that_sends_no_copy_says_what_to_do(
    run: Run, source: redis.Redis, own_server: RedisServer, tmp_path: Path
) -> None:
    source.acl_setuser("limited", enabled=True, nopass=True, keys="*", channels="*", commands=["+@all", "-sync"])
    url = own_server.url.replace("unix://", "unix://limited:x@")
    status, _, err = run("backup", tmp_path / "b", url=url)
    assert status == 1
    assert "permit SYNC and REPLCONF to this user, or stop the service and use --stopped" in err
    assert list(tmp_path.iterdir()) == []
    assert run("backup", tmp_path / "b", "--stopped", url=url)[0] == 0


def test_change_during_a_backup_of_a_stopped_service_is_noticed(
    run: Run, source: redis.Redis, own_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def and_change(client: Any) -> Iterator[Any]:
        yield from read_all(client)
        source.incr("celeriac:seq")

    monkeypatch.setattr(command, "read_all", and_change)
    status, _, err = run("backup", tmp_path / "b", "--stopped", url=own_server.url)
    assert (status, list(tmp_path.iterdir())) == (1, [])
    assert "something was changed meanwhile" in err


def test_process_that_starts_during_a_restore_ends_with_a_sentence(other: RedisServer) -> None:
    with redis.Redis.from_url(other.url) as raw:
        raw.set("celeriac:form", "restoring")
    answer = run_start("beat", REDIS_URL=other.url)
    assert answer.returncode == 76
    assert answer.stderr.startswith("start.py: a backup is being restored into this Redis; nothing was changed")


def test_backup_of_the_wrong_redis_is_no_success(run: Run, own_server: RedisServer, tmp_path: Path) -> None:
    with redis.Redis.from_url(own_server.url) as raw:
        raw.set("somebody.else", "x")
    status, _, err = run("backup", tmp_path / "b", url=own_server.url)
    assert status == 1
    assert err.splitlines()[-1].endswith("are REDIS_URL and VAR_DIR those of the service?")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])  # the latter where a terminal is closed
def test_backup_that_is_stopped_leaves_nothing_behind(
    number: signal.Signals, own_server: RedisServer, tmp_path: Path
) -> None:
    own_server.send_signal(signal.SIGSTOP)
    folder = tmp_path / "backups"
    folder.mkdir()
    words = ["start", "backup", str(folder / "b")]
    process = ModuleProcess(words, tmp_path / "log", ROOT, {"REDIS_URL": own_server.url})
    try:
        wait_until(lambda: list(folder.iterdir()), 60, "the file that is being written")
        process.signal(number)
        assert process.wait(20) == 128 + number
    finally:
        process.kill()
    assert list(folder.iterdir()) == []


def test_backup_under_nohup_outlasts_its_terminal() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert command._run(lambda settings: signal.raise_signal(signal.SIGHUP)) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_backup_that_is_stopped_while_it_makes_a_folder_leaves_none_behind(
    own_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir = os.mkdir

    def mkdir_and_end(path: Any, mode: int = 0o777) -> None:
        mkdir(path, mode)
        raise SystemExit(128 + signal.SIGTERM)

    settings = read_settings({"REDIS_URL": own_server.url})
    monkeypatch.setattr(os, "mkdir", mkdir_and_end)
    with pytest.raises(SystemExit), standing_still(settings, tmp_path, print, is_stopped=False):
        pass
    assert list(tmp_path.iterdir()) == []


# --- rights ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["backup"], ["backup", "--stopped"], ["restore"]])
def test_documented_rights_are_enough(
    words: list[str], run: Run, backup: Path, own_server: RedisServer, source: redis.Redis
) -> None:
    text = (ROOT / "docs" / "backup.md").read_text()
    (rights,) = re.findall(rf"^\| `{' '.join(words)}` \| `([^`]*)` \|$", text, re.MULTILINE)
    source.execute_command(
        "ACL",
        "SETUSER",
        "celeriac",
        "reset",
        "on",
        f">{PASSWORD}",
        *documented_rule(),
        *rights.replace("\\", "").split(),
    )
    if words == ["restore"]:
        source.flushall()
    file = backup if words == ["restore"] else backup.with_name("again")
    url = own_server.url.replace("unix://", f"unix://celeriac:{PASSWORD}@")
    status, _, err = run(*words, file, url=url)
    assert status == 0, err
    assert refusals(source) == []


# --- a restore that does not end ---------------------------------------------------------------------


def test_interrupted_restore_leaves_data_that_nobody_uses_and_is_repeated(
    run: Run, backup: Path, source: redis.Redis, other: RedisServer
) -> None:
    client = connect_raw(other.url)
    with BackupFile(backup) as opened:
        commands = opened.commands()
        target = Target(client, Keys())
        target.begin()
        with pytest.raises(KeyboardInterrupt):
            target.write(_interrupted(commands))
    client.close()
    with redis.Redis.from_url(other.url) as raw:
        store = Store.at(other.url)
        with pytest.raises(OtherForm, match="a backup is being restored into this Redis"):
            created(store, 1)
        store.close()
        assert run("restore", backup, url=other.url)[0] == 0
        assert contents(raw) == kept(source)


@pytest.mark.parametrize("options", [[], ["--stopped"]])
def test_backup_of_an_interrupted_restore_leaves_the_file_alone(
    options: list[str], run: Run, backup: Path, other: RedisServer
) -> None:
    """It would hold a part of the data, and replace the file from which the restore has to be repeated."""
    before = backup.read_bytes()
    with redis.Redis.from_url(other.url) as raw:
        raw.mset({"celeriac:form": RESTORING, "celeriac:seq": 1})
    status, out, err = run("backup", *options, backup, url=other.url)
    assert (status, out) == (1, "")
    assert err.splitlines()[-1].endswith(
        "a backup is being restored into this Redis: wait until it is complete, or repeat the restore"
    )
    assert backup.read_bytes() == before
    assert list(backup.parent.iterdir()) == [backup]


def _interrupted(commands: Iterator[Any]) -> Iterator[Any]:
    for number, one in enumerate(commands):
        if number == 30:
            raise KeyboardInterrupt
        yield one


def test_form_of_the_data_is_written_last(
    run: Run, own_server: RedisServer, other: RedisServer, tmp_path: Path
) -> None:
    with redis.Redis.from_url(own_server.url) as raw, redis.Redis.from_url(other.url) as target:
        raw.mset({"celeriac:form": 1, "celeriac:seq": 1})
        run("backup", tmp_path / "b", url=own_server.url)
        assert run("restore", tmp_path / "b", url=other.url)[0] == 0
        assert target.get("celeriac:form") == b"1"


def test_full_redis_is_named(run: Run, backup: Path, other: RedisServer) -> None:
    with redis.Redis.from_url(other.url) as raw:
        raw.config_set("maxmemory", "1mb")
        status, _, err = run("restore", backup, url=other.url)
        assert status == 1
        assert "out of memory" in err
        raw.config_set("maxmemory", "0")
        assert run("restore", backup, url=other.url)[0] == 0


# --- files -------------------------------------------------------------------------------------------


def test_check_tells_what_is_in_it(run: Run, backup: Path, own_server: RedisServer) -> None:
    status, out, _ = run("backup", "--check", backup, url=own_server.url)
    assert status == 0
    assert out.startswith(f"{backup} is whole: 21 tasks, 1 scheduled tasks, ")


def test_file_that_is_cut_off_anywhere_is_refused(run: Run, backup: Path, other: RedisServer) -> None:
    data, short = backup.read_bytes(), backup.with_name("short")
    for length in (0, 1, 9, 10, 100, len(data) // 2, len(data) - 9, len(data) - 1):
        short.write_bytes(data[:length])
        status, _, err = run("restore", short, url=other.url)
        assert (status, err.count("\n")) == (1, 1), err
    with redis.Redis.from_url(other.url) as raw:
        assert raw.dbsize() == 0


def test_changed_byte_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "b"
    with file.open("wb") as opened:
        write_backup(opened, HEAD, [(b"SET", b"celeriac:seq", b"%d" % number) for number in range(200)])
    data, seed = file.read_bytes(), random.randrange(2**32)
    flips = random.Random(seed)
    noticed = 0
    for _ in range(300):
        place = flips.randrange(len(data))
        changed = data[:place] + bytes([data[place] ^ 1 << flips.randrange(8)]) + data[place + 1 :]
        file.write_bytes(changed)
        try:
            check(file)
        except BadBackup:
            noticed += 1
        else:  # a bit without a meaning, as when the file was packed
            assert gzip.decompress(changed) == gzip.decompress(data), f"seed {seed}, byte {place}"
    assert noticed > 250


def packed(path: Path, *lines: bytes) -> Path:
    """A file in the form of a backup, with a digest that fits."""
    head = json.dumps({"celeriac_backup": 1, "created_at": "x", "version": "x", "server": "x"}).encode() + b"\n"
    body = b"".join([head, *lines])
    last = {"keys": len(lines), "commands": len(lines), "tasks": 0, "scheduled_tasks": 0, "deliveries": 0}
    tail = json.dumps({**last, "sha256": hashlib.sha256(body).hexdigest()}).encode() + b"\n"
    path.write_bytes(gzip.compress(body + tail))
    return path


def test_file_made_by_hand_may_write_data_of_ours(run: Run, tmp_path: Path, other: RedisServer) -> None:
    status, _, err = run(
        "restore", packed(tmp_path / "b", packed_command(b"SET", b"celeriac:seq", b"1")), url=other.url
    )
    assert status == 0, err


@pytest.mark.parametrize(
    "words",
    [
        (b"FLUSHALL",),
        (b"EVAL", b"return 1", b"0"),
        (b"CONFIG", b"SET", b"dir", b"/"),
        (b"SET", b"celeriac:seq"),
        (b"SET", b"celeriac:seq", b"1", b"EX", b"1"),
        (b"HSET", b"celeriac:t:1", b"field"),
        (b"SET", b"somebody.else", b"1"),
        (b"SET", b"celeriac:worker:w", b"1"),
        (b"SET", b"celeriac", b"1"),
    ],
)
def test_command_that_no_backup_contains_is_refused(
    words: tuple[bytes, ...], run: Run, tmp_path: Path, other: RedisServer
) -> None:
    with redis.Redis.from_url(other.url) as raw:
        raw.set("somebody.else", "mine")
        status, _, err = run("restore", packed(tmp_path / "b", packed_command(*words)), url=other.url)
        assert status == 1, err
        assert "Traceback" not in err
        assert raw.get("somebody.else") == b"mine"
        assert raw.dbsize() <= 2


@pytest.mark.parametrize(
    "data",
    [
        b"*99999999\r\n",
        b"*1\r\n$999999999999\r\n",
        b"*1\r\n$-1\r\n",
        b"*x\r\n",
        b"*1\r\n:1\r\n",
        b"*1\r\n$1\r\nab\r\n",
        b"x",
    ],
)
def test_bytes_that_are_no_command_are_refused(data: bytes) -> None:
    with pytest.raises(BadCommand):
        list(read_commands(io.BytesIO(data)))


def test_newer_file_is_refused_in_words(run: Run, tmp_path: Path, other: RedisServer) -> None:
    file = tmp_path / "b"
    file.write_bytes(gzip.compress(b'{"celeriac_backup": 2}\n'))
    status, _, err = run("restore", file, url=other.url)
    assert (status, err) == (1, "start.py: a newer version of Celeriac wrote it\n")


def test_data_of_a_newer_version_is_refused(run: Run, tmp_path: Path, other: RedisServer) -> None:
    with (tmp_path / "b").open("wb") as file:
        write_backup(file, replace(HEAD, form="999", version="9.0.0"), [])
    status, _, err = run("restore", tmp_path / "b", url=other.url)
    assert status == 1
    assert "Celeriac 9.0.0 made this backup" in err


def test_file_that_is_missing_is_named(run: Run, tmp_path: Path, other: RedisServer) -> None:
    status, _, err = run("restore", tmp_path / "none", url=other.url)
    assert (status, err) == (1, f"start.py: {tmp_path}/none: No such file or directory\n")


@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "folder", "no folder"])
def test_backup_replaces_files_only(kind: str, run: Run, tmp_path: Path, own_server: RedisServer) -> None:
    """As root, a backup to /dev/stdout would otherwise take the place of that device."""
    file = tmp_path / "it"
    if kind == "folder":
        file.mkdir()
    elif kind == "no folder":
        file = tmp_path / "away" / "it"
    else:
        os.mkfifo(tmp_path / "pipe")
        file = tmp_path / "pipe" if kind == "pipe" else file
        if kind != "pipe":
            file.symlink_to(tmp_path / "pipe")
    before = _entries(tmp_path)
    status, _, err = run("backup", file, url=own_server.url)
    assert status == 1
    reason = f"no folder {file.parent}" if kind == "no folder" else "is a folder, a pipe or a device"
    assert reason in err
    assert _entries(tmp_path) == before


def _entries(folder: Path) -> dict[str, tuple[int, int]]:
    """The inode and the type with permissions of all that a folder has, without times: following a link changes one."""
    return {path.name: (path.lstat().st_ino, path.lstat().st_mode) for path in folder.iterdir()}


def test_backup_replaces_the_file_behind_a_link(
    run: Run, source: object, tmp_path: Path, own_server: RedisServer
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "file").write_bytes(b"old")
    assert run("backup", tmp_path / "link", url=own_server.url)[0] == 0
    assert (tmp_path / "link").is_symlink()
    assert check(tmp_path / "file")[1].keys


def test_restore_from_a_pipe_deletes_nothing(run: Run, tmp_path: Path, other: RedisServer) -> None:
    """What has been checked could not be read again."""
    os.mkfifo(tmp_path / "pipe")
    with redis.Redis.from_url(other.url) as raw:
        raw.set("celeriac:form", "1")
        status, _, err = run("restore", "--replace", tmp_path / "pipe", url=other.url)
        assert (status, raw.get("celeriac:form")) == (1, b"1")
    assert "restore reads a file" in err


@pytest.mark.parametrize("words", [["backup"], ["backup", "--stopped"]])
def test_redis_that_is_away_is_named(words: list[str], run: Run, tmp_path: Path) -> None:
    status, _, err = run(*words, tmp_path / "b", url=f"unix://{tmp_path}/none.sock")
    assert status == 1
    assert "Redis can't be reached (ConnectionError: " in err
    assert not list(tmp_path.iterdir())


def test_url_with_an_unknown_option_is_refused_in_words(run: Run, tmp_path: Path) -> None:
    status, _, err = run("backup", tmp_path / "b", url="redis://localhost:1/0?dial_timeout=5s")
    assert status == 2
    assert "REDIS_URL can't be used: an option in its query is not known: 'dial_timeout'" in err


def test_redis_that_goes_away_is_not_told_as_one_that_refuses(tmp_path: Path) -> None:
    def answer_until_a_copy_is_asked_for(listener: socket.socket) -> None:
        with listener.accept()[0] as connection:
            while (received := connection.recv(4_096)) and b"REPLCONF" not in received:
                connection.sendall(b"+OK\r\n" * received.count(b"*"))

    with socket.create_server(("127.0.0.1", 0)) as listener, (tmp_path / "copy").open("wb") as file:
        server = threading.Thread(target=answer_until_a_copy_is_asked_for, args=(listener,))
        server.start()
        client = connect_raw(f"redis://127.0.0.1:{listener.getsockname()[1]}/0")
        try:
            with pytest.raises(Unavailable):
                save_copy(client, file)
        finally:
            client.close()
            server.join()


def test_full_disk_is_not_told_as_a_redis_that_is_away(own_server: RedisServer, source: object) -> None:
    client = connect_raw(own_server.url)
    try:
        with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(OSError, match="No space left"):
            save_copy(client, full)  # type: ignore[arg-type]
    finally:
        client.close()


def test_disk_that_fills_up_is_told_with_its_folder(own_server: RedisServer, source: object, tmp_path: Path) -> None:
    words = [sys.executable, str(ROOT / "start.py"), "backup", str(tmp_path / "tasks.backup")]
    limited = ["bash", "-c", 'ulimit -f 1; exec "$@"', "bash", *words]  # files of a kilobyte, as if there were no room
    env = {**os.environ, "REDIS_URL": own_server.url}
    answer = subprocess.run(limited, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert answer.returncode == 1
    assert answer.stderr.endswith(f"start.py: {tmp_path}: File too large\n")
    assert list(tmp_path.iterdir()) == []
