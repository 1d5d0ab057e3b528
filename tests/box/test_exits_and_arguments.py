"""How a program ends early, and what happens where the function can't be called as the task wants it."""

from __future__ import annotations

import pytest

from sandbox import Limits, Problem, Program, Sandbox
from tests.box.programs import Runner

ENDS_WELL = [
    "exit()",
    "exit(0)",
    "quit()",
    "sys.exit()",
    "sys.exit(0)",
    "raise SystemExit",
    "raise SystemExit(0)",
    "sys.exit(None)",
]


@pytest.mark.parametrize("end", ENDS_WELL)
def test_an_exit_with_zero_is_a_success(run: Runner, end: str) -> None:
    verdict = run.verdict(f"import sys\ndef main():\n    print('nothing to do')\n    {end}\n")
    assert (verdict.result_json, verdict.failure, verdict.stdout) == (b"null", None, "nothing to do\n")


@pytest.mark.parametrize(
    ("code", "message"), [("1", "1"), ("'no data'", "no data"), ("-1", "-1"), ("0.0", "0.0"), ("''", "")]
)
def test_an_exit_with_another_code_fails_for_good(run: Runner, code: str, message: str) -> None:
    failure = run.failure(f"import sys\ndef main():\n    sys.exit({code})\n")
    assert (failure.type, failure.message, failure.line, failure.permanent) == ("SystemExit", message, 3, True)


def test_an_exit_at_the_top_of_the_module_counts_too(run: Runner) -> None:
    assert run.verdict("exit()\ndef main(): return 1\n").result_json == b"null"


def test_other_failures_may_be_retried(run: Runner) -> None:
    assert run.failure("def main(): raise ValueError(1)\n").permanent is False


def _check(box: Sandbox, source: str, count: int, *keywords: str, name: str = "main") -> list[Problem]:
    return box.check(source, name, (count, keywords))


DO_NOT_FIT = {
    "one is missing": ("def main(a): pass", 0, (), "main(a) needs 'a', which neither args nor kwargs has"),
    "two are missing": (
        "def main(a, b, c=1): pass",
        0,
        ("c",),
        "main(a, b, c=1) needs 'a', 'b', which neither args nor kwargs has",
    ),
    "too many": ("def main(a): pass", 2, (), "main(a) takes at most 1 positional argument, but args has 2"),
    "none is taken": ("def main(): pass", 1, (), "main() takes at most 0 positional arguments, but args has 1"),
    "an unknown name": ("def main(a=1): pass", 0, ("b",), "main(a=1) has no parameter 'b', but kwargs has"),
    "twice": ("def main(a): pass", 1, ("a",), "main(a) gets 'a' twice: from args and from kwargs"),
    "by name only": (
        "def main(*, key): pass",
        1,
        (),
        "main(*, key) takes at most 0 positional arguments, but args has 1",
    ),
    "a keyword is missing": (
        "def main(*, key): pass",
        0,
        (),
        "main(*, key) needs 'key', which neither args nor kwargs has",
    ),
    "by position only": ("def main(a, /): pass", 0, ("a",), "main(a, /) has no parameter 'a', but kwargs has"),
    "a coroutine": ("async def main(a): pass", 0, (), "main(a) needs 'a', which neither args nor kwargs has"),
}


@pytest.mark.parametrize(("source", "count", "keywords", "message"), DO_NOT_FIT.values(), ids=list(DO_NOT_FIT))
def test_arguments_that_do_not_fit_are_found_at_creation(
    box: Sandbox, source: str, count: int, keywords: tuple[str, ...], message: str
) -> None:
    assert _check(box, f"\n{source}\n", count, *keywords) == [Problem("TypeError", message, 2, 1)]


FIT = {
    "plain": ("def main(a, b=2): pass", 1, ()),
    "any number": ("def main(*args): pass", 9, ()),
    "any names": ("def main(a, **kwargs): pass", 1, ("x", "y")),
    "a name of both kinds": ("def main(a, /, **kwargs): pass", 1, ("a",)),
    "keywords": ("def main(a, *, b, c=3): pass", 0, ("a", "b")),
    "decorated": ("import functools\n@functools.lru_cache\ndef main(a): pass", 0, ()),
    "defined twice": ("def main(a): pass\ndef main(): pass", 0, ()),
    "defined again later": ("def main(a): pass\nmain = print", 0, ()),
    "made global": ("def main(a): pass\ndef f():\n    global main\n    main = print\nf()", 0, ()),
    "conditional": ("if True:\n    def main(a): pass", 0, ()),
    "a lambda": ("main = lambda a: 1", 0, ()),
    "a class": ("class main:\n    def __init__(self, a): pass", 0, ()),
}


@pytest.mark.parametrize(("source", "count", "keywords"), FIT.values(), ids=list(FIT))
def test_what_fits_or_is_not_plain_is_admitted(
    box: Sandbox, source: str, count: int, keywords: tuple[str, ...]
) -> None:
    assert _check(box, source, count, *keywords) == []


WRAPPED = """import functools
def logged(function):
    @functools.wraps(function)
    def call(*args, **kwargs): return function(*args, **kwargs)
    return call
@logged
def main(a): pass
"""


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("\ndef main(a): pass", 2),
        ("main = lambda a: 1", 1),
        ("class main:\n    def __init__(self, a): pass", 2),
        ("main = len", None),
        ("class main:\n    def __new__(cls, a): pass", 2),
        ("class K:\n    def __call__(self, a): pass\nmain = K()", 2),
        ("class K:\n    def f(self, a): pass\nmain = K().f", 2),
        ("import functools\ndef f(a, b): pass\nmain = functools.partial(f, 1)", 2),
        ("import functools\n@functools.cache\ndef main(a): pass", 2),
        ("import functools\n@functools.singledispatch\ndef main(a): pass", 2),
        ("import contextlib\n@contextlib.contextmanager\ndef main(a): yield", 2),
        (WRAPPED, 6),
        (WRAPPED.replace("def main", "async def main"), 6),
    ],
)
def test_a_call_that_does_not_fit_fails_once_with_the_line_of_the_definition(
    box: Sandbox, source: str, line: int | None
) -> None:
    failure = box.run(Program(source, "main"), Limits(5)).failure
    assert failure is not None
    assert (failure.type, failure.line, failure.permanent) == ("TypeError", line, True)


OF_THE_FUNCTION_ITSELF = {
    "of what it calls": ("def f(a): pass\ndef main():\n    f()\n", 3),
    "of itself, called again": ("def main(*args):\n    f(1) if args else main(1)\ndef f(): pass\n", 2),
    "in a decorator": (f"{WRAPPED}\nmain = logged(lambda: len(1))", 9),
    "of a decorator": (
        "def logged(function):\n    return lambda: function.x + ''\n@logged\ndef main(): pass\nmain.x=1",
        2,
    ),
}


@pytest.mark.parametrize(("program", "line"), OF_THE_FUNCTION_ITSELF.values(), ids=list(OF_THE_FUNCTION_ITSELF))
def test_a_type_error_of_the_function_itself_may_be_retried(run: Runner, program: str, line: int) -> None:
    failure = run.failure(program)
    assert (failure.line, failure.permanent) == (line, False)


@pytest.mark.parametrize(
    ("defined", "asked"), [("ﬁt", "fit"), ("fit", "ﬁt"), ("ｍａｉｎ", "main"), ("K", "K"), ("été", "e\u0301te\u0301")]
)
def test_the_functions_name_is_compared_as_python_does(box: Sandbox, defined: str, asked: str) -> None:
    source = f"def {defined}(): return 7\n"
    assert _check(box, source, 0, name=asked) == []
    assert box.run(Program(source, asked), Limits(5)).result_json == b"7"


@pytest.mark.parametrize("depth", [980, 501])
def test_a_result_that_is_nested_too_deeply_is_told_as_that(run: Runner, depth: int) -> None:
    failure = run.failure(f"def main():\n    x = []\n    for _ in range({depth}): x = [x]\n    return x\n")
    assert (failure.type, "nested too deeply" in failure.message) == ("ResultError", True)


NOT_JSON = {
    "range(3)": "a range can't be returned as JSON: return list(x)",
    "(x for x in '')": "a generator can't be returned as JSON: return list(x)",
    "{}.items()": "a dict_items can't be returned as JSON: return list(x)",
    "iter([])": "a list_iterator can't be returned as JSON: return list(x)",
    "bytearray(b'x')": "a bytearray can't be returned as JSON: return x.decode() or base64.b64encode(x).decode()",
    "Colour.RED": "a Colour can't be returned as JSON: return x.value",
    "Point(1)": "a Point can't be returned as JSON: return dataclasses.asdict(x)",
    "UserDict(a=1)": "a UserDict can't be returned as JSON: return dict(x)",
    "ChainMap({1: 2})": "a ChainMap can't be returned as JSON: return dict(x)",
    "types.MappingProxyType({1: 2})": "a mappingproxy can't be returned as JSON: return dict(x)",
    "UserList([1])": "a UserList can't be returned as JSON: return list(x)",
    "UserString('a')": "a UserString can't be returned as JSON: return str(x)",
    "io.StringIO('a')": "a StringIO can't be returned as JSON: return x.getvalue()",
    "{(1, 2): 3}": "keys must be str, int, float, bool or None, not tuple: return a dict with str(key) for each key",
    "{Colour.RED: 3}": "keys must be str, int, float, bool or None, not Colour: return a dict with str(key) for each key",
    "enum": "a module can't be returned as JSON: return a dict, list, string, number, boolean or None",
    "object()": "an object can't be returned as JSON: return a dict, list, string, number, boolean or None",
    "Colour": "a class can't be returned as JSON: return a dict, list, string, number, boolean or None",
    "type": "a class can't be returned as JSON: return a dict, list, string, number, boolean or None",
}


@pytest.mark.parametrize(("result", "message"), NOT_JSON.items())
def test_what_json_can_not_carry_is_told_with_what_to_return_instead(run: Runner, result: str, message: str) -> None:
    program = f"""
        import dataclasses, enum, io, types
        from collections import ChainMap, UserDict, UserList, UserString
        Colour = enum.Enum("Colour", "RED")
        @dataclasses.dataclass
        class Point:
            x: int
        def main(): return [{result}]
        """
    failure = run.failure(program)
    assert (failure.type, failure.message) == ("ResultError", message)
