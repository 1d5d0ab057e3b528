"""Finds the Redis to use, in the same order for the API, workers, beat and `start.py`.

1. The setting REDIS_URL.
2. The embedded server's socket in VAR_DIR, if a server answers on it.
3. localhost:6379, if one answers there.
4. None: `start.py` starts the embedded server (embedded_redis.py).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import socket
import stat
import tempfile
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from urllib.parse import quote

from app.launch.command_name import command_line
from app.settings import Settings, SettingsError

MAX_SOCKET_PATH_BYTES = 100  # systems allow 104 to 108
#: For where TMPDIR has a long path too.
SHORT_FOLDER = Path("/tmp")  # noqa: S108 - the folder in it is made private, and checked before it is trusted
LOCALHOST = ("localhost", 6379)
#: Where nobody listens, that is known at once. A Redis that is busy for a moment must not be taken for none: another
#: would be started beside it, or a worker would end.
ANSWER_SECONDS = 5.0
#: How a server answers that has its data in memory. It may be one that can't write to its disk, is busy with a
#: script, or has too many clients for a while.
READY = (b"+PONG", b"-MISCONF", b"-BUSY", b"-ERR max number of clients")
# urlsplit would refuse a list of Sentinels in which an IPv6 address is not the first.
_CREDENTIALS = re.compile(r"(?<=://)[^/?#]*:[^/?#]*@")
_IN_QUERY = re.compile(r"(password=)[^&#]*")


class Answer(Enum):
    """The answer to a PING."""

    NONE = "no server answers, or it is not a Redis"
    READY = "the server has its data in memory, though it may refuse commands for a while"
    LOADING = "the server is still loading its data"
    REFUSED = "it is a Redis, but it wants a password that we don't have"


def find_redis_url(settings: Settings) -> tuple[str, str] | None:
    """The URL of the Redis to use and a description of its source; None if there is none yet."""
    if settings.redis_url:
        return settings.redis_url, "set by REDIS_URL"
    path = socket_path(settings)
    if _may_be_trusted(path, settings) and ping(str(path)) in (Answer.READY, Answer.LOADING):
        return socket_url(settings), f"embedded, in {settings.var_dir}"
    if ping(LOCALHOST) in (Answer.READY, Answer.LOADING):
        return "redis://localhost:6379/0", "found at localhost:6379"
    return None


def require_redis_url(settings: Settings) -> str:
    """The URL of the Redis to use. Raises SettingsError if there is none yet."""
    found = find_redis_url(settings)
    if found is None:
        raise SettingsError(f"no Redis was found: set REDIS_URL, or run `{command_line()}`, which starts one")
    return found[0]


def socket_path(settings: Settings) -> Path:
    """The path of the embedded server's socket: in VAR_DIR, or in a folder with a short path if that is too long."""
    paths = [folder / "redis.sock" for folder in _socket_folders(settings)]
    return next((path for path in paths if len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES), paths[-1])


def _socket_folders(settings: Settings) -> Iterator[Path]:
    digest = hashlib.sha256(os.fsencode(settings.var_dir) + b":%d" % os.getuid()).hexdigest()
    yield settings.var_dir
    with contextlib.suppress(FileNotFoundError):  # all is read-only, or full: whoever has a REDIS_URL needs none
        yield Path(tempfile.gettempdir()) / f"celeriac-{digest[:16]}"
    yield SHORT_FOLDER / f"celeriac-{digest[:16]}"


def socket_url(settings: Settings) -> str:
    """The embedded server's URL."""
    return f"unix://{quote(str(socket_path(settings)))}?db=0"


def shown_url(url: str) -> str:
    """`url` without its passwords, for display."""
    return _IN_QUERY.sub(r"\1***", _CREDENTIALS.sub("***@", url))


def ping(address: str | tuple[str, int], timeout_seconds: float = ANSWER_SECONDS) -> Answer:
    """Send a PING to a socket's path or a (host, port). Each step may take `timeout_seconds`."""
    reply = _ask(address, "PING", timeout_seconds)
    if reply.startswith(READY):
        return Answer.READY
    if reply.startswith(b"-LOADING"):
        return Answer.LOADING
    return Answer.REFUSED if reply.startswith((b"-NOAUTH", b"-DENIED", b"-ERR")) else Answer.NONE


def value_at(address: str | tuple[str, int], key: str, timeout_seconds: float = ANSWER_SECONDS) -> str | None:
    """The value of a key, read without redis-py; "" where there is no such key.

    None without an answer of a ready server, and for a value that is empty, has several lines, or is long.
    """
    reply = _ask(address, f"GET {key}", timeout_seconds)
    if reply == b"$-1\r\n":
        return ""
    found = re.fullmatch(rb"\$\d+\r\n([^\r\n]+)\r\n", reply)
    return None if found is None else found[1].decode(errors="replace")


def _ask(address: str | tuple[str, int], command: str, timeout_seconds: float) -> bytes:
    """The beginning of the reply; empty from no server, or a silent one, which is an answer too."""
    try:
        with _connect(address, timeout_seconds) as connection:
            with contextlib.suppress(ConnectionError):  # a server with too many clients says so and closes at once
                connection.sendall(f"{command}\r\n".encode())
            return connection.recv(128)
    except OSError:
        return b""


def _connect(address: str | tuple[str, int], timeout_seconds: float) -> socket.socket:
    if isinstance(address, tuple):
        return socket.create_connection(address, timeout=timeout_seconds)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(timeout_seconds)
        connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def _may_be_trusted(path: Path, settings: Settings) -> bool:
    """Whether no other user can have put the socket there; VAR_DIR itself is the operator's choice."""
    return path.parent == settings.var_dir or is_private(path.parent)


def is_private(folder: Path) -> bool:
    """Whether only this user may enter the folder."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
