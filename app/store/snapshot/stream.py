"""A copy of a running Redis at one moment: the file that it sends to a new replica (RDB).

The server forks and sends what it held at that moment; meanwhile it goes on serving. The file contains everything in
that Redis, of all databases.
"""

from __future__ import annotations

import errno
import socket
from typing import Any, BinaryIO

from redis.exceptions import RedisError

from app.domain.errors import Unavailable
from app.store.client import Client, as_unavailable

#: Until the server has written its file, it sends an empty line at least every ten seconds.
SILENCE_SECONDS = 60.0
READ_BYTES = 262_144
MARK_BYTES = 40
_LINE_BYTES = 512
#: Errors of a disk, which no socket has.
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class CopyRefused(Exception):
    """The server does not send a copy of its data; the message is its reason."""


def save_copy(client: Client, file: BinaryIO) -> int:
    """Write the server's data to `file`, as RDB. Returns its size in bytes.

    Raises CopyRefused, Unavailable, and OSError if the disk is full.
    """
    connection = _connected(client)
    try:
        _say_what_we_understand(connection)
        raw: socket.socket = connection._sock
        raw.settimeout(SILENCE_SECONDS)
        raw.sendall(b"*1\r\n$4\r\nSYNC\r\n")
        return _receive(raw, file)
    except OSError as error:
        if error.errno in _OF_THE_DISK:
            raise
        raise Unavailable(f"the copy was cut off: {error}") from error
    finally:
        connection.disconnect()  # it is a replica's now
        client.connection_pool.release(connection)


def _connected(client: Client) -> Any:
    try:
        return client.connection_pool.get_connection()
    except RedisError as error:
        if (ours := as_unavailable(error)) is not None:
            raise ours from error
        raise


def _say_what_we_understand(connection: Any) -> None:
    """End marks instead of a length; and, from Redis 7 on, no changes after the copy."""
    for words in (("REPLCONF", "capa", "eof"), ("REPLCONF", "rdb-only", "1")):
        try:
            connection.send_command(*words)
            connection.read_response()
        except RedisError as error:
            if (ours := as_unavailable(error)) is not None:
                raise ours from error
            if not str(error).startswith(("Unrecognized REPLCONF", "ERR Unrecognized REPLCONF")):
                raise CopyRefused(str(error)) from error


def _receive(raw: socket.socket, file: BinaryIO) -> int:
    line = _line(raw)
    if line.startswith(b"-"):
        raise CopyRefused(line[1:].decode("utf-8", "replace"))
    if line.startswith(b"$EOF:") and len(line) == 5 + MARK_BYTES:
        return _until_mark(raw, file, line[5:])
    if line.startswith(b"$") and line[1:].isdigit():
        return _exactly(raw, file, int(line[1:]))
    raise CopyRefused(f"an answer that is not understood: {line[:80]!r}")


def _line(raw: socket.socket) -> bytes:
    """The next line that is not empty, byte by byte: what follows it belongs to the file."""
    line = b""
    while len(line) < _LINE_BYTES:
        byte = raw.recv(1)
        if not byte:
            raise ConnectionResetError("the server closed the connection")
        if byte != b"\n":
            line += byte
        elif line.strip():
            return line.strip()
    raise CopyRefused("an answer that is too long")


def _exactly(raw: socket.socket, file: BinaryIO, size: int) -> int:
    left = size
    while left:
        piece = _piece(raw, left)
        file.write(piece)
        left -= len(piece)
    return size


def _until_mark(raw: socket.socket, file: BinaryIO, mark: bytes) -> int:
    """The server waits after the mark, so what has been received ends with it."""
    size, held = 0, b""
    while not held.endswith(mark):
        held += _piece(raw, READ_BYTES)
        done, held = held[:-MARK_BYTES], held[-MARK_BYTES:]
        file.write(done)
        size += len(done)
    return size


def _piece(raw: socket.socket, most: int) -> bytes:
    piece = raw.recv(min(most, READ_BYTES))
    if not piece:
        raise ConnectionResetError("the server closed the connection")
    return piece
