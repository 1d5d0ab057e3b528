"""f-strings, %, format, format_map, templates. Each program stands beside what it returns, in the sandbox and in plain CPython."""

from __future__ import annotations

from typing import Any

from sandbox import Sandbox
from tests.box.everyday.programs import Table, check, each

PROGRAMS: Table = {
    "fstrings": (
        """
import datetime
class P:
    name = "bob"; _x = 3
    def m(self): return 5
def main():
    x, w, p, d = 3.14159, 8, P(), {"k": [1, 2]}
    return [f"{x:.2f}", f"{x:{w}.3f}|", f"{p.name!r:>7}", f"{d['k'][1]}", f"{p.m() + 1}", f"{p._x}", f"{1000000:,}", f"{255:#x} {5:08b}",
            f"{'a' if x > 3 else 'b'}", f"{{}}", f"{x=:.1f}", f"{datetime.date(2024, 1, 2):%d.%m.%Y}", f"{'z':*^5}", f"{0.25:.0%}", f"{-5:+d}"]
""",
        [
            "3.14",
            "   3.142|",
            "  'bob'",
            "2",
            "6",
            "3",
            "1,000,000",
            "0xff 00000101",
            "a",
            "{}",
            "x=3.1",
            "02.01.2024",
            "**z**",
            "25%",
            "-5",
        ],
    ),
    "str format": (
        """
class P:
    name = "bob"
    def __init__(self): self.tags = ["a", "b"]
def main():
    t = "{0}-{1}".format
    return ["{} {}".format(1, "a"), "{1} {0} {1}".format(1, 2), "{p.name}:{p.tags[1]}".format(p=P()), "{:>5}|{:<5}|{:^5}".format(1, 2, 3),
            "{x:.{n}f}".format(x=3.14159, n=2), "{!r}".format("q"), "{0[k]}".format({"k": 1}), "{a} {b}".format(**{"a": 1, "b": 2}),
            "{a}".format_map({"a": 5}), t(1, 2), list(map("{:02d}".format, [1, 2])), str.format("{}", 3), "{{}}".format(), "{:,.2f}".format(1234.5)]
""",
        [
            "1 a",
            "2 1 2",
            "bob:b",
            "    1|2    |  3  ",
            "3.14",
            "'q'",
            "1",
            "1 2",
            "5",
            "1-2",
            ["01", "02"],
            "3",
            "{}",
            "1,234.50",
        ],
    ),
    "fields without a number": (
        """
import datetime
def main():
    row, d = {"name": "bob", "age": 3, "w": [5]}, datetime.date(2024, 1, 2)
    return ["{[name]}: {[age]}".format(row, row), "{.year}".format(d), "{.year} {} {.day}".format(d, "x", d), "{:>{[w][0]}}|{}".format("x", row, 7),
            "{[w][0]!r:>{}}".format(row, 3), "{a[0]} {[0]} {}".format([1], 2, a="x"), "{.year:{.day}}|".format(d, d)]
""",
        ["bob: 3", "2024", "2024 x 2", "    x|7", "  5", "x 1 2", "2024|"],
    ),
    "numbered fields beside others": (
        """
import datetime
def what(template):
    try:
        return template.format(datetime.date(2024, 1, 2), [7])
    except ValueError as error:
        return str(error)
def main():
    return [what(each) for each in ("{} {0}", "{0} {}", "{.year} {0}", "{0.year} {.day}", "{0.year} {}", "{} {1[0]}", "{:{1[0]}}", "{0:{[0]}}")]
""",
        [
            f"cannot switch from {each}"
            for each in (
                "automatic field numbering to manual field specification",
                "manual field specification to automatic field numbering",
                "automatic field numbering to manual field specification",
                "manual field specification to automatic field numbering",
                "manual field specification to automatic field numbering",
                "automatic field numbering to manual field specification",
                "automatic field numbering to manual field specification",
                "manual field specification to automatic field numbering",
            )
        ],
    ),
    "percent and templates": (
        """
from string import Template, Formatter
def main():
    return ["%s is %d and %.2f" % ("a", 3, 2.5), "%(n)05d %%" % {"n": 42}, "%-5s|" % "ab", "%x %o %e" % (255, 8, 1500.0), "%r" % ("q",),
            Template("$a ${b}").substitute(a=1, b=2), Template("$a $c").safe_substitute(a=1), Formatter().format("{0} {x}", 1, x=2)]
""",
        ["a is 3 and 2.50", "00042 %", "ab   |", "ff 10 1.500000e+03", "'q'", "1 2", "1 $c", "1 2"],
    ),
}


@each(PROGRAMS)
def test_a_program_returns_what_plain_python_does(box: Sandbox, program: str, expected: Any) -> None:
    check(box, program, expected)
