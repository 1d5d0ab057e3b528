"""Counts and timings. Reading them costs the same for a thousand tasks as for a million."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, product
from typing import Any

from app.domain.status import Kind, ScheduleStatus, Status, TaskType
from app.store.arguments import packed_command
from app.store.client import Client
from app.store.keys import PRIORITIES, SCHEDULE_INDEXES, TASK_INDEXES, Keys

MINUTES = 60
#: The end of an attempt after which its task is tried again, among the statuses in the names of counters.
RETRIED = "retried"
#: Counters by their names (`count` of _lib.lua), as Redis has them.
Counts = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Minute:
    """Number of tasks that finished within one minute."""

    at_ms: int
    succeeded: int
    failed: int
    stopped: int


@dataclass(frozen=True, slots=True)
class Stats:
    """Current counts, and counts of the last hour. Histograms: bucket -> count (app/store/histogram.py).

    queues: queue -> priority, as kombu counts -> waiting messages. oldest_queued_ms: queue -> when its oldest task was
    queued; None if it has none.
    """

    tasks: dict[tuple[Kind, TaskType, Status], int]
    schedules: dict[ScheduleStatus, int]
    queues: dict[str, dict[int, int]]
    oldest_queued_ms: dict[str, int | None]
    waiting: int
    next_due_ms: int | None
    minutes: list[Minute]
    durations: Counter[int]
    waits: Counter[int]


class StatsStore:
    """Reads the counters that the scripts maintain."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def read(self, queues: Mapping[str, str], now_ms: int) -> Stats:
        """Read all counters in one round trip. `queues`: kind -> queue."""
        last_minute = now_ms // 60_000
        minutes = range(last_minute - MINUTES + 1, last_minute + 1)
        commands = list(_of_this_moment(self._keys, tuple(queues.items())))
        for minute in minutes:
            commands += _of_minute(self._keys, minute)
        answers = iter(self._client.transaction_packed(commands))  # a minute may move from one key to the other
        tasks = {index: next(answers) for index in TASK_INDEXES}
        schedules = Counter[ScheduleStatus]()
        for _, status in SCHEDULE_INDEXES:
            schedules[status] += next(answers)
        depths = {queue: {priority: next(answers) for priority in range(PRIORITIES)} for queue in queues.values()}
        oldest = {queue: _first_ms(islice(answers, PRIORITIES)) for queue in queues.values()}
        next_due_ms = _first_ms(islice(answers, 2))
        sums = _Sums()
        counted = [sums.minute(number * 60_000, map(_counts, islice(answers, 2))) for number in minutes]
        return Stats(
            tasks=tasks,
            schedules={status: schedules[status] for status in ScheduleStatus},
            queues=depths,
            oldest_queued_ms=oldest,
            waiting=sum(number for (_, _, status), number in tasks.items() if status is Status.WAITING),
            next_due_ms=next_due_ms,
            minutes=counted,
            durations=sums.histogram("end"),
            waits=sums.histogram("wait"),
        )


@lru_cache(8)  # what differs is for which queues a process asks
def _of_this_moment(keys: Keys, queues: tuple[tuple[str, str], ...]) -> tuple[bytes, ...]:
    """The commands that read sizes of indexes and queues, and what is first in them."""
    sets = [keys.task_index(*leaf) for leaf in TASK_INDEXES]
    sets += [keys.schedule_index(*leaf) for leaf in SCHEDULE_INDEXES]
    lists = [keys.queue(queue, priority) for (_, queue), priority in product(queues, range(PRIORITIES))]
    firsts = [keys.queued(kind, priority) for (kind, _), priority in product(queues, range(PRIORITIES))]
    return (
        *(packed_command("ZCARD", key) for key in sets),
        *(packed_command("LLEN", key) for key in lists),
        *(packed_command("ZRANGE", key, 0, 0, "WITHSCORES") for key in (*firsts, keys.due, keys.sent)),
    )


@lru_cache(4 * MINUTES)
def _of_minute(keys: Keys, minute: int) -> tuple[bytes, bytes]:
    """The commands that read the counters of a minute."""
    key = keys.minute(minute)
    return packed_command("HGETALL", key), packed_command("HGETALL", f"{key}:past")


def _first_ms(answers: Iterable[Any]) -> int | None:
    """The lowest of the scores in these answers: [[member, score]], or [member, score] in the protocol RESP2."""
    scores = (answer[-1] for answer in answers if answer)
    return min((int(float(score[-1] if isinstance(score, list) else score)) for score in scores), default=None)


def _counts(answer: Any) -> Counts:
    """The counters in this answer: a dictionary, or a flat list in the protocol RESP2."""
    return answer if isinstance(answer, dict) else dict(zip(answer[::2], answer[1::2], strict=True))


class _Sums:
    """Adds up the counters of many minutes.

    A busy hour has thousands of them, but few names. So each counter is added to its name, and names are read once.
    """

    def __init__(self) -> None:
        self._by_name = defaultdict[str, int](int)

    def minute(self, at_ms: int, parts: Iterable[Counts]) -> Minute:
        """Add the counters of a minute. A name may appear in several parts: its values add up."""
        by_name, ended = self._by_name, defaultdict[str, int](int)
        for counts in parts:
            for name, value in counts.items():
                number = int(value)
                by_name[name] += number
                ended[_read(name)[1]] += number
        return Minute(at_ms, ended[Status.SUCCEEDED], ended[Status.FAILED], ended[Status.STOPPED])

    def histogram(self, word: str) -> Counter[int]:
        """The counters whose names begin with `word`, by the bucket at their end; of attempts, those that ended a
        task."""
        histogram = Counter[int]()
        for name, number in self._by_name.items():
            first, end, bucket = _read(name)
            if first == word and bucket is not None and end != RETRIED:
                histogram[bucket] += number
        return histogram


@lru_cache(4096)  # four times as many as a busy hour has
def _read(name: str) -> tuple[str, str, int | None]:
    """Of a counter: its first word; the end of an attempt that it counts, "" for none; its bucket if it has one."""
    word, *others = name.split(":")
    if word not in ("end", "wait"):
        return word, "", None
    return word, others[2] if word == "end" else "", int(others[-1]) if others[-1] else None
