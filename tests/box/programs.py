"""How the tests of this folder run a program: in the sandbox, and beside it under plain CPython."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from typing import Any

from sandbox import Failure, Limits, Problem, Program, Sandbox, Verdict

WALL_SECONDS = 10.0
_JSON: Any = json.JSONEncoder(ensure_ascii=False)


def source_of(program: str) -> str:
    """A program as it stands in a table: an expression, or a source that defines main()."""
    dedented = textwrap.dedent(program)
    return dedented if "main" in dedented else f"def main():\n    return {dedented.strip()}\n"


class Runner:
    """One sandbox, asked in the ways that tests ask."""

    def __init__(self, box: Sandbox) -> None:
        self.box = box

    def verdict(self, program: str, *args: Any, wall_seconds: float = WALL_SECONDS, **limits: Any) -> Verdict:
        """What became of main(*args)."""
        arguments = json.dumps(args).encode()
        return self.box.run(Program(source_of(program), "main", arguments), Limits(wall_seconds=wall_seconds, **limits))

    def answer(self, program: str, *args: Any) -> Any:
        """What main(*args) returned."""
        verdict = self.verdict(program, *args)
        assert verdict.failure is None, verdict.failure
        assert verdict.result_json is not None
        return json.loads(verdict.result_json)

    def failure(self, program: str, *args: Any, **limits: Any) -> Failure:
        """How main(*args) failed."""
        verdict = self.verdict(program, *args, **limits)
        assert verdict.failure is not None, verdict.result_json
        return verdict.failure

    def stdout(self, program: str, *args: Any) -> str:
        """What main(*args) printed."""
        verdict = self.verdict(program, *args)
        assert verdict.failure is None, verdict.failure
        return verdict.stdout

    def problems(self, program: str) -> Sequence[Problem]:
        """What a check finds."""
        return self.box.check(source_of(program), "main")


def plain(program: str, *args: Any) -> Any:
    """What CPython itself makes of a program of these tests, as JSON and back."""
    namespace: dict[str, Any] = {"__name__": "task"}
    exec(compile(source_of(program).removeprefix("\ufeff"), "<task>", "exec", dont_inherit=True), namespace)
    return json.loads(_JSON.encode(namespace["main"](*args)))


def same(run: Runner, program: str, expected: Any) -> None:
    """The program gives what is expected, in the sandbox and under plain CPython."""
    assert plain(program) == expected, "the table is wrong: CPython says otherwise"
    assert run.answer(program) == expected
