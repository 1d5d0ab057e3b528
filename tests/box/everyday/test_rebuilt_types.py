"""Types that are not the library's own here, because those can be damaged from Python: they behave like them."""

from __future__ import annotations

from typing import Any

from sandbox import Sandbox
from tests.box.everyday.programs import check, each, in_the_sandbox, source_of

TABLE = {
    "iterators take no more than they need, and complain early": (
        """
        import itertools, operator
        from collections import Counter
        from decimal import Decimal
        def refused(make):
            try: make()
            except (TypeError, ValueError) as e: return [type(e).__name__, str(e).split(",")[0]]
        def main():
            source = iter(range(20))
            first = [list(itertools.islice(source, 2)), list(itertools.islice(source, 1, 6, 2)), next(source),
                     list(itertools.islice(source, 0)), next(source), list(itertools.islice(source, 3, 1)), next(source),
                     list(itertools.islice(source, 5, None, 2))]
            it = itertools.chain([1], (), "ab")
            joined = [iter(it) is it, next(it), list(it), list(itertools.chain.from_iterable({"a": 1, "b": 2}.items())),
                      sorted(Counter("aab").elements())]
            sums = [list(itertools.accumulate([])), list(itertools.accumulate([], initial=5)),
                    list(itertools.accumulate([1, 2, 3], operator.mul, initial=2)), list(itertools.accumulate("ab"))]
            counted = [list(itertools.islice(itertools.count(3, -1), 3)), str(next(itertools.count(Decimal("1.5")))),
                       list(zip(itertools.count(start=1, step=2), "ab")), list(itertools.islice(itertools.cycle("ab"), 5)),
                       list(itertools.cycle([])), list(itertools.zip_longest()), list(itertools.zip_longest("a", "bc", fillvalue="-"))]
            asked = [refused(lambda: itertools.islice("a", -1)), refused(lambda: itertools.islice("a", 1, 2, 0)),
                     refused(lambda: itertools.count("a")), refused(lambda: itertools.islice(5, 1)), refused(lambda: itertools.cycle(5))]
            grouped = list(itertools.zip_longest(*[iter("abcde")] * 2)) + [list(itertools.pairwise(each)) for each in ("", "a", "abc")]
            return [first, joined, sums, counted, asked, grouped]
        """,
        [
            [[0, 1], [3, 5, 7], 8, [], 9, [], 13, [19]],
            [True, 1, ["a", "b"], ["a", 1, "b", 2], ["a", "a", "b"]],
            [[], [5], [2, 2, 4, 12], ["a", "ab"]],
            [[3, 2, 1], "1.5", [[1, "a"], [3, "b"]], ["a", "b", "a", "b", "a"], [], [], [["a", "b"], ["-", "c"]]],
            [
                ["ValueError", "Stop argument for islice() must be None or an integer: 0 <= x <= sys.maxsize."],
                ["ValueError", "Step for islice() must be a positive integer or None."],
                ["TypeError", "a number is required"],
                ["TypeError", "'int' object is not iterable"],
                ["TypeError", "'int' object is not iterable"],
            ],
            [["a", "b"], ["c", "d"], ["e", None], [], [], [["a", "b"], ["b", "c"]]],
        ],
    ),
    "OrderedDict keeps an order of its own": (
        """
        from collections import OrderedDict
        def main():
            d = OrderedDict([("a", 1), ("b", 2)], c=3)
            d.move_to_end("a"); d.move_to_end("c", last=False)
            first = list(d)
            popped = [list(d.popitem(last=False)), list(d.popitem())]
            d["z"] = 1; d.setdefault("y", 5); d.setdefault("y", 6)
            other = OrderedDict(y=5, z=1, b=2)
            return [first, popped, list(d.items()), d == other, d == dict(other), d != other, list(reversed(d)),
                    list(d.copy()), d.pop("nothing", 7), dict(OrderedDict.fromkeys("ab", 0)), list(d | {"n": 1}),
                    list({"n": 1} | d), isinstance(d, dict), type(d | {}).__name__]
        """,
        [["c", "b", "a"], [["c", 3], ["a", 1]], [["b", 2], ["z", 1], ["y", 5]], False, True, True, ["y", "z", "b"],
         ["b", "z", "y"], 7, {"a": 0, "b": 0}, ["b", "z", "y", "n"], ["n", "b", "z", "y"], True, "OrderedDict"],
    ),
    "OrderedDict as a base": (
        """
        from collections import OrderedDict
        class Cache(OrderedDict):
            def __init__(self, size, *args, **kwargs):
                self.size = size
                super().__init__(*args, **kwargs)
            def __setitem__(self, key, value):
                super().__setitem__(key, value)
                self.move_to_end(key)
                if len(self) > self.size:
                    self.popitem(last=False)
            def __missing__(self, key): return "none"
        def main():
            cache = Cache(2, [("a", 1), ("b", 2), ("c", 3)]); cache["b"] = 5; cache["d"] = 6
            return [list(cache.items()), cache["x"], cache.size]
        """,
        [[["b", 5], ["d", 6]], "none", 2],
    ),
    "an OrderedDict that holds itself can be shown": (
        """
        from collections import OrderedDict
        def main():
            d = OrderedDict(); d["me"] = d
            return ["..." in repr(d), repr(OrderedDict())]
        """,
        [True, "OrderedDict()"],
    ),
    "a queue is drained from the front in good time": (
        """
        from collections import OrderedDict
        def main():
            d = OrderedDict.fromkeys(range(50_000)); total = 0
            while d:
                total += d.popitem(last=False)[0]
            return total
        """,
        1249975000,
    ),
    "array": (
        """
        from array import array
        def main():
            a = array("i", [3, 1, 2]); a.append(5); a.extend([7, 8]); a.insert(0, 9); b = array("d", (x / 2 for x in range(3)))
            a[1] = 4; a[2:4] = array("i", [0, 0]); del a[0]; last = a.pop(); a.remove(5); a.reverse()
            a += array("i", [1]); c = a * 2
            return [list(a), last, a.index(4), a.count(0), 7 in a, len(c), list(a[::-1]), a[-1], b.tolist(), a.typecode,
                    a.itemsize, repr(array("d", [1.5])), a == array("i", list(a)), array("i", [1]) < array("i", [2]),
                    array("B", b"ab").tobytes().decode(), list(array("H", b"\\x01\\x00")), sum(a), max(b), repr(array("i")),
                    bytes(array("B", [65])).decode(), [x for x in a]]
        """,
        [[7, 0, 0, 4, 1], 8, 3, 2, True, 10, [1, 4, 0, 0, 7], 1, [0.0, 0.5, 1.0], "i", 4, "array('d', [1.5])", True, True,
         "ab", [1], 12, 1.0, "array('i')", "A", [7, 0, 0, 4, 1]],
    ),
    "what an array does not take": (
        """
        from array import array
        def kind(f):
            try: f()
            except Exception as error: return type(error).__name__
        def main():
            a = array("b", [1])
            return [kind(lambda: a.append(1000)), kind(lambda: a.append("x")), kind(lambda: a[5]), kind(lambda: array("?")),
                    kind(lambda: a.append(1.5)), kind(lambda: a.extend(array("i", [1]))), kind(lambda: a.pop(9)),
                    kind(lambda: a.remove(7)), kind(lambda: hash(a))]
        """,
        ["OverflowError", "TypeError", "IndexError", "ValueError", "TypeError", "TypeError", "IndexError", "ValueError",
         "TypeError"],
    ),
    "Struct": (
        """
        import struct
        def main():
            s = struct.Struct("<hI"); data = s.pack(-2, 7); room = bytearray(10); s.pack_into(room, 2, 1, 2)
            return [s.size, s.format, list(s.unpack(data)), list(s.unpack_from(room, 2)), [list(x) for x in s.iter_unpack(data * 2)],
                    struct.unpack("!H", b"\\x01\\x02")[0]]
        """,
        [6, "<hI", [-2, 7], [1, 2], [[-2, 7], [-2, 7]], 258],
    ),
    "groupby": (
        """
        from itertools import groupby
        def main():
            groups = groupby("AAbbA", str.lower); first, items = next(groups); next(items)
            rest = [(key, list(group)) for key, group in groups]
            return [first, list(items), rest, [(k, len(list(g))) for k, g in groupby([1, 1, 2])], list(groupby([])),
                    [k for k, _ in groupby("aabc")]]
        """,
        ["a", [], [["b", ["b", "b"]], ["a", ["A"]]], [[1, 2], [2, 1]], [], ["a", "b", "c"]],
    ),
    "groupby with keys that do not equal themselves": (
        """
        from itertools import groupby
        def main():
            nan, calls = float("nan"), []
            class Odd:
                def __eq__(self, other): calls.append("="); return False
            odd = Odd()
            return [len([k for k, _ in groupby([nan, 1.0])]), [len(list(g)) for _, g in groupby([nan, nan, float("nan"), 1.0])],
                    len([k for k, _ in groupby([odd, odd])]), [len(list(g)) for _, g in groupby([odd, odd])], calls]
        """,
        [2, [2, 1, 1], 1, [2], []],
    ),
    "decorators keep what they should": (
        """
        import functools, contextlib
        def tagged(f):
            f.tag = "t"
            return f
        @functools.lru_cache(maxsize=None)
        @tagged
        def cached(n):
            "Doc."
            return n
        @contextlib.contextmanager
        @tagged
        def context():
            "Context."
            yield 1
        def decorate(f):
            @functools.wraps(f)
            def inner(*args): return f(*args)
            return inner
        @decorate
        @tagged
        def wrapped(x: int) -> str:
            "Wrapped."
            return str(x)
        def main():
            return [cached.__name__, cached.__doc__, cached.tag, cached.__wrapped__(3), cached(4), context.__name__, context.tag,
                    context.__doc__, wrapped.__name__, wrapped.tag, wrapped.__wrapped__(1), sorted(wrapped.__annotations__)]
        """,
        ["cached", "Doc.", "t", 3, 4, "context", "t", "Context.", "wrapped", "t", "1", ["return", "x"]],
    ),
    "a generic function shows what it has": (
        """
        import functools
        @functools.singledispatch
        def show(x): return "any"
        @show.register
        def _(x: int): return "int"
        @show.register(list)
        def _(x): return "list"
        def main():
            return [show(1), show([]), show(""), sorted(k.__name__ for k in show.registry), int in show.registry,
                    show.registry[int](1), len(show.registry.items())]
        """,
        ["int", "list", "any", ["int", "list", "object"], True, "int", 3],
    ),
    "an ordered dictionary may have an update of its own": (
        """
        from collections import OrderedDict
        class Counted(OrderedDict):
            def __init__(self, *args, **kwargs):
                super().__init__(*args, **kwargs)
                self.changes = 0
            def update(self, *args, **kwargs):
                self.changes += 1
                super().update(*args, **kwargs)
        def main():
            counted = Counted([("a", 1)], b=2)
            counted.update(c=3)
            return [counted.changes, dict(counted)]
        """,
        [1, {"a": 1, "b": 2, "c": 3}],
    ),
    "protocols of typing can be asked for": (
        """
        import typing
        class Whole:
            def __int__(self): return 1
            def __index__(self): return 1
        def main():
            kinds = [typing.SupportsInt, typing.SupportsFloat, typing.SupportsIndex, typing.SupportsAbs, typing.SupportsBytes,
                     typing.SupportsComplex, typing.SupportsRound]
            return [[isinstance(each, kind) for kind in kinds] for each in (1, 1.5, "a", Whole())] + [issubclass(Whole, kinds[0])]
        """,
        [
            [True, True, True, True, False, False, True],
            [True, True, False, True, False, False, True],
            [False] * 7,
            [True, False, True, False, False, False, False],
            True,
        ],
    ),
    "methods of a class have hints, and are registered by them": (
        """
        import functools, typing
        class Shown:
            def bound(self, x: int) -> str: return str(x)
            @classmethod
            def made(cls, x: int): return cls()
            @staticmethod
            def plain(x: int): return x
            @functools.singledispatchmethod
            @classmethod
            def show(cls, x): return "any"
            @show.register
            @classmethod
            def _(cls, x: int): return "int"
            @functools.singledispatchmethod
            @staticmethod
            def tell(x): return "any"
            @tell.register
            @staticmethod
            def _(x: str): return "str"
        def main():
            return [[sorted(typing.get_type_hints(each)) for each in (Shown().bound, Shown.made, Shown.plain, vars(Shown)["made"])],
                    Shown.show(1), Shown().show(""), Shown.tell(""), Shown().tell(1)]
        """,
        [[["return", "x"], ["x"], ["x"], ["x"]], "int", "any", "str", "any"],
    ),
    "what is a dataclass, and what is none": (
        """
        import dataclasses
        @dataclasses.dataclass
        class D: x: int
        class E(D): pass
        def main(): return [hasattr(each, "__dataclass_fields__") for each in (D, D(1), E, E(1), 5, int, D(1).x)]
        """,
        [True, True, True, True, False, False, False],
    ),
    "an array is a sequence": (
        """
        import random
        from array import array
        from collections.abc import MutableSequence, Sequence
        def shape(x):
            match x:
                case [first, *rest]: return [first, list(rest)]
                case _: return "none"
        def main():
            a = array("i", [1, 2, 3])
            return [isinstance(a, Sequence), isinstance(a, MutableSequence), issubclass(array, Sequence), shape(a),
                    sorted(random.sample(a, 3))]
        """,
        [True, True, True, [1, [2, 3]], [1, 2, 3]],
    ),
}  # fmt: skip


@each(TABLE)
def test_they_behave_like_the_librarys(box: Sandbox, program: str, expected: Any) -> None:
    check(box, program, expected)


def test_annotations_of_a_dataclass_that_are_strings_say_what_is_no_field(box: Sandbox) -> None:
    """Not in the table: the library looks their names up in a module, which the programs of tests are not."""
    program = """
        from __future__ import annotations
        import dataclasses, typing
        import dataclasses as d, typing as t
        from typing import ClassVar
        @dataclasses.dataclass
        class Order:
            item: str
            count: typing.ClassVar = 1
            limits: t.ClassVar[list[int]] = [2]
            rate: ClassVar[float] = 3.0
            doubled: dataclasses.InitVar[int] = 4
            _: d.KW_ONLY
            note: str = ""
            def __post_init__(self, doubled): self.twice = 2 * doubled
        def main():
            order = Order("a", 5, note="n")
            return [dataclasses.asdict(order), order.twice, Order.count, Order.limits]
        """
    assert in_the_sandbox(box, source_of(program)) == [{"item": "a", "note": "n"}, 10, 1, [2]]
