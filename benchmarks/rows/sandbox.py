"""The sandbox against the price of a fork, and against other ways to run `return 1` in a process of its own."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.measurement import Better, By, Figure, Measurement, Round, Side, SideAbsent, Target, at_least, at_most
from benchmarks.processes import ROOT, descendants, pss_mb
from sandbox import Limits, Program, Sandbox

THREADS = 4
SPARE_CHILDREN = 4
#: Between two runs of `latency`, so that the next child has been locked down: what is measured is the task's part.
PAUSE_SECONDS = 0.01
FORK = "a bare fork"

PROGRAM = Program("def main():\n    return 1\n", "main")
LIMITS = Limits(wall_seconds=10.0)

#: Answers each line of its input with the mean of so many forks, in µs.
FLOOR = f"""
import gc, os, sys, time
sys.path.insert(0, {str(ROOT / "sandbox" / "inside")!r})
import zygote
zygote.prepare_imports()
from sandbox.inside import child, library
out = os.fdopen(os.dup(1), "w")
library.admit()
child.warm_up(guarded=True)
gc.collect(); gc.freeze()
for line in sys.stdin:
    begun = time.perf_counter()
    for _ in range(int(line)):
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    print((time.perf_counter() - begun) * 1e6 / int(line), file=out, flush=True)
"""

#: Likewise, of runs of a bare `true`.
SANDLOCK = f"""
import os, sys, time
from sandlock import Sandbox
out = os.fdopen(os.dup(1), "w")
for line in sys.stdin:
    begun = time.perf_counter()
    for _ in range(int(line)):
        if not Sandbox(fs_readable=["/"]).run([{shutil.which("true") or "/bin/true"!r}]).success:
            sys.exit("sandlock could not run true")
    print((time.perf_counter() - begun) * 1e6 / int(line), file=out, flush=True)
"""

FRESH = """
from RestrictedPython import compile_restricted, safe_globals
namespace = dict(safe_globals)
exec(compile_restricted("def main():\\n    return 1\\n", "<task>", "exec"), namespace)
print(namespace["main"]())
"""


@contextlib.contextmanager
def _measuring(*arguments: str) -> Iterator[Callable[[int], float]]:
    """An interpreter that is told how often, does its one thing so often, and says the mean in µs."""
    process = subprocess.Popen(
        [sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    def mean_us(times: int) -> float:
        stdin.write(f"{times}\n")
        stdin.flush()
        return float(stdout.readline())

    with process:
        mean_us(10)
        yield mean_us
        stdin.close()


@contextlib.contextmanager
def _sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox(spare_children=SPARE_CHILDREN)
    sandbox.start()
    try:
        _run(sandbox)
        time.sleep(0.5)  # the children that wait have been made, and are measured first
        yield sandbox
    finally:
        sandbox.close()


def _run(sandbox: Sandbox) -> None:
    verdict = sandbox.run(PROGRAM, LIMITS)
    if verdict.result_json != b"1":
        raise RuntimeError(f"return 1 did not return 1: {verdict}")


def _timed_us(call: Callable[[], None]) -> float:
    begun = time.perf_counter()
    call()
    return (time.perf_counter() - begun) * 1e6


# --- one at a time, and many -------------------------------------------------------------------------


@contextlib.contextmanager
def forks(runs: int) -> Iterator[Round]:
    """The floor: forks of a process that has imported what the zygote has."""
    with _measuring("-I", "-c", FLOOR) as floor:
        yield lambda: floor(runs)


@contextlib.contextmanager
def forks_per_second(runs: int) -> Iterator[Round]:
    """The floor as a rate."""
    with _measuring("-I", "-c", FLOOR) as floor:
        yield lambda: 1e6 / floor(runs)


@contextlib.contextmanager
def latency(runs: int) -> Iterator[Round]:
    """One run at a time, with a child locked down ahead of it."""
    with _sandbox() as sandbox:

        def measure() -> float:
            found = []
            for _ in range(runs):
                time.sleep(PAUSE_SECONDS)
                found.append(_timed_us(lambda: _run(sandbox)))
            return statistics.median(found)

        yield measure


@contextlib.contextmanager
def throughput(runs: int) -> Iterator[Round]:
    """Runs per second of some threads together."""
    with _sandbox() as sandbox:

        def measure() -> float:
            begun = time.perf_counter()
            with ThreadPoolExecutor(THREADS) as threads:
                list(threads.map(lambda _: _run(sandbox), range(runs)))
            return runs / (time.perf_counter() - begun)

        yield measure


# --- peers -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def command(runs: int, *, words: tuple[str, ...]) -> Iterator[Round]:
    """Processes of a command, one after another; µs of the median one."""
    if shutil.which(words[0]) is None:
        raise SideAbsent(f"{words[0]} is not installed: apt-get install bubblewrap")

    def call() -> None:
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    times = max(1, runs // 10)
    yield lambda: statistics.median(_timed_us(call) for _ in range(times))


@contextlib.contextmanager
def sandlock(runs: int) -> Iterator[Round]:
    """Runs of `true` from sandlock's Python API."""
    if importlib.util.find_spec("sandlock") is None:
        raise SideAbsent("sandlock is not installed: pip install sandlock (x86-64 Linux only)")
    with _measuring("-c", SANDLOCK) as mean_us:
        yield lambda: mean_us(max(1, runs // 10))


# --- memory ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def memory(runs: int) -> Iterator[Round]:
    """The mean proportional set size of the children that wait."""
    if os.geteuid() != 0:
        raise SideAbsent("only root can read the memory of the sandbox's children")
    with _sandbox():
        yield lambda: statistics.mean(map(pss_mb, _waiting_children()))


def _waiting_children() -> list[int]:
    """The youngest generation below this process: those of the zygote's processes that have no children."""
    zygotes = [pid for pid in descendants(os.getpid()) if b"zygote.py" in _command_line(pid)]
    waiting = [pid for pid in zygotes if descendants(pid) == [pid]]
    if not waiting:
        raise RuntimeError("no child of the sandbox waits")
    return waiting


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has just ended
        return b""


# --- the rows ----------------------------------------------------------------------------------------


def _times_as_fast(limit: float, peer: str) -> Target:
    return at_least(limit, peer, By.SAVING)


FRESH_PYTHON, BWRAP, SANDLOCK_TRUE = "fresh interpreter", "bwrap python3", "sandlock true"
BWRAP_OPTIONS = ("--unshare-all", "--ro-bind", "/", "/", "--die-with-parent")
RUNS_ONE = "sandbox.run of `return 1`, one at a time, a spare child ready"

MEASUREMENTS = (
    Measurement(
        name="sandbox.latency",
        question="`return 1` in the sandbox, one at a time, a child ready",
        figures=(
            Figure(
                "µs",
                Better.LOWER,
                (
                    at_most(1.5, FORK),
                    _times_as_fast(15.0, FRESH_PYTHON),
                    _times_as_fast(3.0, BWRAP),
                    _times_as_fast(2.0, SANDLOCK_TRUE),
                ),
            ),
        ),
        ours=Side("Celeriac", RUNS_ONE, latency),
        baselines=(
            Side(FORK, "os.fork, os._exit and os.waitpid in a process with the full zygote's imports", forks),
            Side(
                FRESH_PYTHON,
                "python -I that compiles the program with compile_restricted and runs it",
                # Ours, as `python3` on PATH may be a script that looks for the interpreter and takes longer than it.
                functools.partial(command, words=(sys.executable, "-I", "-c", FRESH)),
                ("RestrictedPython",),
            ),
            Side(
                BWRAP,
                "bwrap --unshare-all --ro-bind / / with python -I -c 'print(1)'",
                functools.partial(
                    command,
                    words=("bwrap", *BWRAP_OPTIONS, sys.executable, "-I", "-c", "print(1)"),
                ),
            ),
            Side(SANDLOCK_TRUE, "sandlock's Python API with a bare `true`", sandlock, ("sandlock",)),
        ),
        full=100,
        quick=20,
    ),
    Measurement(
        name="sandbox.throughput",
        question=f"Runs of `return 1` in the sandbox by {THREADS} threads",
        figures=(Figure("runs/s", Better.HIGHER, (at_least(0.45, FORK),)),),
        ours=Side("Celeriac", f"sandbox.run by {THREADS} threads, {SPARE_CHILDREN} spare children", throughput),
        baselines=(Side(FORK, "one fork after another of a process with the full zygote's imports", forks_per_second),),
        full=400,
        quick=60,
    ),
    Measurement(
        name="sandbox.memory",
        question="Proportional set size of a child of the sandbox that waits for a program",
        figures=(Figure("MB", Better.LOWER, (at_most(4.0),)),),
        ours=Side("Celeriac", f"{SPARE_CHILDREN} spare children; read as root", memory),
        baselines=(),
        full=1,
        quick=1,
        warm_up_rounds=0,
    ),
)
