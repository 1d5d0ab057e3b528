"""Assignment and unpacking. Each program stands beside what it returns, in the sandbox and in plain CPython."""

from __future__ import annotations

from typing import Any

from sandbox import Sandbox
from tests.box.everyday.programs import Table, check, each

PROGRAMS: Table = {
    "augmented assignment everywhere": (
        """
class O: pass
def main():
    o, d, l, n = O(), {"a": 1}, [1, 2, 3, 4], 5
    o.x = 1; o.x += 4; o.x *= 3; o.x //= 2; o._y = "a"; o._y += "b"
    d["a"] += 10; d.setdefault("n", []).append(1); d["n"] += [2]
    l[0] -= 5; l[1:3] += [9]; l[-1] **= 2
    n += 1; n -= 2; n *= 3; n /= 2; n **= 2; n %= 7
    b = 6; b |= 1; b &= 5; b ^= 2; b <<= 3; b >>= 1
    return [o.x, o._y, d, l, n, b]
""",
        [7, "ab", {"a": 11, "n": [1, 2]}, [-4, 2, 3, 9, 16], 1.0, 28],
    ),
    "unpacking": (
        """
def main():
    a, b = 1, 2
    a, b = b, a
    (c, (d, *e)), f = (1, (2, 3, 4)), 5
    *g, h = range(4)
    i = j = [0]
    [k, l] = "xy"
    first, *_, last = "abcdef"
    x = {}
    x["a"], x["b"] = 1, 2
    out = []
    for m, (n, o) in [(1, (2, 3)), (4, (5, 6))]: out.append(m + n * o)
    for p, *q in [(1, 2, 3)]: out.append(q)
    pairs = [y + z for y, z in zip([1, 2], [3, 4])]
    r = [*g, *e]; s = {**x, "c": 3}; t = (*r, 1)
    return [a, b, c, d, e, f, g, h, i is j, k, l, first, last, x, out, pairs, r, s, list(t)]
""",
        [
            2,
            1,
            1,
            2,
            [3, 4],
            5,
            [0, 1, 2],
            3,
            True,
            "x",
            "y",
            "a",
            "f",
            {"a": 1, "b": 2},
            [7, 34, [2, 3]],
            [4, 6],
            [0, 1, 2, 3, 4],
            {"a": 1, "b": 2, "c": 3},
            [0, 1, 2, 3, 4, 1],
        ],
    ),
    "annotations": (
        """
from typing import Optional
x: int = 1
y: "list[int]" = [1]
z: Optional[str]
def f(a: int, b: "str" = "b", *args: int, c: dict[str, int] = {}, **kw: float) -> "list":
    local: int = 3
    other: str
    return [a, b, local]
class C:
    p: int
    q: "C | None" = None
def main() -> list:
    return [x, y, f(1), C.q, sorted(C.__annotations__), f.__annotations__["a"].__name__]
""",
        [1, [1], [1, "b", 3], None, ["p", "q"], "int"],
    ),
    "future annotations": (
        """
from __future__ import annotations
import datetime
from dataclasses import dataclass
@dataclass
class Node:
    value: int
    at: datetime.date | None = None
    next: Node | None = None
def f(x: Undefined, y: datetime.date) -> Whatever: return x
def main(): return [Node(1, next=Node(2)).next.value, f(3, 4), Node.__annotations__["next"]]
""",
        [2, 3, "Node | None"],
    ),
    "global nonlocal walrus del": (
        """
n = 0
_private = 1
__version__ = "1.2"
def bump():
    global n
    n += 1
def counter():
    c = 0
    def inc():
        nonlocal c
        c += 1
        return c
    return inc
def main():
    bump(); bump()
    inc = counter(); inc()
    if (k := 5) > 3: pass
    got = [y for x in range(4) if (y := x * x) % 2 == 0]
    d = {"a": 1, "b": 2}; del d["a"]
    l = [1, 2, 3]; del l[0], l[-1]
    for _ in range(2): pass
    for __ in range(2): pass
    return [n, inc(), k, got, d, l, _private, __version__]
""",
        [2, 2, 5, [0, 4], {"b": 2}, [2], 1, "1.2"],
    ),
}


@each(PROGRAMS)
def test_a_program_returns_what_plain_python_does(box: Sandbox, program: str, expected: Any) -> None:
    check(box, program, expected)
