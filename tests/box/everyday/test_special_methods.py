"""Special methods. Each program stands beside what it returns, in the sandbox and in plain CPython."""

from __future__ import annotations

from typing import Any

from sandbox import Sandbox
from tests.box.everyday.programs import Table, check, each
from tests.box.programs import Runner

PROGRAMS: Table = {
    "containers": (
        """
class Bag:
    def __init__(self, *items): self._items = list(items)
    def __len__(self): return len(self._items)
    def __iter__(self): return iter(self._items)
    def __getitem__(self, i): return self._items[i]
    def __setitem__(self, i, v): self._items[i] = v
    def __delitem__(self, i): del self._items[i]
    def __contains__(self, x): return x in self._items
    def __reversed__(self): return reversed(self._items)
    def __bool__(self): return bool(self._items)
def main():
    b = Bag(1, 2, 3)
    b[0] = 9
    b[1] += 5
    del b[2]
    return [len(b), list(b), b[0], b[0:1], 9 in b, 4 in b, list(reversed(b)), bool(Bag()), [x for x in b], max(b)]
""",
        [2, [9, 7], 9, [9], True, False, [7, 9], False, [9, 7], 9],
    ),
    "arithmetic and comparison": (
        """
import functools
@functools.total_ordering
class V:
    def __init__(self, x): self.x = x
    def __add__(self, o): return V(self.x + o.x)
    def __radd__(self, o): return V(self.x + o)
    def __iadd__(self, o): self.x += o.x; return self
    def __mul__(self, k): return V(self.x * k)
    __rmul__ = __mul__
    def __neg__(self): return V(-self.x)
    def __eq__(self, o): return self.x == o.x
    def __lt__(self, o): return self.x < o.x
    def __hash__(self): return hash(self.x)
    def __matmul__(self, o): return self.x * o.x
    def __int__(self): return int(self.x)
    def __index__(self): return self.x
    def __abs__(self): return abs(self.x)
    def __call__(self, y): return self.x + y
    def __repr__(self): return f"V({self.x})"
    def __str__(self): return f"<{self.x}>"
    def __format__(self, spec): return format(self.x, spec or "d")
def main():
    a = V(2)
    a += V(3)
    return [repr(a + V(1)), str(3 * a), repr(-a), a == V(5), a != V(5), a < V(6), a >= V(6), a @ V(2), int(a), abs(-a),
            a(10), f"{a:03d}", f"{a}", repr(sum([V(1), V(2)])), len({V(1), V(1)}), [10, 20, 30][V(1)],
            [repr(v) for v in sorted([V(3), V(1)])]]
""",
        ["V(6)", "<15>", "V(-5)", True, False, True, False, 10, 5, 5, 15, "005", "5", "V(3)", 1, 20, ["V(1)", "V(3)"]],
    ),
    "iterators and context managers": (
        """
class Count:
    def __init__(self, n): self.n = n
    def __iter__(self): return self
    def __next__(self):
        if self.n <= 0: raise StopIteration
        self.n -= 1
        return self.n
class Log:
    def __init__(self): self.lines = []
    def __enter__(self): self.lines.append("in"); return self
    def __exit__(self, kind, error, trace):
        self.lines.append("out" if kind is None else kind.__name__)
        return True
def main():
    with Log() as log:
        log.lines.append("work")
    with Log() as second, Log():
        raise KeyError("x")
    return [list(Count(3)), log.lines, second.lines]
""",
        [[2, 1, 0], ["in", "work", "out"], ["in", "out"]],
    ),
}


@each(PROGRAMS)
def test_a_program_returns_what_plain_python_does(box: Sandbox, program: str, expected: Any) -> None:
    check(box, program, expected)


def test_what_nobody_can_catch_is_printed(run: Runner) -> None:
    program = """
        class Resource:
            def __del__(self): raise ValueError("not closed")
        def main():
            Resource()
            return 1
        """
    verdict = run.verdict(program)
    assert (verdict.result_json, verdict.stdout) == (
        b"1",
        'Exception ignored:\nTraceback (most recent call last):\n  File "<task>", line 3, in __del__\n'
        '    def __del__(self): raise ValueError("not closed")\nValueError: not closed\n',
    )


def test_what_fails_while_that_is_told_ends_nothing(run: Runner) -> None:
    program = """
        class Bad(Exception):
            def __str__(self):
                Resource()
                raise ValueError
        class Resource:
            depth = 0
            def __del__(self):
                Resource.depth += 1
                if Resource.depth < 3: raise Bad
        def main():
            Resource()
            return Resource.depth
        """
    verdict = run.verdict(program)
    assert (verdict.result_json, verdict.stdout.count("Exception ignored:")) == (b"3", 2)


def test_a_coroutine_that_was_never_awaited_is_told(run: Runner) -> None:
    program = """
        import asyncio
        async def work(): print("never")
        async def main():
            work()
            forgotten = asyncio.sleep(0)
        """
    assert run.verdict(program).stdout.splitlines() == [
        "<task>:5: RuntimeWarning: coroutine 'work' was never awaited",
        "RuntimeWarning: coroutine 'sleep' was never awaited",
    ]
