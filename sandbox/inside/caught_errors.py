"""Errors that the library has caught, as a program may hold them."""

from __future__ import annotations

import sys
import weakref
from typing import Any

from sandbox.inside import classes, ownership

_args_of: Any = BaseException.__dict__["args"]
_missed_by: Any = AttributeError.__dict__["obj"]


def told(error: BaseException) -> BaseException:
    """What the library caught itself may speak of what a program may not hold: it looks at `type(x)` of a class.

    It is changed in place: a program may have it from elsewhere, too.
    """
    args = _args_of.__get__(error)
    shown = tuple(harmless(each) for each in args)
    if any(one is not other for one, other in zip(args, shown, strict=True)):
        _args_of.__set__(error, shown)
    if issubclass(type(error), AttributeError):
        _missed_by.__set__(error, harmless(_missed_by.__get__(error)))
    return error


def harmless(value: Any) -> Any:
    """What an error speaks of, or None in the place of what no program may hold."""
    hidden = type(value) in ownership.NEVER_LOOKED_INTO or issubclass(type(value), weakref.ref)
    return None if hidden else classes.without_type(value)


def handled_error() -> BaseException | None:
    """What `sys.exc_info` gives: in a hook that the library calls, what the library handles."""
    error = sys.exc_info()[1]
    return None if error is None else told(error)


def prepare_to_raise_on() -> bool:
    """Asked before each `raise` without an exception (policy.Policy.visit_Raise), which hands on what is handled."""
    handled_error()
    return True
