"""What the check of a program costs is bounded, and grows no faster than the program."""

from __future__ import annotations

import pytest

from sandbox.inside import policy
from tests.box.programs import Runner
from tests.cpu_cost import adjusted, cpu_seconds

MAX_SOURCE_BYTES = 262_144
#: About three times what the worst of these take on a quiet machine.
MAX_CPU_SECONDS = 2.5

UNITS = {
    "classes with annotations": "class A: x:int=1\n",
    "assignments": "x=1\n",
    "statements on one line": "x=1;",
    "calls and items": "f(a.b, c[1], d+2)\n",
    "attributes of attributes": "a.b.c.d.e\n",
    "long chains of attributes": "a" + ".b" * 90 + "\n",
    "functions": "def f(a,b):\n  return a.b+b.c\n",
    "functions with decorators": "@a.b\ndef f():pass\n",
    "lambdas": "lambda:x\n",
    "comprehensions": "[x for x in y]\n",
    "imports of everything": "from math import *\n",
    "handlers": "try:\n x\nexcept:\n pass\n",
    "patterns": "match x:\n case A(b=1): pass\n",
    "formatted strings": "f'{x}{y}'\n",
    "numbers": "1,",
    "dictionaries": "{1:2,3:4}\n",
    "changed attributes": "a.b+=1\n",
    "comparisons": "a<b<c\n",
    "opening brackets": "(",
    "opening brackets and names": "(a,",
    "minus signs": "-",
    "problems": "a.__globals__\n",
    "forbidden imports": "import os\n",
}


def assert_bounded(source: str) -> None:
    """Check a program, and that this is not too dear."""
    cost = cpu_seconds(lambda: policy.compile_program(source, guarded=True))
    assert adjusted(cost, MAX_CPU_SECONDS) < MAX_CPU_SECONDS


@pytest.mark.parametrize("unit", UNITS.values(), ids=list(UNITS))
def test_the_largest_program_is_checked_in_bounded_time(unit: str) -> None:
    source = unit * (MAX_SOURCE_BYTES // len(unit))
    assert_bounded(source)


WHOLE = {
    "a long formatted string": "x=f'" + "{a}" * 87_000 + "'\n",
    "a formatted string as long as is admitted": "x=f'" + "{a}" * 25_000 + "'\n",
    "a call with many names": "f(" + ",".join(f"a{number}=1" for number in range(25_000)) + ")\n",
    "calls with as many names as are admitted": ("f(" + ",".join(f"a{n}=1" for n in range(2_000)) + ")\n") * 15,
}


@pytest.mark.parametrize("source", WHOLE.values(), ids=list(WHOLE))
def test_one_large_expression_is_checked_in_bounded_time(source: str) -> None:
    assert len(source) < MAX_SOURCE_BYTES
    assert_bounded(source)


def test_a_long_formatted_string_and_a_long_call_are_told(run: Runner) -> None:
    for part in ("a long formatted string", "a call with many names"):
        assert "the code is too large" in run.problems(WHOLE[part] + "def main(): pass\n")[0].message


def test_what_is_too_large_is_told(run: Runner) -> None:
    functions = run.problems("def main(): pass\n" + "lambda: 1\n" * 4_000)
    assert [(each.type, each.message) for each in functions] == [
        ("SyntaxError", "the code is too large: it has more than 3,000 functions, classes and comprehensions")
    ]
    elements = run.problems("def main(): pass\n" + "x=1;" * 65_000)
    assert [(each.type, each.message) for each in elements] == [
        ("SyntaxError", "the code is too large: it has more than 200,000 syntax elements; pass data as arguments")
    ]


def test_a_large_program_of_an_ordinary_kind_is_admitted(run: Runner) -> None:
    function = "def f{}(a, b=1):\n    total = 0\n    for each in a:\n        total += each.price * b\n    return [total, a.name]\n\n"
    source = "".join(function.format(number) for number in range(2_300)) + "def main():\n    return f7\n"
    assert 250_000 < len(source) < MAX_SOURCE_BYTES
    assert run.problems(source) == []


def test_a_large_table_is_admitted(run: Runner) -> None:
    source = f"TABLE = {list(range(40_000))}\ndef main():\n    return sum(TABLE)\n"
    assert run.problems(source) == []
    assert run.answer(source) == sum(range(40_000))
