"""A worker fetches again within seconds of Redis' return, and the watchdog detects one that does not."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from app.domain.errors import Unavailable
from app.store.store import Store
from tasks.watchdog import DOUBT_SECONDS, END_SECONDS, Watchdog
from tests.lateness import Lateness
from tests.servers import CeleryProcess, RedisServer, wait_until
from tests.worker.conftest import composed
from tests.worker.test_celery_commands import celery

SLEEPS = "import time\ndef f():\n    time.sleep(60)"
CODE = {"name": "n", "function_code": "def f(): return 1", "function_name": "f"}
BACK_SECONDS = 5.0
#: Longer than the pauses of Celery's own consumer would have grown to: 2 + 4 + 6 seconds.
AWAY_SECONDS = 9.0


class Bench:
    """A Redis that a test may stop, hang or fill, with services and a worker on it."""

    def __init__(self, server: RedisServer, folder: Path) -> None:
        self.server = server
        self.store = Store.at(server.url)
        services = composed(self.store)
        self.service, self.health = services.tasks, services.health
        self.folder = folder
        self.workers: list[CeleryProcess] = []

    def start_worker(self, *words: str, app: str = "celery_app", **more: str) -> CeleryProcess:
        settings = {"LEASE_SECONDS": "2", "API_CONCURRENCY": "2", "CODE_CONCURRENCY": "1", **more}
        words = ("worker", "-n", "one@test", "--loglevel=info", *words)
        worker = CeleryProcess(self.folder, self.server.url, *words, app=app, **settings)
        self.workers.append(worker)
        worker.wait_for("worker ready")
        self.runs_a_task(10)
        return worker

    def runs_a_task(self, seconds: float) -> None:
        """Check that the worker fetches within so many seconds, by having it run a task."""
        task = self.service.create(CODE)
        with Lateness() as lateness:
            wait_until(lambda: self.service.get(task.id).status.finished, 60, "a task that was fetched")
        assert lateness.taken_seconds < seconds

    def answers(self) -> bool:
        try:
            self.store.liveness.ping()
        except Unavailable:
            return False
        return True

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
        self.store.close()


@pytest.fixture
def bench(own_server: RedisServer, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(own_server, tmp_path / "worker")
    yield bench
    own_server.send_signal(signal.SIGCONT)
    bench.close()


def stay(seconds: float) -> None:
    """Let an outage last; there is no condition to wait for."""
    time.sleep(seconds)


def test_after_connections_were_cut_it_fetches_at_once_again_and_again(bench: Bench) -> None:
    worker = bench.start_worker()
    with redis.Redis.from_url(bench.server.url) as client:
        for _ in range(4):
            client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            bench.runs_a_task(BACK_SECONDS)
    assert worker.process.poll() is None


@pytest.mark.parametrize("how", ["killed", "hanging"])
def test_after_a_long_time_without_redis_it_fetches_within_seconds(bench: Bench, how: str) -> None:
    worker = bench.start_worker()
    if how == "killed":
        bench.server.stop(signal.SIGKILL)
    else:
        bench.server.send_signal(signal.SIGSTOP)
    stay(AWAY_SECONDS)
    if how == "killed":
        bench.server.start()
    else:
        bench.server.send_signal(signal.SIGCONT)
    wait_until(bench.answers, 15, "an answer")
    bench.runs_a_task(BACK_SECONDS)
    assert worker.process.poll() is None
    assert "CPendingDeprecationWarning" not in worker.output
    assert worker.output.count("the consumer can't reach Redis") <= 1, "the outage is logged once, not at each attempt"
    assert "Redis can't be reached action=redis_away reason=" in worker.output
    assert "Traceback" not in worker.output


def test_a_redis_that_takes_no_writes_for_a_while_costs_no_worker(bench: Bench) -> None:
    worker = bench.start_worker()
    with redis.Redis.from_url(bench.server.url) as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        worker.wait_for("Connection to broker lost")
        lines = worker.output.count("\n")
        stay(5)
        assert worker.output.count("\n") - lines < 30, "it pauses between attempts"
        client.execute_command("REPLICAOF", "NO", "ONE")
    bench.runs_a_task(BACK_SECONDS)
    assert worker.process.poll() is None


def test_a_worker_fetches_and_starts_although_redis_is_full(bench: Bench) -> None:
    """Otherwise waiting tasks would never run, and Redis would stay full."""
    first = bench.start_worker()
    tasks = [bench.service.create({**CODE, "task_type": "delayed", "delay_seconds": 1}) for _ in range(3)]
    with redis.Redis.from_url(bench.server.url) as client:
        client.config_set("maxmemory", "1")
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        wait_until(lambda: bench.service.get(tasks[0].id).status.finished, 10, "a task that was fetched")
        first.kill()
        client.config_set("maxmemory", "0")
        held = bench.service.create(CODE)
        client.config_set("maxmemory", "1")
        second = CeleryProcess(
            bench.folder / "second", bench.server.url, "worker", "-n", "two@test", "--loglevel=info", LEASE_SECONDS="2"
        )
        bench.workers.append(second)
        second.wait_for("worker ready")
        assert "Traceback" not in second.output
        wait_until(lambda: bench.service.get(held.id).status.finished, 10, "a task that the new worker fetched")


def test_a_worker_that_ends_without_redis_writes_no_files_and_no_false_alarm(bench: Bench, tmp_path: Path) -> None:
    """kombu would print "UNABLE TO RESTORE" and write the messages it held to a file in /tmp."""
    temporary = tmp_path / "temporary"  # its own: anybody may write to /tmp meanwhile
    temporary.mkdir()
    worker = bench.start_worker("--concurrency", "1", TMPDIR=str(temporary))
    held = [bench.service.create({**CODE, "function_code": SLEEPS}) for _ in range(3)]
    wait_until(lambda: any(bench.service.get(task.id).status == "running" for task in held), 10, "one runs")
    bench.server.stop(signal.SIGKILL)
    worker.wait_for("the consumer can't reach Redis")
    worker.signal(signal.SIGTERM)
    wait_until(lambda: worker.process.poll() is not None, 30, "its end")
    assert "RESTORE" not in worker.output
    assert [path for path in temporary.rglob("*") if path.is_file()] == []


# --- the watchdog --------------------------------------------------------------------------------------

#: A worker whose consumer stops fetching once the file `stall` exists, which imitates a defect of Celery's.
STALLING = """
from pathlib import Path
import tasks.celery_seam.transport
from celery_app import celery

def brpop_start(self, timeout=None, real=tasks.celery_seam.transport.Channel._brpop_start):
    if not Path("stall").exists():
        real(self, timeout)

tasks.celery_seam.transport.Channel._brpop_start = brpop_start
"""


def test_a_worker_that_lives_and_fetches_nothing_shows_in_health_and_ends(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "worker"
    folder.mkdir()
    (folder / "stalling_app.py").write_text(STALLING)
    worker = bench.start_worker(app="stalling_app")
    wait_until(lambda: bench.health.report()["workers"]["status"] == "ok", 15, "its first sign of life")
    (folder / "stall").touch()
    wait_until(lambda: bench.health.report()["workers"]["status"] == "down", DOUBT_SECONDS + 8, "health says so")
    assert bench.health.report()["workers"]["detail"] == (
        "not fetching tasks: one@test; no worker serves celeriac.code, celeriac.api"
    )
    assert not bench.health.is_ready()
    wait_until(lambda: worker.process.poll() is not None, END_SECONDS + 15, "the end of the worker")
    assert "the worker fetches nothing although Redis answers" in worker.output


#: A worker whose watchdog writes down the last fetch that it knows of.
TELLING = """
from pathlib import Path
from celery_app import celery
from tasks.watchdog import Watchdog

def check(self, now, real=Watchdog.check):
    real(self, now)
    Path("fetched").write_text(str(self._fetched))

Watchdog.check = check
"""


def test_a_worker_that_was_told_to_fetch_nothing_is_left_alone(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "worker"
    folder.mkdir()
    (folder / "telling_app.py").write_text(TELLING)
    fetched = folder / "fetched"
    bench.start_worker("-Q", "celeriac.code", app="telling_app")
    wait_until(lambda: fetched.exists() and fetched.read_text() not in ("", "None"), 15, "a fetch")
    celery(bench.server.url, "control", "cancel_consumer", "celeriac.code")
    wait_until(lambda: fetched.read_text() == "None", 15, "nothing to watch")
    celery(bench.server.url, "control", "add_consumer", "celeriac.code")
    wait_until(lambda: fetched.read_text() not in ("", "None"), 15, "a fetch")
    bench.runs_a_task(10)


def test_a_worker_whose_consumer_runs_the_tasks_itself_is_left_alone_while_it_does(
    bench: Bench, tmp_path: Path
) -> None:
    folder = tmp_path / "worker"
    folder.mkdir()
    (folder / "telling_app.py").write_text(TELLING)
    fetched = folder / "fetched"
    bench.start_worker("--pool=solo", app="telling_app")
    wait_until(lambda: fetched.exists() and fetched.read_text() not in ("", "None"), 15, "a fetch")
    task = bench.service.create({**CODE, "function_code": SLEEPS, "timeout": 90})
    wait_until(lambda: bench.service.get(task.id).status == "running", 10, "a start")
    wait_until(lambda: fetched.read_text() == "None", 15, "nothing to watch")
    bench.service.stop(task.id)
    wait_until(lambda: fetched.read_text() not in ("", "None"), 15, "a fetch")
    bench.runs_a_task(10)


@pytest.fixture
def ended() -> list[str]:
    return []


@pytest.fixture
def make(ended: list[str]) -> Callable[[list[float | None]], Watchdog]:
    """A watchdog that reads the last fetch from the end of a list."""
    return lambda seen: Watchdog(lambda: seen[-1], lambda: ended.append("ended"))


def test_it_ends_a_silent_worker_once(make: Callable[[list[float | None]], Watchdog], ended: list[str]) -> None:
    watchdog = make([0.0])
    states = []
    for second in range(round(END_SECONDS) + 5):
        watchdog.check(float(second))
        states.append((watchdog.is_consuming, bool(ended)))
    assert states.index((False, False)) == DOUBT_SECONDS
    assert states.index((False, True)) == END_SECONDS
    assert ended == ["ended"]


def test_a_worker_that_fetches_and_one_that_never_has_are_left_alone(
    make: Callable[[list[float | None]], Watchdog], ended: list[str]
) -> None:
    seen: list[float | None] = [0.0]
    fetching, never = make(seen), make([None])
    for second in range(100):
        seen.append(second / 5)
        fetching.check(float(second))
        never.check(float(second))
    assert fetching.is_consuming
    assert never.is_consuming
    assert not ended


def test_time_without_redis_and_time_asleep_do_not_count(
    make: Callable[[list[float | None]], Watchdog], ended: list[str]
) -> None:
    watchdog = make([0.0])
    for hour in range(3):
        watchdog.check(hour * 3600.0)
    for hour in range(3, 20):
        watchdog.redis_is_away()
        watchdog.check(hour * 3600.0)
    assert watchdog.is_consuming
    assert not ended
