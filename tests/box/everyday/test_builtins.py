"""Builtins. Each program stands beside what it returns, in the sandbox and in plain CPython."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox import Sandbox
from tests.box.everyday.programs import Table, check, each
from tests.box.programs import Runner

PROGRAMS: Table = {
    # Since Python 3.12 the interpreter imports a module of its own for these.
    "division of large integers": (
        """
import math
from fractions import Fraction
def main():
    a, b = 10**9000, 7**3500
    return [each % 1000003 for each in (a // b, a % b, *divmod(-a, b), math.isqrt(2 * 10**24000), Fraction(a, b * 10).numerator)]
""",
        [696243, 303083, 303759, 93454, 119104, 758534],
    ),
    "what the interpreter imports by itself": (
        r"""
import datetime, time
from typing import TypeVar
def main():
    when = datetime.datetime.strptime("2024-01-02 +0100", "%Y-%m-%d %z")
    view = memoryview(b"\1\0").cast("h")
    return [
        when.strftime("%j %z"), when.timetuple().tm_yday, time.strptime("2024", "%Y").tm_year,
        "\u00e9".encode("ascii", "namereplace").decode(), b"\\N{BULLET}".decode("unicode_escape"),
        "\u00e4".encode("cp1252").hex(), view == memoryview(b"\1\0").cast("H"), repr(TypeVar("T") | None),
    ]
""",
        ["002 +0100", 2, 2024, "\\N{LATIN SMALL LETTER E WITH ACUTE}", "\u2022", "e4", True, "typing.Optional[~T]"],
    ),
    "print flushes the file that is named": (
        """
class File:
    def __init__(self): self.done = []
    def write(self, text): self.done.append(text)
    def flush(self): self.done.append("flush")
def main():
    file = File()
    print("a", file=file, end="")
    print("b", file=file, end="", flush=True)
    return [each for each in file.done if each]
""",
        ["a", "b", "flush"],
    ),
    "attributes by members of an enum of strings": (
        """
import enum, operator
class Field(enum.StrEnum):
    PRICE = "price"
class Old(str, enum.Enum):
    NAME = "name"
class Item:
    price, name = 1, "a"
    def __setattr__(self, name, value): super().__setattr__(name, value)
def main():
    item = Item()
    setattr(item, Field.PRICE, 2)
    object.__setattr__(item, Old.NAME, "b")
    found = [getattr(item, Field.PRICE), getattr(item, Old.NAME), hasattr(item, Field.PRICE), operator.attrgetter(Field.PRICE, Old.NAME)(item), dict(vars(item))]
    delattr(item, Field.PRICE)
    return [*found, item.price]
""",
        [2, "b", True, [2, "b"], {"price": 2, "name": "b"}, 1],
    ),
    "everyday builtins": (
        """
def main():
    n = [3, 1, 2]
    return [sorted(n, reverse=True), sorted("bA", key=str.lower), min(n, key=lambda x: -x), max(1, 5, 2), max([], default=0), sum(n, 10), any(n), all([]),
            list(zip(n, "abc")), list(map(lambda a, b: a + b, n, n)), list(filter(None, [0, 1])), list(enumerate("ab", 5)), list(reversed(n)),
            abs(-2), round(2.567, 2), divmod(7, 3), pow(2, 10, 1000), bin(5), hex(255), oct(8), ord("a"), chr(98), ascii("é"), len({1, 2}),
            isinstance(n, (list, tuple)), issubclass(bool, int), callable(len), hash(1), int("ff", 16), float("1.5"), complex(1, 2).imag, bool([]),
            str(1), bytes([65]).decode(), bytearray(b"x").hex(), list(range(0, 10, 3)), list(slice(1, 2).indices(5)), frozenset([1]) == {1},
            next(iter("q")), repr("a"), format(3.14159, ".2f"), dict(a=1), dict([("b", 2)]), tuple("ab"), set([1, 1]) == {1}, type(1).__name__,
            getattr("a", "upper")(), hasattr([], "append"), Ellipsis is ..., NotImplemented is None, list(memoryview(b"ab")), "upper" in dir("")]
""",
        [
            [3, 2, 1],
            ["A", "b"],
            3,
            5,
            0,
            16,
            True,
            True,
            [[3, "a"], [1, "b"], [2, "c"]],
            [6, 2, 4],
            [1],
            [[5, "a"], [6, "b"]],
            [2, 1, 3],
            2,
            2.57,
            [2, 1],
            24,
            "0b101",
            "0xff",
            "0o10",
            97,
            "b",
            "'\\xe9'",
            2,
            True,
            True,
            True,
            1,
            255,
            1.5,
            2.0,
            False,
            "1",
            "A",
            "78",
            [0, 3, 6, 9],
            [1, 2, 1],
            True,
            "q",
            "'a'",
            "3.14",
            {"a": 1},
            {"b": 2},
            ["a", "b"],
            True,
            "int",
            "A",
            True,
            True,
            False,
            [97, 98],
            True,
        ],
    ),
    "strings": (
        """
def main():
    s = "Hello, World"
    return [s.lower(), s.split(", "), s.replace("l", "L", 1), s[::-1], s[1:4], s.find("o"), s.startswith("He"), ",".join(["a", "b"]), " x ".strip(), "a1".isalnum(),
            s.count("l"), s.title(), s.swapcase(), "x".zfill(3), "abc".center(7, "*"), s.partition(","), "a\\tb".expandtabs(2), "é".encode().hex(), "ab" * 2, "a" in s,
            "x=1;y=2".split(";"), "abc".translate(str.maketrans("a", "z")), "%s" % s.casefold(), "line1\\nline2".splitlines(), "ß".upper(), ord("中")]
""",
        [
            "hello, world",
            ["Hello", "World"],
            "HeLlo, World",
            "dlroW ,olleH",
            "ell",
            4,
            True,
            "a,b",
            "x",
            True,
            3,
            "Hello, World",
            "hELLO, wORLD",
            "00x",
            "**abc**",
            ["Hello", ",", " World"],
            "a b",
            "c3a9",
            "abab",
            False,
            ["x=1", "y=2"],
            "zbc",
            "hello, world",
            ["line1", "line2"],
            "SS",
            20013,
        ],
    ),
    "collections": (
        """
def main():
    d = {"a": 1, **{"b": 2}}
    l = [x ** 2 for x in range(5) if x % 2 == 0]
    m = [[i * j for j in range(3)] for i in range(2)]
    s = {c for c in "hello"}
    l2 = l[:]; l2.insert(0, 9); l2.extend([1]); l2.sort(); l2.remove(9)
    return [d, l, m, sorted(s), {k: v for k, v in zip("ab", [1, 2])}, d.get("z", 0), list(d), d.pop("a"), d.setdefault("q", 5), sorted(s & {"h", "x"}), sorted({1, 2} ^ {2, 3}), l2,
            [1, 2] + [3], [1, 2] < [1, 3], (1, 2)[0], {"a": {"b": [1]}}["a"]["b"][0], [1, 2, 3][-2:], list({1: 2}.items()), sum(sum(r) for r in m)]
""",
        [
            {"b": 2, "q": 5},
            [0, 4, 16],
            [[0, 0, 0], [0, 1, 2]],
            ["e", "h", "l", "o"],
            {"a": 1, "b": 2},
            0,
            ["a", "b"],
            1,
            5,
            ["h"],
            [1, 3],
            [0, 1, 4, 16],
            [1, 2, 3],
            True,
            1,
            1,
            [2, 3],
            [[1, 2]],
            3,
        ],
    ),
    "vars of what has no namespace": (
        """
class Slots: __slots__ = ("a",)
def main():
    out = []
    for each in (5, "a", [], None, Slots()):
        try: vars(each)
        except TypeError as error: out.append(str(error))
    return out
""",
        ["vars() argument must have __dict__ attribute"] * 5,
    ),
    "user defined names of builtins": (
        """
def open(x): return x + 1
class input: pass
def main(list=[1], id=3, type="t"):
    eval = 4
    return [open(1), list, id, type, eval]
""",
        [2, [1], 3, "t", 4],
    ),
}


@each(PROGRAMS)
def test_a_program_returns_what_plain_python_does(box: Sandbox, program: str, expected: Any) -> None:
    check(box, program, expected)


@pytest.mark.parametrize("binding", ["def input(): return 1", "from re import *", "for input in [1]: pass"])
def test_a_builtin_that_is_left_out_may_be_bound_anywhere(run: Runner, binding: str) -> None:
    name = "compile" if "*" in binding else "input"
    unbound = f"def main():\n    return {name} is not None\n"
    reason = {"input": "nobody is there to answer", "compile": "it makes code that nobody has checked"}[name]
    assert [(each.line, each.message) for each in run.problems(unbound)] == [
        (2, f"{name!r} is not available in the sandbox: {reason}")
    ]
    assert run.answer(f"{unbound}{binding}\n") is True


WRONG_CALLS = {
    "print(1, color=2)": "print() got an unexpected keyword argument 'color'",
    "getattr(1)": "getattr() ",
    "hasattr(1)": "hasattr() ",
    "setattr(1)": "setattr() ",
    "delattr()": "delattr() ",
    "dir(1, 2)": "dir() ",
    "vars(a=1)": "vars() ",
    "eval()": "eval() ",
    "globals(1)": "globals() ",
    "locals(1)": "locals() ",
    "exit(1, 2)": "exit() ",
    "sys.exit(1, 2)": "exit() ",
    "csv.reader()": "reader() ",
}


@pytest.mark.parametrize(("call", "told"), WRONG_CALLS.items(), ids=list(WRONG_CALLS))
def test_a_wrong_call_is_told_by_the_name_in_the_program(run: Runner, call: str, told: str) -> None:
    failure = run.failure(f"import csv, sys\ndef main(): return {call}")
    assert (failure.type, failure.message[: len(told)]) == ("TypeError", told)
