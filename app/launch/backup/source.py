"""A Redis whose data stands still while a backup reads it.

- Of a service that runs: its Redis sends a copy of itself, as to a new replica, and a server of ours loads the copy.
- Of an embedded server that nobody runs: it is started for the backup alone, and read itself.
- With `--stopped`: the Redis itself is read, while nobody uses it. This is for those that send no copies.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from app.launch.backup.quiet import require_quiet
from app.launch.child import program_command
from app.launch.command_redis import connect_to
from app.launch.embedded_redis import EmbeddedServer, RedisServerError, server_programs
from app.launch.processes import Child, Command, Say
from app.launch.redis_location import Answer, find_redis_url, ping, shown_url
from app.settings import Settings
from app.store.client import Client, connect_raw
from app.store.snapshot.stream import CopyRefused, save_copy

LOAD_SECONDS = 600.0
STOP_SECONDS = 2.5
#: A server has 16 databases unless told otherwise; a copy contains those of its source.
DATABASES = 1_024
_WRONG_FORM = "Can't handle RDB format"


class CannotCopy(Exception):
    """There is no Redis that stands still; the message says why, and what to do."""


@contextmanager
def standing_still(settings: Settings, folder: Path, say: Say, *, is_stopped: bool) -> Iterator[Client]:
    """A client (`connect_raw`) of a Redis with all data, to which nobody writes.

    folder: has room for a copy of the data. is_stopped: the service does not run. Raises CannotCopy, ServiceRuns,
    RedisServerError, Unavailable.
    """
    found = find_redis_url(settings)
    if found is None:
        with _embedded(settings, say) as client:
            yield client
        return
    url, why = found
    say(f"Redis: {shown_url(url)} ({why})")
    client = connect_to(url)
    try:
        if is_stopped:
            yield from _read_itself(client, url)
            return
        with _loaded_copy(client, folder, say) as copy:
            yield copy
    finally:
        client.close()


@contextmanager
def _embedded(settings: Settings, say: Say) -> Iterator[Client]:
    server = EmbeddedServer(settings, say)
    server.start()
    client = connect_raw(server.url)
    try:
        say(f"Redis: embedded, in {settings.var_dir}")
        yield client
    finally:
        client.close()
        server.stop()


def _read_itself(client: Client, url: str) -> Iterator[Client]:
    before = require_quiet(url)
    yield client
    if require_quiet(url) != before:
        raise CannotCopy("something was changed meanwhile: stop every process of the service, the API too")


@contextmanager
def _loaded_copy(client: Client, folder: Path, say: Say) -> Iterator[Client]:
    """A server of ours that has loaded a copy of the data behind `client`."""
    with (
        _passing_folder(folder, ".celeriac-") as data,
        _passing_folder(Path(tempfile.gettempdir()), "celeriac-") as sockets,
    ):
        path = data / "copy.rdb"
        with path.open("wb") as file:
            size = _saved(client, file)
        say(f"Redis has sent its data: {size / 1e6:,.1f} MB")
        database = int(client.connection_pool.connection_kwargs.get("db") or 0)
        server = _LoadingServer(path, sockets / "redis.sock")
        try:
            server.start()
            path.unlink()  # it is in memory now
            copy = connect_raw(f"unix://{server.socket}?db={database}")
            try:
                yield copy
            finally:
                copy.close()
        finally:
            server.stop()


@contextmanager
def _passing_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A folder that only its owner may enter, until the end of the block."""
    # mkdtemp would tell the name only once the folder is there, and SIGTERM may come in between.
    path = parent / f"{prefix}{secrets.token_hex(8)}"
    try:
        path.mkdir(mode=0o700)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _saved(client: Client, file: BinaryIO) -> int:
    try:
        return save_copy(client, file)
    except CopyRefused as error:
        raise CannotCopy(
            f"this Redis sends no copy of its data ({error}): permit SYNC and REPLCONF to this user, or stop the "
            "service and use --stopped"
        ) from error


class _LoadingServer:
    """A server that loads an RDB file and writes nothing."""

    def __init__(self, path: Path, socket: Path) -> None:
        self.socket = socket
        self._path = path
        self._log = path.parent / "log"
        self._child: Child | None = None

    def start(self) -> None:
        """Load the file with the first of the installed servers that can. Raises CannotCopy, RedisServerError."""
        for program in server_programs():
            self._child = Child(Command("copy", program_command(str(program), *self._options()), dict(os.environ)))
            if self._is_loaded(self._child):
                return
            self.stop()
            if _WRONG_FORM not in self._said():
                raise RedisServerError(f"{program.name} could not load the copy: {self._said()[-500:]}")
        raise CannotCopy(
            "no server that is installed here can read the data of this Redis: install the same or a newer version of "
            "it, so that valkey-server or redis-server is on the PATH, or stop the service and use --stopped"
        )

    def stop(self) -> None:
        """End the server at once: it has nothing to keep."""
        if self._child is not None:
            self._child.kill_group()
            self._child.wait(STOP_SECONDS)
            self._child = None

    def _options(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "600",
            "dir": str(self._path.parent),
            "dbfilename": self._path.name,
            "logfile": str(self._log),
            "save": "",
            "appendonly": "no",
            "databases": str(DATABASES),
        }
        return [word for name, value in options.items() for word in (f"--{name}", value)]

    def _is_loaded(self, child: Child) -> bool:
        deadline = time.monotonic() + LOAD_SECONDS
        while time.monotonic() < deadline:
            if ping(str(self.socket)) is Answer.READY:
                return True
            if child.poll() is not None:
                return False
            time.sleep(0.02)
        raise RedisServerError(f"a copy of the data was not loaded within {LOAD_SECONDS:g} s")

    def _said(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""
