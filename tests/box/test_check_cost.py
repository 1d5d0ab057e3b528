"""What the check of a program costs is bounded, and grows no faster than the program."""

from __future__ import annotations

import random
import sys
import textwrap

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


def _names(number: int, form: str = "{}") -> str:
    return ",".join(form.format(f"a{each}") for each in range(number))


_LAMBDAS = "lambda:0;" * 2_980 + "\n"


def _assigned(number: int, lambdas: str) -> str:
    return f"def f():\n {_names(number, '{}=1;').replace(',', '')}\n {lambdas}\n"


def _nested_classes(statement: str) -> str:
    source = "lambda:0;" * 2_700
    for number in range(40):
        source = f"class A{number}:\n def f(s):\n  {statement}\n{textwrap.indent(source, '  ')}"
    return source


def _nested_finals(depth: int, body: str) -> str:
    source = body + "\n"
    for _ in range(depth):
        source = f"try: pass\nfinally:\n{textwrap.indent(source, ' ')}"
    return source


def _returns(number: int, final: str) -> str:
    return f"def f():\n try:\n  {'return;' * number}\n finally:\n  {final}\n"


_MODULUS = sys.hash_info.modulus


def _multiples(first: int, last: int) -> str:
    """Integers of one hash."""
    return ",".join(hex(number * _MODULUS) for number in range(first, last))


def _pairs_of_one_hash(number: int) -> list[tuple[int, int]]:
    """Solved from how the interpreter computes the hash of a tuple (xxHash)."""
    prime_1, prime_2, prime_5 = 11_400_714_785_074_694_791, 14_029_467_366_897_019_727, 2_870_177_450_012_600_261

    def after(item: int) -> int:
        mixed = (prime_5 + item * prime_2) % 2**64
        return (mixed << 31 | mixed >> 33) * prime_1 % 2**64

    inverse = pow(prime_2, -1, 2**64)
    pairs: list[tuple[int, int]] = []
    first = 0
    while len(pairs) < number:
        first += 1
        second = (after(1) - after(first)) * inverse % 2**64
        if second < _MODULUS:
            pairs.append((first, second))
    return pairs


_PAIRS = _pairs_of_one_hash(8_000)

ALIKE = {
    "integers of one hash": f"x in {{{_multiples(1, 11_500)}}}\n",
    "integers of one hash in statements": "x=" + _multiples(1, 10_000).replace(",", "\nx=") + "\n",
    "integers of one hash below zero": f"x in {{-{_multiples(1, 10_500).replace(',', ',-')}}}\n",
    "integers of one hash in a pattern": f"match x:\n case {{{_multiples(1, 10_500).replace(',', ':_,')}:_}}: pass\n",
    "tuples of one hash": f"x = {_PAIRS}\n",
    "tuples of one hash with more in them": "x = ["
    + ",".join(f"(__debug__,f'',{a},{b})" for a, b in _PAIRS[:6_000])
    + "]\n",
    "lists of one hash": "".join(f"x in [{a},{b}]\n" for a, b in _PAIRS),
    "tuples of one hash by items": f"x = [{','.join(f'((0, 1)[1],{a},{b})' for a, b in _PAIRS[:6_000])}]\n",
}


def _case(pattern: str) -> str:
    return f"def f(x):\n match x:\n  case {pattern}: pass\n"


def _alternatives(number: int) -> str:
    """The same names in another order."""
    names = _names(number).split(",")
    random.seed(1)
    return _case(f"[{','.join(names)}]|[{','.join(random.sample(names, number))}]")


PATTERNS = {
    "many names in the alternatives of patterns": _alternatives(150) * 100,
    "a pattern that binds many names": _case(f"[{_names(3_000)}]"),
    "several patterns that bind many names": _case(f"[{_names(1_000)}]") * 20,
    "patterns that bind many attributes": _case(f"A({_names(2_000, '{0}={0}')})") * 8,
    "a pattern that binds many items": _case(f"{{{_names(3_000, '{0}.b:{0}')}}}"),
    "a pattern that binds one thing to many names": _case(f"[{_names(3_000, '_ as {}')}]"),
    "a pattern of much that binds some names": _case(f"[{_names(200)}{',_' * 30_000}]"),
}
OPERATIONS = {
    "complex numbers of one hash": f"x = {{{','.join(f'{10**10 - 1_000_003 * each}+{each}j' for each in range(9_000))}}}\n",
    "integers of one hash by shifts": f"x in {{{','.join(f'({each}<<61)-{each}' for each in range(12_000))}}}\n",
}


def _classes(depth: int) -> str:
    return "".join(f"{' ' * (each + 1)}class A:\n" for each in range(depth))


WHOLE = {
    **ALIKE,
    **OPERATIONS,
    **PATTERNS,
    "as many names in alternatives as are admitted": _alternatives(30) * 15,
    "a pattern that binds as many names as are admitted": _case(f"[{_names(990)}]"),
    "as many patterns with many names as are admitted": _case(f"[{_names(40)}]") * 600,
    "as many integers of one hash as are admitted": f"x in {{{_multiples(1, 1_001)}}}\n" * 12,
    "as many tuples of one hash as are admitted": f"x in {{{str(_PAIRS[:1_000])[1:-1]}}}\n" * 8,
    "names handed through many functions": f"def f({_names(15_000)}):\n {'lambda:' * 80}[{_names(15_000)}]\n",
    "names handed through many classes": f"def f({_names(15_000)}):\n{_classes(90)}{' ' * 91}[{_names(15_000)}]\n",
    "as many handed through as are admitted": f"def f({_names(4_700)}):\n {'lambda:' * 80}[{_names(4_700)}]\n",
    "names handed through many functions in a finally": _returns(
        30, f"lambda {_names(1_000)}:{'lambda:' * 80}[{_names(1_000)}]"
    ),
    "a long formatted string": "x=f'" + "{a}" * 87_000 + "'\n",
    "a formatted string as long as is admitted": "x=f'" + "{a}" * 25_000 + "'\n",
    "a call with many names": "f(" + ",".join(f"a{number}=1" for number in range(25_000)) + ")\n",
    "calls with as many names as are admitted": ("f(" + ",".join(f"a{n}=1" for n in range(2_000)) + ")\n") * 15,
    "a function with many names and functions": _assigned(24_000, _LAMBDAS),
    "one whose names are of a pattern": f"def f():\n for [{_names(30_000)}] in x: pass\n {_LAMBDAS}",
    "one whose names are in defaults of another": f"def f():\n lambda x=[{_names(19_000, '({}:=1)')}]:0\n {_LAMBDAS}",
    "one whose names are global": f"def f():\n global {_names(30_000)}\n {_LAMBDAS}",
    "global names of the module": f"global {_names(30_000)}\n{_LAMBDAS}",
    "global names of a class": f"class A:\n global {_names(30_000)}\n {_LAMBDAS}",
    "global names by assignments in a comprehension": f"[[{_names(19_000, '({}:=1)')}] for _ in x]\n{_LAMBDAS}",
    "global names and fewer functions": f"def f():\n global {_names(36_000)}\n {'lambda:0;' * 1_000}\n",
    "names that another function reads": f"def f():\n for [{_names(14_000)}] in x: pass\n lambda: [{_names(14_000)}]\n {_LAMBDAS}",
    "private names of many classes": _nested_classes(_names(800, "__{}=").replace(",", "") + "0"),
    "global private names of many classes": _nested_classes(f"global {_names(700, '__{}')}"),
    "as many names and functions as are admitted": _assigned(2_600, _LAMBDAS),
    "two functions with as many": 2 * _assigned(2_600, "lambda:0;" * 1_490),
    "a name with many combining characters": "a" + 10_000 * "\u0301" + 10_000 * "\u0316",
    "one that is only decomposed into such": "a" + 10_000 * "\uff9e" + 10_000 * "\u0f73\u0316",
    "a name with as many as are admitted": "a" + 1_100 * (50 * "\u0301" + 50 * "\u0316" + "a"),
    "many such names": 1_100 * ("a" + 50 * "\u0301" + 50 * "\u0316" + "\n"),
    "a pattern with many names": f"match x:\n case A({_names(30_000, '{}=_')}): pass\n",
    "patterns with as many names as are admitted": f"match x:\n case A({_names(2_000, '{}=_')}): pass\n" * 15,
    "nested finally": _nested_finals(16, f"lambda: [{_names(300)}]"),
    "nested finally as deep as is admitted": _nested_finals(8, f"lambda: [{_names(300)}]"),
    "many returns to a finally": _returns(10_000, f"lambda: [{_names(3_000)}]"),
    "many returns to many functions": _returns(30, "lambda:0;" * 100),
    "as many returns to a finally as are admitted": _returns(60, f"lambda: [{_names(1_500)}]"),
    "as many to a small one": _returns(12_000, "f(a)"),
    "as many to functions": _returns(27, "lambda:0;" * 100),
}
if sys.version_info >= (3, 12):
    WHOLE |= {
        "many type parameters": f"def f[{_names(20_000, '{}:int')}](): 0\n",
        "as many type parameters as are admitted": f"def f[{_names(2_800, '{}:int')}](): 0\n",
        "many aliases of types": "type A=1\n" * 15_000,
        "a function with many aliases of types": f"def f():\n for [{_names(15_000)}] in x: pass\n {'type A=1;' * 15_000}\n",
        "a class with type parameters": f"class A[T]:\n for [{_names(15_000)}] in x: pass\n {'type A=1;' * 15_000}\n",
    }


@pytest.mark.parametrize("source", WHOLE.values(), ids=list(WHOLE))
def test_one_large_expression_is_checked_in_bounded_time(source: str) -> None:
    assert len(source) < MAX_SOURCE_BYTES
    assert_bounded(source)


def test_long_formatted_strings_calls_and_patterns_are_told(run: Runner) -> None:
    for part in ("a long formatted string", "a call with many names", "a pattern with many names"):
        assert "the code is too large" in run.problems(WHOLE[part] + "def main(): pass\n")[0].message


def test_many_names_and_functions_in_a_function_are_told(run: Runner) -> None:
    problems = run.problems("def main(): pass\n" + WHOLE["a function with many names and functions"])
    assert [(each.type, each.message) for each in problems] == [
        (
            "SyntaxError",
            "the code is too large: the names that functions define, each counted once for each function, class and "
            "comprehension within, are more than 8,000,000",
        )
    ]
    for part in ("private names of many classes", "global private names of many classes"):
        assert run.problems("def main(): pass\n" + WHOLE[part])[0].message == problems[0].message
    for part in ("as many names and functions as are admitted", "two functions with as many"):
        assert run.problems("def main(): pass\n" + WHOLE[part]) == []


def test_many_combining_characters_are_told(run: Runner) -> None:
    for part in ("a name with many combining characters", "one that is only decomposed into such"):
        problems = run.problems("def main(): pass\n" + WHOLE[part])
        assert [(each.type, each.message) for each in problems] == [
            ("SyntaxError", "the code has more than 100 combining characters in a row")
        ]
    assert run.problems("def main(): pass\n" + WHOLE["many such names"]) == []
    assert run.problems(f"def main():\n  return '{60_000 * '中'}'\n") == []


def test_what_is_written_many_times_for_finally_is_told(run: Runner) -> None:
    for part, what in (
        ("nested finally", "200,000 syntax elements"),
        ("many returns to a finally", "200,000 syntax elements"),
        ("many returns to many functions", "3,000 functions, classes and comprehensions"),
    ):
        problems = run.problems("def main(): pass\n" + WHOLE[part])
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
        assert run.problems("def main(): pass\n" + WHOLE[part]) == []


def test_returns_of_functions_within_a_try_do_not_lead_to_its_finally(run: Runner) -> None:
    functions = "".join(f" def f{number}():\n  return 1\n" for number in range(2_500))
    source = f"def main(): pass\ntry:\n{functions}finally:\n {'f(1);' * 500}\n"
    assert run.problems(source) == []


def test_many_constants_of_one_hash_are_told(run: Runner) -> None:
    for part, source in ALIKE.items():
        assert [(part, each.type, each.message) for each in run.problems("def main(): pass\n" + source)] == [
            (part, "SyntaxError", "the code is too large: it has more than 1,000 constants with the same hash")
        ]
    for part, source in OPERATIONS.items():
        assert [(part, each.type, each.message) for each in run.problems("def main(): pass\n" + source)] == [
            (
                *(part, "SyntaxError"),
                "the code is too large: it has more than 2,000 operations on constants alone; pass data as arguments",
            )
        ]
    for part in ("as many integers of one hash as are admitted", "as many tuples of one hash as are admitted"):
        assert run.problems("def main(): pass\n" + WHOLE[part]) == []


def test_many_names_that_patterns_bind_are_told(run: Runner) -> None:
    for part, source in PATTERNS.items():
        assert [(part, each.type, each.message) for each in run.problems("def main(): pass\n" + source)] == [
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
        assert run.problems("def main(): pass\n" + WHOLE[part]) == []


def test_many_names_handed_through_functions_are_told(run: Runner) -> None:
    for part in (
        "names handed through many functions",
        "names handed through many classes",
        "names handed through many functions in a finally",
    ):
        problems = run.problems("def main(): pass\n" + WHOLE[part])
        assert [(each.type, each.message) for each in problems] == [
            (
                "SyntaxError",
                "the code is too large: it has more than 400,000 names, each counted once for each function around it, "
                "those of a `finally` counted once for each way that leads there",
            )
        ]
    assert run.problems("def main(): pass\n" + WHOLE["as many handed through as are admitted"]) == []


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
