"""Kept code is bounded, and a program's code says what it needs."""

from __future__ import annotations

import sys

import pytest

from sandbox.codes import Codes, Kept, key_of
from sandbox.inside import needs


def _kept(size: int) -> Kept:
    return Kept("v", True, b"x" * size)


def test_the_code_that_was_not_used_for_longest_goes_first() -> None:
    codes = Codes(max_entries=2)
    codes.put(b"a", _kept(1))
    codes.put(b"b", _kept(1))
    assert codes.get(b"a") is not None
    codes.put(b"c", _kept(1))
    assert [codes.get(key) is not None for key in (b"a", b"b", b"c")] == [True, False, True]


def test_bytes_are_bounded_whatever_is_put_again() -> None:
    codes = Codes(max_bytes=100)
    for _ in range(5):
        codes.put(b"a", _kept(60))
    assert codes.get(b"a") is not None
    codes.put(b"b", _kept(41))
    assert codes.get(b"a") is None
    codes.put(b"b", _kept(10))
    codes.put(b"c", _kept(90))
    assert codes.get(b"b") is not None
    codes.put(b"d", _kept(101))
    assert [codes.get(key) for key in (b"b", b"c", b"d")] == [None, None, None]


def test_keys_are_of_the_source() -> None:
    assert key_of(b"a") == key_of(b"a") != key_of(b"b")


LEAN = [
    "x = 1",
    "import math, time, json",
    "from __future__ import annotations",
    "def f():\n    from math import pi\n    return pi",
]
FULL = [
    "import csv",
    "import math, csv",
    "import os.path",
    "def f():\n    class A:\n        def g(self): import csv",
    "x = lambda: eval('1')",
    "def f():\n    return __import__('math')",
    "async def f(): pass",
    "async def f():\n    yield 1",
    "async def f():\n    return [x async for x in y]",
    *(["def f[T](x: T): pass", "class A[T]: pass"] if sys.version_info >= (3, 12) else []),
    "\n".join([*(f"x{n} = y{n}" for n in range(300)), "import csv"]),  # the argument takes more than a byte
]  # fmt: skip


@pytest.mark.parametrize("source", LEAN)
def test_code_that_a_lean_child_can_run(source: str) -> None:
    assert needs.fits_lean(compile(source, "<test>", "exec", dont_inherit=True))


@pytest.mark.parametrize("source", FULL)
def test_code_that_needs_the_library(source: str) -> None:
    assert not needs.fits_lean(compile(source, "<test>", "exec", dont_inherit=True))
