"""`str.format` and `string.Formatter`, without the attributes that a program may not read."""

from __future__ import annotations

import _string  # type: ignore[import-not-found]
import functools
import string
import types
from collections.abc import Callable, Mapping
from typing import Any


def guard_formatter(read: Callable[[Any, str], Any]) -> None:
    """Let `string.Formatter`, also as a base of a program's class, read attributes by this function only."""

    def get_field(self: string.Formatter, field_name: str, args: Any, kwargs: Any) -> Any:
        first, rest = _string.formatter_field_name_split(field_name)
        value = self.get_value(first, args, kwargs)
        for is_attribute, key in rest:
            value = read(value, key) if is_attribute else value[key]
        return value, first

    string.Formatter.get_field = get_field  # type: ignore[method-assign]


class _StrFormatter(string.Formatter):
    """Formats once, as `str.format`: it also numbers fields such as `{.name}` and `{[key]}`."""

    def __init__(self) -> None:
        self._next = 0
        self._way: str | None = None

    def parse(self, format_string: str) -> Any:
        for literal, field_name, spec, conversion in super().parse(format_string):
            yield literal, None if field_name is None else self._numbered(field_name), spec, conversion

    def _numbered(self, field_name: str) -> str:
        first, _ = _string.formatter_field_name_split(field_name)
        is_numbered = type(first) is int
        if first and not is_numbered:
            return field_name
        way = "manual field specification" if is_numbered else "automatic field numbering"
        if self._way not in (None, way):
            raise ValueError(f"cannot switch from {self._way} to {way}")
        self._way = way
        if is_numbered:
            return field_name
        self._next += 1
        return f"{self._next - 1}{field_name}"


def format_string(template: Any, /, *args: Any, **kwargs: Any) -> str:
    """`str.format`."""
    return _StrFormatter().vformat(str.__str__(template), args, kwargs)


def format_string_map(template: Any, mapping: Mapping[str, Any], /) -> str:
    """`str.format_map`."""
    return _StrFormatter().vformat(str.__str__(template), (), mapping)


_FORMATTERS: dict[str, Callable[..., str]] = {"format": format_string, "format_map": format_string_map}


def with_our_formatter(found: Any) -> Any:
    """What was found, or our own if it is `format` of str."""
    kind = type(found)
    bound = kind is types.BuiltinMethodType and issubclass(type(found.__self__), str)
    of_str = bound or (kind is types.MethodDescriptorType and found.__objclass__ is str)
    if not of_str or found.__name__ not in _FORMATTERS:
        return found
    formatter = _FORMATTERS[found.__name__]
    return functools.partial(formatter, found.__self__) if bound else formatter
