"""Each way to use too much ends in time with its own error type, and the next program runs at once."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox import Cancel, Limits, Program, Sandbox, SandboxError, Verdict
from tests.box.programs import Runner, source_of
from tests.lateness import Lateness
from tests.servers import child_pids, kill_each, wait_until, zygote_pid

#: For what never ends; most of it uses the processor for as long.
WALL_SECONDS = 0.3
#: For what answers, and goes on.
ANSWERING_SECONDS = 0.6
#: For what has to do something before its time is up.
LONGER_SECONDS = 3.0
#: For what ends by another limit, on a machine that has other things to do.
AMPLE_SECONDS = 8.0

#: what -> (program, the error type it ends with)
GREEDY: dict[str, tuple[str, str]] = {
    "spins": ("def main():\n    while True: pass", "TimeoutError"),
    "sleeps": ("import time\ndef main(): time.sleep(60)", "TimeoutError"),
    "swallows every exception": (
        """
        def main():
            while True:
                try:
                    while True: pass
                except BaseException:
                    continue
        """,
        "TimeoutError",
    ),
    "loops in finally": (
        "def main():\n    try:\n        raise ValueError\n    finally:\n        while True: pass",
        "TimeoutError",
    ),
    "loops in __del__": (
        "class A:\n    def __del__(self):\n        while True: pass\ndef main():\n    a = A()\n    del a",
        "TimeoutError",
    ),
    "loops in __del__ after it has returned": (
        "class A:\n    def __del__(self):\n        while True: pass\nkept = A()\ndef main():\n    return 1",
        "",  # its answer is there, and it is killed
    ),
    "loops in __str__ of what it prints": (
        "class A:\n    def __str__(self):\n        while True: pass\ndef main():\n    print(A())",
        "TimeoutError",
    ),
    "loops in __str__ of its exception": (
        "class E(Exception):\n    def __str__(self):\n        while True: pass\ndef main():\n    raise E()",
        "TimeoutError",
    ),
    "loops in __eq__": (
        "class A:\n    def __eq__(self, other):\n        while True: pass\ndef main():\n    return A() in [1]",
        "TimeoutError",
    ),
    "loops in the module's own level": ("while True: pass\ndef main(): pass", "TimeoutError"),
    "computes for ever in one step": (
        "def main():\n    return len(str(10 ** 10 ** 8)) and 10 ** 10 ** 8",
        "TimeoutError",
    ),
    "backtracks": ("import re\ndef main():\n    return bool(re.match(r'(a+)+$', 'a' * 60 + 'b'))", "TimeoutError"),
    "prints for ever": ("def main():\n    while True: print('x' * 1000)", "TimeoutError"),
    "allocates one great block": ("def main():\n    return len(bytearray(10 ** 12))", "MemoryLimitError"),
    "allocates without end": (
        "def main():\n    x = []\n    while True: x.append('y' * 10 ** 6 + str(len(x)))",
        "MemoryLimitError",
    ),
    "allocates small things without end": (
        "def main():\n    x = ()\n    while True: x = (x, [0] * 1000)",
        "MemoryLimitError",
    ),
    "recurses": ("def main():\n    return main()", "RecursionError"),
    "returns 100 MB": ("def main():\n    return 'x' * 10 ** 8", "OutputLimitError"),
    "returns nesting without end": ("def main():\n    x = []\n    x.append(x)\n    return x", "ResultError"),
    "returns deep nesting": (
        "def main():\n    x = []\n    for _ in range(100000): x = [x]\n    return x",
        "ResultError",
    ),
    "leaves by SystemExit": ("def main():\n    raise SystemExit(3)", "SystemExit"),
    "leaves by exit()": ("def main():\n    exit(3)", "SystemExit"),
}


@pytest.mark.parametrize(("program", "error"), list(GREEDY.values()), ids=list(GREEDY))
def test_a_greedy_program_ends_in_time_with_its_error_type(run: Runner, program: str, error: str) -> None:
    wall_seconds = {"TimeoutError": WALL_SECONDS, "": ANSWERING_SECONDS}.get(error, AMPLE_SECONDS)
    with Lateness() as late:
        verdict = run.verdict(program, wall_seconds=wall_seconds, memory_bytes=220_000_000)
    assert (verdict.failure.type if verdict.failure else "") == error, verdict.failure
    assert late.taken_seconds < wall_seconds + 1
    assert run.answer("'next'") == "next"


def test_a_timeout_says_what_it_was(run: Runner) -> None:
    failure = run.failure("while True: pass\ndef main(): pass", wall_seconds=0.2)
    assert failure.type == "TimeoutError"
    assert "0.2" in failure.message


def test_what_was_printed_before_a_timeout_is_kept_to_the_last_line(run: Runner) -> None:
    verdict = run.verdict(
        "import time\ndef main():\n    for i in range(300): print(i)\n    time.sleep(60)", wall_seconds=LONGER_SECONDS
    )
    assert verdict.stdout == "".join(f"{i}\n" for i in range(300))
    assert not verdict.stdout_truncated


def test_output_is_cut_at_its_limit_and_says_so(run: Runner) -> None:
    verdict = run.verdict("def main():\n    print('é' * 100)\n    print('more')\n    return 1", stdout_bytes=51)
    assert verdict.stdout == "é" * 25
    assert verdict.stdout_truncated
    assert verdict.result_json == b"1"


def test_cut_output_says_so_even_if_the_program_never_ends(run: Runner) -> None:
    program = "import time\ndef main():\n    while True:\n        print('x' * 9)\n        time.sleep(0.001)"
    verdict = run.verdict(program, wall_seconds=LONGER_SECONDS, stdout_bytes=100)
    assert verdict.failure is not None
    assert verdict.failure.type == "TimeoutError"
    assert (verdict.stdout, verdict.stdout_truncated) == ("xxxxxxxxx\n" * 10, True)


def test_a_result_at_its_limit_passes_and_one_byte_more_does_not(run: Runner) -> None:
    program = "def main(n):\n    return 'x' * n"
    assert run.verdict(program, 98, result_bytes=100).failure is None
    assert run.failure(program, 99, result_bytes=100).type == "OutputLimitError"


def test_processor_time_has_a_limit_of_its_own(run: Runner) -> None:
    verdict = run.verdict("def main():\n    while True: pass", wall_seconds=20, cpu_seconds=1)
    assert verdict.failure is not None
    assert verdict.failure.type == "CpuLimitError"
    assert 500 < verdict.cpu_ms < 3000


def test_memory_may_be_used_up_to_its_limit(run: Runner) -> None:
    program = "def main(n):\n    return len(bytearray(n))"
    assert run.verdict(program, 40_000_000, memory_bytes=64_000_000).failure is None
    assert run.failure(program, 80_000_000, memory_bytes=64_000_000).type == "MemoryLimitError"


def test_a_program_that_catches_its_memory_error_goes_on(run: Runner) -> None:
    program = """
        def main():
            try:
                bytearray(10 ** 12)
            except MemoryError:
                return "caught"
    """
    assert run.answer(program) == "caught"


def test_time_and_memory_used_are_told(run: Runner) -> None:
    small = run.verdict("def main(): return 1")
    large = run.verdict(
        "def main():\n    x = bytearray(30_000_000)\n    for i in range(300_000): pass\n    return len(x)"
    )
    assert large.memory_kb > small.memory_kb + 20_000
    assert 0 < small.cpu_ms < large.cpu_ms


class TestCancel:
    @pytest.mark.alone
    def test_a_running_program_is_stopped_within_milliseconds(self, run: Runner) -> None:
        cancel, runs = Cancel(), threading.Event()
        program = Program("def main():\n    print('on')\n    while True: pass", "main")
        with ThreadPoolExecutor(1) as pool:
            ending = pool.submit(run.box.run, program, Limits(wall_seconds=60), cancel, lambda text: runs.set())
            assert runs.wait(60)
            with Lateness() as late:
                cancel.cancel()
                verdict = ending.result(60)
        assert verdict.stopped
        assert (verdict.failure, verdict.result_json, verdict.stdout) == (None, None, "on\n")
        assert late.taken_seconds < 0.5

    def test_one_that_is_stopped_before_it_starts_never_runs(self, run: Runner) -> None:
        cancel = Cancel()
        cancel.cancel()
        verdict = run.box.run(Program("def main(): return 1", "main", b"[]", b"{}"), Limits(wall_seconds=5), cancel)
        assert verdict.stopped
        assert verdict.result_json is None


class TestPlaces:
    @pytest.fixture
    def narrow(self) -> Iterator[Sandbox]:
        sandbox = Sandbox(spare_children=0, max_children=1)
        yield sandbox
        sandbox.close()

    def test_waiting_for_a_place_uses_up_no_time_of_the_run(self, narrow: Sandbox) -> None:
        cancel, runs, limit_seconds = Cancel(), threading.Event(), 3.0
        endless = Program("import time\ndef main():\n    print('on')\n    time.sleep(60)", "main")
        with ThreadPoolExecutor(1) as pool:
            ending = pool.submit(narrow.run, endless, Limits(wall_seconds=60), cancel, lambda text: runs.set())
            assert runs.wait(60)
            leaving = threading.Timer(limit_seconds + 0.5, cancel.cancel)
            leaving.start()
            second = narrow.run(Program("def main(): return 1", "main"), Limits(wall_seconds=limit_seconds))
            assert ending.result(60).stopped, "it had the place until then"
        leaving.join()
        assert second.result_json == b"1"


class TestChecks:
    @pytest.mark.parametrize(
        "source",
        [
            "(" * 150 + ")" * 150 + "\ndef main(): pass",
            "x = " + "-" * 100_000 + "1\ndef main(): pass",
            "x = " + "[" * 5000 + "]" * 5000,
            "x" + ".a" * 20_000 + "\ndef main(): pass",
            "def main(): return " + "+".join("1" * 20_000),
            "x = " + "9" * 5000 + "\ndef main(): pass",
            "def main(): pass\n" + "\n".join(" " * i + "if 1:" for i in range(200)),
            "def main():\0 pass",
            "def main(): return '\ud800'",
            "f'" + "{" * 1000,
        ],
        ids=range(10),
    )
    def test_a_source_that_breaks_the_compiler_is_a_problem_or_fine_and_never_an_exception(
        self, box: Sandbox, source: str
    ) -> None:
        started = time.monotonic()
        problems = box.check(source, "main")
        assert all(problem.type in ("SyntaxError", "SecurityError", "NameError") for problem in problems)
        assert time.monotonic() - started < 8
        assert box.check("def main(): pass", "main") == []

    def test_everything_wrong_is_told_at_once_with_line_and_column(self, box: Sandbox) -> None:
        source = source_of("""
            import os
            from json import codecs
            def main(x):
                return x.__globals__
            y = open("/etc/passwd")
        """)
        found = [(problem.type, problem.line, problem.column) for problem in box.check(source, "main")]
        assert found == [
            ("SecurityError", 2, 1),
            ("SecurityError", 3, 1),
            ("SecurityError", 5, 12),
            ("SecurityError", 6, 5),
        ]

    def test_a_syntax_error_has_its_place(self, box: Sandbox) -> None:
        [problem] = box.check("def main():\n    return (1\n", "main")
        assert (problem.type, problem.line, problem.column) == ("SyntaxError", 2, 12)

    def test_a_function_that_is_not_there_is_a_name_error(self, box: Sandbox) -> None:
        [problem] = box.check("def other(): pass", "main")
        assert problem.type == "NameError"
        assert "main" in problem.message

    @pytest.mark.parametrize(
        "source",
        [
            "main = lambda: 1",
            "from math import sqrt as main",
            "if True:\n    def main(): pass",
            "class main: pass",
            "try:\n    main = 1\nexcept Exception: pass",
        ],
    )
    def test_whatever_binds_the_name_at_the_top_level_will_do(self, box: Sandbox, source: str) -> None:
        assert box.check(source, "main") == []


REFUSED_RESULTS = {
    "{1, 2}": "set",
    "__import_datetime__": "datetime",
    "float('nan')": "NaN",
    "b'x'": "bytes",
    "(i for i in [])": "generator",
    "object()": "object",
    "{(1, 2): 3}": "keys",
}


@pytest.mark.parametrize(("expression", "word"), list(REFUSED_RESULTS.items()))
def test_what_json_cannot_carry_is_refused_with_advice(run: Runner, expression: str, word: str) -> None:
    program = f"import datetime\ndef main():\n    return {expression}\n".replace(
        "__import_datetime__", "datetime.datetime(2024, 1, 2)"
    )
    failure = run.failure(program)
    assert failure.type == "ResultError"
    assert word in failure.message


def test_tuples_come_back_as_arrays_and_subclasses_as_what_they_extend(run: Runner) -> None:
    program = """
        import collections, enum
        P = collections.namedtuple("P", "x y")
        class N(enum.IntEnum):
            A = 4
        def main():
            return [(1, 2), P(1, 2), N.A, collections.OrderedDict(a=1), {1: 2, None: 3, True: 4}, "😀"]
    """
    answer = json.dumps(run.answer(program))
    assert answer.startswith('[[1, 2], [1, 2], 4, {"a": 1}, {"1": 4, "null": 3}')


def test_a_traceback_shows_the_programs_own_lines_only(run: Runner) -> None:
    failure = run.failure("""
        import json
        def inner(x):
            return json.loads(x)
        def main():
            return inner("{")
    """)
    assert failure.type == "JSONDecodeError"
    assert failure.line == 4
    assert failure.traceback is not None
    assert failure.traceback.splitlines() == [
        "Traceback (most recent call last):",
        '  File "<task>", line 6, in main',
        '    return inner("{")',
        '  File "<task>", line 4, in inner',
        "    return json.loads(x)",
        "JSONDecodeError: " + failure.message,
    ]


def test_nothing_of_one_program_is_there_for_the_next(run: Runner) -> None:
    first = run.answer("import random\ndef main():\n    return [random.random(), random.getrandbits(64)]")
    second = run.answer("import random\ndef main():\n    return [random.random(), random.getrandbits(64)]")
    assert first != second
    run.answer(
        "import decimal, calendar\ndef main():\n    decimal.getcontext().prec = 3\n    calendar.setfirstweekday(6)"
    )
    assert run.answer("import decimal\ndef main():\n    return decimal.getcontext().prec") == 28


class TestKilledFromOutside:
    """A signal from outside is not the program's failure."""

    RUNS = "import time\ndef main():\n    print('on')\n    time.sleep(20)"

    @pytest.fixture
    def fresh(self) -> Iterator[Sandbox]:
        sandbox = Sandbox(spare_children=1)
        sandbox.start()
        yield sandbox
        sandbox.close()

    def _kill_all(self, box: Sandbox, number: signal.Signals) -> None:
        assert box._full.link is not None
        assert box._full.link._process is not None
        kill_each(child_pids(zygote_pid(box._full.link._process.pid)), number)

    def _run_and_kill(self, box: Sandbox, program: str, number: signal.Signals, **limits: int) -> Verdict:
        """What becomes of a program that is killed when it has printed something."""
        killed = threading.Event()

        def kill(text: str) -> None:
            if not killed.is_set():
                killed.set()
                self._kill_all(box, number)

        return box.run(Program(program, "main"), Limits(wall_seconds=60, **limits), on_output=kill)

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
    def test_a_signal_is_not_the_programs_failure(self, fresh: Sandbox, number: signal.Signals) -> None:
        with pytest.raises(SandboxError, match=f"killed from outside, by {number.name}"):
            self._run_and_kill(fresh, self.RUNS, number)
        assert Runner(fresh).answer("1") == 1

    def test_a_child_that_is_killed_while_it_waits_costs_no_run(self, fresh: Sandbox) -> None:
        spare = fresh._full.spares[0]
        assert Runner(fresh).answer("1") == 1  # it has made another
        waiting = fresh._full.spares[0]
        assert waiting is not spare
        wait_until(lambda: waiting.pidfd is not None, 15, "the birth of the spare child")
        self._kill_all(fresh, signal.SIGKILL)
        assert waiting.died.wait(5)
        assert Runner(fresh).answer("2") == 2

    def test_one_that_holds_most_of_its_memory_is_killed_for_that(self, fresh: Sandbox) -> None:
        program = "import time\ndef main():\n    x = b'x' * 60_000_000\n    print('on')\n    time.sleep(20)"
        failure = self._run_and_kill(fresh, program, signal.SIGKILL, memory_bytes=70_000_000).failure
        assert failure is not None
        assert (failure.type, failure.message) == ("MemoryLimitError", "the machine ran out of memory")

    def test_a_stop_is_no_failure(self, fresh: Sandbox) -> None:
        cancel, runs = Cancel(), threading.Event()
        with ThreadPoolExecutor(1) as pool:
            ending = pool.submit(
                fresh.run, Program(self.RUNS, "main"), Limits(wall_seconds=60), cancel, lambda text: runs.set()
            )
            assert runs.wait(60)
            cancel.cancel()
            assert ending.result(60).stopped
