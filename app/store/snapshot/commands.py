"""Redis commands as bytes, in Redis' own protocol (RESP): how backups hold the data.

A key becomes the commands that write it: `SET`, `HSET`, `RPUSH`, `SADD`, `ZADD` or `XADD`, several of them for a large
one, `DEL` before a list or a stream, and `PEXPIREAT` if it expires. Every version of Redis and Valkey reads them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

Command = Sequence[bytes]

MAX_WORDS = 8_192
MAX_WORD_BYTES = 134_217_728
#: Longest first line of a command or word.
_LINE_BYTES = 32
#: The number of words of each permitted command, and the length of the groups that may follow.
_SHAPES = {
    b"SET": (3, 0),
    b"HSET": (4, 2),
    b"RPUSH": (3, 1),
    b"SADD": (3, 1),
    b"ZADD": (4, 2),
    b"XADD": (5, 2),
    b"PEXPIREAT": (3, 0),
    b"DEL": (2, 0),
}


class BadCommand(ValueError):
    """The bytes are not a command that a backup may contain."""


def read_commands(file: BinaryIO) -> Iterator[Command]:
    """The commands that follow in `file`, up to its end or a byte that begins none. Raises BadCommand, OSError."""
    while (line := file.readline(_LINE_BYTES)).startswith(b"*"):
        command = [_word(file) for _ in range(_number(line, MAX_WORDS))]
        _check_shape(command)
        yield command
    if line:
        raise BadCommand("something else follows the commands")


def _word(file: BinaryIO) -> bytes:
    line = file.readline(_LINE_BYTES)
    if not line.startswith(b"$"):
        raise BadCommand("a command is cut off")
    length = _number(line, MAX_WORD_BYTES)
    word = file.read(length + 2)
    if len(word) != length + 2 or not word.endswith(b"\r\n"):
        raise BadCommand("a word is cut off")
    return word[:-2]


def _number(line: bytes, most: int) -> int:
    digits = line[1:-2]
    if not (line.endswith(b"\r\n") and digits.isdigit() and int(digits) <= most):
        raise BadCommand("a length is wrong")
    return int(digits)


def _check_shape(command: Command) -> None:
    shape = _SHAPES.get(command[0]) if command else None
    if shape is None:
        raise BadCommand("a command is none of those that write data")
    length, group = shape
    more = len(command) - length
    if more < 0 or (more % group if group else more):
        raise BadCommand(f"{command[0].decode()} has a wrong number of words")
