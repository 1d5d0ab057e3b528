"""`collections.OrderedDict` on top of dict, which keeps the order itself.

The library's, in C, keeps a list of its own beside the dict and follows stale pointers when a key's `__eq__` changes
the dictionary that is being searched. Here every access goes through dict, which expects that.
"""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Iterable
from typing import Any

_MISSING = object()


class OrderedDict(dict[Any, Any]):
    """collections.OrderedDict."""

    __slots__ = ("__dict__", "__gone")
    __gone: int

    def __init__(self, other: Any = (), /, **named: Any) -> None:
        OrderedDict.update(self, other, **named)  # a subclass may have an update() that needs what it has yet to set

    @classmethod
    def fromkeys(cls, iterable: Iterable[Any], value: Any = None) -> Any:
        """One key for each item, all with the same value."""
        made = cls()
        for key in iterable:
            made[key] = value
        return made

    def update(self, other: Any = (), /, **named: Any) -> None:
        """As dict.update, by `__setitem__` of the subclass if there is one."""
        items = _items(other)
        if type(self).__setitem__ is dict.__setitem__:
            dict.update(self, items, **named)
            return
        for key, value in [*items, *named.items()]:
            self[key] = value

    def move_to_end(self, key: Any, last: bool = True) -> None:
        """To the end, or to the start, which takes time in proportion to the size."""
        value = dict.pop(self, key)
        if last:
            dict.__setitem__(self, key, value)
            return
        rest = dict.copy(self)
        dict.clear(self)
        dict.__setitem__(self, key, value)
        dict.update(self, rest)
        _gone_of.__set__(self, 0)

    def popitem(self, last: bool = True) -> tuple[Any, Any]:
        """The newest item, or the oldest."""
        if not dict.__len__(self):
            raise KeyError("dictionary is empty")
        if last:
            return dict.popitem(self)
        key = next(dict.__iter__(self))
        value = dict.pop(self, key)
        _tidy(self)
        return key, value

    def copy(self) -> Any:
        """A shallow one, of the same class."""
        return type(self)(self)

    def pop(self, key: Any, default: Any = _MISSING) -> Any:
        """As dict.pop; of a subclass with `__missing__`, by that."""
        if default is not _MISSING:
            return dict.pop(self, key, default)
        if not dict.__contains__(self, key) and hasattr(type(self), "__missing__"):
            missing: Any = type(self).__missing__  # type: ignore[attr-defined]
            return missing(self, key)
        return dict.pop(self, key)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """As dict.setdefault, by `__setitem__` of the subclass if there is one."""
        if dict.__contains__(self, key):
            return self[key]
        self[key] = default
        return default

    def __eq__(self, other: object) -> bool:
        if not issubclass(type(other), OrderedDict):
            return dict.__eq__(self, other)
        same = dict.__eq__(self, other)
        return same is True and list(dict.__iter__(self)) == list(dict.__iter__(other))  # type: ignore[arg-type]

    def __ne__(self, other: object) -> bool:
        same: Any = OrderedDict.__eq__(self, other)
        return same if same is NotImplemented else not same

    __hash__ = None

    def __or__(self, other: Any) -> Any:
        if not issubclass(type(other), dict):
            return NotImplemented
        made = type(self)(self)
        made.update(other)
        return made

    def __ror__(self, other: Any) -> Any:
        if not issubclass(type(other), dict):
            return NotImplemented
        made = type(self)(other)
        made.update(self)
        return made

    def __ior__(self, other: Any) -> Any:
        self.update(other)
        return self

    @reprlib.recursive_repr()
    def __repr__(self) -> str:
        name, items = type(self).__name__, list(dict.items(self))
        if not items:
            return f"{name}()"
        return f"{name}({items if sys.version_info < (3, 12) else dict(items)!r})"


def _items(other: Any) -> list[tuple[Any, Any]]:
    if issubclass(type(other), dict):
        return list(other.items())
    if hasattr(other, "keys"):
        return [(key, other[key]) for key in other.keys()]  # noqa: SIM118  (whatever has keys(), as in dict.update)
    return [(key, value) for key, value in other]


def _tidy(ordered: OrderedDict) -> None:
    """Make the dict anew now and then: dict looks for its first key behind all that were taken from there."""
    gone = _gone(ordered) + 1
    if gone * gone > 60 * dict.__len__(ordered) + 10_000:
        rest = dict.copy(ordered)
        dict.clear(ordered)
        dict.update(ordered, rest)
        gone = 0
    _gone_of.__set__(ordered, gone)


def _gone(ordered: OrderedDict) -> int:
    try:
        found: int = _gone_of.__get__(ordered)
    except AttributeError:
        return 0
    return found


_gone_of: Any = OrderedDict.__dict__["_OrderedDict__gone"]

OrderedDict.__module__ = "collections"
