"""error.traceback: the whole chain of what went wrong, in lines of the program, and never without end."""

from __future__ import annotations

import pytest

from tests.box.programs import Runner


def _trace(run: Runner, program: str) -> str:
    trace = run.failure(program).traceback
    assert trace is not None
    return trace


def test_a_cause_is_told_with_its_own_lines(run: Runner) -> None:
    trace = _trace(
        run,
        'def main():\n    try:\n        return {}["price"]\n    except KeyError as e:\n'
        '        raise RuntimeError("import failed") from e',
    )
    assert trace == (
        "Traceback (most recent call last):\n"
        '  File "<task>", line 3, in main\n'
        '    return {}["price"]\n'
        "KeyError: 'price'\n"
        "\n"
        "The above exception was the direct cause of the following exception:\n"
        "\n"
        "Traceback (most recent call last):\n"
        '  File "<task>", line 5, in main\n'
        '    raise RuntimeError("import failed") from e\n'
        "RuntimeError: import failed"
    )


@pytest.mark.parametrize("ends", ["\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\x0b"])
def test_lines_are_those_of_the_compiler(run: Runner, ends: str) -> None:
    trace = _trace(run, f"def main():\r    text = 'a{ends}b'\r\n    raise ValueError(1)  # here\n")
    assert "line 3, in main\n    raise ValueError(1)  # here\n" in trace


def test_a_context_is_told_too(run: Runner) -> None:
    trace = _trace(run, "def main():\n    try:\n        1/0\n    except ZeroDivisionError:\n        [][1]\n")
    assert "ZeroDivisionError: division by zero\n\nDuring handling of the above exception, another exception" in trace
    assert trace.endswith("IndexError: list index out of range")


def test_from_none_hides_the_context(run: Runner) -> None:
    trace = _trace(
        run, "def main():\n    try:\n        1/0\n    except ZeroDivisionError:\n        raise KeyError(1) from None\n"
    )
    assert "ZeroDivisionError" not in trace


def test_an_error_of_the_library_has_its_cause(run: Runner) -> None:
    program = "import json\ndef main():\n    try:\n        json.loads('{')\n    except ValueError as e:\n        raise LookupError from e"
    trace = _trace(run, program)
    assert "line 4, in main\n    json.loads('{')\nJSONDecodeError: Expecting property name" in trace
    assert "json/" not in trace


def test_members_of_a_group_are_told(run: Runner) -> None:
    trace = _trace(
        run,
        "def one():\n    raise KeyError('a')\ndef caught():\n    try: one()\n    except KeyError as e: return e\n"
        "def main():\n    raise ExceptionGroup('both', [caught(), ExceptionGroup('inner', [ValueError(2)])])\n",
    )
    assert trace == (
        "Exception Group Traceback (most recent call last):\n"
        '  File "<task>", line 7, in main\n'
        "    raise ExceptionGroup('both', [caught(), ExceptionGroup('inner', [ValueError(2)])])\n"
        "ExceptionGroup: both (2 sub-exceptions)\n"
        "  +---------------- 1 ----------------\n"
        "  | Traceback (most recent call last):\n"
        '  |   File "<task>", line 4, in caught\n'
        "  |     try: one()\n"
        '  |   File "<task>", line 2, in one\n'
        "  |     raise KeyError('a')\n"
        "  | KeyError: 'a'\n"
        "  +---------------- 2 ----------------\n"
        "  | ExceptionGroup: inner (1 sub-exception)\n"
        "  |   +---------------- 1 ----------------\n"
        "  |   | ValueError: 2"
    )


def test_a_long_chain_keeps_its_end(run: Runner) -> None:
    program = (
        "def main():\n    error = None\n    for n in range(100):\n        try:\n            raise ValueError(n) from error\n"
        "        except ValueError as e:\n            error = e\n    raise error\n"
    )
    trace = _trace(run, program)
    assert trace.count("ValueError") - trace.count("raise ValueError(n)") - trace.count("except ValueError") == 10
    assert trace.endswith("ValueError: 99")


def test_a_chain_in_a_circle_ends(run: Runner) -> None:
    program = "def main():\n    a, b = ValueError('a'), ValueError('b')\n    a.__cause__ = b\n    b.__cause__ = a\n    raise a\n"
    assert _trace(run, program).endswith("ValueError: a")


def test_a_wide_and_deep_group_is_cut(run: Runner) -> None:
    program = (
        "def main():\n    error = ValueError(1)\n    for n in range(60):\n"
        "        error = ExceptionGroup('g', [error] * 40)\n    raise error\n"
    )
    assert len(_trace(run, program)) <= 16_000


def test_notes_are_told(run: Runner) -> None:
    trace = _trace(run, "def main():\n    e = ValueError('no')\n    e.add_note('look there')\n    raise e\n")
    assert trace.endswith("ValueError: no\nlook there")


def test_a_message_of_a_class_of_the_programs_own_is_text(run: Runner) -> None:
    program = """
        class Text(str):
            def __getitem__(self, item): return 5
            def __str__(self): return self
            def encode(self, *args): return 7
        class Own(Exception):
            def __str__(self): return Text("what it says")
        def main(): raise Own()
        """
    failure = run.failure(program)
    assert (failure.type, failure.message) == ("Own", "what it says")


def test_a_message_that_can_not_be_had_says_why(run: Runner) -> None:
    failure = run.failure("class Own(Exception):\n    def __str__(self): return 1 / 0\ndef main(): raise Own()\n")
    assert failure.message == "(str() of this exception raised ZeroDivisionError)"


def test_advice_can_be_followed(run: Runner) -> None:
    for program in ("str(10 ** 5000)", "10 ** 5000", "int('9' * 5000)"):
        failure = run.failure(program)
        assert "Exceeds the limit (4300 digits) for integer string conversion" in failure.message
        assert "set_int_max_str_digits" not in failure.message
    [problem] = run.problems(f"def main():\n    return {'9' * 5000}\n")
    assert "set_int_max_str_digits" not in problem.message


@pytest.mark.parametrize("name", ["__cause__", "__context__", "__suppress_context__"])
def test_what_a_class_says_of_the_cause_is_not_asked(run: Runner, name: str) -> None:
    trace = _trace(
        run,
        f"""
        class Asked:
            def __get__(self, *args): raise KeyboardInterrupt
            def __getattr__(self, name): raise KeyboardInterrupt
        class E(Exception): pass
        def main():
            setattr(E, "{name}", Asked())
            try: raise ValueError(1)
            except ValueError: raise E(2)
        """,
    )
    assert "ValueError: 1\n\nDuring handling of the above exception" in trace
    assert trace.endswith("E: 2")


def test_an_exception_that_can_not_be_asked_for_notes_has_none(run: Runner) -> None:
    program = """
        class E(Exception):
            def __getattr__(self, name): raise KeyboardInterrupt(name)
        def main(): raise E(1)
        """
    assert _trace(run, program).endswith("E: 1")


def test_a_cause_that_is_no_exception_ends_the_chain(run: Runner) -> None:
    """Before Python 3.13, `raise … from` takes for the cause what the class of it makes."""
    program = """
        class E(Exception):
            def __new__(cls, *args): return b"bytes"
        def main(): raise ValueError("x") from E
        """
    failure = run.failure(program)
    assert failure.type in ("ValueError", "TypeError")
    assert failure.line == 4
