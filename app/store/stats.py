"""Counts and timings. Reading them costs the same for a thousand tasks as for a million."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, product

from app.domain.status import Kind, ScheduleStatus, Status, TaskType
from app.store.client import Client
from app.store.keys import PRIORITIES, Keys

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
        indexes = list(product(Kind, TaskType, Status))
        schedule_indexes = list(product(Kind, ScheduleStatus))
        last_minute = now_ms // 60_000
        minutes = range(last_minute - MINUTES + 1, last_minute + 1)
        with self._client.pipeline(transaction=True) as pipeline:  # a minute may move from one key to the other
            for index in indexes:
                pipeline.zcard(self._keys.task_index(*index))
            for schedule_index in schedule_indexes:
                pipeline.zcard(self._keys.schedule_index(*schedule_index))
            for queue, priority in product(queues.values(), range(PRIORITIES)):
                pipeline.llen(self._keys.queue(queue, priority))
            for kind, priority in product(queues, range(PRIORITIES)):
                pipeline.zrange(self._keys.queued(kind, priority), 0, 0, withscores=True)
            for waiting in (self._keys.due, self._keys.sent):
                pipeline.zrange(waiting, 0, 0, withscores=True)
            for minute in minutes:
                pipeline.hgetall(self._keys.minute(minute))
                pipeline.hgetall(f"{self._keys.minute(minute)}:past")
            answers = iter(pipeline.execute())
        tasks = {index: next(answers) for index in indexes}
        schedules = Counter[ScheduleStatus]()
        for _, status in schedule_indexes:
            schedules[status] += next(answers)
        depths = {queue: {priority: next(answers) for priority in range(PRIORITIES)} for queue in queues.values()}
        oldest = {queue: _first_ms(islice(answers, PRIORITIES)) for queue in queues.values()}
        next_due_ms = _first_ms(islice(answers, 2))
        sums = _Sums()
        counted = [sums.minute(number * 60_000, (next(answers), next(answers))) for number in minutes]
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


def _first_ms(answers: Iterable[list[tuple[str, float]]]) -> int | None:
    """The lowest of the scores in these answers."""
    return min((int(score) for answer in answers for _, score in answer), default=None)


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
                ended[_end(name)] += number
        return Minute(at_ms, ended[Status.SUCCEEDED], ended[Status.FAILED], ended[Status.STOPPED])

    def histogram(self, word: str) -> Counter[int]:
        """The counters whose names begin with `word`, by the bucket at their end; of attempts, those that ended a
        task."""
        histogram = Counter[int]()
        for name, number in self._by_name.items():
            parts = name.split(":")
            if parts[0] == word and parts[-1] and RETRIED not in parts:
                histogram[int(parts[-1])] += number
        return histogram


@lru_cache(4096)  # four times as many as a busy hour has
def _end(name: str) -> str:
    """The end of an attempt that a counter counts, "" for other counters."""
    return name.split(":")[3] if name.startswith("end:") else ""
