"""What the compiled code of a program needs of the zygote whose child runs it."""

from __future__ import annotations

import inspect
import opcode
from collections.abc import Iterator
from types import CodeType

from sandbox.inside import modules

_IMPORT, _EXTENDED = opcode.opmap["IMPORT_NAME"], opcode.opmap["EXTENDED_ARG"]
_ASYNCHRONOUS = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE
#: Names that compile or import at run time.
_NAMES = frozenset({"eval", "__import__"})
#: How the compiler calls the scope of type parameters (Python 3.12).
_GENERIC = "<generic parameters of "


def fits_lean(code: CodeType) -> bool:
    """Whether a child of the lean zygote has all that can be seen of the program's needs.

    What can't be seen (an encoding's name in a variable) is found out when it is missed: the program then runs again
    in a child of the full zygote. So a wrong answer costs time and nothing else.
    """
    return all(_is_plain(each) for each in _all_within(code))


def _is_plain(code: CodeType) -> bool:
    if code.co_flags & _ASYNCHRONOUS or code.co_name.startswith(_GENERIC):
        return False
    return _NAMES.isdisjoint(code.co_names) and all(name in modules.LEAN for name in _imported(code))


def _all_within(code: CodeType) -> Iterator[CodeType]:
    waiting = [code]
    while waiting:
        current = waiting.pop()
        yield current
        waiting += [each for each in current.co_consts if type(each) is CodeType]


def _imported(code: CodeType) -> Iterator[str]:
    """The modules of the import statements."""
    extended = 0
    for operation, argument in zip(code.co_code[::2], code.co_code[1::2], strict=True):
        argument |= extended
        extended = argument << 8 if operation == _EXTENDED else 0
        if operation == _IMPORT:
            yield code.co_names[argument]
