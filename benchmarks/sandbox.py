"""The sandbox against the price of a fork, and against other ways to run `return 1` in a process of its own.

    floor        os.fork + os._exit + os.waitpid in a process that has imported what the zygote has imported
    latency      one run at a time, with a child locked down ahead of it
    throughput   four threads that run one program after another, against the floor's forks per second
    peers        a fresh interpreter that compiles under RestrictedPython; bwrap with a bare interpreter; sandlock, from
                 its Python API, with a bare `true` (the last two where they are installed)
    memory       the proportional set size of a child that waits for its task (as root)

All take turns in one run, so that they share the machine's noise: trust the ratios.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sandbox import Limits, Program, Sandbox

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 8
FORKS = 100
RUNS = 40
THREADS = 4
RUNS_PER_THREAD = 60
PEER_RUNS = 4
#: Between two runs of `latency`, so that the next child has been locked down: what is measured is the task's part.
PAUSE_SECONDS = 0.01
SPARE_CHILDREN = 4

TARGET_LATENCY_RATIO = 1.5
TARGET_THROUGHPUT_RATIO = 0.45
TARGET_PSS_MB = 4.0
TARGET_PEERS = {"fresh interpreter": 15.0, "bwrap python3": 3.0, "sandlock true": 2.0}

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


def run() -> Sequence[str]:
    """The lines to print; a figure that misses its target says so."""
    floor_us: list[float] = []
    latency_us: list[float] = []
    per_second: list[float] = []
    with _measuring("-I", "-c", FLOOR) as floor, _sandbox() as sandbox, _peers() as peers:
        peer_us: dict[str, list[float]] = {name: [] for name in peers}
        pss_mb = _pss_mb()
        for _ in range(ROUNDS):
            floor_us.append(floor(FORKS))
            latency_us += _latency(sandbox)
            per_second.append(_throughput(sandbox))
            for name, timed in peers.items():
                peer_us[name] += [timed() for _ in range(PEER_RUNS)]
    return _report(floor_us, latency_us, per_second, peer_us, pss_mb)


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
    _run(sandbox)
    time.sleep(0.5)  # the children that wait have been made, and are measured first
    yield sandbox
    sandbox.close()


def _run(sandbox: Sandbox) -> None:
    verdict = sandbox.run(PROGRAM, LIMITS)
    if verdict.result_json != b"1":
        raise RuntimeError(f"return 1 did not return 1: {verdict}")


def _timed_us(call: Callable[[], None]) -> float:
    begun = time.perf_counter()
    call()
    return (time.perf_counter() - begun) * 1e6


def _latency(sandbox: Sandbox) -> list[float]:
    found = []
    for _ in range(RUNS):
        time.sleep(PAUSE_SECONDS)
        found.append(_timed_us(lambda: _run(sandbox)))
    return found


def _throughput(sandbox: Sandbox) -> float:
    """Runs per second of some threads together."""

    def work(_: int) -> None:
        for _ in range(RUNS_PER_THREAD):
            _run(sandbox)

    begun = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(work, range(THREADS)))
    return THREADS * RUNS_PER_THREAD / (time.perf_counter() - begun)


@contextlib.contextmanager
def _peers() -> Iterator[dict[str, Callable[[], float]]]:
    """Those that are installed; each call is one run, and gives its µs."""
    found = {"fresh interpreter": _command(sys.executable, "-I", "-c", FRESH)}
    bwrap = shutil.which("bwrap")
    if bwrap is not None:
        found["bwrap python3"] = _command(
            # Ours, as `python3` on PATH may be a script that looks for the interpreter and takes longer than it.
            *(bwrap, "--unshare-all", "--ro-bind", "/", "/", "--die-with-parent"),
            *(sys.executable, "-I", "-c", "print(1)"),
        )
    with contextlib.ExitStack() as helpers:
        if importlib.util.find_spec("sandlock") is not None:
            sandlock = helpers.enter_context(_measuring("-c", SANDLOCK))
            found["sandlock true"] = lambda: sandlock(1)
        yield found


def _command(*arguments: str) -> Callable[[], float]:
    def call() -> None:
        subprocess.run(arguments, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    return lambda: _timed_us(call)


def _pss_mb() -> float | None:
    """The mean of the children that wait; None where the system does not let us look."""
    found = [_pss_kb(pid) for pid in _waiting_children()]
    known = [each for each in found if each is not None]
    return statistics.mean(known) / 1024 if known else None


def _waiting_children() -> list[int]:
    """The youngest generation of those that descend from this process: guardian, zygote, children."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    ours = {os.getpid()}
    while True:
        below = {pid for pid, parent in parents.items() if parent in ours} - ours
        if not below:
            break
        ours |= below
    generation = [pid for pid in ours if b"zygote.py" in _command_line(pid)]
    return [pid for pid in generation if parents[pid] in generation and pid not in parents.values()]


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _pss_kb(pid: int) -> int | None:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), None)


def _report(
    floor_us: list[float],
    latency_us: list[float],
    per_second: list[float],
    peer_us: dict[str, list[float]],
    pss_mb: float | None,
) -> list[str]:
    floor, latency, rate = (statistics.median(each) for each in (floor_us, latency_us, per_second))
    lines = [
        f"floor       a fork of the same process: {floor:.0f} µs",
        f"latency     p50 {latency:.0f} µs: {latency / floor:.2f}× the floor "
        f"{_against(latency / floor, TARGET_LATENCY_RATIO, at_most=True)}",
        f"throughput  {rate:.0f} runs/s of {1e6 / floor:.0f} forks/s: {rate * floor / 1e6:.2f}× "
        f"{_against(rate * floor / 1e6, TARGET_THROUGHPUT_RATIO)}",
    ]
    for name, times in peer_us.items():
        peer = statistics.median(times)
        lines.append(
            f"{name:18} p50 {peer / 1000:.1f} ms: we are {peer / latency:.1f}× as fast "
            f"{_against(peer / latency, TARGET_PEERS[name])}"
        )
    lines += [f"{name:18} is not installed" for name in TARGET_PEERS if name not in peer_us]
    if pss_mb is None:
        return [*lines, "memory      can't be read: needs root"]
    return [*lines, f"memory      {pss_mb:.1f} MB per waiting child {_against(pss_mb, TARGET_PSS_MB, at_most=True)}"]


def _against(figure: float, target: float, *, at_most: bool = False) -> str:
    reached = figure <= target if at_most else figure >= target
    return f"(target {'≤' if at_most else '≥'} {target:g}: {'reached' if reached else 'MISSED'})"
