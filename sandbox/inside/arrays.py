"""`array.array` that turns each value and index into a plain number before the library's array sees it.

The library checks an index, asks the value for its `__index__`, and writes: when that call has made the array shorter,
the write lands in memory that is no longer the array's.
"""

from __future__ import annotations

import array as library
import operator
import types
from collections.abc import Callable, Iterator, MutableSequence
from typing import Any

_FLOATS = "fd"
_CHARACTERS = "uw"


def _number_for(typecode: str) -> Callable[[Any], Any]:
    """What makes a value plain, so that nothing of a program is called after it."""
    if typecode in _CHARACTERS:
        return _character
    return _float if typecode in _FLOATS else _integer


def _integer(value: Any) -> int:
    return int.__index__(operator.index(value))


def _float(value: Any) -> float:
    return float.__float__(float(value))


def _character(value: Any) -> str:
    if not issubclass(type(value), str):
        raise TypeError("array item must be a unicode character")
    return str.__str__(value)


def _position(index: Any) -> Any:
    """An index or a slice, of plain integers."""
    if type(index) is not slice:
        return _integer(index)
    parts = (index.start, index.stop, index.step)
    return slice(*(None if each is None else _integer(each) for each in parts))


def _in_c(value: Any) -> Any:
    """The library's array behind one of ours; anything else is refused."""
    if type(value) is not array:
        raise TypeError(f"an array is needed, not {type(value).__name__!r}")
    return _held.__get__(value)


class array:  # noqa: N801  (the library's name)
    """array.array. It is no buffer: `tobytes()` gives its bytes."""

    __slots__ = ("_held",)

    def __new__(cls, typecode: Any, initializer: Any = (), /) -> Any:
        made = object.__new__(array)
        _held.__set__(made, library.array(_character(typecode)))
        kind = type(initializer)
        if kind is array:
            array.extend(made, initializer.tolist())
        elif kind is bytes or kind is bytearray:
            array.frombytes(made, initializer)
        elif kind is str and _held.__get__(made).typecode in _CHARACTERS:
            array.fromunicode(made, initializer)
        else:
            array.extend(made, initializer)
        return made

    @property
    def typecode(self) -> str:
        """The letter of the items' type."""
        code: str = _in_c(self).typecode
        return code

    @property
    def itemsize(self) -> int:
        """The bytes of one item."""
        size: int = _in_c(self).itemsize
        return size

    def append(self, value: Any, /) -> None:
        """As array.array."""
        held = _in_c(self)
        held.append(_number_for(held.typecode)(value))

    def extend(self, values: Any, /) -> None:
        """As array.array."""
        held = _in_c(self)
        if type(values) is array:
            if _in_c(values).typecode != held.typecode:
                raise TypeError("can only extend with array of same kind")
            held.extend(_in_c(values))
            return
        held.fromlist([*map(_number_for(held.typecode), values)])

    def fromlist(self, values: Any, /) -> None:
        """As array.array."""
        if not issubclass(type(values), list):
            raise TypeError("arg must be list")
        array.extend(self, values)

    def frombytes(self, data: Any, /) -> None:
        """As array.array."""
        _in_c(self).frombytes(bytes(data) if type(data) is not bytes else data)

    def fromunicode(self, text: Any, /) -> None:
        """As array.array."""
        _in_c(self).fromunicode(_character(text))

    def insert(self, index: Any, value: Any, /) -> None:
        """As array.array."""
        held = _in_c(self)
        place, number = _integer(index), _number_for(held.typecode)(value)
        held.insert(place, number)

    def pop(self, index: Any = -1, /) -> Any:
        """As array.array."""
        return _in_c(self).pop(_integer(index))

    def remove(self, value: Any, /) -> None:
        """As array.array."""
        found = array.index(self, value)
        del _in_c(self)[found]

    def index(self, value: Any, *limits: Any) -> int:
        """As array.array."""
        items: list[Any] = _in_c(self).tolist()
        return items.index(value, *map(_integer, limits))

    def count(self, value: Any, /) -> int:
        """As array.array."""
        items: list[Any] = _in_c(self).tolist()
        return items.count(value)

    def reverse(self) -> None:
        """As array.array."""
        _in_c(self).reverse()

    def byteswap(self) -> None:
        """As array.array."""
        _in_c(self).byteswap()

    def buffer_info(self) -> tuple[int, int]:
        """As array.array, but for the address, which is 0."""
        return 0, len(_in_c(self))

    def tolist(self) -> list[Any]:
        """As array.array."""
        items: list[Any] = _in_c(self).tolist()
        return items

    def tobytes(self) -> bytes:
        """As array.array."""
        data: bytes = _in_c(self).tobytes()
        return data

    def tounicode(self) -> str:
        """As array.array."""
        text: str = _in_c(self).tounicode()
        return text

    __bytes__ = tobytes

    def __copy__(self) -> Any:
        return _like(_in_c(self)[:])

    def __deepcopy__(self, memo: Any, /) -> Any:
        return _like(_in_c(self)[:])

    def __len__(self) -> int:
        return len(_in_c(self))

    def __getitem__(self, index: Any, /) -> Any:
        found = _in_c(self)[_position(index)]
        return _like(found) if type(found) is library.array else found

    def __setitem__(self, index: Any, value: Any, /) -> None:
        held, place = _in_c(self), _position(index)
        if type(place) is slice:
            held[place] = _in_c(value)
            return
        number = _number_for(held.typecode)(value)
        held[place] = number

    def __delitem__(self, index: Any, /) -> None:
        held, place = _in_c(self), _position(index)
        del held[place]

    def __iter__(self) -> Iterator[Any]:
        return iter(_in_c(self))

    def __reversed__(self) -> Iterator[Any]:
        return iter(_in_c(self).tolist()[::-1])

    def __contains__(self, value: Any, /) -> bool:
        return value in _in_c(self).tolist()

    def __add__(self, other: Any, /) -> Any:
        return _like(_in_c(self) + _in_c(other))

    def __iadd__(self, other: Any, /) -> Any:
        array.extend(self, _like(_in_c(other)))
        return self

    def __mul__(self, times: Any, /) -> Any:
        return _like(_in_c(self) * _integer(times))

    __rmul__ = __mul__

    def __imul__(self, times: Any, /) -> Any:
        held = _in_c(self)
        held *= _integer(times)
        return self

    def __repr__(self) -> str:
        return repr(_in_c(self))

    __hash__ = None  # type: ignore[assignment]
    __class_getitem__: Any = classmethod(types.GenericAlias)


def _compared(name: str) -> Callable[[Any, Any], Any]:
    compare = getattr(operator, name)

    def method(self: Any, other: Any, /) -> Any:
        return compare(_in_c(self), _held.__get__(other)) if type(other) is array else NotImplemented

    return method


def _like(held: Any) -> Any:
    made = object.__new__(array)
    _held.__set__(made, held)
    return made


_held: Any = array.__dict__["_held"]
for _name in ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"):
    setattr(array, _name, _compared(_name))
array.__module__ = "array"
MutableSequence.register(array)
