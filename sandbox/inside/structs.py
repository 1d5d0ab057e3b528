"""`struct.Struct` and `itertools.groupby` without what can be pulled from under them while they work."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Any


class Struct:
    """struct.Struct by the module's functions.

    The library's can be initialised again while it packs, and then reads a format that is gone.
    """

    __slots__ = ("_format", "_size")

    def __new__(cls, format: str | bytes) -> Any:
        made = object.__new__(cls)
        text = format.decode("ascii") if type(format) is bytes else format
        if type(text) is not str:
            raise TypeError(f"Struct() argument 1 must be a str or bytes object, not {type(format).__name__}")
        _size_of.__set__(made, struct.calcsize(text))
        _format_of.__set__(made, text)
        return made

    @property
    def format(self) -> str:
        """The format, as text."""
        return _text_of(self)

    @property
    def size(self) -> int:
        """The number of bytes that a value takes."""
        size: int = _size_of.__get__(self)
        return size

    def pack(self, *values: Any) -> bytes:
        """As struct.pack."""
        return struct.pack(_text_of(self), *values)

    def pack_into(self, buffer: Any, offset: Any, *values: Any) -> None:
        """As struct.pack_into."""
        struct.pack_into(_text_of(self), buffer, offset, *values)

    def unpack(self, buffer: Any) -> tuple[Any, ...]:
        """As struct.unpack."""
        return struct.unpack(_text_of(self), buffer)

    def unpack_from(self, buffer: Any, offset: Any = 0) -> tuple[Any, ...]:
        """As struct.unpack_from."""
        return struct.unpack_from(_text_of(self), buffer, offset)

    def iter_unpack(self, buffer: Any) -> Iterator[tuple[Any, ...]]:
        """As struct.iter_unpack."""
        return struct.iter_unpack(_text_of(self), buffer)


_format_of: Any = Struct.__dict__["_format"]
_size_of: Any = Struct.__dict__["_size"]


def _text_of(packer: Struct) -> str:
    text: str = _format_of.__get__(packer)
    return text


class groupby:  # noqa: N801  (the library's name)
    """itertools.groupby; the library's compares keys that a key's own `__eq__` can throw away meanwhile."""

    __slots__ = ("_groups",)

    def __new__(cls, iterable: Iterable[Any], key: Callable[[Any], Any] | None = None) -> Any:
        made = object.__new__(cls)
        _groups_of.__set__(made, _grouped(iter(iterable), key))
        return made

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> tuple[Any, Iterator[Any]]:
        found: tuple[Any, Iterator[Any]] = next(_groups_of.__get__(self))
        return found


_groups_of: Any = groupby.__dict__["_groups"]


def _grouped(items: Iterator[Any], key: Callable[[Any], Any] | None) -> Iterator[tuple[Any, Iterator[Any]]]:
    """As the equivalent that Python's documentation gives, but a key equals itself, as in C, even if it is NaN."""
    exhausted = False
    current_value = current_key = None

    def group(target_key: Any) -> Iterator[Any]:
        nonlocal current_value, current_key, exhausted
        yield current_value
        for current_value in items:
            current_key = current_value if key is None else key(current_value)
            if target_key is current_key or target_key == current_key:
                yield current_value
            else:
                return
        exhausted = True

    try:
        current_value = next(items)
    except StopIteration:
        return
    current_key = current_value if key is None else key(current_value)
    while not exhausted:
        target_key = current_key
        current_group = group(target_key)
        yield current_key, current_group
        if target_key is current_key or target_key == current_key:
            for _ in current_group:
                pass


Struct.__module__ = "struct"
groupby.__module__ = "itertools"
