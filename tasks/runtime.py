"""The parts of a worker, put together once per process."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.clock import Clock, ClockSteps, system_clock
from app.domain.kinds import KINDS, QUEUES
from app.domain.status import Kind
from app.domain.times import to_rfc3339
from app.launch.redis_location import require_redis_url
from app.messaging.encoder import MessageEncoder
from app.settings import Settings, read_settings
from app.store.store import Store
from app.store.tasks import Attempt
from app.tracing import start_tracing
from app.usecases.dispatch import Dispatcher
from app.usecases.form_watch import FormWatch
from app.usecases.maintenance import Maintenance
from app.usecases.redis_checks import check_at_start
from app.version import VERSION
from tasks.attempts import AttemptRunner
from tasks.celery_seam.last_fetch import last_fetch
from tasks.deliveries.making import make_courier
from tasks.drain import Drain
from tasks.executors import Executor, KindRefused, Prints, Traces
from tasks.heartbeat import Heartbeat
from tasks.leases.guard import LeaseGuard
from tasks.leases.in_flight import InFlight
from tasks.live_output import LiveOutput
from tasks.places import Places
from tasks.traces import AttemptSpans
from tasks.watchdog import Watchdog

if TYPE_CHECKING:
    from app.tracing.spans import Tracing

logger = logging.getLogger("celeriac.worker")

#: A worker that fetches nothing is told to end. This long after its grace period it is killed.
FORCE_AFTER_SECONDS = 10.0
#: Attempts that a report names.
MAX_RUNNING_REPORTED = 1_000
#: So many more threads than there are places for programs may wait for one.
MORE_WAITING = 8
EXIT_STALLED = 75  # EX_TEMPFAIL: the worker may be started again


class NothingToServe(Exception):
    """This worker could only have run tasks that it refuses; the message says why."""


class EndedEarly(Exception):
    """This worker was told to end before it could start."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The worker's name, the queues that it serves, and how many attempts it runs at once.

    threads: how many threads it has for them, if there are more, as some wait for a place.
    """

    hostname: str
    queues: tuple[str, ...]
    concurrency: int
    threads: int = 0


class Runtime:
    """Everything that a worker process holds: connections, the sandbox, the HTTP client, the heartbeat."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        identity: Identity,
        clock: Clock = system_clock,
        tracing: Tracing | None = None,
    ) -> None:
        self._tracing = tracing
        self.settings = settings
        self.store = store
        self.identity = identity
        self.in_flight = InFlight()
        self._started_at = to_rfc3339(clock())
        dispatcher = Dispatcher(MessageEncoder(store.keys), settings.countdown_horizon)
        self.executors = make_executors(settings, identity.queues)
        self._live_output = LiveOutput(store.events)
        for executor in self.executors.values():
            if isinstance(executor, Prints):
                executor.pass_output_to(self._live_output)
            if tracing is not None and isinstance(executor, Traces):
                executor.trace_with(tracing)
        self.refused: dict[str, str] = {}  # kind -> why none of its tasks runs here
        self.places = make_places(settings)
        self.drain = Drain(store.recovery, dispatcher, self.in_flight, settings.shutdown_grace, clock)
        self.runner = AttemptRunner(
            store.tasks,
            dispatcher,
            self.executors,
            self.in_flight,
            self.drain,
            settings.lease_seconds,
            clock,
            None if tracing is None else AttemptSpans(tracing),
            self.places,
        )
        self._leases = LeaseGuard(self.in_flight, settings.lease_seconds)
        self._form = FormWatch(store.form, clock, self._end_process)
        self.watchdog = Watchdog(self._last_fetched, self._end_process)
        self.heartbeat = Heartbeat(
            store,
            self.in_flight,
            Maintenance(store, dispatcher, settings, identity.hostname, ClockSteps(clock())),
            identity.hostname,
            self.facts,
            settings.lease_seconds,
            self.watchdog,
            clock,
        )
        # Workers for API tasks are those that may reach other hosts.
        serves_deliveries = QUEUES[Kind.API] in identity.queues
        self._courier = make_courier(settings, store, self._may_deliver, clock, tracing) if serves_deliveries else None

    def start(self, is_ending: Callable[[], bool] = lambda: False) -> None:
        """Start the executors and the threads, unless the process `is_ending` by then: data of another form takes long.

        Raises SandboxError, SettingsError, NothingToServe, EndedEarly; OtherForm if a newer version wrote the data.
        """
        self._form.wait(is_ending)
        if is_ending():
            raise EndedEarly
        for kind in list(self.executors):
            self._start_executor(kind)
        if self.refused and not self.executors:
            raise NothingToServe("; ".join(self.refused.values()))
        self._form.start()
        self._leases.start()
        self.heartbeat.start()
        if self._courier is not None:
            self._courier.start()

    def _start_executor(self, kind: str) -> None:
        """Start an executor, or drop it if it refuses: its kind is then not claimed, but left to another worker."""
        try:
            self.executors[kind].start()
        except KindRefused as refusal:
            del self.executors[kind]
            self.refused[kind] = str(refusal)
            logger.critical(str(refusal), extra={"action": "kind_refused", "kind": kind})

    def close(self) -> None:
        """Give back unfinished tasks, stop the threads and close the executors and the store."""
        self.drain.finish()
        if self._courier is not None:
            self._courier.stop()
        self.heartbeat.stop()
        self._form.stop()
        self._leases.stop()
        for executor in self.executors.values():
            executor.close()
        self._live_output.close()
        self.store.close()
        if self._tracing is not None:
            self._tracing.close()

    @property
    def found_newer_data(self) -> bool:
        """Whether a newer version wrote the data, which ends this worker."""
        return self._form.found_newer

    def _may_deliver(self) -> bool:
        """Also while this worker ends: it may be the only one that delivers, and have to wait for its last tasks."""
        return not self.found_newer_data

    def _last_fetched(self) -> float | None:
        """The moment of the last fetch; None once this worker is ending, since it should fetch nothing more."""
        return None if self.drain.has_begun else last_fetch.moment()

    def _end_process(self) -> None:
        """End as on SIGTERM, and by force if that takes too long."""
        limit_seconds = self.settings.shutdown_grace + FORCE_AFTER_SECONDS
        force = threading.Timer(limit_seconds, os._exit, (EXIT_STALLED,))
        force.daemon = True
        force.start()
        os.kill(os.getpid(), signal.SIGTERM)

    def facts(self) -> dict[str, Any]:
        """The worker's own entry in `/health`, `/api/workers` and `/metrics`."""
        attempts = self.in_flight.attempts()
        return {
            "pid": os.getpid(),
            "version": VERSION,
            "queues": [queue for queue in self.identity.queues if queue not in map(QUEUES.get, self.refused)],
            "refused": self.refused,
            "concurrency": self.identity.concurrency,
            "consuming": self.watchdog.is_consuming,
            "started_at": self._started_at,
            "running": _running(attempts),
            "running_count": len(attempts),
            "sandbox": {},
            **self._executor_facts(),
        }

    def _executor_facts(self) -> dict[str, Any]:
        return {name: value for executor in self.executors.values() for name, value in executor.facts().items()}


def _running(attempts: Iterable[Attempt]) -> list[dict[str, Any]]:
    """The attempts that have run longest, oldest first."""
    oldest = sorted(attempts, key=lambda attempt: attempt.started_ms)[:MAX_RUNNING_REPORTED]
    return [
        {
            "task_id": attempt.task_id,
            "name": attempt.name,
            "kind": attempt.kind,
            "started_at": to_rfc3339(attempt.started_ms),
        }
        for attempt in oldest
    ]


def make_executors(settings: Settings, queues: Collection[str]) -> dict[str, Executor]:
    """The executors for the kinds of these queues, by kind and not started."""
    executors = {}
    for kind, row in KINDS.items():
        if row.queue in queues:
            module, _, function = row.executor.partition(":")
            executors[str(kind)] = getattr(importlib.import_module(module), function)(settings)
    return executors


def make_places(settings: Settings) -> Places:
    """The places for the tasks of each kind. A few programs may wait for one; calls have threads enough."""
    limits = {row.queue: row.concurrency(settings) for row in KINDS.values()}
    code = QUEUES[Kind.CODE]
    return Places(limits, {code: limits[code] + MORE_WAITING})


def open_store(settings: Settings, max_connections: int) -> Store:
    """The store of a worker or beat. Raises SettingsError if there is no Redis."""
    return Store.at(require_redis_url(settings), max_connections)


class _Process:
    """The runtime of this process. It does not survive a fork: each child of a process pool makes its own."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.runtime: Runtime | None = None
        self.pid = 0
        self._is_ending = False

    def get(self, identity: Identity) -> Runtime:
        with self.lock:
            if self.runtime is None or self.pid != os.getpid():
                settings = read_settings()
                threads = max(identity.concurrency, identity.threads)
                store = open_store(settings, max_connections=threads + settings.callback_concurrency + 8)
                check_at_start(store.liveness)
                tracing = start_tracing(settings, "celeriac-worker")
                runtime = Runtime(settings, store, identity, tracing=tracing)
                # Where this raises, there is nothing to close but what ends with the process.
                runtime.start(lambda: self._is_ending)
                self.runtime, self.pid = runtime, os.getpid()
            return self.runtime

    def end(self) -> None:
        """Begin the drain, or have a runtime that is starting give up. Takes no lock: signal handlers call it."""
        self._is_ending = True
        drain = self.drain()
        if drain is not None:
            drain.begin()

    def drain(self) -> Drain | None:
        """The runtime's drain, if there is one. This takes no lock, because signal handlers call it."""
        runtime = self.runtime
        return runtime.drain if runtime is not None and self.pid == os.getpid() else None

    def found_newer_data(self) -> bool:
        """Whether a newer version wrote the data."""
        runtime = self.runtime
        return runtime is not None and runtime.found_newer_data

    def close(self) -> None:
        with self.lock:
            if self.runtime is not None and self.pid == os.getpid():
                self.runtime.close()
            self.runtime = None


process = _Process()
