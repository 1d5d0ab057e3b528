"""Idioms. Each program stands beside what it returns, in the sandbox and in plain CPython."""

from __future__ import annotations

from typing import Any

from sandbox import Sandbox
from tests.box.everyday.programs import Table, check, each

PROGRAMS: Table = {
    "what sys tells": (
        """
        import sys
        def main():
            before = sys.exc_info()[1]
            try: 1 / 0
            except ZeroDivisionError as e: kind, error, _ = sys.exc_info(); same = error is e
            return [before is None, kind.__name__, same, sys.getsizeof([1] * 9) > sys.getsizeof([]), sys.platform, sys.byteorder,
                    sys.float_info.epsilon > 0, sys.version.startswith("3."), sys.getrecursionlimit() > 100]
        """,
        [True, "ZeroDivisionError", True, True, "linux", "little", True, True, True],
    ),
    "asynchronous context managers, a condition, and the running loop": (
        """
        import asyncio
        from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
        log = []
        @asynccontextmanager
        async def opened(name):
            log.append(f"open {name}")
            try: yield name
            finally: log.append(f"close {name}")
        class Managed(AbstractAsyncContextManager):
            async def __aexit__(self, kind, error, _):
                log.append(kind.__name__)
                return True
        async def numbers():
            for each in range(3): yield each
        async def waiter(condition, found):
            async with condition:
                await condition.wait_for(lambda: found)
                return found[0]
        async def run():
            async with opened("a") as a, Managed(): raise ValueError(a)
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(opened("b"))
                stack.callback(log.append, "callback")
            async with aclosing(numbers()) as given: got = [each async for each in given]
            condition, found = asyncio.Condition(), []
            waiting = asyncio.create_task(waiter(condition, found))
            await asyncio.sleep(0)
            async with condition:
                found.append(7)
                condition.notify_all()
            loop = asyncio.get_running_loop()
            future, started = loop.create_future(), loop.time()
            loop.call_later(0.01, future.set_result, "late")
            loop.call_soon(log.append, "never").cancel()
            in_thread = await loop.run_in_executor(None, sum, [1, 2])
            return [got, await waiting, await future, loop.time() > started, in_thread, log]
        def main(): return asyncio.run(run())
        """,
        [[0, 1, 2], 7, "late", True, 3, ["open a", "ValueError", "close a", "open b", "callback", "close b"]],
    ),
    "a log with filters, places, and a formatter of its own": (
        """
        import io, json, logging
        class Quiet(logging.Filter):
            def filter(self, record): return "secret" not in record.getMessage()
        class AsJson(logging.Formatter):
            def format(self, record):
                failed = self.formatException(record.exc_info).splitlines()[-1] if record.exc_info else None
                return json.dumps([record.levelname, record.funcName, record.lineno, record.getMessage(), failed])
        def main():
            out = io.StringIO()
            plain, as_json = logging.StreamHandler(out), logging.StreamHandler(out)
            plain.setFormatter(logging.Formatter("%(funcName)s:%(lineno)d %(threadName)s %(message)s"))
            as_json.setFormatter(AsJson())
            as_json.addFilter(Quiet())
            logger = logging.getLogger("filtered")
            logger.setLevel("INFO")
            logger.propagate = False
            logger.addHandler(plain)
            logger.addHandler(as_json)
            logger.info("a %s", 1)
            logger.removeHandler(plain)
            logger.info("a secret")
            logger.addFilter(lambda record: record.levelno > logging.INFO)
            logger.info("b")
            try: 1 / 0
            except ZeroDivisionError: logger.error("c", exc_info=True)
            return out.getvalue().splitlines()
        """,
        [
            "main:19 MainThread a 1",
            '["INFO", "main", 19, "a 1", null]',
            '["ERROR", "main", 25, "c", "ZeroDivisionError: division by zero"]',
        ],
    ),
    "a handler that has a level": (
        """
        import enum, io, logging
        class Level(enum.IntEnum):
            HIGH = 40
        class Kept(logging.Handler):
            def __init__(self, level):
                super().__init__(level)
                self.kept = []
            def emit(self, record): self.kept.append(self.format(record))
        def main():
            kept, stream = Kept(Level.HIGH), logging.StreamHandler(io.StringIO())
            stream.terminator = ";"
            logger = logging.getLogger("with levels")
            logger.propagate = False
            logger.addHandler(kept)
            logger.addHandler(stream)
            logger.warning("a")
            logger.error("b")
            return [kept.kept, kept.level, logging.Handler(level="INFO").level, stream.stream.getvalue()]
        """,
        [["b"], 40, 20, "a;b;"],
    ),
    "an enum made of an ordered dictionary": (
        """
        from collections import OrderedDict
        from enum import Enum
        def main(): return [each.value for each in Enum("Size", OrderedDict(small=5, large=7))]
        """,
        [5, 7],
    ),
    "a copy that leaves something out": (
        """
        import copy
        class Cache:
            def __init__(self):
                self.size = 1
                self.kept = object()
            def __getstate__(self):
                state = self.__dict__.copy()
                del state["kept"]
                return state
            def __setstate__(self, state):
                self.__dict__.update(state)
                self.kept = "anew"
        def main(): return [[each.size, each.kept] for each in (copy.copy(Cache()), copy.deepcopy(Cache()))]
        """,
        [[1, "anew"], [1, "anew"]],
    ),
    "a cache that tells types apart": (
        """
        import functools
        calls = []
        @functools.lru_cache(maxsize=2, typed=True)
        def f(x, *, y=0):
            "doc"
            calls.append(x)
            return str(x)
        def main():
            found = [f(1), f(1.0), f(1), f(True, y=1), f(x=3)]
            told = [f.cache_info().hits, f.cache_info().maxsize, f.cache_parameters()["typed"], f.__name__, f.__doc__]
            f.cache_clear()
            return [found, len(calls), told, f.__wrapped__(5), f.cache_info().currsize]
        """,
        [["1", "1.0", "1", "True", "3"], 4, [1, 2, True, "f", "doc"], "5", 0],
    ),
    "an object's dict is replaced: shared state, a dict that is its own": (
        """
        class Borg:
            shared = {}
            def __init__(self): self.__dict__ = self.shared
        class Attributes(dict):
            def __init__(self, **given):
                super().__init__(**given)
                self.__dict__ = self
        class Merged:
            def __init__(self, **given): self.__dict__ |= given
        def main():
            Borg().a = 1
            d = Attributes(x=1)
            d.y = 2
            return [Borg().a, d, d.x, vars(Merged(z=3))]
        """,
        [1, {"x": 1, "y": 2}, 1, {"z": 3}],
    ),
    "what permits no changes is copied": (
        """
        import collections, copy, string
        from dataclasses import dataclass
        from typing import Generic, TypeVar
        T = TypeVar("T")
        @dataclass(frozen=True)
        class Frozen:
            x: object
        class Box(Generic[T]):
            def __init__(self, value): self.value = value
            def __setattr__(self, name, value):
                if name in self.__dict__: raise TypeError(name)
                super().__setattr__(name, value)
        def main():
            library = [collections.UserDict(a=1), collections.UserList([2]), collections.ChainMap({"b": 3})]
            return [
                copy.copy(Frozen(1)).x, copy.deepcopy(Frozen([2])).x, copy.deepcopy(Box[int](3)).value,
                [str(copy.deepcopy(each)) for each in library], copy.copy(string.Template("$c")).template,
            ]
        """,
        [1, [2], 3, ["{'a': 1}", "[2]", "ChainMap({'b': 3})"], "$c"],
    ),
    "attributes in every place an assignment can stand": (
        """
        class C:
            count = 0
            def __init__(self):
                self.__x = 1
                self.__x += 4
                self._d = {"k": [1]}
                self._d["k"][0] += 2
                self.a, self.b = 1, 2
                self.a, self.b = self.b, self.a
                for self.i in range(3): pass
                self.__class__.count += 1
                type(self).count += 1
                C.count += 1
                [self.p, *self.q] = "xyz"
                self.n = self
                self.n.n.n.deep = 5
                del self.p
            def x(self): return self.__x
            def drop(self):
                del self.__x
                return hasattr(self, "_C__x")
        def main():
            c = C()
            return [c.x(), c._d, c.a, c.b, c.i, C.count, c.q, c.deep, hasattr(c, "p"), c.drop()]
        """,
        [5, {"k": [3]}, 2, 1, 2, 3, ["y", "z"], 5, False, False],
    ),
    "methods called through the class": (
        """
        class Base:
            def __init__(self, x): self.x = x
            def __repr__(self): return "Base"
            def __eq__(self, o): return isinstance(o, Base) and self.x == o.x
        class Derived(Base):
            def __init__(self, x, y):
                Base.__init__(self, x)
                self.y = y
            def __repr__(self): return "Derived:" + Base.__repr__(self)
            def __eq__(self, o): return super().__eq__(o) and self.y == o.y
        def main():
            return [repr(Derived(1, 2)), Derived(1, 2) == Derived(1, 2), int.__add__(1, 2), str.upper("a"), list.__len__([1]), dict.fromkeys("ab", 0), object.__repr__(1)[:4], "a".__add__("b"), (3).__class__.__name__, Base.__init__.__name__, [].__contains__(1), bool(object.__eq__(1, 2) is NotImplemented)]
        """,
        ["Derived:Base", True, 3, "A", 1, {"a": 0, "b": 0}, "<int", "ab", "int", "__init__", False, True],
    ),
    "a linked list, a tree, a graph": (
        """
        class Node:
            def __init__(self, data, next=None): self.data, self.next = data, next
        class LinkedList:
            def __init__(self): self.head = None
            def push(self, d): self.head = Node(d, self.head)
            def reverse(self):
                prev, cur = None, self.head
                while cur: cur.next, prev, cur = prev, cur, cur.next
                self.head = prev
            def __iter__(self):
                n = self.head
                while n:
                    yield n.data
                    n = n.next
        class Tree:
            def __init__(self, v): self.v, self.left, self.right = v, None, None
            def insert(self, v):
                side = "left" if v < self.v else "right"
                child = getattr(self, side)
                if child is None: setattr(self, side, Tree(v))
                else: child.insert(v)
            def walk(self): return (self.left.walk() if self.left else []) + [self.v] + (self.right.walk() if self.right else [])
        def dijkstra(g, s):
            import heapq
            dist = {s: 0}; q = [(0, s)]
            while q:
                d, u = heapq.heappop(q)
                for v, w in g.get(u, {}).items():
                    if d + w < dist.get(v, float("inf")):
                        dist[v] = d + w
                        heapq.heappush(q, (dist[v], v))
            return dist
        def main():
            l = LinkedList()
            for i in range(3): l.push(i)
            l.reverse()
            t = Tree(5)
            for v in (2, 8, 1): t.insert(v)
            return [list(l), t.walk(), dijkstra({"a": {"b": 1, "c": 5}, "b": {"c": 1}}, "a")]
        """,
        [[0, 1, 2], [1, 2, 5, 8], {"a": 0, "b": 1, "c": 2}],
    ),
    "algorithms": (
        """
        from collections import deque
        from functools import lru_cache
        def sieve(n):
            p = [True] * (n + 1)
            p[0:2] = [False] * 2
            for i in range(2, int(n ** 0.5) + 1):
                if p[i]: p[i * i::i] = [False] * len(p[i * i::i])
            return [i for i, x in enumerate(p) if x]
        def quick(a): return a if len(a) < 2 else quick([x for x in a[1:] if x < a[0]]) + [a[0]] + quick([x for x in a[1:] if x >= a[0]])
        @lru_cache
        def lcs(a, b): return "" if not a or not b else a[0] + lcs(a[1:], b[1:]) if a[0] == b[0] else max(lcs(a[1:], b), lcs(a, b[1:]), key=len)
        def bfs(grid):
            q, seen = deque([(0, 0, 0)]), {(0, 0)}
            while q:
                r, c, d = q.popleft()
                if (r, c) == (len(grid) - 1, len(grid[0]) - 1): return d
                for dr, dc in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                    n = r + dr, c + dc
                    if 0 <= n[0] < len(grid) and 0 <= n[1] < len(grid[0]) and not grid[n[0]][n[1]] and n not in seen:
                        seen.add(n); q.append((*n, d + 1))
        def perms(xs): return [[]] if not xs else [[x] + p for i, x in enumerate(xs) for p in perms(xs[:i] + xs[i + 1:])]
        def roman(n):
            out = ""
            for v, s in zip((10, 9, 5, 4, 1), ("X", "IX", "V", "IV", "I")):
                while n >= v: out += s; n -= v
            return out
        def main(): return [sieve(20), quick([3, 1, 2]), lcs("abcbdab", "bdcaba"), bfs([[0, 1], [0, 0]]), len(perms([1, 2, 3])), roman(14), [*map(lambda r: [*r], zip(*[[1, 2], [3, 4]]))], (lambda f: f(f, 5))(lambda s, n: 1 if n < 2 else n * s(s, n - 1))]
        """,
        [[2, 3, 5, 7, 11, 13, 17, 19], [1, 2, 3], "bdab", 2, 6, "XIV", [[1, 3], [2, 4]], 120],
    ),
    "observers, registries, plugins, fluent interfaces": (
        """
        HANDLERS = {}
        def handler(name):
            def register(f):
                HANDLERS[name] = f
                f._registered = True
                return f
            return register
        @handler("up")
        def up(x): return x.upper()
        class Event:
            def __init__(self): self._subs = []
            def __iadd__(self, f): self._subs.append(f); return self
            def __call__(self, *a): return [f(*a) for f in self._subs]
        class Button:
            def __init__(self): self.on_click = Event()
        class Query:
            def __init__(self, rows): self._rows = rows
            def where(self, **kw): return Query([r for r in self._rows if all(r.get(k) == v for k, v in kw.items())])
            def __getattr__(self, name):
                if name.startswith("by_"): return lambda v: self.where(**{name[3:]: v})
                raise AttributeError(name)
            def all(self): return self._rows
        class State:
            def go(self): self.__dict__["mode"] = "on"; return self
        def main():
            b = Button(); b.on_click += lambda x: x * 2; b.on_click += len
            q = Query([{"a": 1, "b": 2}, {"a": 2}])
            return [HANDLERS["up"]("x"), up._registered, b.on_click("ab"), q.where(a=1).all(), q.by_a(2).all(), hasattr(q, "nope"), State().go().mode]
        """,
        ["X", True, ["abab", 2], [{"a": 1, "b": 2}], [{"a": 2}], False, "on"],
    ),
    "enums and dataclasses, further": (
        """
        from enum import Enum, IntEnum, Flag, auto, unique
        from dataclasses import dataclass, field, InitVar, KW_ONLY, asdict
        from typing import ClassVar, List
        @unique
        class Planet(Enum):
            EARTH = (5.97, 6.37)
            MARS = (0.64, 3.39)
            def __init__(self, mass, radius): self.mass, self.radius = mass, radius
            @property
            def density(self): return round(self.mass / self.radius, 2)
            def __str__(self): return self.name.title()
        class S(str, Enum):
            A = "a"
        class P(Flag):
            R = auto(); W = auto(); RW = R | W
        class Pri(IntEnum):
            LOW = 1
            HIGH = 2
        class Auto(Enum):
            def _generate_next_value_(name, start, count, last): return name.lower()
            ONE = auto()
        @dataclass
        class Base:
            id: int
            kind: ClassVar[str] = "base"
        @dataclass
        class Child(Base):
            tags: List[str] = field(default_factory=list)
            scale: InitVar[int] = 1
            _: KW_ONLY
            name: str = "n"
            def __post_init__(self, scale): self.id *= scale
        @dataclass(frozen=True, order=True)
        class V:
            x: int
            y: int = field(compare=False, default=0)
        @dataclass(eq=False)
        class Tree:
            kids: "list[Tree]" = field(default_factory=list, repr=False)
        def main():
            c = Child(2, ["t"], 3, name="z")
            return [Planet.EARTH.density, str(Planet.MARS), S.A == "a", S("a").value, (P.R | P.W) is P.RW, P.R in P.RW, Pri.HIGH > Pri.LOW, Auto.ONE.value, asdict(c), Child.kind, repr(V(1)), V(1) < V(2), hash(V(1)) == hash(V(1, 5)), len(Tree([Tree()]).kids), {V(1): 2}[V(1)], [p.name for p in Planet], Planet["MARS"].radius, sorted(Pri, reverse=True)[0]]
        """,
        [
            0.94,
            "Mars",
            True,
            "a",
            True,
            True,
            True,
            "one",
            {"id": 6, "tags": ["t"], "name": "z"},
            "base",
            "V(x=1, y=0)",
            True,
            True,
            1,
            2,
            ["EARTH", "MARS"],
            3.39,
            2,
        ],
    ),
    "everything a generator can do": (
        """
        import contextlib
        def averager():
            total, n, avg = 0, 0, None
            while True:
                try: x = yield avg
                except ValueError: total = n = 0; continue
                total += x; n += 1; avg = total / n
        def fib():
            a, b = 0, 1
            while True: yield a; a, b = b, a + b
        class Tree:
            def __init__(self, v, *kids): self.v, self.kids = v, kids
            def __iter__(self):
                yield self.v
                for k in self.kids: yield from k
        @contextlib.contextmanager
        def tag(out, name):
            out.append(f"<{name}>")
            try: yield out
            finally: out.append(f"</{name}>")
        def main():
            a = averager(); next(a); a.send(10); m = a.send(20); a.throw(ValueError("reset")); r = a.send(6)
            out = []
            with contextlib.ExitStack() as stack:
                for n in "ab": stack.enter_context(tag(out, n))
                stack.callback(out.append, "bye")
            g = fib(); first = [next(g) for _ in range(8)]; g.close()
            try: next(g)
            except StopIteration: first.append("stopped")
            it = iter([1, 2, 3])
            pairs = list(zip(it, it))
            n = iter(lambda c=[0]: c.__setitem__(0, c[0] + 1) or c[0], 4)
            return [m, r, out, first, list(Tree(1, Tree(2), Tree(3, Tree(4)))), pairs, list(n)]
        """,
        [
            15.0,
            6.0,
            ["<a>", "<b>", "bye", "</b>", "</a>"],
            [0, 1, 1, 2, 3, 5, 8, 13, "stopped"],
            [1, 2, 3, 4],
            [[1, 2]],
            [1, 2, 3],
        ],
    ),
    "errors as programs make and look at them": (
        """
        class ValidationError(ValueError):
            def __init__(self, field, message="bad"):
                self.field = field
                super().__init__(f"{field}: {message}")
        class Retry:
            def __init__(self, n): self.n = n
            def __call__(self, f):
                def run(*a):
                    for i in range(self.n):
                        try: return f(*a), i
                        except Exception as e: last = e
                    raise RuntimeError("gave up") from last
                return run
        tries = []
        @Retry(3)
        def flaky():
            tries.append(1)
            if len(tries) < 3: raise IOError("no")
            return "ok"
        @Retry(1)
        def never(): raise KeyError("k")
        def cleanup():
            try: return "try"
            finally: tries.append("cleanup")
        def main():
            out = [flaky(), cleanup()]
            try: never()
            except RuntimeError as e: out += [str(e), repr(e.__cause__), type(e.__cause__).__mro__[1].__name__]
            try: raise ValidationError("age")
            except ValueError as e: out += [e.field, str(e), e.args, isinstance(e, Exception)]
            try: [][1]
            except (IndexError, KeyError) as e: out.append(f"{type(e).__name__}: {e}")
            try: {}["a"]
            except LookupError as e: out.append(str(e))
            try: None.x
            except AttributeError as e: out.append(str(e))
            try: undefined_name
            except NameError as e: out.append(str(e))
            try: 1 + "a"
            except TypeError as e: out.append(str(e))
            try: raise ExceptionGroup("g", [ValueError(1)])
            except ExceptionGroup as g: out.append(len(g.exceptions))
            return out
        """,
        [
            ["ok", 2],
            "try",
            "gave up",
            "KeyError('k')",
            "LookupError",
            "age",
            "age: bad",
            ["age: bad"],
            True,
            "IndexError: list index out of range",
            "'a'",
            "'NoneType' object has no attribute 'x'",
            "name 'undefined_name' is not defined",
            "unsupported operand type(s) for +: 'int' and 'str'",
            1,
        ],
    ),
    "copying": (
        """
        import copy
        class P:
            def __init__(self): self.xs, self._y = [1], 2
        class Slotted:
            __slots__ = ("a", "_b")
            def __init__(self): self.a, self._b = [1], 2
        class L(list): pass
        class Own:
            def __init__(self, n): self.n = n
            def __copy__(self): return Own(self.n + 1)
            def __deepcopy__(self, memo): return Own(self.n + 10)
        def main():
            p = P(); q = copy.deepcopy(p); r = copy.copy(p); q.xs.append(2); r.xs.append(3)
            s = copy.deepcopy(Slotted()); l = L([1]); l.tag = "t"; m = copy.copy(l)
            loop = {"a": 1}; loop["self"] = loop; d = copy.deepcopy(loop)
            return [p.xs, q.xs, q._y, s.a, s._b, m, m.tag, type(m).__name__, copy.copy(Own(1)).n, copy.deepcopy([Own(1)])[0].n, d["self"] is d, copy.copy({"a": 1}), copy.deepcopy((1, [2]))]
        """,
        [[1, 3], [1, 2], 2, [1], 2, [1], "t", "L", 2, 11, True, {"a": 1}, [1, [2]]],
    ),
    "files in memory are used as files are": (
        """
        import io
        def main():
            file = io.BytesIO(b"abcdef")
            found = [file.seek(-2, io.SEEK_END), file.read().decode(), file.seek(1, io.SEEK_SET), file.seek(0, io.SEEK_CUR)]
            try: io.StringIO().fileno()
            except io.UnsupportedOperation as error: found.append(str(error))
            return found
        """,
        [4, "ef", 1, 1, "fileno"],
    ),
    "objects are told apart by their types": (
        """
        import types
        def generator(): yield 1
        class A:
            def method(self): return "bound"
        def main():
            values = [generator(), main, lambda: 1, A().method, len, int | str, A]
            kinds = [types.GeneratorType, types.FunctionType, types.LambdaType, types.MethodType, types.BuiltinFunctionType,
                     types.UnionType]
            a = A()
            a.later = types.MethodType(lambda self: self.method() + " later", a)
            return [[isinstance(value, kind) for kind in kinds] for value in values] + [a.later()]
        """,
        [
            [True, False, False, False, False, False],
            [False, True, True, False, False, False],
            [False, True, True, False, False, False],
            [False, False, False, True, False, False],
            [False, False, False, False, True, False],
            [False, False, False, False, False, True],
            [False] * 6,
            "bound later",
        ],
    ),
    "documented attributes of the library's objects are set": (
        """
        import csv, io
        from collections import ChainMap, UserDict, UserList, UserString, defaultdict
        def main():
            reader = csv.DictReader(io.StringIO("a b,c\\n1,2,3\\n4\\n"))
            reader.fieldnames = [name.strip().replace(" ", "_") for name in reader.fieldnames]
            reader.restkey, reader.restval = "more", "none"
            file = io.StringIO()
            writer = csv.DictWriter(file, ["a"])
            writer.fieldnames, writer.restval, writer.extrasaction = ["a", "b"], "-", "ignore"
            writer.writerow({"a": 1, "c": 2})
            sniffer = csv.Sniffer()
            sniffer.preferred = ["|"] + sniffer.preferred
            chain = ChainMap({"a": 1})
            chain.maps = [{"a": 2}, *chain.maps]
            chain.maps += [{"z": 3}]
            held, listed, text = UserDict(), UserList(), UserString("")
            held.data, listed.data, text.data = {"x": 1}, [1, 2], "a{0}"
            counted = defaultdict(int)
            counted["a"] += 1
            counted.default_factory = None
            try: counted["b"]
            except KeyError as error: missing = str(error)
            counted.default_factory = list
            counted["c"].append(1)
            memory, named = io.BytesIO(), io.StringIO()
            memory.name = named.name = "report.csv"
            return [list(reader), file.getvalue(), sniffer.sniff("a|b\\nc|d\\n").delimiter, dict(chain), held["x"], listed[1],
                    text.format(5), missing, counted, memory.name + named.name]
        """,
        [
            [{"a_b": "1", "c": "2", "more": ["3"]}, {"a_b": "4", "c": "none"}],
            "1,-\r\n",
            "|",
            {"z": 3, "a": 2},
            1,
            2,
            "a5",
            "'b'",
            {"a": 1, "c": [1]},
            "report.csvreport.csv",
        ],
    ),
}


@each(PROGRAMS)
def test_a_program_returns_what_plain_python_does(box: Sandbox, program: str, expected: Any) -> None:
    check(box, program, expected)
