"""eval, globals, locals, vars: expressions, and copies to look at."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox import Limits, Program, Sandbox
from tests.box.everyday.programs import Table, check, each, source_of

PROGRAMS: Table = {
    "eval sees globals, locals and what it is given": (
        """
        base = 10
        def do_algebra(operator, operand):
            expression = str(operand[0])
            for oprt, oprn in zip(operator, operand[1:]):
                expression += oprt + str(oprn)
            return eval(expression)
        class P:
            _x = 4
            def get(self):
                return eval("self._x + base")
        def main():
            y = 3
            return [do_algebra(["+", "*"], [2, 3, 4]), eval("base + y"), eval("a * 2", {"a": 5}), eval("a + b", {"a": 1}, {"b": 2}),
                    eval("[y * i for i in range(2)]", {"y": 7}), eval(" (1, 2) ")[0], P().get(), list(map(eval, ["1+1"])), eval("len('abc')")]
        """,
        [14, 13, 10, 3, [0, 7], 1, 14, [2], 3],
    ),
    "globals, locals and vars are read": (
        """
        A = 1
        def helper(): return 5
        class O:
            def __init__(self): self.z = 1
        def main(x=2):
            y = 3
            o = O()
            vars(o)["w"] = 2
            return [globals()["helper"](), "A" in globals(), sorted(locals()), "%(y)d" % vars(), o.w, vars(o)]
        """,
        [5, True, ["o", "x", "y"], "3", 2, {"z": 1, "w": 2}],
    ),
}

HOSTILE = {
    "a private attribute": "eval('().__class__.__subclasses__()')",
    "a guard of one's own by the globals": "eval('[0 for f.__code__ in [1]]', {'f': main, '<write>': lambda o, n: o})",
    "a guard of one's own by the locals": "eval('f.__globals__', {}, {'f': main, '<read special>': getattr})",
    "the builtins by the globals": "eval('open', {'__builtins__': {'open': 1}})",
    "a statement": "eval('import os')",
    "a code object": "eval(main)",
    "the module's builtins": "globals()['__builtins__']",
    "a change of the globals": "globals().update({'<write>': 1})",
}


@each(PROGRAMS)
def test_a_program_returns_what_plain_python_does(box: Sandbox, program: str, expected: Any) -> None:
    check(box, program, expected)


@pytest.mark.parametrize("expression", list(HOSTILE.values()), ids=list(HOSTILE))
def test_eval_is_no_way_around_the_policy(box: Sandbox, expression: str) -> None:
    source = source_of(f"def main():\n    return str({expression})\n")
    verdict = box.run(Program(source, "main", b"[]", b"{}"), Limits(wall_seconds=10))
    assert verdict.failure is not None, verdict.result_json
    assert verdict.failure.type in ("SecurityError", "SyntaxError", "TypeError", "KeyError", "AttributeError")
