"""Comprehensions that put a value of theirs where a function keeps the cell of one of its variables.

A variable that a function within uses is kept in a cell. Since Python 3.12 a comprehension is compiled into the
function around it, and its own variable takes the place of the function's of that name meanwhile. What looks for the
function's variable there believes the value to be the cell, and takes bytes of it for an object: `super()` does, and
`locals()` before Python 3.13.3.
"""

from __future__ import annotations

import itertools
import opcode
from collections.abc import Iterator
from types import CodeType

_EXTENDED_ARG, _MAKE_CELL = opcode.opmap["EXTENDED_ARG"], opcode.opmap["MAKE_CELL"]
_TAKE_PLACE = opcode.opmap.get("LOAD_FAST_AND_CLEAR")  # since Python 3.12


def covered_cells(code: CodeType) -> dict[str, int]:
    """The names of such variables, and which instruction covers each."""
    found: dict[str, int] = {}
    kept, variables = frozenset(code.co_cellvars), code.co_varnames
    if kept and _TAKE_PLACE is not None:
        for (number, operation, place), (_, following, _) in itertools.pairwise(_instructions(code.co_code)):
            own = following == _MAKE_CELL  # a cell, too
            if operation == _TAKE_PLACE and not own and variables[place] in kept:
                found.setdefault(variables[place], number)
    return found


def _instructions(code: bytes) -> Iterator[tuple[int, int, int]]:
    """(number, operation, argument) of each."""
    extended = 0
    for number, (operation, low) in enumerate(zip(code[::2], code[1::2], strict=True)):
        argument = extended << 8 | low
        extended = 0
        if operation == _EXTENDED_ARG:
            extended = argument
        else:
            yield number, operation, argument


def that_confuse_super(code: CodeType) -> Iterator[tuple[str, int | None, int | None]]:
    """(name, line, column) of one in each function within whose first parameter `super()` would mistake.

    It asks for that only in a function that has the cell of its class.
    """
    waiting = [code]
    for each in waiting:
        waiting += [constant for constant in each.co_consts if type(constant) is CodeType]
        if each.co_argcount and "__class__" in each.co_freevars:
            first, covered = each.co_varnames[0], covered_cells(each)
            if first in covered:
                line, _, column, _ = next(itertools.islice(each.co_positions(), covered[first], None))
                yield first, line, None if column is None else column + 1
