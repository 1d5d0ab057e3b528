"""Programs out of small grammars: whatever they are, a check lists problems and a run ends in a verdict.

Three grammars: everyday statements put together at random; attribute chains over whatever a program can hold, with
names that lead out of a jail; and text that is no program.
"""

from __future__ import annotations

import ast
import json
import textwrap
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox import Limits, Program, Sandbox, Verdict
from tests.examples import scaled

LIMITS = Limits(wall_seconds=1.0, memory_bytes=67_108_864)
MODEST = settings(
    max_examples=scaled(60),
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

NAMES = st.sampled_from(["a", "b", "xs", "_p", "名"])
LITERALS = st.sampled_from(["0", "1", "-3", "2.5", "'s'", "[1, 2]", "{'k': 1}", "(1,)", "None", "True", "{1}", "b'x'"])
OPERATORS = st.sampled_from(["+", "-", "*", "//", "%", "==", "<", "in", "and", "or", "is", "**"])


def _expressions(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({} {} {})".format, inner, OPERATORS, inner),
        st.builds("[{} for a in {}]".format, inner, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("(lambda a: {})({})".format, inner, inner),
        st.builds("f'{{{}!r:>5}}'".format, NAMES),
        st.builds("sorted({}, key=repr)".format, inner),
        st.builds("str({})[:{}]".format, inner, inner),
        st.builds(
            "({}).{}".format, inner, st.sampled_from(["real", "upper()", "_x", "__class__", "__doc__", "keys()"])
        ),
        st.builds("'{{}}'.format({})".format, inner),
    )


EXPRESSIONS = st.recursive(st.one_of(LITERALS, NAMES), _expressions, max_leaves=6)


def _indented(body: str) -> str:
    return textwrap.indent(body, "    ")


def _statements(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("if {}:\n{}\nelse:\n    pass".format, EXPRESSIONS, inner.map(_indented)),
        st.builds("for a in {}:\n{}\n    break".format, EXPRESSIONS, inner.map(_indented)),
        st.builds("try:\n{}\nexcept Exception as e:\n    print(e)\nfinally:\n    b = 1".format, inner.map(_indented)),
        st.builds("def f(a=1, *xs):\n{}\n    return a\nf()".format, inner.map(_indented)),
        st.builds("class C:\n    a = {}\n    def m(self):\n{}\nC().m()".format, EXPRESSIONS,
                  inner.map(_indented).map(_indented)),
        st.builds("match {}:\n    case [a, *xs]:\n{}\n    case _:\n        pass".format, EXPRESSIONS,
                  inner.map(_indented).map(_indented)),
        st.builds("{}\n{}".format, inner, inner),
    )  # fmt: skip


STATEMENTS = st.recursive(
    st.one_of(
        st.builds("{} = {}".format, NAMES, EXPRESSIONS),
        st.builds("{} += {}".format, NAMES, EXPRESSIONS),
        st.builds("print({})".format, EXPRESSIONS),
        st.builds("assert {}".format, EXPRESSIONS),
        st.builds("{}, *xs = {}".format, NAMES, EXPRESSIONS),
        st.just("raise ValueError(a)"),
    ),
    _statements,
    max_leaves=6,
)

HOLDINGS = st.sampled_from(
    ["main", "print", "getattr", "type", "object", "int", "''", "[]", "(x for x in ())", "json", "json.dumps", "re",
     "typing.List[int]", "typing.Optional['x']", "Enum", "E.A", "dataclasses.field()", "ValueError()", "super(E, E.A)",
     "functools.partial(print)", "collections.namedtuple('N', 'a')", "contextlib.ExitStack()", "C", "C()", "C().m",
     "type(C)", "type(main)", "string.Formatter()", "random.Random()", "calendar.TextCalendar()"]
)  # fmt: skip
LEADS = st.sampled_from(
    ["__class__", "__base__", "__bases__", "__mro__", "mro", "__subclasses__", "__globals__", "__builtins__",
     "__code__", "__closure__", "__self__", "__func__", "__dict__", "__init__", "__new__", "__call__", "__get__",
     "__set__", "__reduce_ex__", "__getattribute__", "__getattr__", "__wrapped__", "__module__", "__annotations__",
     "gi_frame", "f_back", "f_globals", "tb_frame", "format", "format_map", "_evaluate", "__origin__", "__args__",
     "__init_subclass__", "__class_getitem__", "__prepare__", "__instancecheck__", "__match_args__", "_x", "func"]
)  # fmt: skip
STEPS = st.one_of(
    st.builds(lambda lead: ("read", lead), LEADS),
    st.builds(lambda lead: ("getattr", lead), LEADS),
    st.sampled_from([("call", ""), ("call", "object"), ("call", "'X', (), {}"), ("call", "None, C"), ("item", "0")]),
)

JAIL = """
import calendar, collections, contextlib, dataclasses, functools, json, random, re, string, typing
from enum import Enum
class E(Enum):
    A = 1
class C:
    _x = 1
    def m(self): return self._x
def dangerous(value):
    name = str(value)
    return name.startswith("<module") and "<module '" + "json'" not in name or name in (
        "<built-in function exec>", "<built-in function open>", "<built-in function __import__>") or (
        name.startswith(("<frame", "<code object", "{'__name__'")))
def main():
    value = {chain}
    return ["OUT", str(value)] if dangerous(value) else ["in", ""]
"""


def _chained(start: str, steps: list[tuple[str, str]]) -> str:
    text = start
    for kind, what in steps:
        text = {
            "read": f"{text}.{what}",
            "getattr": f"getattr({text}, {what!r})",
            "call": f"{text}({what})",
            "item": f"{text}[{what}]",
        }[kind]
    return text


def _is_well_formed(verdict: Verdict) -> bool:
    if verdict.failure is None:
        assert verdict.result_json is not None
        json.loads(verdict.result_json)
    else:
        assert verdict.result_json is None
        assert verdict.failure.type
    return not verdict.stopped


@MODEST
@given(body=STATEMENTS)
def test_everyday_statements_end_in_a_verdict(box: Sandbox, body: str) -> None:
    source = (
        f"a, b, xs, _p, 名 = 1, 2, [3], 4, 5\ndef main():\n    a, b, xs, _p, 名 = 1, 2, [3], 4, 5\n{_indented(body)}\n"
    )
    ast.parse(source)  # the grammar makes Python
    assert box.check(source, "main") == []
    assert _is_well_formed(box.run(Program(source, "main", b"[]", b"{}"), LIMITS))


@MODEST
@given(start=HOLDINGS, steps=st.lists(STEPS, min_size=1, max_size=5))
def test_no_chain_of_attributes_leads_out(box: Sandbox, start: str, steps: list[tuple[str, str]]) -> None:
    source = JAIL.replace("{chain}", _chained(start, steps))
    verdict = box.run(Program(source, "main", b"[]", b"{}"), LIMITS)
    assert _is_well_formed(verdict)
    assert verdict.result_json is None or json.loads(verdict.result_json)[0] == "in", verdict.result_json


@MODEST
@given(source=st.text(max_size=200))
def test_any_text_is_checked_and_run_to_a_verdict(box: Sandbox, source: str) -> None:
    problems = box.check(source, "main")
    assert problems
    assert {problem.type for problem in problems} <= {"SyntaxError", "SecurityError", "NameError"}
    assert _is_well_formed(box.run(Program(source, "main", b"[]", b"{}"), LIMITS))


@MODEST
@given(
    source=st.just("def main(*a, **k): return [a, k]"),
    args=st.lists(st.recursive(st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.text()),
                               lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5)),
    kwargs=st.dictionaries(st.text(), st.integers()),
)  # fmt: skip
def test_arguments_arrive_as_they_were_sent(
    box: Sandbox, source: str, args: list[object], kwargs: dict[str, int]
) -> None:
    program = Program(source, "main", json.dumps(args).encode(), json.dumps(kwargs).encode())
    verdict = box.run(program, replace(LIMITS, wall_seconds=30.0))  # it has to end by itself
    assert verdict.result_json is not None, verdict.failure
    assert json.loads(verdict.result_json) == [args, kwargs]
