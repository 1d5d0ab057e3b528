"""How the parent judges a child: the end of a conversation, and the cause of a death. The child is a socket."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from sandbox import parent, protocol
from sandbox.cancel import Cancel
from sandbox.link import Child, Death
from sandbox.parent import _cause_of_death, _converse, _killed_for, _LeanIsNotEnough, _problems, _ZygoteLost
from sandbox.reply import Conversation
from sandbox.verdict import Failure, Limits, Problem, SandboxError, Verdict

LIMITS = Limits(1.0, cpu_seconds=2.0, memory_bytes=1_024_000_000, result_bytes=4, stdout_bytes=10)
Say = Callable[[bytes], None]


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parent, "_DEATH_SECONDS", 0.01)


@pytest.fixture
def pair() -> Iterator[tuple[Child, socket.socket]]:
    """The parent's view of a child, and the child's end of the socket."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Child(ours, LIMITS.memory_bytes, "v"), theirs


def conversation(lean: bool = False) -> Conversation:
    return Conversation(LIMITS, protocol.Frames(1_000), 1_000, lean=lean)


def failure_of(verdict: Verdict | None) -> str:
    assert verdict is not None
    assert verdict.failure is not None
    return verdict.failure.type


def converse(child: Child, talk: Conversation, seconds: float = 5.0) -> Verdict | None:
    return _converse(child, b"job", talk, time.monotonic() + seconds, lambda: None)


# --- the conversation ---------------------------------------------------------------------------------


def test_the_job_is_sent_before_anything_else_is_done(pair: tuple[Child, socket.socket]) -> None:
    child, theirs = pair
    read: list[bytes] = []

    def meanwhile() -> None:
        read.append(theirs.recv(100))
        theirs.sendall(protocol.frame(protocol.RESULT, b"1234"))

    verdict = _converse(child, b"job", conversation(), time.monotonic() + 5, meanwhile)
    assert verdict is not None
    assert (read, verdict.result_json, verdict.failure) == ([b"job"], b"1234", None)


@pytest.mark.parametrize(
    ("letter", "payload", "expected"),
    [
        (protocol.RESULT, b"12345", "OutputLimitError"),
        (protocol.RESULT, b"{", "SecurityError"),
        (protocol.FAILURE, b"[]", "SecurityError"),
        (protocol.OUTPUT, b"x" * 11, "SecurityError"),
        (protocol.OUTPUT, b"x" * 1_000, "OutputLimitError"),  # with its header, over the budget
    ],
)
def test_a_child_that_says_too_much_or_nonsense(
    pair: tuple[Child, socket.socket], letter: bytes, payload: bytes, expected: str
) -> None:
    child, theirs = pair
    theirs.sendall(protocol.frame(letter, payload))
    assert failure_of(converse(child, conversation())) == expected


def test_a_child_that_lacks_something_is_told_apart(pair: tuple[Child, socket.socket]) -> None:
    child, theirs = pair
    theirs.sendall(protocol.frame(protocol.NOT_HERE, b""))
    with pytest.raises(_LeanIsNotEnough):
        converse(child, conversation(lean=True))


@pytest.mark.parametrize("seconds", [0.0, 0.02])
def test_the_time_is_over(pair: tuple[Child, socket.socket], seconds: float) -> None:
    verdict = converse(pair[0], conversation(), seconds)
    assert verdict is not None
    assert verdict.failure == Failure("TimeoutError", "the attempt took longer than 1 s")


def test_output_is_passed_on_while_it_arrives_and_kept_when_the_time_is_over(
    pair: tuple[Child, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    child, theirs = pair
    passed: list[str] = []
    monkeypatch.setattr(parent, "time", SimpleNamespace(monotonic=lambda: 5.0 * len(passed)))  # over with the output
    talk = Conversation(LIMITS, protocol.Frames(1_000), 1_000, passed.append)
    theirs.sendall(protocol.frame(protocol.OUTPUT, b"abc"))
    verdict = _converse(child, b"job", talk, 5.0, lambda: None)
    assert verdict is not None
    assert (passed, verdict.stdout, failure_of(verdict)) == (["abc"], "abc", "TimeoutError")


@pytest.mark.parametrize("is_dead", [True, False])
def test_a_child_that_hangs_up_has_died_or_is_to_blame(pair: tuple[Child, socket.socket], is_dead: bool) -> None:
    child, theirs = pair
    if is_dead:
        child.buried(Death(signal.SIGSYS, 1.0, 1))
    talk = conversation()
    theirs.shutdown(socket.SHUT_WR)
    verdict = converse(child, talk)
    if is_dead:
        assert verdict is None
    else:
        assert verdict is not None
        assert verdict.failure == Failure("SecurityError", "the program closed the sandbox's channel")
    assert not talk.job_is_unread


def test_a_child_that_was_gone_before_it_read_its_job(pair: tuple[Child, socket.socket]) -> None:
    child, theirs = pair
    child.buried(Death(signal.SIGKILL, 0.0, 1))
    theirs.close()
    talk = conversation()
    assert converse(child, talk) is None
    assert talk.job_is_unread


@pytest.mark.parametrize("seconds", [-1.0, 0.02])
def test_a_child_that_does_not_read_its_job_runs_out_of_time(pair: tuple[Child, socket.socket], seconds: float) -> None:
    begun = time.monotonic()
    verdict = _converse(pair[0], bytes(5_000_000), conversation(), time.monotonic() + seconds, lambda: None)
    assert failure_of(verdict) == "TimeoutError"
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(("left", "expected"), [(1, "SecurityError"), (0, "SecurityError"), (-1, "OutputLimitError")])
def test_nonsense_over_the_budget_is_too_much(pair: tuple[Child, socket.socket], left: int, expected: str) -> None:
    child, theirs = pair
    nonsense = protocol.frame(b"z", b"abc")
    theirs.sendall(nonsense)
    talk = Conversation(LIMITS, protocol.Frames(1_000), len(nonsense) + left)
    assert failure_of(converse(child, talk)) == expected


def test_a_broken_socket_is_no_fault_of_the_program(pair: tuple[Child, socket.socket]) -> None:
    pair[0].socket.close()
    with pytest.raises(SandboxError, match="socket failed"):
        converse(pair[0], conversation())


# --- the cause of a death ------------------------------------------------------------------------------


def cause(child: Child, status: int, cpu_ms: float = 0.0, memory_kb: int = 1, **fields: bool) -> str:
    talk, cancel = conversation(), Cancel()
    talk.job_is_unread = fields.get("job_is_unread", False)
    if fields.get("is_cancelled"):
        cancel.cancel()
    child.buried(Death(status, cpu_ms, memory_kb))
    failure = _cause_of_death(child, talk, cancel)
    assert (talk.cpu_ms, talk.memory_kb) == (cpu_ms, memory_kb), "the kernel's figures"
    return f"{failure.type}: {failure.message}"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (0, "SecurityError: the program ended its own process"),
        (7 << 8, "SecurityError: the program ended its own process"),  # exit status 7
        (signal.SIGSYS, "SecurityError: the program did what the sandbox forbids"),
        (signal.SIGSYS | 0x80, "SecurityError: the program did what the sandbox forbids"),  # with a core dump
        (signal.SIGSEGV, "MemoryLimitError: the program ran out of stack or memory"),
        (signal.SIGBUS, "MemoryLimitError: the program ran out of stack or memory"),
        (signal.SIGABRT, "MemoryLimitError: the program ran out of memory"),
        (signal.SIGFPE, "SecurityError: the program ended its own process"),
        (signal.SIGILL, "SecurityError: the program ended its own process"),
        (signal.SIGTRAP, "SecurityError: the program ended its own process"),
    ],
)
def test_a_program_may_be_the_cause(pair: tuple[Child, socket.socket], status: int, expected: str) -> None:
    assert cause(pair[0], status) == expected


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_any_other_signal_came_from_outside(pair: tuple[Child, socket.socket], number: signal.Signals) -> None:
    with pytest.raises(SandboxError, match=f"killed from outside, by {number.name}"):
        cause(pair[0], number)
    with pytest.raises(_ZygoteLost, match=number.name):
        cause(pair[0], number, job_is_unread=True)
    assert cause(pair[0], number, is_cancelled=True).startswith("SecurityError")


def test_a_child_whose_death_nobody_has_seen(pair: tuple[Child, socket.socket]) -> None:
    cancelled = Cancel()
    cancelled.cancel()
    with pytest.raises(_ZygoteLost):
        _cause_of_death(pair[0], conversation(), Cancel())
    assert _cause_of_death(pair[0], conversation(), cancelled).type == "SecurityError"
    pair[0].buried(None)  # its zygote has died
    with pytest.raises(_ZygoteLost):
        _cause_of_death(pair[0], conversation(), Cancel())


@pytest.mark.parametrize(
    ("cpu_ms", "memory_kb", "cpu_seconds", "expected"),
    [
        (1_000.0, 1, 2.0, None),  # half of what it may use
        (1_001.0, 1, 2.0, "CpuLimitError"),
        (10.0**9, 1, None, None),
        (0.0, 750_000, 2.0, None),  # three quarters of what it may use
        (0.0, 750_001, 2.0, "MemoryLimitError"),
        (1_001.0, 750_001, 2.0, "CpuLimitError"),
    ],
)
def test_the_kernel_kills_for_a_limit(
    pair: tuple[Child, socket.socket], cpu_ms: float, memory_kb: int, cpu_seconds: float | None, expected: str | None
) -> None:
    limits = Limits(1.0, cpu_seconds, LIMITS.memory_bytes)
    failure = _killed_for(pair[0], Death(signal.SIGKILL, cpu_ms, memory_kb), limits)
    assert (failure and failure.type) == expected
    if expected == "CpuLimitError":
        assert failure is not None
        assert failure.message == "the program used its 2 s of processor time"


def test_a_check_that_broke_or_was_forged_is_a_problem_of_the_source() -> None:
    broke = Problem("SyntaxError", "the code is too complex to be checked", None, None)
    forged = Problem("SecurityError", "the program sent an answer of a wrong form", None, None)
    assert _problems(Verdict()) == [broke]
    assert _problems(Verdict(b"{}")) == [forged]
    assert _problems(Verdict(b"[]")) == []
