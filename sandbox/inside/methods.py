"""Methods of the library that a program may call with instances of their class only."""

from __future__ import annotations

import collections
import functools
import types
from collections.abc import Iterable
from typing import Any

from sandbox.inside.words import words

#: What a method does that must not be done for just anything called its self: `Counter.copy(int)` returned `type`, and
#: `Enum.__repr__(int)` raised an AttributeError that spoke of it.
_DELICATE = frozenset(
    words("type getattr setattr delattr __class__ __dict__ __get__ __setattr__ __delattr__ __new__ __self__")
)

#: enum, and protocols before Python 3.12, have the first four as plain functions, which get a class. The last two look
#: at the frame that calls them, in protocols; no program can read them.
_NOT_OF_INSTANCES = frozenset(
    words("__new__ _new_member_ __new_member__ __subclasshook__ __instancecheck__ __subclasscheck__")
)

#: pprint knows this one by identity. It asks the class for nothing but its name.
_KNOWN_BY_IDENTITY = collections.Counter.__repr__


def guard_methods(classes: Iterable[type]) -> None:
    """Let delicate methods of the library's classes be called with an instance of the class for their self only."""
    for each in classes:
        for name, value in list(vars(each).items()):
            guarded = _for_instances_only(each, value)
            if guarded is not value and name not in _NOT_OF_INSTANCES and value is not _KNOWN_BY_IDENTITY:
                type.__setattr__(each, name, guarded)


def _for_instances_only(owner: type, value: Any) -> Any:
    if type(value) is property:
        get, put, delete = [_for_instances_only(owner, each) for each in (value.fget, value.fset, value.fdel)]
        same = (get, put, delete) == (value.fget, value.fset, value.fdel)
        return value if same else property(get, put, delete, value.__doc__)
    if type(value) is not types.FunctionType or not _does_delicate_things(value.__code__):
        return value
    return _of_instances(owner, value)


def guard_all_methods(classes: Iterable[type]) -> None:
    """Let every method be called with an instance of the class for its self only: they set attributes of it."""
    for each in classes:
        for name, value in list(vars(each).items()):
            if type(value) is types.FunctionType and name != "__new__":
                type.__setattr__(each, name, _of_instances(each, value))
            elif type(value) is property and value.fget is not None:
                type.__setattr__(each, name, property(_of_instances(each, value.fget), None, None, value.__doc__))


def _of_instances(owner: type, value: Any) -> Any:
    @functools.wraps(value)
    def method(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        if not issubclass(type(self), owner):
            raise TypeError(f"{value.__qualname__}() is for {owner.__name__!r} objects")
        return value(self, *args, **kwargs)

    return method


def _does_delicate_things(code: types.CodeType) -> bool:
    if not _DELICATE.isdisjoint(code.co_names):
        return True
    return any(type(each) is types.CodeType and _does_delicate_things(each) for each in code.co_consts)
