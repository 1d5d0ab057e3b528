"""The side that callers use. It trusts no byte that comes from a child."""

from __future__ import annotations

import hashlib
import json
import math
import os
import signal
import threading
import time
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sandbox import protocol, reply
from sandbox.cancel import Cancel
from sandbox.link import Child, Death, Link
from sandbox.reply import Conversation, Forged
from sandbox.verdict import (
    DEFAULT_MEMORY_BYTES,
    Failure,
    LayersMissing,
    Limits,
    Problem,
    Program,
    SandboxError,
    Verdict,
)

CHECK_LIMITS = Limits(wall_seconds=5.0)
CHECKS_REMEMBERED = 1024
TRIES = 3
_CHUNK_BYTES = 65_536
_DEATH_SECONDS = 2.0
_RESTART_PAUSE_SECONDS = 0.5
_PLACE_LOOK_SECONDS = 0.1

_ENDED_ITSELF = Failure("SecurityError", "the program ended its own process")
#: Signals that a program can cause by itself, and the failure they stand for. Any other signal came from outside.
_DEATHS: dict[int, Failure] = {
    signal.SIGSYS: Failure("SecurityError", "the program did what the sandbox forbids"),
    signal.SIGSEGV: Failure("MemoryLimitError", "the program ran out of stack or memory"),
    signal.SIGBUS: Failure("MemoryLimitError", "the program ran out of stack or memory"),
    signal.SIGABRT: Failure("MemoryLimitError", "the program ran out of memory"),
    signal.SIGFPE: _ENDED_ITSELF,
    signal.SIGILL: _ENDED_ITSELF,
    signal.SIGTRAP: _ENDED_ITSELF,
}
_MACHINE_FULL = Failure("MemoryLimitError", "the machine ran out of memory")
#: A program that uses this share of its memory when it is killed is taken to be the reason.
_MUCH_MEMORY = 0.75
_HUNG_UP = Failure("SecurityError", "the program closed the sandbox's channel")
_TOO_MUCH = Failure("OutputLimitError", "the program sent more than it may")
_FORGED = Failure("SecurityError", "the program sent an answer of a wrong form")


class _ZygoteLost(Exception):
    """The zygote died during a run, or the child before it began. A program has no effect outside: run it again."""


class Sandbox:
    """Runs programs. Thread-safe: up to `max_children` runs at the same time; further ones wait.

    spare_children: how many children to keep locked down and waiting.
    require: layers without which `start` refuses; "landlock|root" asks for one of the two.
    extra_modules: additional modules that programs may import, complete and unguarded, at the operator's own risk.
    language_layer: False turns off RestrictedPython and all guards. For tests of the other layers only.
    without: layers to leave out. For tests of the other layers only.
    """

    def __init__(
        self,
        *,
        spare_children: int = 2,
        require: Sequence[str] = (),
        extra_modules: Sequence[str] = (),
        max_children: int = 64,
        memory_bytes: int = DEFAULT_MEMORY_BYTES,
        language_layer: bool = True,
        without: Sequence[str] = (),
    ) -> None:
        self._spare_children = spare_children
        self._require = tuple(require)
        self._options = [
            *(f"--module={name}" for name in extra_modules),
            *(f"--without={name}" for name in without),
            *([] if language_layer else ["--unguarded"]),
        ]
        self._memory_bytes = memory_bytes
        self._max_children = max_children
        self._places = threading.BoundedSemaphore(max_children)
        self._lock = threading.Lock()
        self._knows_forks = False
        self._link: Link | None = None
        self._spares: deque[Child] = deque()
        self._closed = False
        self._layers: dict[str, str] = {}
        self._checked: OrderedDict[bytes, list[Problem]] = OrderedDict()

    # --- life -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the zygote. Raises SandboxError, in particular LayersMissing if a required layer is not active."""
        layers = self._live_link().layers
        missing = [wanted for wanted in self._require if not _holds(wanted, layers)]
        if missing:
            self.close()
            raise LayersMissing(", and ".join(_said(wanted, layers) for wanted in missing))

    def close(self) -> None:
        """End the zygote and every child."""
        with self._lock:
            self._closed = True
            link, self._link = self._link, None
            spares, self._spares = list(self._spares), deque()
        for child in spares:
            child.socket.close()
        if link is not None:
            link.close()

    @property
    def layers(self) -> Mapping[str, str]:
        """Layer -> "on", or why it is off. Empty before the start."""
        return dict(self._layers)

    def _watch_forks(self) -> None:
        """Make sure that a process forked from this one (a prefork worker) starts a zygote of its own."""
        if not self._knows_forks and hasattr(os, "register_at_fork"):
            self._knows_forks = True
            myself = weakref.ref(self)

            def after_fork() -> None:
                sandbox = myself()
                if sandbox is not None:
                    sandbox._start_anew()

            os.register_at_fork(after_in_child=after_fork)

    def _start_anew(self) -> None:
        """Forget everything, in a forked process: the other threads are gone, and so are the locks they held."""
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(self._max_children)
        link, self._link = self._link, None
        self._drop_spares()
        if link is not None:
            link.abandon()

    def _live_link(self) -> Link:
        """Return the zygote, started again if it has died."""
        with self._lock:
            self._watch_forks()
            if self._closed:
                raise SandboxError("the sandbox is closed")
            if self._link is None or self._link.lost.is_set():
                if self._link is not None:
                    self._link.close()
                self._drop_spares()
                self._link = Link(self._options)
                self._layers = self._link.layers
                self._refill(self._link)
            return self._link

    def _drop_spares(self) -> None:
        while self._spares:
            self._spares.popleft().socket.close()

    def _refill(self, link: Link) -> None:
        while len(self._spares) < self._spare_children:
            self._spares.append(link.spawn(self._memory_bytes, None))

    def _take_child(self, limits: Limits) -> Child:
        """Return a spare child if one fits, else a new one for these limits. Raises _ZygoteLost: try again."""
        try:
            return self._make_child(limits)
        except SandboxError as error:
            if self._closed:
                raise
            raise _ZygoteLost(str(error)) from error

    def _make_child(self, limits: Limits) -> Child:
        link = self._live_link()
        cpu_seconds = None if limits.cpu_seconds is None else math.ceil(limits.cpu_seconds)
        if cpu_seconds is not None or limits.memory_bytes != self._memory_bytes:
            return link.spawn(limits.memory_bytes, cpu_seconds)
        with self._lock:
            while self._spares:
                child = self._spares.popleft()
                if child.still_waits():
                    return child
                child.socket.close()  # it was killed while it waited
        return link.spawn(self._memory_bytes, None)

    def _replace_spare(self) -> None:
        with self._lock:
            if self._link is not None and not self._link.lost.is_set():
                try:
                    self._refill(self._link)
                except SandboxError:
                    return  # the next run starts a new zygote

    # --- runs -----------------------------------------------------------------------------------

    def run(
        self,
        program: Program,
        limits: Limits,
        cancel: Cancel | None = None,
        on_output: Callable[[str], None] | None = None,
    ) -> Verdict:
        """Run one program to its end. Raises SandboxError if the sandbox failed.

        `on_output` gets each piece of what the program prints, while it runs; together at most `limits.stdout_bytes`.
        It must not block. The verdict holds the whole output nevertheless. If the sandbox has to run the program again,
        only the first run's output is passed on.
        """
        job = {
            "do": "run",
            "source": program.source,
            "function": program.function_name,
            "args": program.args_json.decode(),
            "kwargs": program.kwargs_json.decode(),
            "context": json.loads(program.context_json),
            "result_bytes": limits.result_bytes,
            "stdout_bytes": limits.stdout_bytes,
        }
        return self._run_job(job, limits, cancel or Cancel(), on_output)

    def check(self, source: str, function_name: str, call: tuple[int, Sequence[str]] | None = None) -> list[Problem]:
        """Compile without running: everything that can be seen of it, in the order of the source.

        call: how many positional arguments the function gets, and the names of the others.
        """
        key = hashlib.sha256(f"{function_name}\0{call}\0{source}".encode("utf-8", "surrogatepass")).digest()
        with self._lock:
            if key in self._checked:
                self._checked.move_to_end(key)
                return self._checked[key]
        job = {"do": "check", "source": source, "function": function_name, "call": call}
        verdict = self._run_job(job, CHECK_LIMITS, Cancel())
        problems = _problems(verdict)
        if verdict.result_json is None:
            return problems  # the checker broke or timed out, which need not happen again
        with self._lock:
            self._checked[key] = problems
            while len(self._checked) > CHECKS_REMEMBERED:
                self._checked.popitem(last=False)
        return problems

    def _run_job(
        self, job: dict[str, Any], limits: Limits, cancel: Cancel, on_output: Callable[[str], None] | None = None
    ) -> Verdict:
        if not self._take_place(cancel):
            return Verdict(stopped=True)
        try:
            for attempt in range(TRIES):
                try:
                    first_output = on_output if attempt == 0 else None
                    return self._run_in_child(self._take_child(limits), job, limits, cancel, first_output)
                except _ZygoteLost as lost:
                    last = lost
                    time.sleep(_RESTART_PAUSE_SECONDS * attempt)
            raise SandboxError(str(last) or "the zygote keeps dying")
        finally:
            self._places.release()

    def _take_place(self, cancel: Cancel) -> bool:
        """Wait for one of the `max_children` places, without using up the run's time. False: cancelled."""
        while not self._places.acquire(timeout=_PLACE_LOOK_SECONDS):
            if cancel.cancelled:
                return False
        return True

    def _run_in_child(
        self,
        child: Child,
        job: dict[str, Any],
        limits: Limits,
        cancel: Cancel,
        on_output: Callable[[str], None] | None,
    ) -> Verdict:
        deadline = time.monotonic() + limits.wall_seconds
        budget = limits.stdout_bytes + limits.result_bytes + protocol.SLACK_BYTES
        # A program that prints byte by byte sends many headers.
        conversation = Conversation(limits, protocol.Frames(budget), 8 * budget, on_output)
        cancel.bind(child.kill)
        try:
            verdict = _converse(child, job, conversation, deadline, self._replace_spare)
        finally:
            cancel.bind(None)
            child.kill()
            child.socket.close()
        if verdict is None:
            verdict = conversation.verdict(failure=_cause_of_death(child, conversation, cancel))
        elif verdict.result_json is None and child.died.wait(_DEATH_SECONDS) and child.death is not None:
            # The child was killed, or cannot be trusted: use the kernel's figures instead of its own.
            verdict = replace(verdict, cpu_ms=round(child.death.cpu_ms, 3), memory_kb=child.death.memory_kb)
        if cancel.cancelled and verdict.failure is not None:
            return Verdict(
                None, None, verdict.stdout, verdict.stdout_truncated, verdict.cpu_ms, verdict.memory_kb, True
            )
        return verdict


def _holds(wanted: str, layers: Mapping[str, str]) -> bool:
    """Whether one of the alternatives is on."""
    return any(layers.get(name) == "on" for name in wanted.split("|"))


def _said(wanted: str, layers: Mapping[str, str]) -> str:
    return " or ".join(f"{name} ({layers.get(name, 'unknown')})" for name in wanted.split("|"))


def _converse(
    child: Child, job: dict[str, Any], conversation: Conversation, deadline: float, meanwhile: Callable[[], None]
) -> Verdict | None:
    """Send the job and read what the child says. None if it ended without a result or failure."""
    limits = conversation.limits
    try:
        child.socket.settimeout(max(deadline - time.monotonic(), 0.001))
        child.socket.sendall(protocol.frame(b"j", json.dumps(job).encode()))
        meanwhile()  # the caller and the zygote have nothing else to do while the child works
        while True:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return conversation.verdict(failure=_timeout(limits))
            child.socket.settimeout(remaining)
            data = child.socket.recv(_CHUNK_BYTES)
            if not data:
                return _hung_up(child, conversation)
            last = conversation.heard(data)
            if last is None:
                conversation.pass_output_on()
            if last is not None:
                return _last_word(conversation, *last)
    except TimeoutError:
        return conversation.verdict(failure=_timeout(limits))
    except (BrokenPipeError, ConnectionResetError):
        conversation.job_is_unread = True  # else the end would be an orderly one
        return _hung_up(child, conversation)
    except (ValueError, RecursionError):
        return conversation.verdict(failure=_TOO_MUCH if conversation.budget < 0 else _FORGED)
    except OSError as error:
        raise SandboxError(f"the child's socket failed: {error.strerror}") from error


def _hung_up(child: Child, conversation: Conversation) -> Verdict | None:
    """None if the child has died by itself; then the cause of its death is the answer."""
    return None if child.died.wait(_DEATH_SECONDS) else conversation.verdict(failure=_HUNG_UP)


def _last_word(conversation: Conversation, letter: bytes, payload: bytes) -> Verdict:
    if letter == protocol.FAILURE:
        return conversation.verdict(failure=reply.read_failure(payload))
    if len(payload) > conversation.limits.result_bytes:
        return conversation.verdict(failure=_TOO_MUCH)
    reply.check_result(payload)
    return conversation.verdict(result=payload)


def _timeout(limits: Limits) -> Failure:
    return Failure("TimeoutError", f"the attempt took longer than {limits.wall_seconds:g} s")


def _cause_of_death(child: Child, conversation: Conversation, cancel: Cancel) -> Failure:
    """Why a child ended without a reply. Raises _ZygoteLost or SandboxError if the program is not to blame."""
    if not child.died.wait(_DEATH_SECONDS) or child.death is None:
        if cancel.cancelled:
            return _ENDED_ITSELF
        raise _ZygoteLost
    conversation.cpu_ms, conversation.memory_kb = child.death.cpu_ms, child.death.memory_kb
    number = child.death.status & 0x7F
    if number == 0 or cancel.cancelled:
        return _ENDED_ITSELF
    failure = _killed_for(child, child.death, conversation.limits) if number == signal.SIGKILL else _DEATHS.get(number)
    if failure is not None:
        return failure
    killed = f"the program's process was killed from outside, by {signal.Signals(number).name}"
    raise _ZygoteLost(killed) if conversation.job_is_unread else SandboxError(killed)


def _killed_for(child: Child, death: Death, limits: Limits) -> Failure | None:
    """The limit for which the kernel killed the program; None if the program was not near any."""
    allowed_ms = (limits.cpu_seconds or math.inf) * 1000
    if death.cpu_ms > allowed_ms / 2:  # the kernel counts in ticks, so it may report less than the limit
        return Failure("CpuLimitError", f"the program used its {limits.cpu_seconds:g} s of processor time")
    return _MACHINE_FULL if death.memory_kb * 1024 > child.memory_bytes * _MUCH_MEMORY else None


def _problems(verdict: Verdict) -> list[Problem]:
    """Read the reply to a check. A source that breaks the checker counts as a problem of the source."""
    if verdict.result_json is None:
        return [Problem("SyntaxError", "the code is too complex to be checked", None, None)]
    try:
        return reply.read_problems(verdict.result_json)
    except Forged:
        return [Problem("SecurityError", _FORGED.message, None, None)]
