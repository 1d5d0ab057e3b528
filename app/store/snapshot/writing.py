"""Writes the keys of a backup into a Redis that holds none of ours.

Until the last command, the key `form` says RESTORING: no process works on such data. A restore that is repeated after
an interruption begins again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from app.domain.form import RESTORING
from app.store.client import Client
from app.store.keys import Keys
from app.store.snapshot.commands import Command
from app.store.snapshot.reading import is_data

COMMANDS_AT_ONCE = 500
BYTES_AT_ONCE = 1_048_576


class ForeignCommand(ValueError):
    """A command writes a key that a backup does not contain."""


class Target:
    """The Redis into which a backup is restored. `client` returns bytes (`connect_raw`). Raises Unavailable, Full."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._prefix = keys.prefix
        self._form = keys.form.encode()

    def is_restoring(self) -> bool:
        """Whether an earlier restore was interrupted."""
        return bool(self._client.execute_command("GET", self._form) == RESTORING.encode())

    def is_empty(self) -> bool:
        """Whether there is no data of ours. What only running processes write does not count."""
        return not any(name != self._form and is_data(name) for name in self._names())

    def begin(self) -> None:
        """Stop every process from working on the data, and delete it."""
        self._client.execute_command("SET", self._form, RESTORING)
        batch: list[bytes] = []
        for name in self._names():
            if name != self._form:
                batch.append(name)
            if len(batch) == COMMANDS_AT_ONCE:
                self._client.execute_command("UNLINK", *batch)
                batch.clear()
        if batch:
            self._client.execute_command("UNLINK", *batch)

    def write(self, commands: Iterable[Command]) -> int:
        """Write everything, and the form of the data at last. Returns the number of commands. Call `begin` first.

        Raises ForeignCommand for a key that is not ours.
        """
        number = 0
        form: Command = (b"UNLINK", self._form)  # of data from before there was such a key
        batch: list[Command] = []
        size = 0
        for command in commands:
            if not is_data(command[1]):
                raise ForeignCommand(f"it writes {command[1][:80]!r}, which is not a key of Celeriac's data")
            number += 1
            if command[1] == self._form:
                form = command
                continue
            batch.append(command)
            size += sum(map(len, command))
            if len(batch) == COMMANDS_AT_ONCE or size > BYTES_AT_ONCE:
                self._send(batch)
                batch, size = [], 0
        self._send(batch)
        self._send([form])
        return number

    def _send(self, batch: list[Command]) -> None:
        pipeline: Any
        if batch:
            with self._client.pipeline(transaction=False) as pipeline:
                for command in batch:
                    pipeline.execute_command(*command)
                pipeline.execute()

    def _names(self) -> Iterator[bytes]:
        cursor: Any = b"0"
        while True:
            cursor, names = self._client.execute_command("SCAN", cursor, "MATCH", f"{self._prefix}*", "COUNT", 1_000)
            yield from names
            if cursor == b"0":
                return
