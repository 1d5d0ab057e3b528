"""Control flow, exceptions, with. Each program stands beside what it returns, in the sandbox and in plain CPython."""

from __future__ import annotations

from typing import Any

from sandbox import Sandbox
from tests.box.everyday.programs import Table, check, each

PROGRAMS: Table = {
    "exceptions": (
        """
class AppError(Exception): pass
class NotFound(AppError, KeyError):
    def __str__(self): return "not found"
def risky(n):
    try:
        if n == 0: raise ValueError("zero")
        if n == 1: return 10 / 0
        if n == 2: return {}["x"]
        if n == 3: raise NotFound("y") from None
        if n == 4: [].pop()
        if n == 5: int("x")
        if n == 6: raise AppError("a", 2)
        return "fine"
    except ValueError as e: return "value " + str(e)
    except (ZeroDivisionError, KeyError) as e: return type(e).__name__ + " " + str(e)
    except AppError as e: return list(e.args)
    except Exception as e: return repr(e)
    finally: log.append(n)
log = []
def main():
    out = [risky(n) for n in range(8)]
    try:
        try: raise ValueError("inner")
        except ValueError as e: raise RuntimeError("outer") from e
    except RuntimeError as e: out += [str(e.__cause__), e.__cause__ is e.__context__]
    try:
        for i in range(3):
            try: continue
            finally: log.append("f")
        else: out.append("else")
    except Exception: pass
    else: out.append("no error")
    try: assert 1 == 2, "sum"
    except AssertionError as e: out.append(str(e))
    err = ValueError("n"); err.add_note("hint"); out.append(err.__notes__)
    return [out, log]
""",
        [
            [
                "value zero",
                "ZeroDivisionError division by zero",
                "KeyError 'x'",
                "NotFound not found",
                "IndexError('pop from empty list')",
                "value invalid literal for int() with base 10: 'x'",
                ["a", 2],
                "fine",
                "inner",
                True,
                "else",
                "no error",
                "sum",
                ["hint"],
            ],
            [0, 1, 2, 3, 4, 5, 6, 7, "f", "f", "f"],
        ],
    ),
    "loops": (
        """
def main():
    out = []
    i = 0
    while True:
        i += 1
        if i == 2: continue
        if i > 4: break
        out.append(i)
    else: out.append("never")
    while i > 3: i -= 1
    else: out.append("else")
    for a in range(3):
        for b in "xy":
            if b == "y": break
            out.append(f"{a}{b}")
    for k, v in {"p": 1}.items(): out.append([k, v])
    for n, c in enumerate("ab", 1): out.append(n)
    return out + [x if x else None for x in (0, 1)] + [1 < i < 5, not i, i and 2 or 3]
""",
        [1, 3, 4, "else", "0x", "1x", "2x", ["p", 1], 1, 2, None, 1, True, False, 2],
    ),
    "match statements": (
        """
from dataclasses import dataclass
from enum import Enum
class Color(Enum):
    RED = 1
    BLUE = 2
@dataclass
class Point:
    x: int
    y: int
class Pair:
    __match_args__ = ("left", "right")
    def __init__(self, left, right): self.left, self.right = left, right
def f(v):
    match v:
        case 0 | 1: return "small"
        case int(n) if n > 100: return f"big {n}"
        case Color.RED: return "red"
        case Point(0, y): return f"on y {y}"
        case Point(x=a, y=b): return f"point {a} {b}"
        case Pair(Pair(a, b), c): return f"pairs {a}{b}{c}"
        case [x]: return f"one {x}"
        case [x, *rest]: return f"list {x} {rest}"
        case {"type": "circle", "r": r, **kw}: return f"circle {r} {kw}"
        case {"type": t}: return t
        case str() as s: return s.upper()
        case None: return "none"
        case _: return "other"
def main():
    return [f(v) for v in (1, 500, Color.RED, Point(0, 2), Point(1, 2), Pair(Pair(1, 2), 3), [9], (1, 2, 3), {"type": "circle", "r": 1, "z": 0}, {"type": "sq"}, "abc", None, 3.5)]
""",
        [
            "small",
            "big 500",
            "red",
            "on y 2",
            "point 1 2",
            "pairs 123",
            "one 9",
            "list 1 [2, 3]",
            "circle 1 {'z': 0}",
            "sq",
            "ABC",
            "none",
            "other",
        ],
    ),
    "the main guard is false": (
        """
import math
ran = ["module"]
if __name__ == "__main__":
    ran.append("main")
print("hello")
def main(): return ran + [math.floor(2.5)]
""",
        ["module", 2],
    ),
    "an optional import": (
        """
try:
    import numpy as np
except ImportError:
    np = None
def main(): return np is None
""",
        True,
    ),
    "another import for older Pythons": (
        """
try:
    from zoneinfo import ZoneInfo
except ImportError:
    from backports.zoneinfo import ZoneInfo
try:
    import json
except (ImportError, ValueError):
    try:
        import simplejson as json
    except ModuleNotFoundError:
        import nothing_of_the_kind as json
def main(): return [ZoneInfo("UTC").key, json.dumps([1])]
""",
        ["UTC", "[1]"],
    ),
}


@each(PROGRAMS)
def test_a_program_returns_what_plain_python_does(box: Sandbox, program: str, expected: Any) -> None:
    check(box, program, expected)
