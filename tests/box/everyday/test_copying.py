"""copy.copy and copy.deepcopy, held against CPython."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox import Sandbox
from tests.box.everyday.programs import check, each

COPIES = {
    "containers": (
        """
        import copy, collections
        def main():
            shared = [1]
            things = [[shared], {"a": shared}, (shared, 1), {1, 2}, frozenset({3}), bytearray(b"x"),
                      collections.deque([shared], 3), collections.OrderedDict(a=shared),
                      collections.defaultdict(list, a=shared), collections.Counter("aab"), collections.ChainMap({"a": shared})]
            out = []
            for thing in things:
                shallow, deep = copy.copy(thing), copy.deepcopy(thing)
                shared.append(9)
                out.append([shallow == thing, deep == thing, type(deep) is type(thing), str(deep)])
                shared.pop()
            return out
        """,
        None,
    ),
    "what a copy keeps of a container": (
        """
        import copy, collections
        def main():
            queue = copy.copy(collections.deque([1, 2, 3], maxlen=3)); queue.append(4)
            table = copy.deepcopy(collections.defaultdict(list)); table["x"].append(1)
            chain = copy.copy(collections.ChainMap({"a": 1}, {"b": 2})); chain["a"] = 3
            own = collections.UserDict(a=[1]); other = copy.copy(own); other["b"] = 1; other["a"].append(2)
            return [list(queue), dict(table), dict(chain), dict(own), dict(other)]
        """,
        [[2, 3, 4], {"x": [1]}, {"a": 3, "b": 2}, {"a": [1, 2]}, {"a": [1, 2], "b": 1}],
    ),
    "values are shared or equal": (
        """
        import copy, datetime, decimal, fractions, uuid, re, enum, zoneinfo, functools, types
        class Colour(enum.Enum): RED = [1]
        def main():
            things = [datetime.date(2026, 1, 2), datetime.datetime(2026, 1, 2, tzinfo=zoneinfo.ZoneInfo("Asia/Shanghai")),
                      datetime.timedelta(3), decimal.Decimal("1.5"), fractions.Fraction(1, 3), uuid.UUID(int=5),
                      re.compile("a"), Colour.RED, range(3), slice(1, 2), main, len, int, list[int], None, ..., 1 + 2j,
                      types.SimpleNamespace(a=[1])]
            return [copy.copy(each) == each and copy.deepcopy(each) == each for each in things]
        """,
        [True] * 18,
    ),
    "objects of one's own classes with bases of the library": (
        """
        import contextlib, copy, datetime, numbers, string, typing, uuid
        class Zone(datetime.tzinfo):
            def __init__(self, names=()): self.held = list(names)
            def utcoffset(self, when): return datetime.timedelta(hours=1)
            def dst(self, when): return None
            def tzname(self, when): return self.held[0]
        class Holder:
            def __init__(self): self.held = [1]
        class Money(Holder, numbers.Number):
            def __hash__(self): return 1
        class Manager(Holder, contextlib.AbstractAsyncContextManager):
            async def __aexit__(self, *_): pass
        class Text(Holder, string.Formatter): pass
        class Rounded(Holder, typing.SupportsInt):
            def __int__(self): return 7
        class Anything(Holder, typing.Any): pass
        class Id(uuid.UUID): pass
        def main():
            out = []
            for old in (Zone(["X"]), Money(), Manager(), Text(), Rounded(), Anything()):
                shallow, deep = copy.copy(old), copy.deepcopy(old)
                out.append([type(deep) is type(shallow) is type(old), shallow.held is old.held, deep.held is old.held, deep.held == old.held])
            when = copy.deepcopy(datetime.datetime(2026, 1, 2, tzinfo=Zone(["X"])))
            made = copy.deepcopy(copy.copy(Id(int=5, is_safe=uuid.SafeUUID.safe)))
            return [out, when.isoformat(), when.tzname(), str(made), made == uuid.UUID(int=5), type(made) is Id, made.is_safe.name,
                    copy.copy(Text()).format("{}", 1), int(copy.copy(Rounded()))]
        """,
        [[[True, True, False, True]] * 6, "2026-01-02T00:00:00+01:00", "X", "00000000-0000-0000-0000-000000000005", True,
         True,
            "safe", "1", 7],
    ),
    "objects of one's own classes": (
        """
        import copy, dataclasses, typing, collections
        @dataclasses.dataclass(frozen=True, slots=True)
        class Frozen: x: list
        class Point(typing.NamedTuple):
            x: list
            y: int = 0
        class Pair(collections.namedtuple("Pair", "a b")): pass
        class Money(int):
            def __new__(cls, n, unit=""):
                made = super().__new__(cls, n)
                made.unit = unit
                return made
        class Stack(list):
            def __init__(self, *items):
                super().__init__(items)
                self.limit = [3]
        class Tagged(dict): pass
        class Slotted:
            __slots__ = ("a", "_b")
        class Base:
            def __init__(self): self.base = [1]
        class Derived(Base):
            def __init__(self):
                super().__init__()
                self.own = {"k": self}
        class Own(Exception):
            def __init__(self, message, code=1):
                super().__init__(message)
                self.code = code
        def main():
            s = Slotted(); s.a = [1]; s._b = 2
            tagged = Tagged(a=[1]); tagged.note = "n"
            d = Derived(); e = copy.deepcopy(d); e.base.append(2)
            error = Own("no", 5)
            stack = copy.deepcopy(Stack(1, [2])); stack.limit.append(4)
            return [copy.deepcopy(Frozen([1])).x, list(copy.deepcopy(Point([1]))), list(copy.copy(Pair(1, 2))),
                    [copy.copy(Money(3, "kg")), copy.copy(Money(3, "kg")).unit, type(copy.deepcopy(Money(3))).__name__],
                    stack, stack.limit, copy.copy(tagged), copy.copy(tagged).note,
                    [copy.copy(s).a, copy.deepcopy(s)._b], d.base, e.base, e.own["k"] is e,
                    [str(copy.copy(error)), copy.copy(error).code]]
        """,
        [[1], [[1], 0], [1, 2], [3, "kg", "Money"], [1, [2]], [3, 4], {"a": [1]}, "n", [[1], 2], [1], [1, 2], True,
         ["no", 5]],
    ),
    "one's own ways to be copied": (
        """
        import copy
        class State:
            def __init__(self): self.a, self.b = 1, [2]
            def __getstate__(self): return {"a": self.a}
            def __setstate__(self, state): self.__dict__.update(state); self.b = "restored"
        class Counted:
            copies = 0
            def __copy__(self): Counted.copies += 1; return self
            def __deepcopy__(self, memo):
                made = Counted(); memo[id(self)] = made; Counted.copies += 10
                return made
        class Made:
            def __new__(cls, *args):
                made = super().__new__(cls); made.made = len(args)
                return made
        def main():
            one = Counted(); two = copy.deepcopy([one, one])
            return [vars(copy.copy(State())), vars(copy.deepcopy(State())), copy.copy(one) is one, two[0] is two[1],
                    Counted.copies, copy.copy(Made(1, 2)).made]
        """,
        [{"a": 1, "b": "restored"}, {"a": 1, "b": "restored"}, True, True, 11, 2],
    ),
    "cycles, methods, partials, files, random": (
        """
        import copy, functools, io, random
        class Node:
            def __init__(self): self.next = self; self.values = [1]
            def get(self): return self.values
        def main():
            node = copy.deepcopy(Node()); loop = [1]; loop.append(loop); other = copy.deepcopy(loop)
            bound = copy.deepcopy(Node().get); call = copy.deepcopy(functools.partial(max, [1, 3], default=2))
            file = io.StringIO("abcd"); file.read(2); second = copy.copy(file)
            source = random.Random(5); twin = copy.copy(source)
            key = ([1],); both = copy.deepcopy([key, key])
            return [node.next is node, other[1] is other, bound(), call(), second.read(), source.random() == twin.random(),
                    both[0] is both[1]]
        """,
        [True, True, [1], 3, "cd", True, True],
    ),
}  # fmt: skip


@each({name: table for name, table in COPIES.items() if table[1] is not None})
def test_copies_are_as_in_cpython(box: Sandbox, program: str, expected: Any) -> None:
    check(box, program, expected)


def test_containers_are_copied_as_in_cpython(box: Sandbox) -> None:
    from tests.box.everyday.programs import in_plain_python, in_the_sandbox, source_of

    source = source_of(COPIES["containers"][0])
    assert in_the_sandbox(box, source) == in_plain_python(source)


REFUSED = {
    "an iterator": "iter([1])",
    "a generator": "(x for x in [])",
    "a tee": "itertools.tee([])[0]",
    "a view": "{}.keys()",
}


@pytest.mark.parametrize("made", REFUSED.values(), ids=list(REFUSED))
def test_what_can_not_be_copied_says_so(box: Sandbox, made: str) -> None:
    from tests.box.programs import Runner

    failure = Runner(box).failure(f"import copy, itertools\ndef main():\n    copy.copy({made})\n")
    assert failure.type == "TypeError"
    assert "can't be copied in the sandbox" in failure.message


def test_nobody_is_asked_how_to_rebuild_an_object(box: Sandbox) -> None:
    from tests.box.programs import Runner

    program = """
        import copy, types
        def forged(*args):
            asked.append(1)
            return (list, ())
        asked = []
        class Own: pass
        def main():
            own = Own()
            for name in ("__reduce_ex__", "__reduce__", "__getnewargs__", "__getnewargs_ex__", "__copy__", "__setstate__"):
                vars(own)[name] = forged
            copy.copy(own), copy.deepcopy(own)
            copy.copy(types.SimpleNamespace(__reduce_ex__=forged))
            return asked
        """
    assert Runner(box).answer(program) == []
