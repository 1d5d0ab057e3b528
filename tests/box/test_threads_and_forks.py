"""The zygote belongs to a process, not to the thread that happened to start it, nor to a process forked later."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sandbox import Limits, Program, Sandbox, SandboxError
from sandbox.link import Link
from sandbox.verdict import DEFAULT_MEMORY_BYTES
from tests.scarcity import no_more_files, no_more_threads
from tests.servers import child_pids, wait_until, zygote_pid

ONE = Program("def main():\n    return 1\n", "main", b"[]", b"{}")
LIMITS = Limits(wall_seconds=10)


@pytest.fixture
def fresh() -> Iterator[Sandbox]:
    sandbox = Sandbox(spare_children=1)
    yield sandbox
    sandbox.close()


def test_the_zygote_outlives_the_thread_that_started_it(fresh: Sandbox) -> None:
    starter = threading.Thread(target=fresh.start)
    starter.start()
    starter.join()
    link = fresh._full.link
    assert link is not None
    # The kernel would have sent the signal when the thread ended; a run is more than time enough for it to arrive.
    for _ in range(3):
        assert fresh.run(ONE, LIMITS).result_json == b"1"
    assert fresh._full.link is link
    assert not link.lost.is_set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_starts_a_zygote_of_its_own(fresh: Sandbox) -> None:
    fresh.start()
    link = fresh._full.link
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            same = [fresh.run(ONE, LIMITS).result_json for _ in range(3)] == [b"1"] * 3
            status = 0 if same and fresh._full.link is not link else 1
            fresh.close()
        finally:
            os._exit(status)
    results = [fresh.run(ONE, LIMITS).result_json for _ in range(3)]
    _, status = os.waitpid(pid, 0)
    assert (results, status) == ([b"1"] * 3, 0)
    assert fresh.run(ONE, LIMITS).result_json == b"1"
    assert fresh._full.link is link


def test_many_threads_run_at_once(fresh: Sandbox) -> None:
    found: list[bytes | None] = []
    source = "def main(n):\n    return n * n\n"

    def work(number: int) -> None:
        for _ in range(3):
            program = Program(source, "main", f"[{number}]".encode(), b"{}")
            found.append(fresh.run(program, LIMITS).result_json)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found, key=str) == sorted([str(n * n).encode() for n in range(6)] * 3, key=str)


def test_a_default_timeout_of_sockets_does_not_reach_the_child(fresh: Sandbox) -> None:
    fresh.start()
    socket.setdefaulttimeout(5)  # as Celery does for moments, while other threads run programs
    try:
        results = [fresh.run(ONE, LIMITS).result_json for _ in range(3)]
    finally:
        socket.setdefaulttimeout(None)
    assert results == [b"1"] * 3


def zygotes() -> set[int]:
    """The zygotes among the children of this process."""
    found = set()
    for pid in child_pids(os.getpid()):
        with suppress(FileNotFoundError, ProcessLookupError):
            if b"zygote.py" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.add(pid)
    return found


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at processes in /proc")
def test_a_zygote_that_is_killed_while_it_starts_is_started_again(fresh: Sandbox) -> None:
    before = zygotes()
    killed = []

    def kill_the_first() -> None:
        while not (found := zygotes() - before):
            time.sleep(0.001)
        os.kill(min(found), signal.SIGKILL)  # an interpreter that starts is not ready for many milliseconds
        killed.append(min(found))

    killer = threading.Thread(target=kill_the_first)
    killer.start()
    fresh.start()
    killer.join()
    assert len(killed) == 1
    assert fresh.run(ONE, LIMITS).result_json == b"1"


def refuses(link: Link) -> bool:
    try:
        link.spawn(DEFAULT_MEMORY_BYTES, None).discard()
    except SandboxError:
        return True
    return False


def test_who_asks_a_dead_zygote_notices_it_before_the_thread_that_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    may_listen = threading.Event()
    listen = Link._listen

    def listen_late(link: Link) -> None:
        may_listen.wait(60)
        listen(link)

    monkeypatch.setattr(Link, "_listen", listen_late)
    link = Link(())
    try:
        assert link._process is not None
        link._process.kill()
        assert not link.lost.is_set()
        wait_until(lambda: refuses(link), 60, "the end of the zygote")
        assert link.lost.is_set()
    finally:
        may_listen.set()
        link.close()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at processes in /proc")
def test_a_child_that_could_not_be_killed_ends_with_its_zygote(fresh: Sandbox) -> None:
    fresh.start()
    link = fresh._full.link
    assert link is not None
    assert link._process is not None
    pid = zygote_pid(link._process.pid)
    os.kill(pid, signal.SIGSTOP)
    child = link.spawn(DEFAULT_MEMORY_BYTES, None)
    with no_more_files():
        os.kill(pid, signal.SIGCONT)
        assert child.died.wait(60)
        wait_until(lambda: link._process is None or link._process.returncode is not None, 60, "the end of the zygote")
    assert child.pidfd is None
    child.discard()
    assert fresh.run(ONE, LIMITS).result_json == b"1"


def test_a_run_does_not_fail_for_want_of_another_child(fresh: Sandbox) -> None:
    fresh.start()
    waiting = fresh._full.spares[0]
    wait_until(lambda: waiting.pidfd is not None, 60, "the birth of the spare child")
    with no_more_files():
        assert fresh.run(ONE, LIMITS).result_json == b"1"
    assert fresh.run(ONE, LIMITS).result_json == b"1"


def test_that_there_is_no_file_for_another_child_is_said() -> None:
    with no_more_files(), pytest.raises(SandboxError, match="the sandbox gets no socket: Too many open files"):
        Link([])


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts files in /proc")
def test_a_zygote_that_can_not_start_leaves_no_file_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    gc.disable()
    try:
        before = open_files()
        for _ in range(5):
            with pytest.raises(SandboxError, match="could not be started: No such file"):
                Link([])
            with no_more_threads(), pytest.raises(SandboxError, match="could not be started: can't start new thread"):
                Link([])
        assert open_files() <= before, "those of tests before this one may be closed meanwhile"
    finally:
        gc.enable()


def test_why_a_zygote_can_not_start_is_said() -> None:
    sandbox = Sandbox(spare_children=1, extra_modules=["no_such_module"])
    with pytest.raises(SandboxError, match=r"^the zygote did not start: it ended with status 1; its last lines on std"):
        sandbox.start()
    sandbox.close()
