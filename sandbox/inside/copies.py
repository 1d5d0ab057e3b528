"""`copy.copy` and `copy.deepcopy` from a list of what may be rebuilt.

The library's versions ask an object how to rebuild it (`__reduce_ex__`) and believe the answer, then call
`__setstate__` of whatever came out. A program can forge both, and types written in C believe their state: a forged one
damages memory. Here nothing is asked: a class of the program is rebuilt from its attributes, and a type of the library
only if it stands in a table below. Special methods are looked up on the class, never on the object.
"""

from __future__ import annotations

import abc
import collections
import collections.abc
import contextlib
import datetime
import decimal
import enum
import fractions
import functools
import io
import numbers
import random
import re
import string
import time
import types
import typing
import uuid
import weakref
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from sandbox.inside import attributes, facades, names, ownership
from sandbox.inside.arrays import array
from sandbox.inside.ordered import OrderedDict
from sandbox.inside.structs import Struct
from sandbox.inside.zones import ZoneInfo

Memo = dict[int, Any]
#: Copies a part of an object: itself for a shallow copy, a copy of its own for a deep one.
Part = Callable[[Any], Any]

#: Objects of these types never change, or are shared by every copy in CPython, too.
_SHARED: frozenset[type] = frozenset(
    {
        *(type(None), type(Ellipsis), type(NotImplemented), bool, int, float, complex, str, bytes, range, slice),
        *(types.FunctionType, types.BuiltinFunctionType, types.WrapperDescriptorType, types.MethodDescriptorType),
        *(property, staticmethod, classmethod, weakref.ref, facades.Facade, Struct),
        *(datetime.date, datetime.time, datetime.datetime, datetime.timedelta, datetime.timezone, ZoneInfo),
        *(decimal.Decimal, fractions.Fraction, uuid.UUID, re.Pattern, re.Match, time.struct_time),
        *(types.GenericAlias, types.UnionType),
        *(each for each in vars(typing).values() if isinstance(each, type) and each.__module__ == "typing"),
    }
)

#: Bases of which a program's subclass keeps the value: base -> the arguments for its `__new__`.
_VALUES: dict[type, Callable[[Any], tuple[Any, ...]]] = {
    bool: lambda x: (bool(x),),
    int: lambda x: (int.__int__(x),),
    float: lambda x: (float.__float__(x),),
    complex: lambda x: (complex.__add__(x, 0j),),
    str: lambda x: (str.__str__(x),),
    bytes: lambda x: (bytes.__getitem__(x, slice(None)),),
    tuple: lambda x: (tuple.__getitem__(x, slice(None)),),
    frozenset: lambda x: (frozenset.copy(x),),
    datetime.date: lambda x: _arguments(datetime.date.__reduce__(x)),
    datetime.time: lambda x: _arguments(datetime.time.__reduce_ex__(x, 4)),
    datetime.datetime: lambda x: _arguments(datetime.datetime.__reduce_ex__(x, 4)),
    datetime.timedelta: lambda x: _arguments(datetime.timedelta.__reduce__(x)),
    decimal.Decimal: lambda x: (decimal.Decimal.__str__(x),),
    fractions.Fraction: lambda x: (x._numerator, x._denominator),
}


def _arguments(reduced: Any) -> tuple[Any, ...]:
    found: tuple[Any, ...] = reduced[1]
    return found


#: Bases with items of their own: base -> how to put copies of them into an empty object of the class.
_FILLED: dict[type, Callable[[Any, Any, Part], None]] = {
    list: lambda old, new, part: list.extend(new, [part(each) for each in list.__iter__(old)]),
    set: lambda old, new, part: set.update(new, [part(each) for each in set.__iter__(old)]),
    bytearray: lambda old, new, part: bytearray.extend(new, bytearray.copy(old)),
    dict: lambda old, new, part: _fill_dict(dict, old, new, part),
    OrderedDict: lambda old, new, part: _fill_dict(dict, old, new, part),
    collections.Counter: lambda old, new, part: _fill_dict(dict, old, new, part),
    collections.defaultdict: lambda old, new, part: _fill_dict(dict, old, new, part),
    collections.deque: lambda old, new, part: collections.deque.extend(
        new, [part(each) for each in collections.deque.__iter__(old)]
    ),
    io.StringIO: lambda old, new, part: _fill_file(io.StringIO, old, new),
    io.BytesIO: lambda old, new, part: _fill_file(io.BytesIO, old, new),
    random.Random: lambda old, new, part: random.Random.setstate(new, random.Random.getstate(old)),
    uuid.UUID: lambda old, new, part: _fill_slots(uuid.UUID, old, new, part),
    datetime.tzinfo: lambda old, new, part: None,
}

#: What such a base needs to be told before the items.
_PREPARED: dict[type, Callable[[Any, Any], None]] = {
    collections.deque: lambda old, new: collections.deque.__init__(new, (), _maxlen_of(old)),
    collections.defaultdict: lambda old, new: collections.defaultdict.__init__(new, _default_factory_of(old)),
}
_maxlen_of: Callable[[Any], Any] = collections.deque.__dict__["maxlen"].__get__
_default_factory_of: Callable[[Any], Any] = collections.defaultdict.__dict__["default_factory"].__get__

#: Classes of the library, written in Python, whose whole state is what a program put in.
_PLAIN: frozenset[type] = frozenset(
    {collections.UserDict, collections.UserList, collections.UserString, collections.ChainMap, string.Template}
)


def copy(x: Any, /) -> Any:
    """copy.copy."""
    kind = type(x)
    if kind in _SHARED or ownership.is_class(x) or kind is types.MethodType:
        return x
    if kind is list or kind is dict or kind is set or kind is bytearray:
        return kind.copy(x)
    own = _method(kind, "__copy__")
    return own(x) if own is not None else _rebuilt(x, lambda part: part, {}, deep=False)


def deepcopy(x: Any, memo: Any = None, _nil: Any = None, /) -> Any:
    """copy.deepcopy."""
    kind = type(x)
    if kind in _SHARED or ownership.is_class(x):
        return x
    if memo is None:
        memo = {}
    found = memo.get(id(x), _MISSING)
    if found is not _MISSING:
        return found
    own = _method(kind, "__deepcopy__")
    made = own(x, memo) if own is not None else _deep(x, kind, memo)
    if made is not x:
        memo[id(x)] = made
        _keep_alive(x, memo)
    return made


_MISSING = object()


def _keep_alive(x: Any, memo: Any) -> None:
    """While the memo lives: else the id of an object that is gone could be another's."""
    kept = memo.get(id(memo))
    if type(kept) is list:
        kept.append(x)
    else:
        memo[id(memo)] = [x]


def _deep(x: Any, kind: type, memo: Any) -> Any:
    def part(each: Any) -> Any:
        return deepcopy(each, memo)

    if kind is list or kind is dict:
        made: Any = kind()
        memo[id(x)] = made
        _FILLED[kind](x, made, part)
        return made
    if kind is tuple:
        return _deep_tuple(x, part, memo)
    if kind is types.MethodType:
        return types.MethodType(x.__func__, part(x.__self__))
    return _rebuilt(x, part, memo, deep=True)


def _deep_tuple(x: tuple[Any, ...], part: Part, memo: Any) -> Any:
    parts = [part(each) for each in x]
    if id(x) in memo:  # it holds itself
        return memo[id(x)]
    return x if all(new is old for new, old in zip(parts, x, strict=True)) else tuple(parts)


def _method(kind: type, name: str) -> Callable[..., Any] | None:
    """The class' own way to be copied: the program's, or one of the library that is known to be harmless."""
    for each in type.mro(kind):
        if name in vars(each):
            found = getattr(kind, name)
            known = each in _COPY_THEMSELVES or each in _PLAIN or each in ownership.state.writable
            if each not in ownership.state.library_classes or known:
                return found  # type: ignore[no-any-return]
            return None
    return None


#: Types of the library whose `__copy__` and `__deepcopy__` make an object of the same type without asking anybody.
_COPY_THEMSELVES = frozenset(
    {decimal.Context, decimal.Decimal, fractions.Fraction, array, type(zlib.compressobj()), type(zlib.decompressobj())}
)


def _rebuilt(x: Any, part: Part, memo: Any, *, deep: bool) -> Any:
    kind = type(x)
    if issubclass(type(kind), enum.EnumMeta):
        return x
    if issubclass(kind, BaseException):
        return _rebuilt_error(x, kind, part, memo)
    base = _base_of(kind)
    if base is None:
        raise TypeError(f"a {kind.__name__!r} object can't be copied in the sandbox")
    if base in _VALUES:
        made = memo[id(x)] = _with_value(x, kind, base, part, deep=deep)
    elif base is functools.partial:
        made = memo[id(x)] = _partial(x, kind, part)
    else:
        made = memo[id(x)] = _empty(kind, base)
    if type(made) is kind and base in _FILLED:
        _PREPARED.get(base, _nothing)(x, made)
        _FILLED[base](x, made, part)
    if made is not x and _has_attributes(kind, base):
        _give_state(x, made, part)
    return made


def _base_of(kind: type) -> type | None:
    """The class of the library that decides how an object of the class is rebuilt; None where it can't be."""
    for each in type.mro(kind):
        if each in _VALUES or each in _FILLED or each in _PLAIN or each in (object, functools.partial):
            return each
        if each in ownership.state.writable or each is types.SimpleNamespace:
            return each
        if each in ownership.state.library_classes and each not in _EMPTY_BASES:
            return tuple if issubclass(kind, tuple) else None
    return None


def _empty(kind: Any, base: Any) -> Any:
    holder = next(each for each in type.mro(kind) if "__new__" in vars(each))
    return base.__new__(kind) if holder in ownership.state.library_classes else kind.__new__(kind)


def _partial(x: Any, kind: Any, part: Part) -> Any:
    keywords = {key: part(value) for key, value in _keywords_of(x).items()}
    return functools.partial.__new__(kind, part(_func_of(x)), *map(part, _args_of(x)), **keywords)


def _has_attributes(kind: type, base: type) -> bool:
    """Whether what hangs on the object is the program's: of the library's own objects, only of a few classes."""
    own = kind not in ownership.state.library_classes
    return own or base in _PLAIN or base in ownership.state.writable or base is types.SimpleNamespace


def _nothing(*_: Any) -> None:
    """For a base that needs no preparation."""


#: Bases of the library that add nothing to an object but methods.
_EMPTY_BASES = frozenset(
    {
        *(contextlib.AbstractContextManager, contextlib.AbstractAsyncContextManager, contextlib.ContextDecorator),
        *(abc.ABC, string.Formatter, typing.Generic, typing.Protocol, typing.Any),
        *(typing.IO, typing.TextIO, typing.BinaryIO),
        *(each for name, each in vars(typing).items() if name.startswith("Supports")),
        *(getattr(numbers, name) for name in numbers.__all__),
        *(getattr(collections.abc, name) for name in collections.abc.__all__),
    }
)
_func_of: Callable[[Any], Any] = functools.partial.__dict__["func"].__get__
_args_of: Callable[[Any], Any] = functools.partial.__dict__["args"].__get__
_keywords_of: Callable[[Any], Any] = functools.partial.__dict__["keywords"].__get__


def _with_value(x: Any, kind: type, base: Any, part: Part, *, deep: bool) -> Any:
    """A subclass of a type that never changes; a tuple of the library's is one without attributes of its own."""
    if kind in ownership.state.library_classes and not deep:
        return x
    value = _VALUES[base](x)
    if deep and base in (tuple, frozenset):
        value = (base(part(each) for each in value[0]),)
    return base.__new__(kind, *value)


def _rebuilt_error(x: Any, kind: Any, part: Part, memo: Any) -> Any:
    """By calling the class with the arguments again, as CPython does."""
    made = memo[id(x)] = kind(*map(part, _arguments_of(x)))
    if type(made) is kind:
        vars(made).update({key: part(value) for key, value in vars(x).items()})
    return made


_arguments_of: Callable[[Any], Any] = BaseException.__dict__["args"].__get__


def _fill_dict(base: type[dict[Any, Any]], old: Any, new: Any, part: Part) -> None:
    for key, value in list(base.items(old)):
        base.__setitem__(new, part(key), part(value))


def _fill_slots(base: Any, old: Any, new: Any, part: Part) -> None:
    for name in base.__slots__:
        if name != "__weakref__":
            slot = vars(base)[name]
            slot.__set__(new, part(slot.__get__(old)))


def _fill_file(base: Any, old: Any, new: Any) -> None:
    base.__init__(new)
    base.write(new, base.getvalue(old))
    base.seek(new, base.tell(old))


def _give_state(x: Any, made: Any, part: Part) -> None:
    """The attributes, or what the program's `__getstate__` says, by the program's `__setstate__` if there is one."""
    getter, setter = _own_method(type(x), "__getstate__"), _own_method(type(made), "__setstate__")
    state = getter(x) if getter is not None else _state_of(x)
    if state is None:
        return
    state = part(state)
    if setter is not None:
        setter(made, state)
        return
    both = type(state) is tuple and len(state) == 2
    named, slots = state if both else (state, None)
    if named:
        _attributes_of(made).update(named)  # not by setattr: an object that permits no changes can be copied
    for name, value in (slots or {}).items():
        attributes.guarded_setattr(made, name, value)


def _own_method(kind: type, name: str) -> Callable[..., Any] | None:
    """A method that the program defined."""
    holder = next((each for each in type.mro(kind) if name in vars(each)), object)
    return getattr(kind, name) if holder not in ownership.state.library_classes else None


def _state_of(x: Any) -> Any:
    attributes = None if not hasattr(x, "__dict__") else dict(_attributes_of(x)) or None
    slots = dict(_slots_of(x))
    return (attributes, slots) if slots else attributes


def _attributes_of(x: Any) -> dict[Any, Any]:
    """The real dict, of an object of the program or one whose state is the program's."""
    plain = type(x) in _PLAIN or type(x) is types.SimpleNamespace
    read = object.__getattribute__ if plain else attributes.guarded_getattr
    found: dict[Any, Any] = read(x, "__dict__")
    return found


def _slots_of(x: Any) -> Iterator[tuple[str, Any]]:
    """Name and value of each slot that a class of the program adds and that holds something."""
    for each in type.mro(type(x)):
        if each not in ownership.state.library_classes:
            for name, slot in vars(each).items():
                if type(slot) is types.MemberDescriptorType and name not in names.SLOTS:
                    try:
                        yield name, slot.__get__(x, type(x))
                    except AttributeError:
                        continue
