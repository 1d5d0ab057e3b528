"""The side that callers use. It trusts no byte that comes from a child."""

from __future__ import annotations

import hashlib
import marshal
import math
import os
import signal
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sandbox import protocol, reply
from sandbox.cancel import Cancel
from sandbox.codes import Codes, Kept, key_of
from sandbox.link import Child, Death
from sandbox.pool import Pool
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

#: The time of the processor counts: a busy machine makes no program too complex.
CHECK_LIMITS = Limits(wall_seconds=20.0, cpu_seconds=5)
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
    """The zygote died during a run, or the child before it began, or it was never forked. Run the program again: it has
    no effect outside.
    """


class _LeanIsNotEnough(Exception):
    """The program asked for something that only children of the full zygote have: run it again in one of those."""


@dataclass(frozen=True, slots=True)
class _Job:
    """What a child is told to do.

    key: under which the compiled code is kept; None where nothing is kept. on_step: is told of the steps of a run.
    """

    letter: bytes
    fields: tuple[Any, ...]
    key: bytes | None = None
    on_step: Callable[[str], None] | None = None

    def message(self, kept: Kept | None) -> bytes:
        """The bytes that the child reads."""
        if self.key is None:
            return protocol.frame(self.letter, marshal.dumps(self.fields))
        code = b"" if kept is None else kept.code
        return protocol.frame(self.letter, marshal.dumps((code, kept is None, *self.fields)))


class Sandbox:
    """Runs programs. Thread-safe: up to `max_children` runs at the same time; further ones wait.

    spare_children: how many children to keep locked down and waiting, of each of the two zygotes.
    require: layers without which `start` refuses; "landlock|root" asks for one of the two.
    extra_modules: additional modules that programs may import, complete and unguarded, at the operator's own risk.
    language_layer: False turns off RestrictedPython and all guards. For tests of the other layers only.
    without: layers to leave out. For tests of the other layers only.
    runs_programs: False where programs are only checked, so that `start` starts no lean zygote.
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
        runs_programs: bool = True,
    ) -> None:
        options = [
            *(f"--module={name}" for name in extra_modules),
            *(f"--without={name}" for name in without),
            *([] if language_layer else ["--unguarded"]),
        ]
        self._full = Pool(options, spare_children, memory_bytes, require)
        self._lean = Pool([*options, "--lean"], spare_children, memory_bytes, require)
        self._runs_programs = runs_programs
        self._max_children = max_children
        self._places = threading.BoundedSemaphore(max_children)
        self._lock = threading.Lock()
        self._knows_forks = False
        self._checked: OrderedDict[bytes, list[Problem]] = OrderedDict()
        self._codes = Codes()

    # --- life -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the zygotes. Raises SandboxError, in particular LayersMissing if a required layer is not active."""
        try:
            self._begin(self._full)
            if self._runs_programs:
                self._begin(self._lean)
        except LayersMissing:
            self.close()
            raise
        self._watch_forks()

    @staticmethod
    def _begin(pool: Pool) -> None:
        """Start a pool's zygote. One that is killed before it is ready is started again, as it would be later on."""
        for attempt in range(1, TRIES + 1):
            try:
                pool.live_link()
                return
            except LayersMissing:
                raise
            except SandboxError:
                if attempt == TRIES:
                    raise
                time.sleep(_RESTART_PAUSE_SECONDS * attempt)

    def close(self) -> None:
        """End the zygotes and every child."""
        self._full.close()
        self._lean.close()

    @property
    def layers(self) -> Mapping[str, str]:
        """Layer -> "on", or why it is off. Empty before the start."""
        return dict(self._full.layers)

    @property
    def waiting_children(self) -> int:
        """How many children are locked down and wait for a program."""
        return len(self._full.spares) + len(self._lean.spares)

    def _watch_forks(self) -> None:
        """Make sure that a process forked from this one (a prefork worker) starts zygotes of its own."""
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
        self._codes = Codes()
        self._full.start_anew()
        self._lean.start_anew()

    def _take_child(self, pool: Pool, limits: Limits) -> Child:
        """Return a child for these limits. Raises _ZygoteLost: try again."""
        self._watch_forks()
        try:
            return pool.take(limits)
        except LayersMissing:
            raise
        except SandboxError as error:
            if pool.closed:
                raise
            raise _ZygoteLost(str(error)) from error

    # --- runs -----------------------------------------------------------------------------------

    def run(
        self,
        program: Program,
        limits: Limits,
        cancel: Cancel | None = None,
        on_output: Callable[[str], None] | None = None,
        on_step: Callable[[str], None] | None = None,
    ) -> Verdict:
        """Run one program to its end. Raises SandboxError if the sandbox failed.

        `on_output` gets each piece of what the program prints, while it runs; together at most `limits.stdout_bytes`.
        It must not block. The verdict holds the whole output nevertheless. If the sandbox has to run the program again,
        only the first run's output is passed on.

        `on_step` is told what begins: `compile`, unless the code of the program is kept, and `run`; again if the
        program is run again. It must not block.
        """
        source = _encoded(program.source)
        function, arguments = _encoded(program.function_name), (program.args_json, program.kwargs_json)
        limited = (program.context_json, limits.result_bytes, limits.stdout_bytes)
        job = _Job(protocol.RUN, (source, function, *arguments, *limited), key_of(source), on_step)
        return self._run_job(job, limits, cancel or Cancel(), on_output)

    def check(self, source: str, function_name: str, call: tuple[int, Sequence[str]] | None = None) -> list[Problem]:
        """Compile without running: everything that can be seen of it, in the order of the source.

        call: how many positional arguments the function gets, and the names of the others.
        """
        key = hashlib.sha256(_encoded(f"{function_name}\0{call}\0{source}")).digest()
        with self._lock:
            if key in self._checked:
                self._checked.move_to_end(key)
                return self._checked[key]
        told = None if call is None else (call[0], list(call[1]))
        job = _Job(protocol.CHECK, (_encoded(source), _encoded(function_name), told))
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
        self, job: _Job, limits: Limits, cancel: Cancel, on_output: Callable[[str], None] | None = None
    ) -> Verdict:
        if not self._take_place(cancel):
            return Verdict(stopped=True)
        try:
            for attempt in range(TRIES):
                try:
                    first_output = on_output if attempt == 0 else None
                    return self._run_once(job, limits, cancel, first_output, may_be_lean=attempt == 0)
                except _ZygoteLost as lost:
                    last = lost
                    time.sleep(_RESTART_PAUSE_SECONDS * attempt)
            raise SandboxError(str(last) or "the zygote keeps dying, or may start no further process")
        finally:
            self._places.release()

    def _take_place(self, cancel: Cancel) -> bool:
        """Wait for one of the `max_children` places, without using up the run's time. False: cancelled."""
        while not self._places.acquire(timeout=_PLACE_LOOK_SECONDS):
            if cancel.cancelled:
                return False
        return True

    def _run_once(
        self,
        job: _Job,
        limits: Limits,
        cancel: Cancel,
        on_output: Callable[[str], None] | None,
        *,
        may_be_lean: bool,
    ) -> Verdict:
        kept = None if job.key is None else self._codes.get(job.key)
        if job.key is not None and kept is not None and kept.fits_lean and may_be_lean:
            child = self._take_child(self._lean, limits)
            if child.version == kept.version and self._lean.layers == self._full.layers:
                try:
                    return self._run_in_child(self._lean, child, job, kept, limits, cancel, on_output)
                except _LeanIsNotEnough:
                    kept, on_output = replace(kept, fits_lean=False), None
                    self._codes.put(job.key, kept)
            else:
                child.discard()
        child = self._take_child(self._full, limits)
        if kept is not None and kept.version != child.version:
            kept = None
        return self._run_in_child(self._full, child, job, kept, limits, cancel, on_output)

    def _run_in_child(
        self,
        pool: Pool,
        child: Child,
        job: _Job,
        kept: Kept | None,
        limits: Limits,
        cancel: Cancel,
        on_output: Callable[[str], None] | None,
    ) -> Verdict:
        deadline = time.monotonic() + limits.wall_seconds
        wants_code = job.key is not None and kept is None
        budget = limits.stdout_bytes + limits.result_bytes + protocol.SLACK_BYTES
        budget += protocol.MAX_CODE_BYTES if wants_code else 0
        # A program that prints byte by byte sends many headers.
        conversation = Conversation(
            limits, protocol.Frames(budget), 8 * budget, on_output, wants_code, pool is self._lean, job.on_step
        )
        if job.on_step is not None:
            job.on_step("compile" if wants_code else "run")
        cancel.bind(child.kill)
        try:
            verdict = _converse(child, job.message(kept), conversation, deadline, pool.refill)
        finally:
            cancel.bind(None)
            child.discard()
        if job.key is not None and conversation.code:
            self._codes.put(job.key, _kept(child, conversation.code))
        if verdict is None:
            verdict = conversation.verdict(failure=_cause_of_death(child, conversation, cancel))
        elif verdict.result_json is None and child.died.wait(_DEATH_SECONDS) and child.death is not None:
            # The child was killed, or cannot be trusted: use the kernel's figures instead of its own.
            verdict = replace(verdict, cpu_ms=round(child.death.cpu_ms, 3), memory_kb=child.death.memory_kb)
        if cancel.cancelled and verdict.failure is not None:
            return replace(verdict, failure=None, stopped=True)
        return verdict


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _kept(child: Child, sent: bytes) -> Kept:
    return Kept(child.version, sent[:1] == protocol.FITS_LEAN, sent[1:])


def _converse(
    child: Child, message: bytes, conversation: Conversation, deadline: float, meanwhile: Callable[[], None]
) -> Verdict | None:
    """Send the job and read what the child says. None if it ended without a result or failure."""
    limits = conversation.limits
    try:
        child.socket.settimeout(max(deadline - time.monotonic(), 0.001))
        child.socket.sendall(message)
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
            if last is not None:
                return _last_word(conversation, *last)
            conversation.pass_output_on()
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
    if letter == protocol.NOT_HERE:
        raise _LeanIsNotEnough
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
