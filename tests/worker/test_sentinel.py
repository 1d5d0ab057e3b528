"""A real failover: the master is killed, Sentinel promotes the replica, and every process follows by itself."""

from __future__ import annotations

import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis

from app.clock import system_clock
from app.domain.errors import Unavailable
from app.sentinel_url import parse_sentinel_url
from app.store.client import connect
from app.store.store import Store
from celery_app import kombu_url, transport_options
from tests.lateness import Lateness
from tests.servers import CeleryProcess, wait_until
from tests.system import free_port, needs_proc
from tests.worker.conftest import composed

CODE = {"name": "n", "function_code": "def f(): return 1", "function_name": "f"}
LIMIT_SECONDS = 2.0
#: Five processes take part, and each of them waits for a busy machine: there it has taken 6.5 s.
BACK_SECONDS = 10.0


class Cluster:
    """A master, its replica, and a Sentinel that starts a failover after a second of silence."""

    def __init__(self, program: Path, folder: Path) -> None:
        self._program, self._folder = program, folder
        self.master, self.replica, self.sentinel = free_port(), free_port(), free_port()
        self.url = f"sentinel://127.0.0.1:{self.sentinel},127.0.0.1:1/celeriac?db=2"
        self.processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start all three, and wait until the Sentinel knows both servers."""
        self._run(self.master, "")
        self._run(self.replica, f"replicaof 127.0.0.1 {self.master}\n")
        watch = (
            f"sentinel monitor celeriac 127.0.0.1 {self.master} 1\n"
            "sentinel down-after-milliseconds celeriac 1000\n"
            "sentinel failover-timeout celeriac 3000\n"
        )
        with redis.Redis(port=self.replica) as replica:
            wait_until(lambda: replica.info("replication")["master_link_status"] == "up", 15, "a copy")
        self._run(self.sentinel, watch, "--sentinel")
        with redis.Redis(port=self.sentinel) as sentinel:
            wait_until(lambda: sentinel.sentinel_slaves("celeriac"), 15, "a Sentinel that knows the replica")

    def _run(self, port: int, configuration: str, *words: str) -> None:
        folder = self._folder / str(port)
        folder.mkdir()
        path = folder / "server.conf"
        own = "" if words else 'save ""'
        path.write_text(f"port {port}\nbind 127.0.0.1\ndir {folder}\nset-proc-title no\n{own}\n{configuration}")
        self.processes[port] = subprocess.Popen([self._program, path, *words], stdout=subprocess.DEVNULL)
        with redis.Redis(port=port) as client:
            wait_until(lambda: _answers(client), 10, "an answer")

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait(10)


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def ticked_since(store: Store, ms: int) -> bool:
    """Whether a beat has ticked; False, too, while the store follows the master."""
    with suppress(Unavailable):
        beat = store.liveness.last_beat()
        return beat is not None and beat.tick_ms > ms
    return False


@pytest.fixture
def cluster(redis_program_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="cel-") as folder:
        cluster = Cluster(redis_program_path, Path(folder))
        try:
            cluster.start()
            monkeypatch.setenv("REDIS_URL", cluster.url)
            yield cluster
        finally:
            cluster.stop()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_api_worker_and_beat_follow_the_master(cluster: Cluster, tmp_path: Path, how: signal.Signals) -> None:
    store = Store.at(cluster.url)
    service = composed(store).tasks
    settings = {"API_CONCURRENCY": "2", "CODE_CONCURRENCY": "1"}
    worker = CeleryProcess(tmp_path / "w", cluster.url, "worker", "-n", "one@test", "--loglevel=info", **settings)
    beat = CeleryProcess(tmp_path / "b", cluster.url, "beat", "--loglevel=info", **settings)

    def answers() -> bool:
        with Lateness() as late:
            try:
                service.create(CODE)
            except Unavailable:
                assert late.taken_seconds < LIMIT_SECONDS
                return False
        return True

    def runs() -> bool:
        try:
            return service.create(CODE, wait_seconds=1).status.finished
        except Unavailable:
            return False

    try:
        worker.wait_for("worker ready")
        before = service.create(CODE, wait_seconds=20)
        assert before.status == "succeeded"
        wait_until(store.liveness.last_beat, 20, "a tick")
        cluster.processes[cluster.master].send_signal(how)
        wait_until(lambda: not answers(), 5, "the end of the old master")
        wait_until(answers, 20, "the new master")
        with Lateness() as late:
            wait_until(runs, 60, "a task that the worker fetched there")
        assert late.taken_seconds < BACK_SECONDS
        assert service.get(before.id).status == "succeeded", "the replica has the earlier data"
        ticked = store.liveness.last_beat()
        now_ms = system_clock()
        with Lateness() as late:
            wait_until(lambda: ticked_since(store, now_ms), 60, f"beat after {ticked}")
        assert late.taken_seconds < BACK_SECONDS
    finally:
        worker.kill()
        beat.kill()
        cluster.processes[cluster.master].send_signal(signal.SIGCONT)
        store.close()


def test_a_reply_that_came_too_late_is_not_read_by_the_next_command(cluster: Cluster) -> None:
    client = connect(cluster.url, max_connections=1)
    client.ping()
    with pytest.raises(Unavailable):
        client.blpop(["list"], 60)  # Redis replies later than the client waits
    with redis.Redis(port=cluster.master, db=2) as master:
        master.rpush("list", "late")
    assert client.echo("mine") == "mine"
    client.close()


@needs_proc
def test_closing_leaves_no_connection_to_a_sentinel_either(cluster: Cluster) -> None:
    before = sockets()
    client = connect(cluster.url)
    client.ping()
    assert len(sockets() - before) == 2, "to the Sentinel and to the master"
    client.close()
    assert sockets() <= before  # one of an earlier test may end meanwhile
    assert client.ping(), "it opens them again"
    client.close()


def sockets() -> set[str]:
    """The sockets that this process has open."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the descriptor of the folder itself
            found.add(str(entry.readlink()))
    return {target for target in found if target.startswith("socket:")}


# --- the URL -------------------------------------------------------------------------------------------


def test_a_url_with_everything() -> None:
    url = "sentinel://ana:p%40ss@one:26380,two,[::1]:5/prime?db=3&sentinel_password=s"
    found = parse_sentinel_url(url)
    assert found.nodes == (("one", 26380), ("two", 26379), ("::1", 5))
    assert (found.service, found.username, found.password) == ("prime", "ana", "p@ss")
    assert (found.database, found.sentinel_password) == (3, "s")
    assert kombu_url(url) == (
        "sentinel://ana:p%40ss@one:26380/3;sentinel://ana:p%40ss@two:26379/3;sentinel://ana:p%40ss@[::1]:5/3"
    )
    options = transport_options(url)
    assert (options["master_name"], options["sentinel_kwargs"]["password"]) == ("prime", "s")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("sentinel://one:26379", "must name the Sentinel service"),
        ("sentinel://one/prime/0", "must name the Sentinel service"),
        ("sentinel://one,/prime", "has a Sentinel address that is not host:port: ''"),
        ("sentinel://one:x/prime", "has a Sentinel address that is not host:port: 'one:x'"),
        ("sentinel://one/prime?database=1", "has an unknown option: database"),
        ("sentinel://one/prime?db=x", "must have a number as the database"),
    ],
)
def test_a_bad_url_is_refused(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem.replace("?", "\\?")):
        parse_sentinel_url(url)


def test_without_any_sentinel_a_call_fails_at_once() -> None:
    with Lateness() as late, pytest.raises(Unavailable):
        connect("sentinel://127.0.0.1:1,127.0.0.1:2/celeriac").ping()
    assert late.taken_seconds < LIMIT_SECONDS
