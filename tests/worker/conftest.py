"""Services as the API composes them, and real workers and beats on the test's Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.api.context import Context, compose
from app.messaging.encoder import MessageEncoder
from app.settings import Settings
from app.store.store import Store
from app.usecases.dispatch import Dispatcher
from app.usecases.schedules import ScheduleService
from app.usecases.tasks import TaskService
from tests.servers import CeleryProcess, RedisServer

Start = Callable[..., CeleryProcess]
HORIZON_SECONDS = 2.0


def unchecked(source: str, function_name: str, call: object = None) -> list[Any]:
    """A code check that accepts everything, since these tests post no bad programs."""
    return []


def composed(store: Store, **settings: Any) -> Context:
    """The services over a store; delays up to HORIZON_SECONDS go out as countdowns."""
    return compose(replace(Settings(countdown_horizon=HORIZON_SECONDS), **settings), store, unchecked)


@pytest.fixture
def own_server(own_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> RedisServer:
    """The test's own Redis, which is set in the environment, because Celery's configuration needs a broker."""
    monkeypatch.setenv("REDIS_URL", own_server.url)
    return own_server


@pytest.fixture
def dispatcher(store: Store) -> Dispatcher:
    return Dispatcher(MessageEncoder(store.keys), HORIZON_SECONDS)


@pytest.fixture
def service(store: Store) -> TaskService:
    return composed(store).tasks


@pytest.fixture
def schedules(store: Store) -> ScheduleService:
    return composed(store).schedules


@pytest.fixture
def start(tmp_path: Path, redis_url: str) -> Iterator[Start]:
    """Starts `celery -A celery_app WORDS`; whatever still runs after the test is killed.

    Leases are as long as usual: a worker that stands still for longer loses its attempts, which run again.
    """
    started: list[CeleryProcess] = []

    def start(*words: str, **settings: str) -> CeleryProcess:
        folder = tmp_path / f"process-{len(started)}"
        shared = {"COUNTDOWN_HORIZON": str(HORIZON_SECONDS), "API_CONCURRENCY": "4"}
        process = CeleryProcess(folder, redis_url, *words, "--loglevel=info", **{**shared, **settings})
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def start_worker(start: Start) -> Start:
    """Starts a worker and waits until it is ready."""

    def start_worker(name: str = "one", *words: str, **settings: str) -> CeleryProcess:
        worker = start("worker", "-n", f"{name}@test", *words, **settings)
        worker.wait_for("worker ready")
        return worker

    return start_worker
