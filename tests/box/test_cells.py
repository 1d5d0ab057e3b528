"""Comprehensions whose variables take the places of cells, since Python 3.12."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from types import CodeType

import pytest

from sandbox.inside import cells
from tests.box.programs import Runner, same

INLINED = sys.version_info >= (3, 12)

COVERED = {
    "a list": "def f(x): return (lambda: x), [x for x in y]",
    "a set": "def f(x): return (lambda: x), {x for x in y}",
    "a dictionary": "def f(x): return (lambda: x), {x: 1 for x in y}",
    "within another": "def f(x): return (lambda: x), [[1 for x in z] for z in y]",
    "several variables": "def f(x): return (lambda: x), [1 for z, *x in y]",
    "asynchronous": "async def f(x): return (lambda: x), [x async for x in y]",
    "after one with a cell of its own": "def f(z): return [lambda: x for x in y], [x for x in y]",
    "of the module": "[lambda: x for x in y], [x for x in y]",
    "a variable with a number above 255": f"def f(): {'; '.join(f'a{n} = 1' for n in range(300))}; x = 1; (lambda: x), [x for x in y]",
}
NOT_COVERED = {
    "no cell": "def f(x): return [x for x in y]",
    "a cell of its own": "def f(x): return (lambda: x), [lambda: x for x in y]",
    "a generator": "def f(x): return (lambda: x), list(x for x in y)",
    "another name": "def f(x): return (lambda: x), [z for z in y]",
    "an assignment": "def f(x): return (lambda: x), [x := z for z in y]",
}


def _covered(source: str) -> set[str]:
    return {name for code in _codes(compile(source, "<task>", "exec")) for name in cells.covered_cells(code)}


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _codes(each)


@pytest.mark.parametrize("source", COVERED.values(), ids=list(COVERED))
def test_a_value_of_a_comprehension_lies_where_a_cell_was(source: str) -> None:
    assert _covered(source) == ({"x"} if INLINED else set())


@pytest.mark.parametrize("source", NOT_COVERED.values(), ids=list(NOT_COVERED))
def test_a_comprehension_leaves_cells_alone(source: str) -> None:
    assert _covered(source) == set()


@pytest.mark.skipif(not INLINED, reason="a comprehension is a function of its own before Python 3.12")
@pytest.mark.parametrize("named", ["super()", "__class__"])
def test_super_would_take_a_value_for_a_cell(run: Runner, named: str) -> None:
    program = f"""
        class A:
            def f(self, y):
                lambda: self
                return [{named} for self in y]
        def main(): pass
        """
    (problem,) = run.problems(program)
    assert (problem.type, problem.line) == ("SecurityError", 5)
    assert problem.message == (
        "a variable of a comprehension may not be called 'self' here, as the first parameter is: "
        "super() would take the one for the other"
    )


def test_comprehensions_reuse_names_where_nothing_takes_one_for_the_other(run: Runner) -> None:
    program = """
        class Base:
            def total(self, rows): return sum(rows)
        class A(Base):
            def total(self, rows):
                return [super().total([row for row in rows]), [(lambda: row)() for row in rows]]
        def outside(row):
            key = lambda: row
            return [row for row in key()]
        def main(): return [A().total([1, 2]), outside([3])]
        """
    same(run, program, [[3, [1, 2]], [3]])


OF_A_CELL = {
    "eval": "def f(x): lambda: x; return [eval('x') for x in [0.5]]",
    "locals": "def f(x): lambda: x; return [locals()['x'] for x in [0.5]]",
    "vars": "def f(x): lambda: x; return [vars()['x'] for x in [0.5]]",
    "in a class": """
        def f(x):
            class A:
                callbacks = [lambda: y for y in [x]]
                found = [eval("y") for y in [0.5]]
            return A.found
        """,
    "in a function within": """
        def f(x):
            def within():
                lambda: x
                return [eval("x") for x in [0.5]]
            return within()
        """,
}


@pytest.mark.parametrize("function", OF_A_CELL.values(), ids=list(OF_A_CELL))
def test_a_value_of_a_comprehension_is_not_taken_for_a_cell(run: Runner, function: str) -> None:
    verdict = run.verdict(textwrap.dedent(function) + "\ndef main(): return f(1)")
    if (3, 13) <= sys.version_info < (3, 13, 3):
        assert verdict.failure is not None
        assert verdict.failure.type in ("KeyError", "NameError")
    else:
        assert verdict.result_json == b"[0.5]"


def test_other_variables_are_told_beside_a_comprehension_that_reuses_a_name(run: Runner) -> None:
    program = """
        def f(x, y):
            lambda: x
            return sum(x for x in [1]), [x for x in [2]], eval("y")
        def main(): return f(3, 4)
        """
    same(run, program, [1, [2], 4])


UNCOMPILED = {
    "twice": "class A: b, c = [__class__ for _ in ()], [__class__ for x in ()]",
    "in a function": "class A: b = [(lambda: __class__)() for _ in ()]",
}


@pytest.mark.parametrize("source", UNCOMPILED.values(), ids=list(UNCOMPILED))
def test_a_defect_of_the_compiler_is_told_as_a_problem(run: Runner, source: str) -> None:
    """CPython gh-119666 and gh-150700: SystemError, of some versions."""
    problems = run.problems(f"{source}\ndef main(): return 1")
    try:
        compile(source, "<task>", "exec")
    except SystemError:
        (problem,) = problems
        assert problem.type == "SyntaxError"
        assert problem.message == "the compiler can't compile the code, by a defect of this Python"
    else:
        assert problems == []
