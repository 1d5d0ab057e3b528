"""Every metric of `GET /metrics`: name, type, labels and meaning. docs/metrics.md has the same table.

Names and units follow Prometheus' conventions: seconds, bytes, and `_total` at the end of what only grows. No label has
an unbounded number of values.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

#: Upper bounds of the histograms of attempts and firings, in ms: 1 ms to 5,000 s.
BOUNDS_MS = tuple(float(first * 10**power) for power in range(7) for first in (1, 2, 5))
#: Those of the histogram of requests, in ms: 1 ms to 10 s.
REQUEST_BOUNDS_MS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0)


class MetricType(StrEnum):
    """The types of Prometheus that are used."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. `name` is without the `_total` of a counter."""

    name: str
    type: MetricType
    help: str
    labels: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """The name as Prometheus stores it."""
        return f"{self.name}_total" if self.type is MetricType.COUNTER else self.name


def _counter(name: str, help: str, *labels: str) -> Metric:
    return Metric(f"celeriac_{name}", MetricType.COUNTER, help, labels)


def _gauge(name: str, help: str, *labels: str) -> Metric:
    return Metric(f"celeriac_{name}", MetricType.GAUGE, help, labels)


def _histogram(name: str, help: str, *labels: str) -> Metric:
    return Metric(f"celeriac_{name}", MetricType.HISTOGRAM, help, labels)


UP = _gauge("up", "1 if Redis has answered. If it is 0, nothing else is known.")
BUILD = _gauge("build_info", "Always 1. The version of the process that answered.", "version")

TASKS = _gauge("tasks", "Tasks that are kept, by status.", "kind", "task_type", "status")
TASKS_CREATED = _counter("tasks_created", "Tasks that were created.", "kind", "task_type")
TASKS_FINISHED = _counter("tasks_finished", "Tasks that have finished.", "kind", "task_type", "outcome")
TAGGED_FINISHED = _counter(
    "tagged_tasks_finished",
    "Finished tasks with a tag whose name is in METRICS_TAGS. Of each name, 50 values are kept apart; further ones are "
    "counted as other.",
    "tag",
    "value",
    "kind",
    "outcome",
)
ATTEMPT_DURATION = _histogram(
    "attempt_duration_seconds",
    "Duration of attempts that succeeded, failed for good, or are retried.",
    "kind",
    "outcome",
)
ATTEMPT_WAIT = _histogram("attempt_wait_seconds", "Time from when an attempt was due until it started.", "kind")
RETRIES = _counter("attempts_retried", "Attempts that failed and whose task is tried again.", "kind")
LOST = _counter(
    "attempts_lost",
    "Attempts whose worker died, was cut off, could not run them, or had to end them when it was shut down.",
    "kind",
)
RETURNED = _counter("attempts_returned", "Attempts that a worker returned to their queue, unharmed.", "kind")
UNFINISHED_LIMIT = _gauge("unfinished_tasks_limit", "MAX_QUEUED_TASKS: more queued and waiting tasks are refused.")
FINISHED_LIMIT = _gauge("finished_tasks_limit", "MAX_FINISHED_TASKS: beyond it, the oldest are removed.")

QUEUE_DEPTH = _gauge("queue_depth", "Messages in a queue that no worker has fetched.", "queue")
QUEUE_AGE = _gauge(
    "queue_oldest_age_seconds", "Time for which the oldest task of a queue has been queued; 0 for none.", "queue"
)
QUEUE_WORKERS = _gauge("queue_workers", "Workers that fetch from a queue.", "queue")

WORKER_AGE = _gauge("worker_heartbeat_age_seconds", "Age of a worker's last heartbeat.", "worker")
WORKER_RUNNING = _gauge("worker_running", "Attempts that a worker is running.", "worker")
WORKER_SLOTS = _gauge("worker_slots", "Attempts that a worker may run at the same time.", "worker")
WORKER_CONSUMING = _gauge("worker_consuming", "1 if a worker fetches messages.", "worker")
WORKER_START = _gauge("worker_start_time_seconds", "When a worker started, in seconds since 1970.", "worker")
SANDBOX_LAYER = _gauge("sandbox_layer_active", "1 if a layer of a worker's sandbox is on.", "worker", "layer")
SPARE_CHILDREN = _gauge(
    "sandbox_spare_children",
    "Children of a worker's sandbox that are locked down and wait for a program. Each running program has one more.",
    "worker",
)

BEATS = _gauge("beats", "Beats that are alive.")
BEAT_AGE = _gauge("beat_tick_age_seconds", "Age of the last tick of any beat; missing if none has ticked for a minute.")
BEAT_LAG = _gauge("beat_lag_seconds", "How late the firing or delayed task is that beat should have taken first.")
SCHEDULES = _gauge("scheduled_tasks", "Scheduled tasks, by status.", "kind", "status")
FIRINGS = _counter("firings", "Firings that created a task, were skipped, or missed.", "outcome")
FIRING_LATENESS = _histogram("firing_lateness_seconds", "Time from a firing until its task was created.")

DELIVERIES = _gauge("deliveries", "Callbacks and notices that are kept, by status.", "status")
DELIVERY_AGE = _gauge(
    "delivery_oldest_due_age_seconds", "How late the delivery is that should have been tried first; 0 for none."
)
DELIVERY_TRIES = _counter(
    "delivery_tries",
    "Tries of callbacks and notices that delivered, are retried, or failed for good.",
    "target",
    "outcome",
)
BULKS = _gauge("bulks_running", "Bulks that have not ended.")

REQUESTS = _counter(
    "http_requests", "Requests by route and status. Unknown paths have the route other.", "method", "route", "status"
)
REQUEST_DURATION = _histogram(
    "http_request_duration_seconds",
    "Time until the head of a response was ready; without requests that waited for a task.",
    "method",
    "route",
)
REFUSED = _counter(
    "http_requests_refused",
    "Requests that were answered with an error, by its type (docs/errors.md). "
    "The type full counts as busy where new tasks are taken.",
    "reason",
)

REDIS_ROUND_TRIP = _gauge("redis_round_trip_seconds", "Duration of one PING.")
REDIS_MEMORY = _gauge("redis_memory_used_bytes", "Memory that Redis uses.")
REDIS_MEMORY_MAX = _gauge("redis_memory_max_bytes", "Redis' maxmemory; 0 for no limit.")
REDIS_FRAGMENTATION = _gauge("redis_memory_fragmentation_ratio", "Memory that Redis holds, divided by what it uses.")
REDIS_WRITABLE = _gauge(
    "redis_writable",
    "1 if Redis accepts writes: it is no replica, has the replicas that it needs, and its disk accepts them.",
)
REDIS_AOF = _gauge("redis_aof_enabled", "1 if Redis writes an append-only file.")
REDIS_AOF_OK = _gauge("redis_aof_last_write_ok", "1 if the last write to the append-only file succeeded.")
REDIS_AOF_BYTES = _gauge("redis_aof_size_bytes", "Size of the append-only file.")
REDIS_AOF_REWRITING = _gauge("redis_aof_rewrite_in_progress", "1 while Redis rewrites the append-only file.")
REDIS_RDB_OK = _gauge("redis_rdb_last_save_ok", "1 if the last snapshot succeeded.")
REDIS_CLIENTS = _gauge("redis_connected_clients", "Connections to Redis.")
REDIS_REPLICAS = _gauge("redis_replicas", "Replicas that are connected.")
REDIS_REPLICA_LAG = _gauge(
    "redis_replica_lag_bytes", "What the slowest connected replica has yet to acknowledge; 0 for none."
)
REDIS_UPTIME = _gauge("redis_uptime_seconds", "Time since Redis started.")
REDIS_COMMANDS = _counter("redis_commands_processed", "Commands that Redis has executed since it started.")
REDIS_EVICTED = _counter("redis_evicted_keys", "Keys that Redis has evicted since it started. Each one is a loss.")

#: All of them, in the order of the output.
METRICS: tuple[Metric, ...] = tuple(value for value in globals().values() if isinstance(value, Metric))
