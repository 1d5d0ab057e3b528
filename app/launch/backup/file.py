"""The file of a backup: a gzip of one line of JSON, the Redis commands that write the data, and another line of JSON.

    {"celeriac_backup": 1, "created_at": …, "version": …, "form": …, "server": …}
    *3\r\n$3\r\nSET\r\n…                     the commands, in Redis' own protocol
    {"keys": …, "commands": …, "tasks": …, "scheduled_tasks": …, "deliveries": …, "sha256": …}

The digest covers everything before the last line. Files come from anywhere: whatever is read is bounded and checked.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

from app.domain.form import Form
from app.store.arguments import packed_command
from app.store.keys import PREFIX
from app.store.snapshot.commands import BadCommand, Command, read_commands

FILE_FORM = 1
BUFFER_BYTES = 65_536
COMPRESSION = 1  # half the time of the default for a tenth more bytes
MAX_LINE_BYTES = 4_096
MAX_TEXT = 100
_ID = rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
#: The records that are counted, by the name of the count.
_RECORDS = {
    "tasks": re.compile(PREFIX.encode() + b"t:" + _ID),
    "scheduled_tasks": re.compile(PREFIX.encode() + b"s:" + _ID),
    "deliveries": re.compile(PREFIX.encode() + b"d:" + _ID),
}


class BadBackup(Exception):
    """The file is not a whole backup; the message says why."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a backup says of itself. form: that of the data, None for data from before there were numbers."""

    created_at: str
    version: str
    server: str
    form: str | None = None
    celeriac_backup: int = FILE_FORM


@dataclass(frozen=True, slots=True)
class Counts:
    """What a backup contains."""

    keys: int
    commands: int
    tasks: int
    scheduled_tasks: int
    deliveries: int

    @property
    def words(self) -> str:
        """The counts, for people."""
        return f"{self.tasks:,} tasks, {self.scheduled_tasks:,} scheduled tasks, {self.keys:,} keys"


class _Counting:
    """Counts the keys and records among commands. All commands of one key follow one another."""

    def __init__(self) -> None:
        self._found = Counter[str]()
        self._last = b""

    def add(self, command: Command) -> None:
        self._found["commands"] += 1
        key = command[1]
        if key == self._last:
            return
        self._last = key
        self._found["keys"] += 1
        for name, pattern in _RECORDS.items():
            if pattern.fullmatch(key):
                self._found[name] += 1

    def counts(self) -> Counts:
        return Counts(**{name: self._found[name] for name in Counts.__slots__})


def write_backup(file: BinaryIO, head: Head, commands: Iterable[Command]) -> Counts:
    """Write a backup to `file`."""
    digest, counting = hashlib.sha256(), _Counting()
    with gzip.GzipFile("", "wb", COMPRESSION, file) as packed:

        def put(data: bytes) -> None:
            digest.update(data)
            packed.write(data)

        put(_line(asdict(head)))
        for command in commands:
            counting.add(command)
            put(packed_command(*command))
        packed.write(_line({**asdict(counting.counts()), "sha256": digest.hexdigest()}))
    return counting.counts()


def _line(values: dict[str, Any]) -> bytes:
    return json.dumps(values).encode() + b"\n"


class BackupFile:
    """An open backup, read from its beginning to its end. Raises BadBackup, OSError."""

    def __init__(self, path: Path) -> None:
        # GzipFile takes three calls in Python for each line and word that it is asked for.
        self._packed = io.BufferedReader(gzip.open(path, "rb"), BUFFER_BYTES)  # noqa: SIM115 - closed by `close`
        self._digest = hashlib.sha256()
        self._last_line = b""
        self._has_begun = False
        try:
            with _told():
                self.head = _head(self.readline(MAX_LINE_BYTES))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._packed.close()

    def commands(self) -> Iterator[Command]:
        """The commands. The last one comes before the digest has been compared: first `check` what must be whole."""
        counting = _Counting()
        with _told():
            for command in read_commands(cast(BinaryIO, self)):
                counting.add(command)
                yield command
            self._compare(counting.counts())

    def _compare(self, counts: Counts) -> None:
        told = _object(self._last_line)
        if self._packed.read(1) or told != {**asdict(counts), "sha256": self._digest.hexdigest()}:
            raise BadBackup("its digest or its counts do not fit what it contains")
        self.counts = counts

    # What `read_commands` needs of a file.

    def readline(self, size: int) -> bytes:
        """The next line, up to `size` bytes; none for the last line of the file, which is not part of the digest."""
        line = self._packed.readline(size)
        if line.startswith(b"{") and self._has_begun:
            self._last_line = line + self._packed.readline(MAX_LINE_BYTES)
            return b""
        self._has_begun = True
        self._digest.update(line)
        return line

    def read(self, size: int) -> bytes:
        """The next `size` bytes."""
        data = self._packed.read(size)
        self._digest.update(data)
        return data


def check(path: Path) -> tuple[Head, Counts]:
    """Read a whole backup and compare its digest and counts. Raises BadBackup, OSError."""
    with BackupFile(path) as backup:
        for _ in backup.commands():
            continue
        return backup.head, backup.counts


@contextmanager
def _told() -> Iterator[None]:
    """Turn what reading a damaged file raises into BadBackup."""
    try:
        yield
    except gzip.BadGzipFile as error:
        raise BadBackup("it is not a backup of Celeriac's, or it is damaged") from error
    except EOFError as error:
        raise BadBackup("its end is missing") from error
    except (BadCommand, zlib.error) as error:
        raise BadBackup(f"it is damaged: {error}") from error


def _head(line: bytes) -> Head:
    told = _object(line)
    if "celeriac_backup" not in told:
        raise BadBackup("it is not a backup of Celeriac's")
    if told["celeriac_backup"] != FILE_FORM:
        raise BadBackup("a newer version of Celeriac wrote it")
    texts = {name: told.get(name) for name in ("created_at", "version", "server", "form")}
    if texts["form"] is None:
        del texts["form"]
    if not all(isinstance(text, str) and text.isprintable() and len(text) < MAX_TEXT for text in texts.values()):
        raise BadBackup("its first line is damaged")
    try:
        Form.parse(texts.get("form") or "1")
    except ValueError as error:
        raise BadBackup(str(error)) from None
    return Head(**cast(dict[str, Any], texts))


def _object(line: bytes) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise BadBackup("it is not a backup of Celeriac's, or its end is missing")
    return told
