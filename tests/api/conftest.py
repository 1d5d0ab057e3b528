"""The API over a real Redis and the real sandbox's checker; a worker that the test plays."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from werkzeug.routing.rules import Rule

from app import console
from app.api.context import compose
from app.api.web import create_web
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


@pytest.fixture(scope="session", autouse=True)
def _routes_compiled_once() -> Iterator[None]:
    """Werkzeug compiles two functions for each route: most of the time of an application that serves a few calls."""
    compiled: dict[tuple[object, ...], Callable[..., tuple[str, str]]] = {}
    compile_builder = Rule._compile_builder

    def kept(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        key = (rule.rule, rule.subdomain, rule.host, str(rule.defaults), append_unknown)
        if key not in compiled:
            compiled[key] = compile_builder(rule, append_unknown)
        return compiled[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", kept)
        yield


@pytest.fixture
def make_web(store: Store, clock: VirtualClock, sandbox: Sandbox) -> MakeWeb:
    """Applications on the test's store and clock."""
    return lambda settings: web_of(settings, store, sandbox, clock)


def web_of(settings: Settings, store: Store, sandbox: Sandbox, clock: VirtualClock) -> Flask:
    """The application on a store of the test's."""
    return create_web(compose(settings, store, sandbox.check, clock), pages=(console.blueprint,))


@pytest.fixture
def web(make_web: MakeWeb) -> Flask:
    """The application with default settings: no key is needed."""
    return make_web(Settings())


@pytest.fixture
def away(clock: VirtualClock, sandbox: Sandbox) -> Iterator[Flask]:
    """The application whose Redis does not answer."""
    store = Store.at("redis://127.0.0.1:1/0")  # port 1: nobody listens
    yield create_web(compose(Settings(), store, sandbox.check, clock), pages=(console.blueprint,))
    store.close()


@pytest.fixture
def api(web: Flask) -> Api:
    """Calls of it."""
    return Api(web)


@pytest.fixture
def worker(store: Store, clock: VirtualClock) -> PlayedWorker:
    """A worker that the test plays."""
    return PlayedWorker(store, clock)
