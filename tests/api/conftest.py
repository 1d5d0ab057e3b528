"""The API over a real Redis and the real sandbox's checker; a worker that the test plays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy, deepcopy
from functools import cache

import pytest
from flask import Flask

from app import console
from app.api.context import Context, compose
from app.api.web import prepare, routed
from app.settings import Settings
from app.store.store import Store
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


@pytest.fixture
def make_web(store: Store, clock: VirtualClock, sandbox: Sandbox) -> MakeWeb:
    """Applications on the test's store and clock."""
    return lambda settings: web_of(settings, store, sandbox, clock)


def web_of(settings: Settings, store: Store, sandbox: Sandbox, clock: VirtualClock) -> Flask:
    """The application on a store of the test's."""
    return web_on(compose(settings, store, sandbox.check, clock))


def web_on(context: Context) -> Flask:
    """What `create_web` makes, with the routes of the first one.

    To make them takes 25 ms, more than most tests. Nothing else is shared.
    """
    web = copy(_first_web())
    web.config, web.extensions = copy(web.config), {}
    for name in ("before_request_funcs", "after_request_funcs", "teardown_request_funcs"):
        setattr(web, name, deepcopy(getattr(web, name)))
    prepare(web, context)
    return web


@cache
def _first_web() -> Flask:
    return routed((console.blueprint,))


@pytest.fixture
def web(make_web: MakeWeb) -> Flask:
    """The application with default settings: no key is needed."""
    return make_web(Settings())


@pytest.fixture
def away(clock: VirtualClock, sandbox: Sandbox) -> Iterator[Flask]:
    """The application whose Redis does not answer."""
    store = Store.at("redis://127.0.0.1:1/0")  # port 1: nobody listens
    yield web_of(Settings(), store, sandbox, clock)
    store.close()


@pytest.fixture
def api(web: Flask) -> Api:
    """Calls of it."""
    return Api(web)


@pytest.fixture
def worker(store: Store, clock: VirtualClock) -> PlayedWorker:
    """A worker that the test plays."""
    return PlayedWorker(store, clock)
