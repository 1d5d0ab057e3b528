"""A real browser on the whole system."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import Chromium
from tests.programs import require_program
from tests.servers import throw_away_redis
from tests.system import Started

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def chromium_program() -> str:
    """Chromium, if possible without windows, which takes half the processor time.

    Without one: skipped on a laptop; in CI it is installed, or the test fails.
    """
    return str(require_program(PROGRAMS, "chromium-headless-shell", "chromium"))


@pytest.fixture(scope="session", autouse=True)
def _browser_first(chromium_program: str) -> None:
    """Where there is no browser, nothing else needs to start."""


@pytest.fixture(scope="session")
def own_redis(redis_program_path: Path) -> Iterator[str]:
    """The URL of a Redis for these tests alone: whatever else is tested must not find their workers on its own."""
    with throw_away_redis(redis_program_path) as server:
        yield server.url


@pytest.fixture(scope="session")
def system(own_redis: str) -> Iterator[Started]:
    """API, workers and beat, without a key. All tests share it, so each finds its tasks by their names."""
    yield from running(own_redis, "all", "/health/ready")


@pytest.fixture(scope="session")
def alone(redis_program_path: Path) -> Iterator[Started]:
    """An API without workers and beat, on a Redis of its own."""
    with throw_away_redis(redis_program_path) as server:
        yield from running(server.url, "api", "/health/live")


def running(redis_url: str, role: str, path: str, port: int | None = None, **settings: str) -> Iterator[Started]:
    """`start.py` in this role, once it answers 200 at `path`."""
    with tempfile.TemporaryDirectory(prefix="cel-") as folder:
        started = Started(Path(folder), role, port=port, REDIS_URL=redis_url, **settings)
        try:
            started.wait_until_ready(path)
            yield started
            started.end(signal.SIGTERM)
        finally:
            started.clean_up()


@pytest.fixture(scope="session")
def chromium(chromium_program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """The browser, for all tests: it takes a while to start."""
    browser = Chromium(chromium_program, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def browser(chromium: Chromium) -> Iterator[Chromium]:
    """The browser with an empty session; the page must not have complained in the end."""
    chromium.look(1440, 900)
    chromium.complaints.clear()
    yield chromium
    complaints = list(chromium.complaints)
    chromium.evaluate("dispatchEvent(new Event('pagehide'))")  # a draft that would be kept only now
    chromium.evaluate("location.protocol === 'http:' && (sessionStorage.clear(), localStorage.clear())")
    # A page whose service has ended looks for it again and again, on a port that another test's target may get.
    chromium.leave()
    assert complaints == []
