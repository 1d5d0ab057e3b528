"""A table of programs with what they return, held against plain CPython."""

from __future__ import annotations

import json
import textwrap
from typing import Any

import pytest

from sandbox import Limits, Program, Sandbox

Table = dict[str, tuple[str, Any]]
_LIMITS = Limits(wall_seconds=10)


def source_of(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


def in_the_sandbox(box: Sandbox, source: str) -> Any:
    assert box.check(source, "main") == []
    verdict = box.run(Program(source, "main", b"[]", b"{}"), _LIMITS)
    assert verdict.failure is None, verdict.failure
    assert verdict.result_json is not None
    return json.loads(verdict.result_json)


def in_plain_python(source: str) -> Any:
    """The tests' programs are our own."""
    namespace: dict[str, Any] = {"__name__": "builtins"}
    exec(compile(source, "<task>", "exec", dont_inherit=True), namespace)
    return json.loads(json.dumps(namespace["main"]()))


def each(table: Table) -> pytest.MarkDecorator:
    """A test for each program of a table: name -> (program, expected result)."""
    return pytest.mark.parametrize(("program", "expected"), list(table.values()), ids=list(table))


def check(box: Sandbox, program: str, expected: Any) -> None:
    """The sandbox returns what is expected, and so does plain CPython."""
    source = source_of(program)
    assert in_the_sandbox(box, source) == expected
    assert in_plain_python(source) == expected
