"""A zygote goes on when the system refuses it another process: what it has forked before runs to its end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sandbox import Limits, Program, Sandbox, protocol
from sandbox.link import Child, Link
from sandbox.verdict import DEFAULT_MEMORY_BYTES
from tests.servers import ROOT

#: A zygote without walls, whose children read a byte and end. The second fork is refused.
ZYGOTE = """
import errno, os, sys
from sandbox.inside import forking

forks = iter([True, False, True])

def fork():
    if next(forks):
        return os.fork()
    raise BlockingIOError(errno.EAGAIN, "no room")

control = forking.take_control(int(sys.argv[1]))
forking.Zygote(control, lambda job, memory, seconds: os.read(job, 1), fork).serve({}, "v")
"""


@contextmanager
def zygote() -> Iterator[socket.socket]:
    """The parent's end of the control socket of a zygote that is ready."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        ours.settimeout(60)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-c", ZYGOTE, str(theirs.fileno())], cwd=ROOT, pass_fds=[theirs.fileno()]
            )
        try:
            assert b"ready" in ours.recv(1_000)
            yield ours
            ours.shutdown(socket.SHUT_RDWR)
            process.wait(60)
        finally:
            process.kill()
            process.wait()


def spawn(control: socket.socket, number: int) -> socket.socket:
    """Ask for a child; the parent's end of its socket."""
    ours, theirs = socket.socketpair()
    ours.settimeout(60)
    with theirs:
        socket.send_fds(control, [protocol.SPAWN.pack(number, DEFAULT_MEMORY_BYTES, 0)], [theirs.fileno()])
    return ours


def news(control: socket.socket) -> tuple[bytes, int]:
    """What happened, and to which child."""
    message, fds, _, _ = socket.recv_fds(control, 1_000, 1)
    for fd in fds:
        os.close(fd)
    letter, number, *_ = protocol.NEWS.unpack(message)
    return letter, number


@pytest.mark.skipif(not hasattr(signal, "pidfd_send_signal"), reason="needs pidfds")
def test_a_refused_fork_ends_no_other_child() -> None:
    with zygote() as control, spawn(control, 1) as first:
        assert news(control) == (protocol.BORN, 1)
        with spawn(control, 2) as second:
            assert news(control) == (protocol.REFUSED, 2)
            assert second.recv(1) == b""
        with spawn(control, 3) as third:
            assert news(control) == (protocol.BORN, 3)
            third.sendall(b"x")
            assert news(control) == (protocol.DIED, 3)
        first.sendall(b"x")
        assert news(control) == (protocol.DIED, 1)


def test_a_program_is_tried_again_while_the_system_refuses_its_process(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = box._full.live_link()
    refused: list[int] = []

    def refuse(memory_bytes: int, cpu_seconds: int | None) -> Child:
        """What the link does, for a zygote that is refused its first two forks."""
        if len(refused) == 2:
            return Link.spawn(link, memory_bytes, cpu_seconds)
        ours, theirs = socket.socketpair()
        theirs.close()
        child = Child(ours, memory_bytes, link.version)
        with link._lock:
            link.spawned += 1
            number = link.spawned
            link._children[number] = child
        link._heard(protocol.NEWS.pack(protocol.REFUSED, number, 0, 0.0, 0), [])
        refused.append(number)
        return child

    monkeypatch.setattr(link, "spawn", refuse)
    program = Program("def main():\n    return 'refused twice'\n", "main", b"[]", b"{}")
    verdict = box.run(program, Limits(wall_seconds=10, cpu_seconds=5))  # no spare child fits
    assert (verdict.result_json, len(refused)) == (b'"refused twice"', 2)
