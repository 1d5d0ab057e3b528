"""`functools.lru_cache` and `functools.cache`, which are written in Python here (caches.py)."""

from __future__ import annotations

import pytest

from tests.box.programs import Runner, plain, same

CACHES = {
    "bounded": """
        import functools
        calls = []
        @functools.lru_cache(maxsize=3)
        def f(x, *, y=0):
            "doc"
            calls.append(x)
            return [x, y]
        def main():
            found = [f(each) for each in (1, 2, 3, 1, 4, 2, 1, 5, 1.0, True, "1", (1,))]
            found += [f(1, y=2), f(1, y=2), f(x=1), f((1, 2)), list(f.cache_info()), f.cache_parameters()]
            f.cache_clear()
            return [found, calls, list(f.cache_info()), f(1), f.__wrapped__(9), f.__name__, f.__doc__, str(f.cache_info())]
        """,
    "sizes": """
        import functools
        def main():
            told = []
            for made in (functools.cache, functools.lru_cache, functools.lru_cache(), functools.lru_cache(1), functools.lru_cache(0),
                         functools.lru_cache(-5), functools.lru_cache(None), functools.lru_cache(None, True), functools.lru_cache(2, typed=True),
                         functools.lru_cache(True, True)):
                f = made(lambda *args, **kwargs: [*args, *kwargs.items()])
                for each in (1, 1, 1.0, 2, 3, 1, "a", None, None):
                    told.append(f(each))
                told += [f(a=1), f(b=1), f(1, 2), f(1, 2.0), f(), *f.cache_info()[:2], f.cache_info()[3], f.cache_parameters()["typed"]]
            return told
        """,
    "recursion": """
        import functools
        @functools.lru_cache
        def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
        @functools.cache
        def paths(a, b): return 1 if 0 in (a, b) else paths(a - 1, b) + paths(a, b - 1)
        def main(): return [fib(200), paths(30, 30), list(fib.cache_info()), list(paths.cache_info())]
        """,
    "methods": """
        import functools
        class A:
            def __init__(self, n): self.n = n
            @functools.lru_cache(maxsize=2)
            def f(self, x): return self.n * x
            @classmethod
            @functools.cache
            def g(cls, x): return [cls.__name__, x]
            @staticmethod
            @functools.cache
            def h(x=5): return x
            @property
            @functools.cache
            def p(self): return self.n
        def main():
            a, b = A(2), A(3)
            return [a.f(5), b.f(5), a.f(5), A.f(b, 5), list(A.f.cache_info()), list(a.f.cache_info()), A.g(1), a.g(1), A.h(), a.h(7), a.p]
        """,
    "errors": """
        import functools
        @functools.lru_cache(maxsize=2)
        def f(x):
            if x == 3: raise ValueError(x)
            return x
        def main():
            told = []
            for call in (lambda: f(3), lambda: f([]), lambda: f(), lambda: f(1, 2), lambda: f(z=1), lambda: functools.lru_cache("a"),
                         lambda: functools.lru_cache()(5), lambda: functools.lru_cache(1, 2, 3), lambda: functools.cache(),
                         lambda: functools.lru_cache(f, 3)):
                try: told.append(repr(call())[:20])
                except Exception as error: told.append([type(error).__name__, str(error) if isinstance(error, ValueError) else ""])
            return [*told, list(f.cache_info())]
        """,
    "what is let go of": """
        import functools
        gone = []
        class A:
            def __init__(self, n): self.n = n
            def __del__(self): gone.append(self.n)
        def main():
            told = []
            for made in (functools.cache, functools.lru_cache(3)):
                f = made(A)
                for n in range(5): f(n)
                told.append(list(gone))
                f.cache_clear()
                told.append(list(gone))
                gone.clear()
            return told
        """,
    "of others": """
        import copy, functools, operator
        class C:
            def __init__(self, x): self.x = x
        class Called:
            def __call__(self, x): return -x
        def f(x): return x
        f.note = "n"
        def main():
            make, part, called, cached = functools.cache(C), functools.cache(functools.partial(pow, 2)), functools.cache(Called()), functools.cache(f)
            cached.more = 5
            return [make(1) is make(1), make.__wrapped__ is C, part(5), called(4), functools.cache(operator.neg)(3), cached.note, cached.more,
                    copy.copy(cached) is cached, copy.deepcopy([cached])[0] is cached, callable(cached), cached.__wrapped__ is f]
        """,
}


@pytest.mark.parametrize("program", CACHES.values(), ids=list(CACHES))
def test_caches_are_as_in_cpython(run: Runner, program: str) -> None:
    same(run, program, plain(program))


CHANGING = """
    import functools
    class Key:
        def __init__(self, n): self.n = n
        def __hash__(self): return self.n % 2
        def __eq__(self, other):
            if depth and steps:
                steps.pop()
                depth.pop()
                try: {}
                finally: depth.append(1)
            return self.n == other.n
        def __del__(self):
            if steps:
                steps.pop()
                f(5)
    depth, steps = [1, 1], [1] * 500
    @functools.lru_cache(maxsize=4)
    def f(key): return key
    def main():
        for n in range(300):
            try: f(Key(n % 7))
            except (ZeroDivisionError, RecursionError): pass
        steps.clear()
        f.cache_clear()
        found = [f(n) is f(n) for n in (1, 2, 3, 4, 5, 1)]
        return [all(found), *f.cache_info()[2:]]
    """


@pytest.mark.parametrize("statement", ["f(Key(len(steps) % 9))", "f.cache_clear()", "f(self), f(other)", "f(1 / 0)"])
def test_a_cache_may_be_changed_by_its_keys(run: Runner, statement: str) -> None:
    assert run.answer(CHANGING.format(statement)) == [True, 4, 4]


def test_a_cache_that_is_cleared_while_it_is_searched_keeps_to_its_size(run: Runner) -> None:
    program = """
        import functools
        class Key:
            def __hash__(self): return 1
            def __eq__(self, other):
                f.cache_clear()
                return True
        @functools.lru_cache(maxsize=3)
        def f(key): return key
        def main():
            for _ in range(9): f(Key())
            f.cache_clear()
            for _ in range(9):
                f(Key())
                f(Key())
            for n in range(9): f(n + 2)
            return [f.cache_info().currsize, [f(n) for n in range(8, 11)], f.cache_info().hits]
        """
    assert run.answer(program) == [3, [8, 9, 10], 3]


def test_a_key_whose_hash_changes_stays_no_longer_than_others(run: Runner) -> None:
    program = """
        import functools
        class Key:
            def __hash__(self): return len(calls)
        calls = []
        @functools.lru_cache(maxsize=2)
        def f(key): calls.append(key)
        def main():
            for _ in range(9): f(Key())
            calls.clear()
            return f.cache_info().misses
        """
    assert run.answer(program) == 9
