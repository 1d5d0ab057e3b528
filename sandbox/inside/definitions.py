"""Which `def` of the program is behind what a task calls."""

from __future__ import annotations

import functools
import types
from typing import Any

from sandbox.inside import names, ownership

_MOST_STEPS = 20
_function_of_partial: Any = functools.partial.__dict__["func"].__get__


def definition_of(called: Any) -> types.FunctionType | None:
    """The function that the program wrote, below methods, partials, classes, and decorators that say what they wrap."""
    found: types.FunctionType | None = None
    for _ in range(_MOST_STEPS):
        if type(called) is types.FunctionType and called.__code__.co_filename == names.FILENAME:
            found = called
        called = _one_step_down(called)
        if called is None:
            return found
    return found


def _one_step_down(called: Any) -> Any:
    kind = type(called)
    if kind is types.FunctionType:
        return vars(called).get("__wrapped__")
    if kind is types.MethodType or kind is staticmethod or kind is classmethod:
        return called.__func__
    if issubclass(kind, functools.partial):
        return _function_of_partial(called)
    if ownership.is_class(called):
        return _of_the_program(called, "__init__") or _of_the_program(called, "__new__")
    return _of_the_program(kind, "__call__")


def _of_the_program(kind: type, name: str) -> Any:
    own = (vars(each) for each in type.mro(kind) if ownership.is_programs_own(each))
    return next((each[name] for each in own if name in each), None)
