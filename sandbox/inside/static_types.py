"""Types in C whose methods call nothing of a program at a moment when it could pull something from under them.

The library's hold a pointer into a bytearray, a list or a deque, ask an object of the program for its `__index__`,
`__len__` or `__repr__`, and go on: if that has emptied what they point into, they read, or write, memory that is free.

A program meets most of these types by literals and operators, so their own methods are exchanged. CPython permits that
of none of its static types; it is told for a moment that these are others.
"""

from __future__ import annotations

import builtins
import collections
import ctypes
import functools
import gc
import operator
import sys
import types
from collections.abc import Callable, Iterable
from typing import Any

#: Where a type keeps its flags (all 64-bit builds of CPython with the lock), and the one that forbids changes.
_FLAGS_AT, _IMMUTABLE = 168, 1 << 8


class _Sequence:
    """What has items, but no `__iter__`."""

    def __getitem__(self, _: int) -> None:
        """None."""


_CallableIterator: Any = type(iter(int, 0))
_SequenceIterator: Any = type(iter(_Sequence()))
_UNICODE_ERRORS: dict[Any, Any] = {UnicodeDecodeError: bytes, UnicodeEncodeError: str, UnicodeTranslateError: str}
_ERRORS = [each for each in vars(builtins).values() if isinstance(each, type) and issubclass(each, BaseException)]
_SHOWN_ERRORS = {each for each in _ERRORS if "__str__" in vars(each)}.difference(_UNICODE_ERRORS)
_TYPES = (
    *(bytearray, classmethod, collections.defaultdict, collections.deque, list, memoryview, property, slice),
    *(staticmethod, super),
    *(types.GenericAlias, _CallableIterator, _SequenceIterator, *_UNICODE_ERRORS, *_SHOWN_ERRORS),
    *(types.SimpleNamespace, types.UnionType, AttributeError, BaseException, StopIteration, functools.partial),
)


def guard_static_types(harmless: Callable[[Any], Any]) -> None:
    """Exchange the methods. Once, in the zygote; where a type's layout is another, nothing is done.

    harmless: what a program may have of what an error speaks of.
    """
    decimal = sys.modules.get("_decimal")  # not in the lean zygote
    if not may_exchange([*_TYPES, *([decimal.Context, decimal.Decimal] if decimal else [])]):
        return
    for name in ("find", "rfind", "index", "rindex", "count", "startswith", "endswith", "hex", "__contains__"):
        exchange(bytearray, name, _on_a_copy(bytearray, name, lambda self: bytes(_copy_of(self))))
    exchange(bytearray, "__mod__", lambda self, values, /: bytearray(bytes(_copy_of(self)) % values))
    exchange(bytearray, "extend", _extend)
    exchange(bytearray, "join", lambda self, parts, /: bytearray(bytes(_copy_of(self)).join(parts)))
    exchange(memoryview, "hex", _on_a_copy(memoryview, "hex", memoryview.tobytes))
    exchange(memoryview, "__hash__", _hash_of_view)
    exchange(list, "__repr__", _repr_of_list)
    exchange(slice, "__repr__", _repr_of_slice)
    for error, held in _UNICODE_ERRORS.items():
        exchange(error, "__str__", _str_of_unicode_error(error, held))
    for error in _SHOWN_ERRORS:
        exchange(error, "__str__", _while_held(error, "__str__"))
    exchange(AttributeError, "obj", _asked_without_types(harmless))
    exchange(BaseException, "__repr__", _while_held(BaseException, "__repr__"))
    exchange(StopIteration, "__new__", staticmethod(_new_with_value))
    exchange(types.SimpleNamespace, "__repr__", _repr_of_namespace)
    for kind, parts in _INITIALISED_ONCE.items():
        exchange(kind, "__init__", _once(kind, parts))
    exchange(functools.partial, "__repr__", _repr_of_partial)
    exchange(staticmethod, "__call__", _call)
    exchange(super, "__get__", _bind_super)
    exchange(collections.defaultdict, "__init__", _initialise_defaultdict)
    exchange(collections.defaultdict, "default_factory", property(_factory_of, _set_factory, _delete_factory))
    exchange(collections.defaultdict, "__repr__", _repr_of_defaultdict)
    exchange(types.GenericAlias, "__getitem__", _substitute_in_alias)
    exchange(types.UnionType, "__getitem__", _substitute_in_union)
    exchange(_CallableIterator, "__next__", _next_of_callable)
    exchange(_SequenceIterator, "__next__", _next_of_sequence)
    if decimal:
        exchange(decimal.Context, "__getattribute__", _Contexts(decimal.Context).reader())
        for name in ("__lt__", "__le__", "__eq__", "__ne__", "__gt__", "__ge__", "__format__"):
            exchange(decimal.Decimal, name, _with_context_held(decimal, name))
    if sys.version_info < (3, 13):
        exchange(property, "__set_name__", _name_property)
        exchange(collections.deque, "index", _index_of)
    if sys.version_info < (3, 12, 5):
        exchange(list, "__setitem__", _set_items)
        for name in ("__lt__", "__le__", "__gt__", "__ge__"):
            exchange(list, name, _of_held_items(name))
    if sys.version_info >= (3, 12):
        exchange(types.GenericAlias, "__repr__", _repr_of_alias)


def may_exchange(kinds: Iterable[type]) -> bool:
    """Whether the layout of the types is the one that we know."""
    return all(_flags_of(each).value == each.__flags__ for each in kinds)


def _flags_of(kind: type) -> ctypes.c_ulong:
    return ctypes.c_ulong.from_address(id(kind) + _FLAGS_AT)


def exchange(kind: type, name: str, new: Any) -> None:
    """Give a type another method.

    The dict first: since Python 3.12 a static type's is elsewhere, and setting the attribute does the rest only.
    """
    if type(new) is types.FunctionType:
        new.__name__, new.__qualname__ = name, f"{kind.__name__}.{name}"
    new.__doc__ = getattr(kind, name).__doc__
    if name == "__repr__":
        _tell_pprint(vars(kind)[name], new)
    flags = _flags_of(kind)
    flags.value &= ~_IMMUTABLE
    try:
        (namespace,) = gc.get_referents(vars(kind))
        namespace[name] = new
        type.__setattr__(kind, name, new)
    finally:
        flags.value |= _IMMUTABLE


def _tell_pprint(old: Any, new: Any) -> None:
    """It knows what to lay out by the method."""
    pprint = sys.modules.get("pprint")  # not in the lean zygote
    known: Any = pprint.PrettyPrinter._dispatch if pprint else {}
    if old in known:
        known[new] = known[old]


# --- bytearray, memoryview --------------------------------------------------------------------------

#: Arguments of these types call nothing of a program.
_PLAIN = frozenset({int, bool, str, bytes, bytearray, memoryview, type(None)})

_copy_of: Callable[[Any], bytearray] = bytearray.__dict__["copy"]
_extend_by: Callable[[Any, Any], None] = bytearray.__dict__["extend"]
_object_of: Callable[[Any], Any] = memoryview.__dict__["obj"].__get__
_hash: Callable[[Any], int] = memoryview.__dict__["__hash__"]


def _on_a_copy(kind: type, name: str, as_bytes: Callable[[Any], bytes]) -> Callable[..., Any]:
    """The method; where an argument could call something back, of an immutable copy."""
    original, of_bytes = vars(kind)[name], getattr(bytes, name)

    def method(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        for each in (*args, *kwargs.values()):
            if type(each) not in _PLAIN:
                return of_bytes(as_bytes(self), *args, **kwargs)
        return original(self, *args, **kwargs)

    return method


def _extend(self: Any, values: Any, /) -> None:
    """Without a hint at the length: where that promises no items, the first is not stored (CPython gh-143003)."""
    kind = type(values)
    if kind not in _PLAIN and kind is not list and not issubclass(kind, bytes | bytearray):
        values = (each for each in values)
    _extend_by(self, values)


def _hash_of_view(self: Any, /) -> int:
    """Of the bytes, as always; the library's asks the object behind the view for its `__hash__` first."""
    if type(_object_of(self)) in _PLAIN or not self.readonly:
        return _hash(self)
    return _hash(memoryview(self.tobytes()).cast(self.format))


# --- deque ------------------------------------------------------------------------------------------

_index: Callable[..., int] = collections.deque.__dict__["index"]
_items_of: Callable[[Any], Any] = collections.deque.__dict__["__iter__"]


def _index_of(self: Any, value: Any, /, *bounds: Any) -> int:
    """Every item is held: before Python 3.13, one that its own `__eq__` throws away is compared on."""
    plain = [operator.index(each) for each in bounds]
    held = list(_items_of(self))
    try:
        return _index(self, value, *plain)
    finally:
        del held


# --- defaultdict ------------------------------------------------------------------------------------

_initialise: Callable[..., None] = collections.defaultdict.__dict__["__init__"]
_factory: Any = collections.defaultdict.__dict__["default_factory"]
_repr_with_factory: Callable[[Any], str] = collections.defaultdict.__dict__["__repr__"]
_kept_factories: list[Any] = []


def _initialise_defaultdict(self: Any, /, *args: Any, **kwargs: Any) -> None:
    if issubclass(type(self), collections.defaultdict):
        _keep_factory(self)
    _initialise(self, *args, **kwargs)


def _factory_of(self: Any, /) -> Any:
    return _factory.__get__(self)


def _set_factory(self: Any, new: Any, /) -> None:
    _keep_factory(self)
    _factory.__set__(self, new)


def _delete_factory(self: Any, /) -> None:
    _keep_factory(self)
    _factory.__delete__(self)


def _keep_factory(held_by: Any) -> None:
    """Before a defaultdict gets another factory: the library does not hold the one that it calls, or shows.

    A function is held by its frame, and may be large by what it encloses.
    """
    factory = _factory.__get__(held_by)
    if factory is not None and type(factory) is not types.FunctionType:
        _kept_factories.append(factory)


def _repr_of_defaultdict(self: Any, /) -> str:
    return (_factory.__get__(self), _repr_with_factory(self))[1]


# --- iterators --------------------------------------------------------------------------------------

_parts_of: Callable[[Any], Any] = _CallableIterator.__dict__["__reduce__"]
_result: Callable[[Any], Any] = _CallableIterator.__dict__["__next__"]
_item: Callable[[Any], Any] = _SequenceIterator.__dict__["__next__"]
#: Those that are asking for an item, the last one last: a call ends before the one that it is in.
_asking: list[Any] = []


def _next_of_callable(self: Any, /) -> Any:
    """The function and its sentinel are held: if they ask the iterator again, it may end, and let go of them."""
    return (_parts_of(self), _result(self))[1]


def _next_of_sequence(self: Any, /) -> Any:
    """Each call that meets the end lets go of the sequence, even in another one that did so: there is none."""
    if _asking and any(each is self for each in _asking):
        raise ValueError("iterator already executing")
    _asking.append(self)
    try:
        return _item(self)
    finally:
        del _asking[-1]


# --- decimal ----------------------------------------------------------------------------------------


class _Contexts:
    """Those whose `flags` or `traps` a program has, which point into them without holding them (CPython gh-146011)."""

    def __init__(self, kind: Any) -> None:
        self._read: Callable[[Any, str], Any] = kind.__dict__["__getattribute__"]
        self._alone = kind()  # nobody else has its flags
        self._mapping = type(self._read(self._alone, "flags"))
        self._kept: dict[int, Any] = {}
        self._room = 100

    def reader(self) -> Callable[[Any, str], Any]:
        """`Context.__getattribute__`."""

        def read(context: Any, name: str, /) -> Any:
            found = self._read(context, name)
            if type(found) is self._mapping:
                self._keep(context)
            return found

        return read

    def _keep(self, context: Any) -> None:
        if id(context) in self._kept:
            return
        before = [*self._kept.values()] if len(self._kept) >= self._room else []  # to be let go of at the end
        for each in before:
            if not self._is_in_use(each):
                del self._kept[id(each)]
        if before:
            self._room = max(100, 2 * len(self._kept))
        self._kept[id(context)] = context

    def _is_in_use(self, context: Any) -> bool:
        unused = self._holders(self._alone, "flags")
        return any(self._holders(context, each) > unused for each in ("flags", "traps"))

    def _holders(self, context: Any, name: str) -> int:
        return sys.getrefcount(self._read(context, name))


def _with_context_held(decimal: Any, name: str) -> Callable[..., Any]:
    """The current context is not: the numerator of a rational, or a key of a format, may set another (gh-148382)."""
    original, current = vars(decimal.Decimal)[name], decimal.getcontext
    plain = (int, float, str, decimal.Decimal)

    def method(self: Any, other: Any, /, *more: Any) -> Any:
        if type(other) in plain and not more:
            return original(self, other)
        return (current(), original(self, other, *more))[1]

    return method


# --- list, slice, namespace, partial ----------------------------------------------------------------

_set: Callable[[Any, Any, Any], None] = list.__dict__["__setitem__"]
_items_in: Callable[[Any], list[Any]] = list.__dict__["copy"]
_shown_items: Callable[[list[Any]], str] = list.__dict__["__repr__"]
_attributes_of: Callable[[Any], dict[str, Any]] = types.SimpleNamespace.__dict__["__dict__"].__get__
_ends_of = [slice.__dict__[each].__get__ for each in ("start", "stop", "step")]
_parts_of_partial: Any = [vars(functools.partial)[each].__get__ for each in ("func", "args", "keywords")]
_shown_now: set[int] = set()  # lists, namespaces and partial objects, by their ids


def _set_items(self: Any, key: Any, value: Any, /) -> None:
    """What a slice with a step is set to is made first: before Python 3.12.5, the list is measured before it."""
    if type(key) is slice and key.step is not None and not issubclass(type(value), list | tuple):
        value = [*value]
    _set(self, key, value)


def _of_held_items(name: str) -> Callable[[Any, Any], Any]:
    """A comparison, by tuples: before Python 3.12.5, the two items by which a list is less or greater are not held."""
    original, compare = vars(list)[name], getattr(operator, name)

    def method(self: Any, other: Any, /) -> Any:
        if type(self) is list is type(other):
            return compare(tuple(self), tuple(other))
        if issubclass(type(other), list):
            return compare(tuple(_items_in(self)), tuple(_items_in(other)))
        return original(self, other)

    return method


def _repr_of_list(self: Any, /) -> str:
    """Of a copy, which nobody can change: an item may be let go of while it is shown."""
    items = _items_in(self)
    if not items or id(self) in _shown_now:
        return "[...]" if items else "[]"
    _shown_now.add(id(self))
    try:
        return _shown_items(items)
    finally:
        _shown_now.discard(id(self))


def _repr_of_namespace(self: Any, /) -> str:
    """As _repr_of_list."""
    attributes = [*dict.items(_attributes_of(self))]
    name = "namespace" if type(self) is types.SimpleNamespace else type(self).__name__
    if id(self) in _shown_now:
        return f"{name}(...)"
    _shown_now.add(id(self))
    try:
        named = [each for each in attributes if issubclass(type(each[0]), str) and str.__len__(each[0])]
        shown = [f"{str.__str__(key)}={value!r}" for key, value in named]
    finally:
        _shown_now.discard(id(self))
    return f"{name}({', '.join(shown)})"


def _repr_of_partial(self: Any, /) -> str:
    """The library's holds no keyword: what one shows may take the others away, and itself."""
    function, args, keywords = [part(self) for part in _parts_of_partial]
    if id(self) in _shown_now:
        return "..."
    kind, named = type(self), [*dict.items(keywords)]
    name = kind.__name__ if sys.version_info < (3, 13) else f"{kind.__module__}.{kind.__qualname__}"
    _shown_now.add(id(self))
    try:
        shown = [repr(function), *map(repr, args), *(f"{_text(key)}={value!r}" for key, value in named)]
    finally:
        _shown_now.discard(id(self))
    return f"{'functools.partial' if kind is functools.partial else name}({', '.join(shown)})"


def _repr_of_slice(self: Any, /) -> str:
    """The library's does not hold the slice."""
    start, stop, step = [end(self) for end in _ends_of]
    return f"slice({start!r}, {stop!r}, {step!r})"


# --- exceptions -------------------------------------------------------------------------------------


def _while_held(kind: Any, name: str) -> Callable[[Any], str]:
    """The method; while it shows what the error holds, something of that may be set anew."""
    show = vars(kind)[name]
    parts = [each for each in vars(kind).values() if type(each) is types.MemberDescriptorType]
    read = [each.__get__ for each in (BaseException.__dict__["args"], *parts)]

    def method(self: Any, /) -> Any:
        return ([each(self) for each in read], show(self))[1]

    return method


def _asked_without_types(harmless: Callable[[Any], Any]) -> property:
    """An AttributeError has in `obj` what was asked, by the library as well: `type`, where it asked `x.__class__`.

    Patterns read without the guards, so the attribute itself is exchanged.
    """
    asked = vars(AttributeError)["obj"]
    return property(lambda self: harmless(asked.__get__(self)), asked.__set__, asked.__delete__)


def _new_with_value(cls: Any, /, *args: Any, **kwargs: Any) -> Any:
    """`yield from` and `await` believe that there is one, even if `__init__` was never called."""
    made = BaseException.__new__(cls, *args, **kwargs)
    _value_of_stop.__set__(made, None)
    return made


_value_of_stop = StopIteration.__dict__["value"]


def _str_of_unicode_error(kind: Any, held: type[bytes] | type[str]) -> Callable[[Any], str]:
    """The library's believes `start` and `end`, and that `object` still is what it was made with."""
    read = [vars(kind)[each].__get__ for each in ("encoding", "reason", "object", "start", "end")]
    unit, done = ("byte", "decode") if held is bytes else ("character", "encode")

    def tell(self: Any, /) -> str:
        encoding, reason, value, start, end = [each(self) for each in read]
        if value is None:  # it was never initialised
            return ""
        if not issubclass(type(value), held):
            raise TypeError(f"object attribute must be {held.__name__}")
        if 0 <= start < held.__len__(value) and end == start + 1:
            what = f"{unit} {_as_escape(held.__getitem__(value, start))} in position {start}"
        else:
            what = f"{unit}s in position {start}-{end - 1}"
        cannot = "can't translate" if kind is UnicodeTranslateError else f"'{_text(encoding)}' codec can't {done}"
        return f"{cannot} {what}: {_text(reason)}"

    return tell


def _as_escape(unit: int | str) -> str:
    if isinstance(unit, int):
        return f"0x{unit:02x}"
    number = ord(unit)
    if number < 0x100:
        return f"'\\x{number:02x}'"
    return f"'\\u{number:04x}'" if number < 0x10000 else f"'\\U{number:08x}'"


def _text(value: Any) -> str:
    return str.__str__(str(value))  # str(x) may be of a subclass


# --- property, staticmethod, super, aliases ---------------------------------------------------------

_set_name: Callable[[Any, Any, str], None] = property.__dict__["__set_name__"]
_function_of: Callable[[Any], Any] = staticmethod.__dict__["__func__"].__get__
_class_of_super: Callable[[Any], Any] = super.__dict__["__thisclass__"].__get__
_bind: Callable[..., Any] = super.__dict__["__get__"]
_repr: Callable[[Any], str] = types.GenericAlias.__dict__["__repr__"]
_origin_of: Callable[[Any], Any] = types.GenericAlias.__dict__["__origin__"].__get__
_args_of: Callable[[Any], tuple[Any, ...]] = types.GenericAlias.__dict__["__args__"].__get__
_parameters_of: Callable[[Any], tuple[Any, ...]] = types.GenericAlias.__dict__["__parameters__"].__get__
_is_unpacked: Callable[[Any], bool] = types.GenericAlias.__dict__["__unpacked__"].__get__
_args_of_union: Callable[[Any], tuple[Any, ...]] = types.UnionType.__dict__["__args__"].__get__
_parameters_of_union: Callable[[Any], tuple[Any, ...]] = types.UnionType.__dict__["__parameters__"].__get__

#: What is at work is freed if it is initialised again, as a class does whose `__new__` returns it.
_INITIALISED_ONCE: dict[Any, tuple[str, ...]] = {
    property: ("fget", "fset", "fdel"),
    staticmethod: ("__func__",),
    classmethod: ("__func__",),
}


def _once(kind: Any, parts: tuple[str, ...]) -> Callable[..., None]:
    original = vars(kind)["__init__"]
    read = [vars(kind)[each].__get__ for each in parts]

    def initialise(self: Any, /, *args: Any, **kwargs: Any) -> None:
        if any(each(self) is not None for each in read):
            raise TypeError(f"a {kind.__name__!r} object can't be initialised twice in the sandbox")
        original(self, *args, **kwargs)

    return initialise


def _name_property(self: Any, owner: Any, name: Any, /) -> None:
    """A plain text calls nothing: before Python 3.13, the errors of a property show the name without holding it."""
    if not issubclass(type(name), str):
        raise TypeError(f"the name of a property must be a string, not {type(name).__name__!r}")
    _set_name(self, owner, str.__str__(name))


def _call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
    """The library's calls what is not there if `__init__` was never called."""
    function = _function_of(self)
    if function is None:
        raise RuntimeError("uninitialized staticmethod object")
    return function(*args, **kwargs)


def _bind_super(self: Any, instance: Any, owner: Any = None, /) -> Any:
    """As in _call."""
    if _class_of_super(self) is None:
        raise RuntimeError("uninitialized super object")
    return _bind(self, instance, owner)


def _repr_of_alias(self: Any, /) -> str:
    """A list among the arguments is copied first: one of its items may empty it while it is shown."""
    args = _args_of(self)
    if not any(issubclass(type(each), list) for each in args):
        return _repr(self)
    return f"{'*' if self.__unpacked__ else ''}{_shown(_origin_of(self))}[{', '.join(map(_shown, args))}]"


def _shown(value: Any) -> str:
    if not issubclass(type(value), list):
        return _repr(types.GenericAlias(list, (value,)))[len("list[") : -len("]")]
    return f"[{', '.join(repr(each) if issubclass(type(each), list) else _shown(each) for each in list.copy(value))}]"


def _substitute_in_alias(self: Any, item: Any, /) -> Any:
    """`list[T][int]`."""
    args = _args_with(self, _args_of(self), _parameters_of(self), item)
    made = types.GenericAlias(_origin_of(self), args)
    return next(iter(made)) if _is_unpacked(self) else made


def _substitute_in_union(self: Any, item: Any, /) -> Any:
    """`(list[T] | None)[int]`."""
    return functools.reduce(operator.or_, _args_with(self, _args_of_union(self), _parameters_of_union(self), item))


def _args_with(alias: Any, args: tuple[Any, ...], parameters: tuple[Any, ...], item: Any) -> tuple[Any, ...]:
    """The arguments with the items in the place of the parameters.

    As in C, which believes that `__typing_subst__` of any object gives a tuple, and that what has one is a parameter.
    """
    if not parameters:
        raise TypeError(f"{alias!r} is not a generic class")
    given = _as_tuple(_unpacked_items(item))
    for each in parameters:
        prepare = getattr(each, "__typing_prepare_subst__", None)
        if prepare is not None:
            given = _as_tuple(prepare(alias, given))
    if len(given) != len(parameters):
        few_or_many = "many" if len(given) > len(parameters) else "few"
        raise TypeError(f"Too {few_or_many} arguments for {alias!r}; actual {len(given)}, expected {len(parameters)}")
    known = {id(parameter): (parameter, value) for parameter, value in zip(parameters, given, strict=True)}
    found: list[Any] = []
    for each in tuple.__iter__(args):
        found += [each] if issubclass(type(each), type) else _substituted(each, known)
    return tuple(found)


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(tuple.__iter__(value)) if issubclass(type(value), tuple) else (value,)


def _unpacked_items(item: Any) -> tuple[Any, ...]:
    """With the items of `*tuple[int, str]` one by one."""
    found: list[Any] = []
    for each in _as_tuple(item):
        inner = None if issubclass(type(each), type) else getattr(each, "__typing_unpacked_tuple_args__", None)
        parts = _as_tuple(inner)
        whole = not issubclass(type(inner), tuple) or (parts and parts[-1] is ...)
        found += [each] if whole else parts
    return tuple(found)


def _substituted(arg: Any, known: dict[int, tuple[Any, Any]]) -> list[Any]:
    """What stands for one argument: a value, or those of a TypeVarTuple."""
    is_unpacked = bool(getattr(arg, "__typing_is_unpacked_typevartuple__", False))
    substitute = getattr(arg, "__typing_subst__", None)
    if substitute is None:
        new = _substituted_within(arg, known)
    elif id(arg) in known:
        new = substitute(known[id(arg)][1])
    else:
        raise TypeError(f"a {type(arg).__name__!r} object is no parameter of the alias")
    if not is_unpacked:
        return [new]
    if not issubclass(type(new), tuple):
        raise TypeError(
            f"a tuple was expected for a {type(arg).__name__!r} object, not a {type(new).__name__!r} object"
        )
    return [*tuple.__iter__(new)]


def _substituted_within(arg: Any, known: dict[int, tuple[Any, Any]]) -> Any:
    """`dict[str, T]` among the arguments."""
    parameters: Any = getattr(arg, "__parameters__", None)
    if not issubclass(type(parameters), tuple) or not tuple.__len__(parameters):
        return arg
    values: list[Any] = []
    for each in tuple.__iter__(parameters):
        parameter, value = known.get(id(each), (each, each))
        is_many = parameter is not value and hasattr(type(parameter), "__iter__") and issubclass(type(value), tuple)
        values += tuple.__iter__(value) if is_many else [value]
    return arg[tuple(values)]
