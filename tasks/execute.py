"""The one Celery task: `celeriac.execute`. Its message carries an id; the record says everything else."""

from __future__ import annotations

import logging
import sys
from collections.abc import Collection
from typing import Any

from celery.concurrency.solo import TaskPool as NoPool
from celery.concurrency.thread import TaskPool as ThreadPool
from celery.signals import (
    celeryd_after_setup,
    task_received,
    worker_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)
from celery.worker import state
from celery.worker.state import maybe_shutdown

from app.domain.errors import OtherForm
from app.domain.kinds import KINDS, QUEUES
from app.launch.open_files import allow_many
from app.launch.processes import EXIT_NEWER_DATA, EXIT_USELESS_HERE
from app.settings import EXIT_BAD_SETTINGS, Settings, SettingsError, read_settings
from app.store.messages import EXECUTE
from celery_app import celery
from sandbox import SandboxError
from tasks.attempts import ONE_TASK
from tasks.celery_seam.await_last_fetch import AwaitLastFetch
from tasks.celery_seam.last_fetch import last_fetch
from tasks.celery_seam.request import request_of
from tasks.celery_seam.room import room
from tasks.celery_seam.spoken import speak_in_our_form
from tasks.places import Places
from tasks.runtime import EndedEarly, Identity, NothingToServe, process

logger = logging.getLogger("celeriac.worker")

EXIT_CANNOT_RUN = 1


@celery.task(name=EXECUTE, bind=True, ignore_result=True, acks_late=True, Request="tasks.celery_seam.request:Request")
def execute(self: Any, task_id: str) -> str:
    """Execute the task, if it still waits for that. Its outcome goes to its record; monitors hear of its status."""
    # A thread that has to do more than run tasks, as that of the consumer, takes no further ones.
    thread = request_of(task_id) if _Worker.places is not None else None
    return process.get(_identity()).runner.run(task_id, self.request.hostname, thread or ONE_TASK)


class _Worker:
    """What Celery says of the worker when it starts; children of a pool of processes inherit it."""

    identity = Identity("celery@localhost", tuple(QUEUES.values()), 1)
    places: Places | None = None  # of this process, once it is ready, if its threads run the tasks


def _identity() -> Identity:
    return _Worker.identity


@worker_init.connect
def _on_init(sender: Any, **_: Any) -> None:
    """Before anything is said: the form of the log, and the files it may open."""
    speak_in_our_form(read_settings().log_format)
    allow_many()
    queues = sender.app.amqp.queues
    last_fetch.expect_from(lambda: tuple(queues.consume_from))  # `control cancel_consumer` removes one


@celeryd_after_setup.connect
def _on_set_up(instance: Any, **_: Any) -> None:
    """Before the pool starts: who this worker is."""
    queues, threads = tuple(instance.app.amqp.queues.consume_from), instance.concurrency
    at_once = _at_once(instance.pool_cls, queues, threads, read_settings())
    _Worker.identity = Identity(instance.hostname, queues, at_once, threads)


def _at_once(pool: Any, queues: Collection[str], threads: int, settings: Settings) -> int:
    """How many attempts a worker runs at once. `threads`: those of its pool, or children."""
    if pool is NoPool:
        return 1
    if pool is ThreadPool:
        return min(threads, sum(row.concurrency(settings) for row in KINDS.values() if row.queue in queues))
    return threads


@worker_ready.connect
def _on_ready(sender: Any, **_: Any) -> None:
    try:
        runtime = process.get(_identity())
    except (SandboxError, SettingsError) as error:
        logger.critical("the worker can't run: %s", error, extra={"action": "worker_refused"})
        sys.exit(EXIT_BAD_SETTINGS if isinstance(error, SettingsError) else EXIT_CANNOT_RUN)
    except OtherForm:  # why, has been logged
        sys.exit(EXIT_NEWER_DATA)
    except EndedEarly:
        maybe_shutdown()  # raises what the signal asks for; else Celery would first say that the worker is ready
        return
    except NothingToServe:  # why, has been said
        sys.exit(EXIT_USELESS_HERE)
    except Exception:  # Celery would log it, and the worker would live on and run nothing
        logger.exception("the worker can't run", extra={"action": "worker_refused"})
        sys.exit(EXIT_CANNOT_RUN)
    if isinstance(sender.pool, ThreadPool):  # the children of a pool of processes are known to themselves alone
        _Worker.places = runtime.places
        room.ask(runtime.places.full)
    if isinstance(sender.pool, NoPool):  # the consumer's thread runs the tasks, and fetches nothing meanwhile
        queues = sender.app.amqp.queues
        last_fetch.expect_from(lambda: () if runtime.in_flight.attempts() else tuple(queues.consume_from))
    for kind in runtime.refused:
        sender.cancel_task_queue(QUEUES[kind])
    off = {name: why for name, why in runtime.facts()["sandbox"].items() if why != "on"}
    logger.info(
        "worker ready",
        extra={"action": "worker_ready", "worker": _identity().hostname, "sandbox_off": off or "none"},
    )


@task_received.connect
def _on_received(request: Any, **_: Any) -> None:
    drain = process.drain()
    if drain is not None:
        if _Worker.places is None:  # children begin them, and this process does not hear of it
            drain.keep(state.requests)  # which does not have this one yet
        drain.fetched(request.id)
    if _Worker.places is not None and request.eta is None:
        _Worker.places.coming(request.id, request.delivery_info["routing_key"])


@worker_shutting_down.connect
def _on_shutting_down(**_: Any) -> None:
    process.end()


AwaitLastFetch.find_drain = staticmethod(process.drain)
celery.steps["consumer"].add(AwaitLastFetch)


@worker_shutdown.connect
def _on_end(sender: Any, **_: Any) -> None:
    if process.found_newer_data():
        sender.exitcode = EXIT_NEWER_DATA


@worker_shutdown.connect
@worker_process_shutdown.connect
def _on_shutdown(**_: Any) -> None:
    process.close()
