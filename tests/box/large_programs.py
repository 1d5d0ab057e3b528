"""Large programs whose check is dear, or would be if it did not refuse them.

They are made when a test asks for one: together they have 8 MB, which each process that collects the tests would
make otherwise.
"""

from __future__ import annotations

import random
import sys
import textwrap
from collections.abc import Callable
from functools import cache

Programs = dict[str, Callable[[], str]]


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


@cache
def _pairs() -> list[tuple[int, int]]:
    """8,000 pairs of one hash, solved from how the interpreter computes the hash of a tuple (xxHash)."""
    prime_1, prime_2, prime_5 = 11_400_714_785_074_694_791, 14_029_467_366_897_019_727, 2_870_177_450_012_600_261

    def after(item: int) -> int:
        mixed = (prime_5 + item * prime_2) % 2**64
        return (mixed << 31 | mixed >> 33) * prime_1 % 2**64

    inverse = pow(prime_2, -1, 2**64)
    pairs: list[tuple[int, int]] = []
    first = 0
    while len(pairs) < 8_000:
        first += 1
        second = (after(1) - after(first)) * inverse % 2**64
        if second < _MODULUS:
            pairs.append((first, second))
    return pairs


ALIKE: Programs = {
    "integers of one hash": lambda: f"x in {{{_multiples(1, 11_500)}}}\n",
    "integers of one hash in statements": lambda: "x=" + _multiples(1, 10_000).replace(",", "\nx=") + "\n",
    "integers of one hash below zero": lambda: f"x in {{-{_multiples(1, 10_500).replace(',', ',-')}}}\n",
    "integers of one hash in a pattern": lambda: (
        f"match x:\n case {{{_multiples(1, 10_500).replace(',', ':_,')}:_}}: pass\n"
    ),
    "tuples of one hash": lambda: f"x = {_pairs()}\n",
    "tuples of one hash with more in them": lambda: (
        "x = [" + ",".join(f"(__debug__,f'',{a},{b})" for a, b in _pairs()[:6_000]) + "]\n"
    ),
    "lists of one hash": lambda: "".join(f"x in [{a},{b}]\n" for a, b in _pairs()),
    "tuples of one hash by items": lambda: f"x = [{','.join(f'((0, 1)[1],{a},{b})' for a, b in _pairs()[:6_000])}]\n",
}


def _case(pattern: str) -> str:
    return f"def f(x):\n match x:\n  case {pattern}: pass\n"


def _alternatives(number: int) -> str:
    """The same names in another order."""
    names = _names(number).split(",")
    random.seed(1)
    return _case(f"[{','.join(names)}]|[{','.join(random.sample(names, number))}]")


PATTERNS: Programs = {
    "many names in the alternatives of patterns": lambda: _alternatives(150) * 100,
    "a pattern that binds many names": lambda: _case(f"[{_names(3_000)}]"),
    "several patterns that bind many names": lambda: _case(f"[{_names(1_000)}]") * 20,
    "patterns that bind many attributes": lambda: _case(f"A({_names(2_000, '{0}={0}')})") * 8,
    "a pattern that binds many items": lambda: _case(f"{{{_names(3_000, '{0}.b:{0}')}}}"),
    "a pattern that binds one thing to many names": lambda: _case(f"[{_names(3_000, '_ as {}')}]"),
    "a pattern of much that binds some names": lambda: _case(f"[{_names(200)}{',_' * 30_000}]"),
}
OPERATIONS: Programs = {
    "complex numbers of one hash": lambda: (
        f"x = {{{','.join(f'{10**10 - 1_000_003 * each}+{each}j' for each in range(9_000))}}}\n"
    ),
    "integers of one hash by shifts": lambda: (
        f"x in {{{','.join(f'({each}<<61)-{each}' for each in range(12_000))}}}\n"
    ),
}


def _classes(depth: int) -> str:
    return "".join(f"{' ' * (each + 1)}class A:\n" for each in range(depth))


WHOLE: Programs = {
    **ALIKE,
    **OPERATIONS,
    **PATTERNS,
    "as many names in alternatives as are admitted": lambda: _alternatives(30) * 15,
    "a pattern that binds as many names as are admitted": lambda: _case(f"[{_names(990)}]"),
    "as many patterns with many names as are admitted": lambda: _case(f"[{_names(40)}]") * 600,
    "as many integers of one hash as are admitted": lambda: f"x in {{{_multiples(1, 1_001)}}}\n" * 12,
    "as many tuples of one hash as are admitted": lambda: f"x in {{{str(_pairs()[:1_000])[1:-1]}}}\n" * 8,
    "names handed through many functions": lambda: f"def f({_names(15_000)}):\n {'lambda:' * 80}[{_names(15_000)}]\n",
    "names handed through many classes": lambda: (
        f"def f({_names(15_000)}):\n{_classes(90)}{' ' * 91}[{_names(15_000)}]\n"
    ),
    "as many handed through as are admitted": lambda: f"def f({_names(4_700)}):\n {'lambda:' * 80}[{_names(4_700)}]\n",
    "names handed through many functions in a finally": lambda: _returns(
        30, f"lambda {_names(1_000)}:{'lambda:' * 80}[{_names(1_000)}]"
    ),
    "a long formatted string": lambda: "x=f'" + "{a}" * 87_000 + "'\n",
    "a formatted string as long as is admitted": lambda: "x=f'" + "{a}" * 25_000 + "'\n",
    "a call with many names": lambda: "f(" + ",".join(f"a{number}=1" for number in range(25_000)) + ")\n",
    "calls with as many names as are admitted": lambda: ("f(" + ",".join(f"a{n}=1" for n in range(2_000)) + ")\n") * 15,
    "a function with many names and functions": lambda: _assigned(24_000, _LAMBDAS),
    "one whose names are of a pattern": lambda: f"def f():\n for [{_names(30_000)}] in x: pass\n {_LAMBDAS}",
    "one whose names are in defaults of another": lambda: (
        f"def f():\n lambda x=[{_names(19_000, '({}:=1)')}]:0\n {_LAMBDAS}"
    ),
    "one whose names are global": lambda: f"def f():\n global {_names(30_000)}\n {_LAMBDAS}",
    "global names of the module": lambda: f"global {_names(30_000)}\n{_LAMBDAS}",
    "global names of a class": lambda: f"class A:\n global {_names(30_000)}\n {_LAMBDAS}",
    "global names by assignments in a comprehension": lambda: f"[[{_names(19_000, '({}:=1)')}] for _ in x]\n{_LAMBDAS}",
    "global names and fewer functions": lambda: f"def f():\n global {_names(36_000)}\n {'lambda:0;' * 1_000}\n",
    "names that another function reads": lambda: (
        f"def f():\n for [{_names(14_000)}] in x: pass\n lambda: [{_names(14_000)}]\n {_LAMBDAS}"
    ),
    "private names of many classes": lambda: _nested_classes(_names(800, "__{}=").replace(",", "") + "0"),
    "global private names of many classes": lambda: _nested_classes(f"global {_names(700, '__{}')}"),
    "as many names and functions as are admitted": lambda: _assigned(2_600, _LAMBDAS),
    "two functions with as many": lambda: 2 * _assigned(2_600, "lambda:0;" * 1_490),
    "a name with many combining characters": lambda: "a" + 10_000 * "\u0301" + 10_000 * "\u0316",
    "one that is only decomposed into such": lambda: "a" + 10_000 * "\uff9e" + 10_000 * "\u0f73\u0316",
    "a name with as many as are admitted": lambda: "a" + 1_100 * (50 * "\u0301" + 50 * "\u0316" + "a"),
    "many such names": lambda: 1_100 * ("a" + 50 * "\u0301" + 50 * "\u0316" + "\n"),
    "a pattern with many names": lambda: f"match x:\n case A({_names(30_000, '{}=_')}): pass\n",
    "patterns with as many names as are admitted": lambda: f"match x:\n case A({_names(2_000, '{}=_')}): pass\n" * 15,
    "nested finally": lambda: _nested_finals(16, f"lambda: [{_names(300)}]"),
    "nested finally as deep as is admitted": lambda: _nested_finals(8, f"lambda: [{_names(300)}]"),
    "many returns to a finally": lambda: _returns(10_000, f"lambda: [{_names(3_000)}]"),
    "many returns to many functions": lambda: _returns(30, "lambda:0;" * 100),
    "as many returns to a finally as are admitted": lambda: _returns(60, f"lambda: [{_names(1_500)}]"),
    "as many to a small one": lambda: _returns(12_000, "f(a)"),
    "as many to functions": lambda: _returns(27, "lambda:0;" * 100),
}
if sys.version_info >= (3, 12):
    WHOLE |= {
        "many type parameters": lambda: f"def f[{_names(20_000, '{}:int')}](): 0\n",
        "as many type parameters as are admitted": lambda: f"def f[{_names(2_800, '{}:int')}](): 0\n",
        "many aliases of types": lambda: "type A=1\n" * 15_000,
        "a function with many aliases of types": lambda: (
            f"def f():\n for [{_names(15_000)}] in x: pass\n {'type A=1;' * 15_000}\n"
        ),
        "a class with type parameters": lambda: (
            f"class A[T]:\n for [{_names(15_000)}] in x: pass\n {'type A=1;' * 15_000}\n"
        ),
    }
