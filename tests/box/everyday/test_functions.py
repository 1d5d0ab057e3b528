"""Functions, closures, decorators, generators. Each program stands beside what it returns, in the sandbox and in plain CPython."""

from __future__ import annotations

from typing import Any

from sandbox import Sandbox
from tests.box.everyday.programs import Table, check, each

PROGRAMS: Table = {
    "arguments": (
        """
def f(a, b=2, /, c=3, *args, d, e=5, **kw): return [a, b, c, list(args), d, e, kw]
def main():
    g = lambda x, *y, z=1: (x, y, z)
    return [f(1, d=4), f(1, 2, 3, 4, d=5, x=6), f(*[1, 2], **{"d": 3}), list(g(1, 2, z=3))]
""",
        [[1, 2, 3, [], 4, 5, {}], [1, 2, 3, [4], 5, 5, {"x": 6}], [1, 2, 3, [], 3, 5, {}], [1, [2], 3]],
    ),
    "decorators that are objects": (
        '''
import functools
class Profiled:
    def __init__(self, function):
        functools.wraps(function)(self)
        self.calls = 0
    def __call__(self, *args):
        self.calls += 1
        return self.__wrapped__(*args)
@Profiled
def add(x, y):
    """Adds."""
    return x + y
class Slotted:
    __slots__ = ("__dict__",)
class Setting:
    def __init__(self, f):
        self.f = f
        functools.update_wrapper(self, f)
    def __setattr__(self, name, value):
        super().__setattr__(name, value)
def plain(a, b): return [a, b]
def main():
    part = functools.update_wrapper(functools.partial(plain, 1), plain)
    slotted = functools.update_wrapper(Slotted(), plain)
    return [add(1, 2), add.calls, add.__name__, add.__doc__, part.__name__, part(2), part.__wrapped__ is plain,
            slotted.__wrapped__(3, 4), functools.update_wrapper(functools.partial(len), len).__name__,
            Setting(plain).f(5, 6)]
''',
        [3, 1, "add", "Adds.", "plain", [1, 2], True, [3, 4], "len", [5, 6]],
    ),
    "decorators": (
        '''
import functools, time
def timed(fn):
    @functools.wraps(fn)
    def wrapper(*a, **k):
        wrapper.calls += 1
        start = time.perf_counter()
        try: return fn(*a, **k)
        finally: wrapper.last = time.perf_counter() - start
    wrapper.calls = 0
    return wrapper
def repeat(times):
    def deco(fn):
        def inner(*a): return [fn(*a) for _ in range(times)]
        inner.__name__ = fn.__name__ + "_repeated"
        inner.__doc__ = fn.__doc__
        return inner
    return deco
class Memo:
    def __init__(self, fn): self.fn, self.cache = fn, {}
    def __call__(self, n):
        if n not in self.cache: self.cache[n] = self.fn(n)
        return self.cache[n]
@timed
def add(a, b):
    """Adds."""
    return a + b
@repeat(2)
def hi(x):
    """hi doc"""
    return x
@Memo
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
@functools.lru_cache(maxsize=None)
def fac(n): return 1 if n < 2 else n * fac(n - 1)
def main():
    return [add(1, 2), add.calls, add.__name__, add.__doc__, add.last >= 0, hi(3), hi.__name__, hi.__doc__, fib(50), fac(10),
            fac.cache_info().hits, add.__wrapped__(5, 6)]
''',
        [3, 1, "add", "Adds.", True, [3, 3], "hi_repeated", "hi doc", 12586269025, 3628800, 0, 11],
    ),
    "generators": (
        """
def gen(n):
    for i in range(n):
        got = yield i
        if got: yield got * 10
def chain(*its):
    for it in its: yield from it
def with_return():
    yield 1
    return "done"
def outer():
    r = yield from with_return()
    yield r
def tree(t):
    if isinstance(t, list):
        for x in t: yield from tree(x)
    else: yield t
def closing():
    try:
        yield 1
    finally:
        closed.append(True)
closed = []
def main():
    g = gen(3); first = next(g); second = g.send(7)
    c = closing(); next(c); c.close()
    e = (x * x for x in range(5) if x % 2)
    return [first, second, list(g), list(chain([1], "ab")), list(outer()), list(tree([1, [2, [3]]])), closed, list(e), next(iter([]), None)]
""",
        [0, 70, [1, 2], [1, "a", "b"], [1, "done"], [1, 2, 3], [True], [1, 9], None],
    ),
    "closures and recursion": (
        """
def compose(*fs):
    def run(x):
        for f in reversed(fs): x = f(x)
        return x
    return run
def hanoi(n, a="A", b="B", c="C"): return 0 if n == 0 else hanoi(n - 1, a, c, b) + 1 + hanoi(n - 1, c, b, a)
def ack(m, n): return n + 1 if m == 0 else ack(m - 1, 1) if n == 0 else ack(m - 1, ack(m, n - 1))
def main(): return [compose(str, abs, lambda x: x - 5)(2), hanoi(6), ack(2, 3), [f(2) for f in [lambda x, k=k: x * k for k in range(3)]]]
""",
        ["3", 63, 9, [0, 2, 4]],
    ),
}


@each(PROGRAMS)
def test_a_program_returns_what_plain_python_does(box: Sandbox, program: str, expected: Any) -> None:
    check(box, program, expected)
