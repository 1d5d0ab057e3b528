"""The API over a real Redis and the real sandbox's checker; a worker that the test plays."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from app import console
from app.api.context import Context
from app.api.holding import Holding, most_held
from app.api.web import create_web
from app.messaging.encoder import MessageEncoder
from app.settings import Settings
from app.store.store import Store
from app.usecases.admission import Admission
from app.usecases.dispatch import Dispatcher
from app.usecases.health import HealthService
from app.usecases.schedules import ScheduleService
from app.usecases.statistics import StatisticsService
from app.usecases.tasks import TaskService
from sandbox import Sandbox
from tests.api.calls import Api, PlayedWorker
from tests.conftest import VirtualClock

#: Makes the application as some settings want it.
MakeWeb = Callable[[Settings], Flask]


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """One zygote for all tests: programs are checked in it, none runs."""
    sandbox = Sandbox(spare_children=0)
    sandbox.start()
    yield sandbox
    sandbox.close()


def context_of(store: Store, clock: VirtualClock, sandbox: Sandbox, settings: Settings) -> Context:
    """The services over one store."""
    dispatcher = Dispatcher(MessageEncoder(store.keys), settings.countdown_horizon)
    admission = Admission(store.admission, settings.max_queued_tasks)
    return Context(
        settings=settings,
        tasks=TaskService(store, dispatcher, sandbox.check, admission, clock),
        schedules=ScheduleService(store, dispatcher, sandbox.check, admission, clock, settings.timezone),
        statistics=StatisticsService(store.stats, clock),
        health=HealthService(store, clock),
        clock=clock,
        holding=Holding(most_held(settings.api_threads)),
    )


@pytest.fixture
def make_web(
    store: Store, clock: VirtualClock, sandbox: Sandbox, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> MakeWeb:
    """Applications on the test's store and clock."""
    monkeypatch.setenv("REDIS_URL", redis_url)  # Celery, which writes the messages, finds its Redis by itself

    return lambda settings: create_web(context_of(store, clock, sandbox, settings), pages=(console.blueprint,))


@pytest.fixture
def web(make_web: MakeWeb) -> Flask:
    """The application with default settings: no key is needed."""
    return make_web(Settings())


@pytest.fixture
def away(clock: VirtualClock, sandbox: Sandbox, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """The application whose Redis does not answer."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    store = Store.at("redis://127.0.0.1:1/0")  # port 1: nobody listens
    yield create_web(context_of(store, clock, sandbox, Settings()), pages=(console.blueprint,))
    store.close()


@pytest.fixture
def api(web: Flask) -> Api:
    """Calls of it."""
    return Api(web)


@pytest.fixture
def worker(store: Store, clock: VirtualClock) -> PlayedWorker:
    """A worker that the test plays."""
    return PlayedWorker(store, clock)
