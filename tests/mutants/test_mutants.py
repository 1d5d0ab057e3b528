"""The mutation runs make mutants, and tell which of them the tests notice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.mutants import __main__ as command
from tests.mutants import lua_source, python_source
from tests.mutants.covering import COVERING, covering_tests
from tests.mutants.explained import explained_in
from tests.mutants.mutant import Mutant

PYTHON = {
    "x = a < b": {"x = a <= b"},
    "x = a not in b": {"x = a in b"},
    "x = a and b": {"x = a or b"},
    "x = not a": {"x = a"},
    "x = a + 1": {"x = a - 1", "x = a + 2", "x = a + 0"},
    "x = True": {"x = False"},
    "x = f(a, b)": {"x = f(b, a)"},
    "x = f(a, a)": set(),
    "x = min(a, b)": {"x = max(a, b)"},
    "x = {A: a, B: b}": {"x = {B: b}", "x = {A: a}"},
    "x = {a, b}": {"x = {b}", "x = {a}"},
    "if a: f()": {"if (not (a)): f()", "if a: pass"},
    "if a == b: f()": {"if a != b: f()", "if a == b: pass"},
    "if a > b: f()": {"if a >= b: f()", "if (not (a > b)): f()", "if a > b: pass"},
    "a.b = c": {"pass"},
    "a += b": {"pass", "a -= b"},
    "raise a": {"pass"},
    "for a in b: break": {"for a in b: continue"},
    "'text'": set(),
    "logger.info(a, b)": set(),
    "x: Literal[1]": set(),
}
LUA = {
    "x = a <= b": {"x = a < b"},
    "x = a ~= 'a == b'": {"x = a == 'a == b'"},
    "x = f(a) - 1": {"x = f(a) + 1", "x = f(a) - 2", "x = f(a) - 0"},
    "x = -1": {"x = -2", "x = -0"},
    "if a then b(c) end": {"if not (a) then b(c) end", "if a then  end"},
    "if not a then return end": {"if  a then return end"},
    "redis.call('SET', k, v)": {"", "redis.call('SET', v, k)"},
    "x = redis.call('GET', k)": set(),
    "x = f(a, b)": {"x = f(b, a)"},
    "x = f(a, a)": set(),
    "list[#list + 1] = a": set(),
    "x = math.min(a, b)": {"x = math.max(a, b)"},
    "x = '(' .. a": {"x = '' .. a"},
    "-- a + b": set(),
}


def applied(mutants: list[Mutant], source: str) -> set[str]:
    """The sources of the mutants."""
    return {each.applied_to(source.encode()).decode() for each in mutants}


@pytest.mark.parametrize("source", PYTHON)
def test_mutants_of_python(source: str) -> None:
    assert applied(python_source.mutants_of("a.py", source.encode()), source) == PYTHON[source]


@pytest.mark.parametrize("source", LUA)
def test_mutants_of_lua(source: str) -> None:
    assert applied(lua_source.mutants_of("a.lua", source.encode()), source) == LUA[source]


def test_a_mutant_keeps_the_lines_behind_it() -> None:
    source = b"f(\n  a,\n  b,\n)\nx = 1\n"
    (removed, *_) = python_source.mutants_of("a.py", source)
    assert (removed.first, removed.last, removed.change) == (1, 4, "`f( a, b, )` → `pass`")
    assert removed.applied_to(source) == b"pass\n\n\n\nx = 1\n"


def test_every_entry_of_the_table_names_tests_that_exist() -> None:
    for source, tests in COVERING.items():
        assert (command.ROOT / source).exists(), source
        assert all((command.ROOT / test).exists() for test in tests), source
    assert covering_tests("app/domain/alerts/rule.py") == COVERING["app/domain/alerts/rule.py"]
    assert covering_tests("app/domain/alerts/watch.py") == COVERING["app/domain/alerts"]


def test_the_page_explains_mutants_by_their_line_and_change() -> None:
    page = "| `a.py` | `` x = a \\| b `` | `\\|` → `&` | a reason |\n| not | a | row |"
    assert explained_in(page) == {("a.py", "x = a | b", "`|` → `&`")}
    assert explained_in(command.EXPLANATIONS.read_text())


def run(results: Path, *arguments: str) -> dict[str, dict[str, Any]]:
    """Run the command. Returns what it notes on each change."""
    command.main([*arguments, "--results", str(results)])
    found = [json.loads(line) for line in results.read_text().splitlines()]
    return {Mutant(**each["mutant"]).change: each for each in found}


def test_a_mutant_of_python_is_killed_or_survives(tmp_path: Path) -> None:
    """A function gets its new code in a running session; for a constant, pytest starts anew."""
    options = ["app/domain/retry.py", "--tests", "tests/domain/test_retry.py", "--line", "exponent = |^NON_.*STATUS"]
    found = run(tmp_path / "results", *options)
    assert {change: found[change]["verdict"] for change in ("`min` → `max`", "`489` → `490`", "`60` → `61`")} == {
        "`min` → `max`": "killed",
        "`489` → `490`": "killed",
        "`60` → `61`": "survived",
    }
    assert {change for change, each in found.items() if each["anew"]} == {"`489` → `488`", "`489` → `490`"}


@pytest.mark.usefixtures("redis_program_path")
def test_a_mutant_of_lua_is_killed(tmp_path: Path) -> None:
    options = [
        "app/store/lua/trim_oldest.lua",
        "--line",
        "removed = math.min",
        "--tests",
        "tests/store/test_retention.py::test_nothing_is_left_of_a_task_beyond_the_limit",
    ]
    assert run(tmp_path / "results", *options)["`math.min` → `math.max`"]["verdict"] == "killed"
