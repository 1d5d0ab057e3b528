"""Reads every key of ours as the commands that write it. Nobody may write meanwhile."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from app.store.client import Client
from app.store.keys import PREFIX
from app.store.snapshot.commands import Command

#: Keys per round trip.
KEYS_AT_ONCE = 200
#: Members of a large key per round trip, and per command.
MEMBERS_AT_ONCE = 500
#: Size of the values per round trip, unless one is larger.
BYTES_AT_ONCE = 16_777_216
#: Types to which a member can be added twice, or not again.
_NOT_SETS = (b"list", b"stream")

#: What belongs to processes that run now, not to the data: heartbeats, open event streams, answers that are kept for a
#: client's second try, quotas, leases of work, and what Celery keeps for its remote control. Without the version of the
#: time zones, beat computes the next firings of a backup anew.
TRANSIENT = re.compile(
    rb"worker:.*|workers|beats|events(?::since)?|call:.*|rate:.*|(?:form|bulks|alerts):lease|zones"
    rb"|_kombu\.binding.*|/?[\w.@-]*\.?celery\.pidbox|celeryev.*|unacked.*",
    re.DOTALL,
)


def is_data(key: bytes) -> bool:
    """Whether a key is part of the data."""
    prefix = PREFIX.encode()
    return key.startswith(prefix) and TRANSIENT.fullmatch(key, len(prefix)) is None


def read_all(client: Client) -> Iterator[tuple[bytes, list[Command]]]:
    """Each key with the commands that write it. `client` returns bytes (`connect_raw`). Raises Unavailable.

    Memory: BYTES_AT_ONCE, or the largest value; of lists, sets and streams only MEMBERS_AT_ONCE members. A key may be
    yielded in several parts, one after the other.
    """
    cursor: Any = b"0"
    while True:
        cursor, names = client.execute_command("SCAN", cursor, "MATCH", f"{PREFIX}*", "COUNT", KEYS_AT_ONCE)
        for first in range(0, len(names), KEYS_AT_ONCE):  # a server may return more than it was asked for
            yield from _keys(client, [name for name in names[first : first + KEYS_AT_ONCE] if is_data(name)])
        if cursor == b"0":
            return


@dataclass(frozen=True, slots=True)
class _Key:
    name: bytes
    kind: bytes
    expires_ms: int | None
    size: int


def _keys(client: Client, names: Sequence[bytes]) -> Iterator[tuple[bytes, list[Command]]]:
    for keys in _groups(_facts(client, names)):
        answers = _answers(client, [_question(key.kind, key.name) for key in keys])
        for key, answer in zip(keys, answers, strict=True):
            yield from ((key.name, commands) for commands in _writing_of(client, key, answer))


def _facts(client: Client, names: Sequence[bytes]) -> Iterator[_Key]:
    """What the keys are, without those that have expired."""
    questions = [((b"TYPE", name), (b"PTTL", name), (b"MEMORY", b"USAGE", name, b"SAMPLES", b"1")) for name in names]
    (seconds, micros), *facts = _answers(client, [(b"TIME",), *chain.from_iterable(questions)])
    now_ms = int(seconds) * 1_000 + int(micros) // 1_000
    for name, kind, left_ms, size in zip(names, facts[::3], facts[1::3], facts[2::3], strict=True):
        if kind != b"none":
            yield _Key(name, kind, None if left_ms < 0 else now_ms + left_ms, size or 0)


def _groups(keys: Iterable[_Key]) -> Iterator[list[_Key]]:
    """The keys in groups that fit into memory."""
    group: list[_Key] = []
    size = 0
    for key in keys:
        if group and size + key.size > BYTES_AT_ONCE:
            yield group
            group, size = [], 0
        group.append(key)
        size += key.size
    yield group


def _writing_of(client: Client, key: _Key, answer: Any) -> Iterator[list[Command]]:
    """The commands that write a key, part by part. `SCAN` may name it twice, so they have the same effect again."""
    for number, part in enumerate(_parts(client, key.kind, key.name, answer)):
        commands = list(_writing(key.kind, key.name, part))
        if number == 0 and key.kind in _NOT_SETS:
            commands.insert(0, (b"DEL", key.name))
        if commands and key.expires_ms is not None:
            commands.append((b"PEXPIREAT", key.name, b"%d" % key.expires_ms))
        yield commands


def _answers(client: Client, questions: Sequence[Command]) -> list[Any]:
    if not questions:
        return []
    pipeline: Any
    with client.pipeline(transaction=False) as pipeline:
        for question in questions:
            pipeline.execute_command(*question)
        answers: list[Any] = pipeline.execute()
        return answers


def _parts(client: Client, kind: bytes, name: bytes, answer: Any) -> Iterator[Any]:
    """The members of a key in parts; `answer` is that to its first question."""
    seen = 0
    while True:
        part = answer[1] if kind in _SCANS else answer
        yield part
        seen += MEMBERS_AT_ONCE
        following = _following(kind, name, answer, seen)
        if following is None:
            return
        answer = client.execute_command(*following)


_COUNT = b"%d" % MEMBERS_AT_ONCE
_SCANS = {b"hash": b"HSCAN", b"set": b"SSCAN"}


def _question(kind: bytes, name: bytes, start: bytes = b"0") -> Command:
    """Asks for a value or, from `start` on, for a part of it."""
    if kind == b"string":
        return (b"GET", name)
    if kind in _SCANS:
        return (_SCANS[kind], name, start, b"COUNT", _COUNT)
    if kind == b"stream":
        return (b"XRANGE", name, b"-" if start == b"0" else start, b"+", b"COUNT", _COUNT)
    last = b"%d" % (int(start) + MEMBERS_AT_ONCE - 1)
    if kind == b"list":
        return (b"LRANGE", name, start, last)
    if kind == b"zset":
        return (b"ZRANGE", name, start, last, b"WITHSCORES")
    raise ValueError(f"{name!r} has the type {kind!r}, which Celeriac does not use")


def _following(kind: bytes, name: bytes, answer: Any, seen: int) -> Command | None:
    """The next question after `answer`, if there is more."""
    if kind in _SCANS:
        return None if answer[0] == b"0" else _question(kind, name, answer[0])
    is_last = kind == b"string" or len(answer) < MEMBERS_AT_ONCE * (2 if kind == b"zset" else 1)
    if is_last:
        return None
    return _question(kind, name, b"(" + answer[-1][0] if kind == b"stream" else b"%d" % seen)


_WRITES = {b"hash": b"HSET", b"list": b"RPUSH", b"set": b"SADD"}


def _writing(kind: bytes, name: bytes, part: Any) -> Iterator[Command]:
    """The commands that add these members."""
    if kind == b"string":
        if part is not None:  # it may have expired since it was asked for its type
            yield (b"SET", name, part)
    elif kind == b"stream":
        yield from ((b"XADD", name, entry, *values) for entry, values in part)
    else:
        # The reply has pairs of member and score; the command wants them the other way round.
        words = [part[i ^ 1] for i in range(len(part))] if kind == b"zset" else part
        for first in range(0, len(words), 2 * MEMBERS_AT_ONCE):
            yield (_WRITES.get(kind, b"ZADD"), name, *words[first : first + 2 * MEMBERS_AT_ONCE])
