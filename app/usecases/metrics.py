"""`GET /metrics`: what Prometheus reads. Each figure is about the whole service, whichever process answers.

The cost does not depend on the number of tasks.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, product
from typing import Any

from app.clock import Clock
from app.domain import metrics
from app.domain.deliveries import DeliveryStatus
from app.domain.errors import Unavailable
from app.domain.kinds import QUEUES
from app.domain.metrics import BOUNDS_MS, REQUEST_BOUNDS_MS, Metric
from app.domain.status import FINISHED, Kind, ScheduleStatus, Status, TaskType
from app.domain.times import parse_rfc3339
from app.settings import Settings
from app.store.firings import OUTCOMES
from app.store.heartbeats import fetches
from app.store.histogram import cumulative
from app.store.keys import PRIORITIES, SCHEDULE_INDEXES, TASK_INDEXES, Keys
from app.store.store import Store
from app.store.totals import Totals
from app.usecases.redis_checks import Info, refusal
from app.version import VERSION

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Histogram:
    """Cumulative counts for the bounds (in ms, the last one is infinite) and the sum of the values in seconds."""

    bounds_ms: Sequence[float]
    counts: Sequence[int]
    sum_seconds: float


#: A sample: the values of the labels, and a number or a histogram.
Sample = tuple[Labels, float | Histogram]
Found = Iterator[tuple[Metric, Labels, float | Histogram]]
#: What a delivery's status after a try means for the metric of tries.
TRIES = {"delivered": "delivered", "pending": "retried", "failed": "failed"}


class MetricsService:
    """Reads all figures. Thread-safe.

    `reasons`: those for which requests are refused. Each has a sample from the start, so that a rise from none is seen.
    """

    def __init__(self, store: Store, settings: Settings, clock: Clock, reasons: Sequence[str]) -> None:
        self._store = store
        self._reasons = reasons
        self._settings = settings
        self._clock = clock

    def read(self) -> dict[Metric, list[Sample]]:
        """The samples of each metric, without metrics that have none. If Redis is away, little more than `UP`, 0."""
        try:
            return _grouped(self._read())
        except Unavailable:
            return _grouped(_of_process(is_up=False))

    def _read(self) -> Found:
        now_ms = self._clock()
        wanted = _Wanted.of(self._store.keys)
        started = time.perf_counter()
        self._store.liveness.ping()
        yield metrics.REDIS_ROUND_TRIP, (), time.perf_counter() - started
        totals = self._store.totals.read(wanted.sets, wanted.lists, wanted.firsts)
        info = self._store.liveness.info()
        workers = self._store.liveness.workers(now_ms)
        beats = self._store.liveness.beats(now_ms)
        last_beat = self._store.liveness.last_beat()
        now = wanted.read(totals)
        yield from _of_process(is_up=True)
        yield from _of_tasks(now, totals.counters)
        yield from _of_attempts(totals.counters)
        yield from _of_tags(totals.counters, self._settings.metrics_tags)
        yield metrics.UNFINISHED_LIMIT, (), self._settings.max_queued_tasks
        yield metrics.FINISHED_LIMIT, (), self._settings.max_finished_tasks
        yield from _of_queues(now, workers, now_ms)
        yield from _of_workers(workers, now_ms)
        yield metrics.BEATS, (), len(beats)
        if last_beat is not None:
            yield metrics.BEAT_AGE, (), _age_seconds(last_beat.tick_ms, now_ms)
        yield metrics.BEAT_LAG, (), _age_seconds(now.next_due_ms, now_ms)
        yield from _of_firings(now, totals.counters)
        yield from _of_deliveries(now, totals.counters, now_ms)
        yield metrics.BULKS, (), now.bulks
        for reason in self._reasons:
            yield metrics.REFUSED, (reason,), totals.requests[f"refused {reason}"]
        yield from _of_requests(totals.requests)
        yield from _of_redis(info)


def _grouped(found: Found) -> dict[Metric, list[Sample]]:
    """By metric, in the order of the table."""
    grouped = defaultdict[Metric, list[Sample]](list)
    for metric, labels, value in found:
        grouped[metric].append((labels, value))
    return {metric: grouped[metric] for metric in metrics.METRICS if metric in grouped}


# --- what is read in one call ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Now:
    """The figures of one moment. Times are in ms, None for none."""

    tasks: dict[tuple[Kind, TaskType, Status], int]
    schedules: dict[tuple[Kind, ScheduleStatus], int]
    deliveries: dict[DeliveryStatus, int]
    bulks: int
    depths: dict[str, int]
    oldest_queued_ms: dict[str, int | None]
    next_due_ms: int | None
    next_delivery_ms: int | None


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The keys whose sizes or first scores are asked for."""

    sets: list[str]
    lists: list[str]
    firsts: list[str]

    @classmethod
    def of(cls, keys: Keys) -> _Wanted:
        sets = [keys.task_index(*leaf) for leaf in TASK_INDEXES]
        sets += [keys.schedule_index(*leaf) for leaf in SCHEDULE_INDEXES]
        sets += [keys.delivery_index(status) for status in DeliveryStatus]
        lists = [keys.queue(queue, priority) for queue, priority in product(QUEUES.values(), range(PRIORITIES))]
        firsts = [keys.queued(kind, priority) for kind, priority in product(QUEUES, range(PRIORITIES))]
        return cls([*sets, keys.running_bulks], lists, [*firsts, keys.cron, keys.due, keys.due_deliveries])

    @staticmethod
    def read(totals: Totals) -> _Now:
        """The answers, in the order of the keys."""
        sizes, lengths, firsts = iter(totals.sizes), iter(totals.lengths), iter(totals.firsts)
        return _Now(
            tasks={leaf: next(sizes) for leaf in TASK_INDEXES},
            schedules={leaf: next(sizes) for leaf in SCHEDULE_INDEXES},
            deliveries={status: next(sizes) for status in DeliveryStatus},
            bulks=next(sizes),
            depths={queue: sum(next(lengths) for _ in range(PRIORITIES)) for queue in QUEUES.values()},
            oldest_queued_ms={queue: _least(next(firsts) for _ in range(PRIORITIES)) for queue in QUEUES.values()},
            next_due_ms=_least((next(firsts), next(firsts))),
            next_delivery_ms=next(firsts),
        )


def _least(times: Iterable[int | None]) -> int | None:
    return min((ms for ms in times if ms is not None), default=None)


def _age_seconds(at_ms: int | None, now_ms: int) -> float:
    """How long ago that was; 0 for none, and for times to come."""
    return 0.0 if at_ms is None else max(0, now_ms - at_ms) / 1000


# --- one part of the table each ----------------------------------------------------------------------


def _of_process(*, is_up: bool) -> Found:
    yield metrics.UP, (), int(is_up)
    yield metrics.BUILD, (VERSION,), 1


def _of_tasks(now: _Now, counters: Counter[str]) -> Found:
    finished = Counter[tuple[str, ...]]()
    for (kind, task_type, outcome, _), number in _named(counters, "end"):
        finished[kind, task_type, outcome] += number
    for leaf, number in now.tasks.items():
        yield metrics.TASKS, _texts(*leaf), number
    for kind, task_type in product(Kind, TaskType):
        outcomes = {outcome: finished[kind, task_type, outcome] for outcome in Status if outcome in FINISHED}
        unfinished = sum(now.tasks[kind, task_type, status] for status in Status if status not in FINISHED)
        created = sum(outcomes.values()) + unfinished + counters[f"gone:{kind}:{task_type}"]
        yield metrics.TASKS_CREATED, _texts(kind, task_type), created
        for outcome, number in outcomes.items():
            yield metrics.TASKS_FINISHED, _texts(kind, task_type, outcome), number


def _of_attempts(counters: Counter[str]) -> Found:
    durations = defaultdict[tuple[str, str], Counter[int]](Counter)
    waits = defaultdict[str, Counter[int]](Counter)
    ends = Counter[tuple[str, str]]()
    for (kind, _, outcome, bucket), number in _named(counters, "end"):
        ends[kind, outcome] += number
        if bucket:
            durations[kind, outcome][int(bucket)] += number
    for (kind, bucket), number in _named(counters, "wait"):
        waits[kind][int(bucket)] += number
    for kind, outcome in product(map(str, Kind), ("succeeded", "failed", "retried")):
        seconds = counters[f"run:{kind}:{outcome}"] / 1e6
        yield metrics.ATTEMPT_DURATION, (kind, outcome), _histogram(durations[kind, outcome], seconds)
    for kind in map(str, Kind):
        yield metrics.ATTEMPT_WAIT, (kind,), _histogram(waits[kind], counters[f"waited:{kind}"] / 1000)
        yield metrics.RETRIES, (kind,), ends[kind, "retried"]
        yield metrics.LOST, (kind,), ends[kind, "lost"]
        yield metrics.RETURNED, (kind,), ends[kind, "returned"]


def _of_tags(counters: Counter[str], names: Sequence[str]) -> Found:
    for (kind, outcome, name, value), number in _named(counters, "tag"):
        if name in names:
            yield metrics.TAGGED_FINISHED, (name, value, kind, outcome), number


def _of_queues(now: _Now, workers: list[dict[str, Any]], now_ms: int) -> Found:
    for queue, depth in now.depths.items():
        yield metrics.QUEUE_DEPTH, (queue,), depth
        yield metrics.QUEUE_AGE, (queue,), _age_seconds(now.oldest_queued_ms[queue], now_ms)
        serving = sum(queue in worker["queues"] and fetches(worker) for worker in workers)
        yield metrics.QUEUE_WORKERS, (queue,), serving


def _of_workers(workers: list[dict[str, Any]], now_ms: int) -> Found:
    for worker in workers:
        label = (str(worker["hostname"]),)
        running = worker.get("running_count", len(worker["running"]))
        yield metrics.WORKER_AGE, label, _age_seconds(worker["seen_ms"], now_ms)
        yield metrics.WORKER_RUNNING, label, running
        yield metrics.WORKER_SLOTS, label, worker["concurrency"]
        yield metrics.WORKER_CONSUMING, label, int(fetches(worker))
        yield metrics.WORKER_START, label, parse_rfc3339(worker["started_at"]) / 1000
        for layer, state in worker["sandbox"].items():
            yield metrics.SANDBOX_LAYER, (*label, str(layer)), int(state == "on")
        if "spare_children" in worker:
            yield metrics.SPARE_CHILDREN, label, worker["spare_children"]


def _of_firings(now: _Now, counters: Counter[str]) -> Found:
    for leaf, number in now.schedules.items():
        yield metrics.SCHEDULES, _texts(*leaf), number
    for outcome in OUTCOMES:
        yield metrics.FIRINGS, (outcome,), counters[f"firing:{outcome}"]
    late = Counter({int(bucket): number for (bucket,), number in _named(counters, "late")})
    yield metrics.FIRING_LATENESS, (), _histogram(late, counters["lateness"] / 1000)


def _of_deliveries(now: _Now, counters: Counter[str], now_ms: int) -> Found:
    for status, number in now.deliveries.items():
        yield metrics.DELIVERIES, (str(status),), number
    yield metrics.DELIVERY_AGE, (), _age_seconds(now.next_delivery_ms, now_ms)
    for target, (status_then, outcome) in product(("callback", "notice"), TRIES.items()):
        yield metrics.DELIVERY_TRIES, (target, outcome), counters[f"try:{target}:{status_then}"]


def _of_requests(counters: Counter[str]) -> Found:
    """What `RequestCounts` (app/api/request_counts.py) has counted."""
    counts = defaultdict[Labels, dict[int, int]](dict)
    for name, number in sorted(counters.items()):
        word, *labels = name.split(" ")
        if word == "requests":
            yield metrics.REQUESTS, tuple(labels), number
        elif word == "took":
            counts[tuple(labels[:-1])][int(labels[-1])] = number
    for label, places in counts.items():
        numbers = [places.get(place, 0) for place in range(len(REQUEST_BOUNDS_MS) + 1)]
        seconds = counters[" ".join(("time", *label))] / 1e6
        sums = list(accumulate(numbers))
        yield metrics.REQUEST_DURATION, label, Histogram((*REQUEST_BOUNDS_MS, float("inf")), sums, seconds)


def _of_redis(info: Info) -> Found:
    def number(name: str) -> float:
        return float(info.get(name, 0))

    def is_ok(name: str) -> int:
        return int(info.get(name, "ok") == "ok")

    yield metrics.REDIS_MEMORY, (), number("used_memory")
    yield metrics.REDIS_MEMORY_MAX, (), number("maxmemory")
    yield metrics.REDIS_FRAGMENTATION, (), number("mem_fragmentation_ratio")
    yield metrics.REDIS_WRITABLE, (), int(refusal(info) is None)
    yield metrics.REDIS_AOF, (), number("aof_enabled")
    yield metrics.REDIS_AOF_OK, (), is_ok("aof_last_write_status")
    yield metrics.REDIS_AOF_BYTES, (), number("aof_current_size")
    yield metrics.REDIS_AOF_REWRITING, (), number("aof_rewrite_in_progress")
    yield metrics.REDIS_RDB_OK, (), is_ok("rdb_last_bgsave_status")
    yield metrics.REDIS_CLIENTS, (), number("connected_clients")
    yield metrics.REDIS_REPLICAS, (), number("connected_slaves")
    yield metrics.REDIS_REPLICA_LAG, (), _replica_lag(info)
    yield metrics.REDIS_UPTIME, (), number("uptime_in_seconds")
    yield metrics.REDIS_COMMANDS, (), number("total_commands_processed")
    yield metrics.REDIS_EVICTED, (), number("evicted_keys")


def _replica_lag(info: Info) -> float:
    """Bytes between the master and its slowest replica. redis-py reads `slave0` as a mapping."""
    offset = int(info.get("master_repl_offset", 0))
    replicas = [info.get(f"slave{number}") for number in range(int(info.get("connected_slaves", 0)))]
    lags = [offset - int(replica["offset"]) for replica in replicas if isinstance(replica, Mapping)]
    return max([0, *lags])


# --- helpers -------------------------------------------------------------------------------------------


def _texts(*values: str) -> Labels:
    return tuple(map(str, values))


def _named(counters: Counter[str], word: str) -> Iterator[tuple[list[str], int]]:
    """The counters whose names begin with this word: the other parts of the name, and the number.

    The value of a tag is the last part and may contain a colon.
    """
    parts = {"end": 4, "wait": 2, "tag": 4, "late": 1}[word]
    for name, number in counters.items():
        first, _, rest = name.partition(":")
        if first == word:
            yield rest.split(":", parts - 1), number


def _histogram(counts: Counter[int], sum_seconds: float) -> Histogram:
    sums = [*cumulative(counts, BOUNDS_MS), counts.total()]
    return Histogram((*BOUNDS_MS, float("inf")), sums, sum_seconds)
