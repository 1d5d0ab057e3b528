"""Attributes whose new value is looked at when they are set, or whose former value is kept.

`__name__` and `__qualname__` of a class: the library joins them to other texts, and reads attributes by that, so they
are plain strings. The interpreter tells a name in messages without holding it.

Special methods of a class: they hold what they are called with (special_methods.py).

`__dict__` of an object: the interpreter sets and deletes attributes in it without holding it, and a key whose `__eq__`
is the program's may put another in its place meanwhile.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

from sandbox.inside import names, special_methods

_NAMES = frozenset({"__name__", "__qualname__"})
LOOKED_AT = _NAMES | special_methods.HELD | {"__dict__"}

name_of: Callable[[type], str] = type.__dict__["__name__"].__get__
_former_names: list[str] = []


class Target:
    """Stands for an object in a statement that sets one of these attributes."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        _value_of.__set__(self, value)

    def __getattribute__(self, name: str) -> Any:
        """For `+=`, which `attributes.change` has permitted."""
        return getattr(_value_of.__get__(self), name)

    def __setattr__(self, name: str, new: Any) -> None:
        value = _value_of.__get__(self)
        with_former_dict(value, name, lambda: setattr(value, name, prepared(value, name, new)))

    def __delattr__(self, name: str) -> None:
        value = _value_of.__get__(self)
        with_former_dict(value, name, lambda: delattr(value, name))


_value_of: Any = Target.__dict__["_value"]


def prepared(value: Any, name: str, new: Any) -> Any:
    """What is to become `value.name`."""
    if not issubclass(type(value), type):
        return new
    if name not in _NAMES:
        return special_methods.held(name, new)
    if name == "__name__":
        _former_names.append(name_of(value))
    return str.__str__(new) if issubclass(type(new), str) else new


#: Before Python 3.13, the interpreter does not hold what it finds in a class under these while it asks that, by its
#: `__get__`, for the method: a property, what `__get__` itself is.
BORROWED = names.METHODS if sys.version_info < (3, 13) else frozenset()
_former_methods: list[Any] = []


def keep_method(former: Any) -> None:
    """For good: it may be at work. A function is held by its frame, and may be large by what it encloses."""
    if former is not None and type(former) is not types.FunctionType:
        _former_methods.append(former)


class _FormerDicts:
    """They are kept for good, but what nobody else has is emptied at once: an empty dict is all that stays."""

    #: References to a dict that nobody else has: ours, and that of the call which counts them.
    _ALONE = 2

    def __init__(self) -> None:
        self._full: dict[int, Any] = {}  # by their ids
        self._emptied: list[Any] = []
        self._room = 100

    def keep(self, former: Any) -> None:
        """Before it becomes a former one."""
        if len(self._full) >= self._room:
            for each in list(self._full):
                self.empty(each)
            self._room = max(100, 2 * len(self._full))
        self._full[id(former)] = former

    def empty(self, key: int) -> None:
        """The one with this id, unless somebody else has it."""
        if key in self._full and sys.getrefcount(self._full[key]) <= self._ALONE:
            former = self._full.pop(key)
            self._emptied.append(former)
            dict.clear(former)


_former_dicts = _FormerDicts()


def with_former_dict(value: Any, name: str, change: Callable[[], None]) -> None:
    """Change an attribute, which may be `__dict__`."""
    former = getattr(value, name, None) if name == "__dict__" else None
    if not issubclass(type(former), dict):
        change()
        return
    key = id(former)
    _former_dicts.keep(former)
    del former
    change()
    _former_dicts.empty(key)
