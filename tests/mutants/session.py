"""A pytest session that collects tests once, and runs them for each mutant of one file in a process of its own.

`python -m tests.mutants.session` runs in a copy of the repository. It reads a job as JSON from stdin, and writes one
line of JSON for each mutant to the file that the job names.

A Lua mutant needs only be written to the file, which the store reads at each start. Of a Python mutant, the functions
that differ get their new code in the forked process. Where more differs (a constant, a class), pytest starts anew.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import inspect
import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import pytest

from app.store import scripts
from tests import servers
from tests.mutants import lua_source
from tests.mutants.mutant import Mutant

#: Exit statuses of a forked process.
SURVIVED, KILLED, NOT_PATCHED = 0, 1, 3
PR_SET_CHILD_SUBREAPER = 36
#: A mutant may take this much longer than the tests took without it, and no less than these seconds.
PATIENCE, MIN_SECONDS = 4, 15.0


@dataclass(slots=True)
class Test:
    """What the run without a mutant tells of a test: its duration and what it used: lines of the file, or scripts."""

    item: pytest.Item
    seconds: float = 0.0
    used: set[str] = field(default_factory=set)


class _Profile:
    """The plugin that sets hypothesis up."""

    def pytest_configure(self, config: pytest.Config) -> None:
        """Keep hypothesis from looking for a smaller example, and from remembering those it found."""
        import hypothesis  # not earlier: pytest wants to import its plugins itself

        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        health = list(hypothesis.HealthCheck)
        hypothesis.settings.register_profile(
            "mutants",
            phases=phases,
            max_examples=30,
            database=None,
            derandomize=True,
            deadline=None,
            suppress_health_check=health,
        )
        hypothesis.settings.load_profile("mutants")


class Mutation:
    """The pytest plugin of a session.

    job: mutants of Python files, or of Lua scripts; results (a file); slow_seconds (tests that take longer are left
    out).
    """

    def __init__(self, job: dict[str, Any]) -> None:
        self._mutants = [Mutant(**each) for each in job["mutants"]]
        self._is_lua = self._mutants[0].path.endswith(".lua")
        self._paths = sorted({each.path for each in self._mutants})
        self._results = Path(job["results"])
        self._slow_seconds = job["slow_seconds"]
        self._budget_seconds = job["budget_seconds"] or math.inf
        self._written_seconds = int(time.time())
        self._killers: dict[str, float] = {}  # the tests that killed lately come first

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests without a mutant, and then with each."""
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        sys.dont_write_bytecode = True
        items = [item for item in session.items if not item.get_closest_marker("alone")]
        tests = self._without_a_mutant(items)
        gc.unfreeze()  # what has been frozen since the collection (tests/conftest.py) would not be found
        loaded = {path: Loaded(Path(path)) for path in self._paths if not self._is_lua}
        gc.freeze()
        for mutant in self._mutants:
            started = time.monotonic()
            chosen = self._covering(mutant, tests)
            verdict, killer, is_anew = self._judge(mutant, chosen, loaded.get(mutant.path))
            seconds = round(time.monotonic() - started, 2)
            facts = {"verdict": verdict, "killer": killer, "tests": len(chosen), "seconds": seconds, "anew": is_anew}
            self._tell(mutant, **facts)
            if killer:
                self._killers[killer] = time.monotonic()
        return True

    def _tell(self, mutant: Mutant, **facts: object) -> None:
        fields = {name: getattr(mutant, name) for name in Mutant.__slots__}
        with self._results.open("a") as file:
            file.write(json.dumps({"mutant": fields} | facts) + "\n")

    # --- without a mutant

    def _without_a_mutant(self, items: list[pytest.Item]) -> list[Test]:
        """The tests that pass and are not too slow, the fastest first."""
        facts_file = self._results.with_suffix(".facts")
        sources = {path: Path(path).read_bytes() for path in self._paths}
        log = self._results.with_suffix(".log")

        def run() -> int:
            if self._is_lua:
                _have_scripts_tell(self._paths, log)
            facts = [self._facts_of(item, items[place + 1 : place + 2]) for place, item in enumerate(items)]
            facts_file.write_text(json.dumps(facts))
            return SURVIVED

        try:
            status = _in_a_process(run, None)
        finally:
            for path, source in sources.items():
                Path(path).write_bytes(source)
            log.unlink(missing_ok=True)
        if status != SURVIVED:
            raise RuntimeError(f"the run without a mutant ended with {status}")
        tests, left_out = [], []
        for item, (passed, seconds, used) in zip(items, json.loads(facts_file.read_text()), strict=True):
            if passed and seconds <= self._slow_seconds:
                tests.append(Test(item, seconds, set(used)))
            else:
                left_out.append(f"{item.nodeid} ({'slow' if passed else 'slow, skipped or failed'}, {seconds:.1f} s)")
        for line in left_out:
            print(f"left out: {line}", flush=True)
        facts_file.unlink()
        if not tests:
            raise RuntimeError("no test passes without a mutant")
        return sorted(tests, key=lambda test: test.seconds)

    def _facts_of(self, item: pytest.Item, following: list[pytest.Item]) -> tuple[bool, float, list[str]]:
        began = time.perf_counter()
        log = self._results.with_suffix(".log")
        watched = _Blocks(self._paths, log) if self._is_lua else _Lines(self._paths, self._slow_seconds)
        with watched as used:
            passed = _passes(item, following[0] if following else None)
        return passed, time.perf_counter() - began, sorted(used)

    # --- with a mutant

    def _covering(self, mutant: Mutant, tests: list[Test]) -> list[Test]:
        """The tests that use what the mutant changes. If none seems to, all of Python might, in a process of theirs."""
        wanted = self._uses(mutant)
        chosen = [test for test in tests if wanted & test.used] or ([] if self._is_lua else tests)
        return sorted(chosen, key=lambda test: -self._killers.get(test.item.nodeid, 0.0))

    def _uses(self, mutant: Mutant) -> set[str]:
        """One of these a test uses that runs what the mutant changes."""
        if self._is_lua:
            path = Path(mutant.path)
            source = path.read_bytes()
            block = lua_source.block_around(source.decode(), len(source[: mutant.start].decode()))
            if path.stem == "_lib" and not block:
                return _scripts_with(path, mutant.first)
            return {f"{mutant.path}:{block}"}
        return {f"{mutant.path}:{line}" for line in range(mutant.first, mutant.last + 1)}

    def _judge(self, mutant: Mutant, tests: list[Test], loaded: Loaded | None) -> tuple[str, str, bool]:
        """How the tests judge the mutant (killed, survived, timed out), the test that killed it, and whether pytest
        started anew for that."""
        source = Path(mutant.path).read_bytes()
        mutated = mutant.applied_to(source)
        if loaded is not None:
            try:
                compile(mutated, mutant.path, "exec")
            except SyntaxError:
                return "invalid", "", False
        wanted = self._uses(mutant)
        is_seen = any(wanted & test.used for test in tests)
        limit = max(MIN_SECONDS, PATIENCE * sum(test.seconds for test in tests))
        killer_file = self._results.with_suffix(".killer")
        killer_file.write_text("")

        def run() -> int:
            if loaded is not None and not (is_seen and loaded.patch(mutated)):
                return NOT_PATCHED
            began = time.monotonic()
            for place, test in enumerate(tests):
                if time.monotonic() - began > self._budget_seconds:
                    break
                following = tests[place + 1].item if place + 1 < len(tests) else None
                if not _passes(test.item, following):
                    killer_file.write_text(test.item.nodeid)
                    test.item.session._setupstate.teardown_exact(None)
                    return KILLED
            return SURVIVED

        self._write(mutant, mutated)
        try:
            status = _in_a_process(run, limit)
            is_anew = status == NOT_PATCHED
            if is_anew:
                status = self._started_anew(tests, limit, killer_file)
        finally:
            self._write(mutant, source)
        killer = killer_file.read_text()
        if status is None:
            return "timed out", "", is_anew
        if status == SURVIVED:
            return "survived", killer, is_anew
        return "killed", killer or "(crash)", is_anew

    def _write(self, mutant: Mutant, content: bytes) -> None:
        """Write the file with a time of its own: Python tells by size and seconds whether compiled code is stale."""
        path = Path(mutant.path)
        path.write_bytes(content)
        self._written_seconds += 1
        os.utime(path, (self._written_seconds, self._written_seconds))

    def _started_anew(self, tests: list[Test], limit: float, killer_file: Path) -> int | None:
        names = self._results.with_suffix(".tests")
        names.write_text("\n".join(test.item.nodeid for test in tests))
        command = [sys.executable, "-B", "-m", "tests.mutants.session", "--once", str(names), str(killer_file)]

        def run() -> int:
            return subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode

        return _in_a_process(run, limit + MIN_SECONDS)


def _passes(item: pytest.Item, following: pytest.Item | None) -> bool:
    """Run a test. What its fixtures started goes on for the test that follows, None for none."""
    reports: list[pytest.TestReport] = []

    class Listener:
        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            reports.append(report)

    listener = Listener()
    item.config.pluginmanager.register(listener)
    try:
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
    finally:
        item.config.pluginmanager.unregister(listener)
    return all(report.passed for report in reports)


def _in_a_process(run: Callable[[], int], seconds: float | None) -> int | None:
    """The status of `run` in a forked process. None if it took too long. What it started and left is killed."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        status = KILLED
        try:
            os.setsid()
            null = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(null, number)
            status = run()
        except BaseException:
            status = KILLED
        finally:
            os._exit(status)
    deadline = None if seconds is None else time.monotonic() + seconds
    status = None
    while status is None and (deadline is None or time.monotonic() < deadline):
        ended, code = os.waitpid(pid, os.WNOHANG)
        if ended:
            status = os.waitstatus_to_exitcode(code)
        else:
            time.sleep(0.005)
    _kill_children()
    return status


def _kill_children() -> None:
    """Kill all processes below this one, which adopts those that are left by themselves."""
    while children := [int(pid) for pid in Path("/proc/self/task", str(os.getpid()), "children").read_text().split()]:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


# --- what a test uses


class _Lines:
    """The lines of these Python files that run in the block, as "path:line". A test that takes too long is skipped."""

    def __init__(self, paths: Sequence[str], seconds: float) -> None:
        self._paths = {str(Path(path).resolve()): path for path in paths}
        self._deadline = time.monotonic() + seconds
        self._used: set[str] = set()

    def __enter__(self) -> set[str]:
        threading.settrace(self._trace)
        sys.settrace(self._trace)
        return self._used

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type]

    def _trace(self, frame: FrameType, _event: str, _argument: object) -> Any:
        path = self._paths.get(frame.f_code.co_filename)
        if path is None:
            return None
        if time.monotonic() > self._deadline:
            raise pytest.skip.Exception("slow")
        self._used.add(f"{path}:{frame.f_lineno}")
        return self._line

    def _line(self, frame: FrameType, _event: str, _argument: object) -> Any:
        self._used.add(f"{self._paths[frame.f_code.co_filename]}:{frame.f_lineno}")
        return self._line


class _Blocks:
    """The blocks of scripts that run in the block, as "path:place", and the names of all scripts that are called."""

    def __init__(self, paths: Sequence[str], log: Path) -> None:
        self._paths = paths
        self._log = log
        self._begin = log.stat().st_size if log.exists() else 0
        self._used: set[str] = set()

    def __enter__(self) -> set[str]:
        _Noting.used = self._used
        return self._used

    def __exit__(self, *_: object) -> None:
        if self._log.exists():
            with self._log.open() as file:
                file.seek(self._begin)
                marks = set(re.findall(r"block (\d+) (\d+)", file.read()))
            self._used |= {f"{self._paths[int(number)]}:{place}" for number, place in marks}


def _have_scripts_tell(paths: Sequence[str], log: Path) -> None:
    """From now on, scripts tell in a log which of their blocks run, and stores note which scripts they run."""
    for number, path in enumerate(paths):
        source = Path(path).read_text()
        Path(path).write_text(lua_source.with_marks(source, number, is_library=path.endswith("_lib.lua")))
    start = servers.RedisServer.__init__

    @functools.wraps(start)
    def logging(self: Any, *arguments: Any) -> None:
        start(self, *arguments)
        self._command += ["--logfile", str(log), "--loglevel", "warning"]

    servers.RedisServer.__init__ = logging  # type: ignore[method-assign]
    init = scripts.Scripts.__init__

    @functools.wraps(init)
    def noting(self: Any, *arguments: Any) -> None:
        init(self, *arguments)
        self._scripts = _Noting(self._scripts)

    scripts.Scripts.__init__ = noting  # type: ignore[method-assign]


class _Noting(dict[str, Any]):
    """The scripts of a store. Notes the names of those that are asked for in `used`."""

    used: set[str]

    def __getitem__(self, name: str) -> Any:
        self.used.add(name)
        return super().__getitem__(name)


@functools.cache
def _scripts_with(path: Path, line: int) -> set[str]:
    """The scripts that contain this line: the file's own, or those that need this statement of the library."""
    if path.stem != "_lib":
        return {path.stem}
    before = "\n".join(path.read_text().split("\n")[:line])
    name = re.findall(r"^local (?:function )?(\w+)", before, flags=re.MULTILINE)[-1]
    library = scripts._library("")
    (statement,) = (each for each in library if name in each.names)
    found = set()
    for script in path.parent.glob("*.lua"):
        source = script.read_text()
        needed = scripts._needed_by(
            scripts._arguments(scripts.names_in(scripts._ARGV, source)) + "\n" + source, library
        )
        if script != path and statement.text in needed:
            found.add(script.stem)
    return found


# --- patching


class Loaded:
    """The functions of a Python file in this process, and every cache: found once, since to look at each object in a
    forked process would copy its memory."""

    def __init__(self, path: Path) -> None:
        self._file = str(path.resolve())
        self._old = _code_in(compile(path.read_bytes(), self._file, "exec"))
        objects = gc.get_objects()
        self._caches = [each for each in objects if isinstance(each, functools._lru_cache_wrapper)]
        functions = [each for each in objects if isinstance(each, FunctionType)]
        self._functions = [each for each in functions if each.__code__.co_filename == self._file]

    def patch(self, mutated: bytes) -> bool:
        """Give the functions the code of the mutant. False if that is not enough."""
        new = _code_in(compile(mutated, self._file, "exec"))
        if self._old.keys() != new.keys():
            return False
        changed = {name for name in new if not _is_same(self._old[name], new[name])}
        if not changed or any(not new[name].co_flags & inspect.CO_OPTIMIZED for name in changed):
            return False
        patched = set()
        for function in self._functions:
            name = (function.__code__.co_qualname, function.__code__.co_firstlineno)
            inside = {other for other in changed if other == name or _is_within(other, name)}
            if inside:
                if new[name].co_freevars != function.__code__.co_freevars:
                    return False
                function.__code__ = new[name]
                patched |= inside
        for cache in self._caches:
            cache.cache_clear()
        return patched == changed


def _code_in(code: CodeType) -> dict[tuple[str, int], CodeType]:
    """All code objects within one, by qualified name and line."""
    found = {(code.co_qualname, code.co_firstlineno): code}
    for constant in code.co_consts:
        if inspect.iscode(constant):
            found |= _code_in(constant)
    return found


def _is_same(one: CodeType, other: CodeType) -> bool:
    """Whether two code objects are the same but for those within them."""
    return one.co_code == other.co_code and one.co_names == other.co_names and _own(one) == _own(other)


def _own(code: CodeType) -> list[Any]:
    return [repr(constant) for constant in code.co_consts if not inspect.iscode(constant)]


def _is_within(name: tuple[str, int], outer: tuple[str, int]) -> bool:
    return name[0].startswith(f"{outer[0]}.<locals>.")


# --- the process


def _options(tests: list[str]) -> list[str]:
    return ["-q", "-n", "0", "-p", "no:cacheprovider", "--import-mode=importlib", *tests]


class _Once:
    """The plugin of a session that runs tests until one fails, and notes its name."""

    def __init__(self, killer_file: Path) -> None:
        self._killer_file = killer_file

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._killer_file.write_text(report.nodeid)


def main() -> int:
    """Run a job, or tests once."""
    if sys.argv[1:2] == ["--once"]:
        options = [*_options([]), "-x", f"@{sys.argv[2]}"]
        return KILLED if pytest.main(options, plugins=[_Profile(), _Once(Path(sys.argv[3]))]) else SURVIVED
    job = json.load(sys.stdin)
    return int(pytest.main(_options(job["tests"]), plugins=[_Profile(), Mutation(job)]))


if __name__ == "__main__":
    sys.exit(main())
