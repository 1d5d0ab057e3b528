"""What the check of a program costs is bounded, and grows no faster than the program."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from sandbox.inside import policy
from tests.box.large_programs import ALIKE, OPERATIONS, PATTERNS, WHOLE
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


@pytest.mark.parametrize("program", WHOLE.values(), ids=list(WHOLE))
def test_one_large_expression_is_checked_in_bounded_time(program: Callable[[], str]) -> None:
    source = program()
    assert len(source) < MAX_SOURCE_BYTES
    assert_bounded(source)


def test_long_formatted_strings_calls_and_patterns_are_told(run: Runner) -> None:
    for part in ("a long formatted string", "a call with many names", "a pattern with many names"):
        assert "the code is too large" in run.problems(WHOLE[part]() + "def main(): pass\n")[0].message


def test_many_names_and_functions_in_a_function_are_told(run: Runner) -> None:
    problems = run.problems("def main(): pass\n" + WHOLE["a function with many names and functions"]())
    assert [(each.type, each.message) for each in problems] == [
        (
            "SyntaxError",
            "the code is too large: the names that functions define, each counted once for each function, class and "
            "comprehension within, are more than 8,000,000",
        )
    ]
    for part in ("private names of many classes", "global private names of many classes"):
        assert run.problems("def main(): pass\n" + WHOLE[part]())[0].message == problems[0].message
    for part in ("as many names and functions as are admitted", "two functions with as many"):
        assert run.problems("def main(): pass\n" + WHOLE[part]()) == []


def test_many_combining_characters_are_told(run: Runner) -> None:
    for part in ("a name with many combining characters", "one that is only decomposed into such"):
        problems = run.problems("def main(): pass\n" + WHOLE[part]())
        assert [(each.type, each.message) for each in problems] == [
            ("SyntaxError", "the code has more than 100 combining characters in a row")
        ]
    assert run.problems("def main(): pass\n" + WHOLE["many such names"]()) == []
    assert run.problems(f"def main():\n  return '{60_000 * '中'}'\n") == []


def test_what_is_written_many_times_for_finally_is_told(run: Runner) -> None:
    for part, what in (
        ("nested finally", "200,000 syntax elements"),
        ("many returns to a finally", "200,000 syntax elements"),
        ("many returns to many functions", "3,000 functions, classes and comprehensions"),
    ):
        problems = run.problems("def main(): pass\n" + WHOLE[part]())
        assert [(each.type, each.message) for each in problems] == [
            (
                "SyntaxError",
                f"the code is too large: it has more than {what}, those of a `finally` counted once for each way "
                "that leads there",
            )
        ]
    for part in (
        "nested finally as deep as is admitted",
        "as many returns to a finally as are admitted",
        "as many to a small one",
        "as many to functions",
    ):
        assert run.problems("def main(): pass\n" + WHOLE[part]()) == []


def test_returns_of_functions_within_a_try_do_not_lead_to_its_finally(run: Runner) -> None:
    functions = "".join(f" def f{number}():\n  return 1\n" for number in range(2_500))
    source = f"def main(): pass\ntry:\n{functions}finally:\n {'f(1);' * 500}\n"
    assert run.problems(source) == []


def test_many_constants_of_one_hash_are_told(run: Runner) -> None:
    for part, program in ALIKE.items():
        assert [(part, each.type, each.message) for each in run.problems("def main(): pass\n" + program())] == [
            (part, "SyntaxError", "the code is too large: it has more than 1,000 constants with the same hash")
        ]
    for part, program in OPERATIONS.items():
        assert [(part, each.type, each.message) for each in run.problems("def main(): pass\n" + program())] == [
            (
                *(part, "SyntaxError"),
                "the code is too large: it has more than 2,000 operations on constants alone; pass data as arguments",
            )
        ]
    for part in ("as many integers of one hash as are admitted", "as many tuples of one hash as are admitted"):
        assert run.problems("def main(): pass\n" + WHOLE[part]()) == []


def test_many_names_that_patterns_bind_are_told(run: Runner) -> None:
    for part, program in PATTERNS.items():
        assert [(part, each.type, each.message) for each in run.problems("def main(): pass\n" + program())] == [
            (
                *(part, "SyntaxError"),
                "the code is too large: the names that patterns bind, each counted once for each part of its pattern, "
                "and in alternatives (|) once more for each other name, are more than 2,000,000",
            )
        ]
    for part in (
        "as many names in alternatives as are admitted",
        "a pattern that binds as many names as are admitted",
        "as many patterns with many names as are admitted",
    ):
        assert run.problems("def main(): pass\n" + WHOLE[part]()) == []


def test_many_names_handed_through_functions_are_told(run: Runner) -> None:
    for part in (
        "names handed through many functions",
        "names handed through many classes",
        "names handed through many functions in a finally",
    ):
        problems = run.problems("def main(): pass\n" + WHOLE[part]())
        assert [(each.type, each.message) for each in problems] == [
            (
                "SyntaxError",
                "the code is too large: it has more than 400,000 names, each counted once for each function around it, "
                "those of a `finally` counted once for each way that leads there",
            )
        ]
    assert run.problems("def main(): pass\n" + WHOLE["as many handed through as are admitted"]()) == []


def test_large_tables_of_constants_are_admitted(run: Runner) -> None:
    """Equal ones, large integers, and rows with and without a sign."""
    random.seed(1)
    for row in (
        lambda: 0,
        lambda: (0, -1),
        lambda: random.getrandbits(64),
        lambda: (random.random(), -random.random()),
    ):
        assert run.problems(f"TABLE = {[row() for _ in range(5_000)]}\ndef main(): pass\n") == []


def test_many_names_are_admitted_where_functions_do_not_share_them(run: Runner) -> None:
    """Those of the module, of its classes, and of other functions."""
    function = "def f{0}(a{0}, b{0}):\n  c{0} = lambda d{0}: [e{0} for e{0} in d{0}]\n"
    functions = "".join(function.format(number) for number in range(900))
    names = ";".join(f"x{number}=1" for number in range(9_000))
    source = f"{names}\n{functions}class A:\n  {names}\n  f = lambda self: 1\ndef main(): pass\n"
    assert run.problems(source) == []


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
