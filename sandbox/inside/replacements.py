"""What the standard library does without a guard, done with one.

Two ways: a function that programs get instead of the library's (`REPLACED`), and changes to the library itself where
it calls the dangerous one on its own (`guard_library`). The zygote serves programs only, so nobody else is there to
notice.
"""

from __future__ import annotations

import abc
import collections
import contextlib
import copy
import csv
import functools
import inspect
import random
import reprlib
import statistics
import sys
import types
import typing
import urllib.parse
import uuid
import weakref
import zoneinfo
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from typing import Any

from sandbox.inside import (
    assigned,
    attributes,
    caches,
    classes,
    copies,
    enums,
    facades,
    formatting,
    json_encoder,
    names,
    ownership,
    policy,
    records,
    refusals,
)
from sandbox.inside.arrays import array
from sandbox.inside.iterators import ITERATORS
from sandbox.inside.ordered import OrderedDict
from sandbox.inside.structs import Struct, groupby
from sandbox.inside.zones import ZoneInfo

# --- operator, functools ----------------------------------------------------------------------------


def attrgetter(attribute: str, /, *more: str) -> Callable[[Any], Any]:
    """operator.attrgetter, under the rules for attributes."""
    paths = [names.plain_name(each) for each in (attribute, *more)]

    def get(value: Any, /) -> Any:
        found = tuple(_dotted(value, each) for each in paths)
        return found[0] if len(found) == 1 else found

    return get


def _dotted(value: Any, name: str) -> Any:
    for part in name.split("."):
        value = attributes.guarded_getattr(value, part)
    return value


def methodcaller(name: str, /, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
    """operator.methodcaller, under the rules for attributes."""
    return lambda value, /: attributes.guarded_getattr(value, name)(*args, **kwargs)


def update_wrapper(wrapper: Any, wrapped: Any, *_: Any, **__: Any) -> Any:
    """functools.update_wrapper with its own list of attributes: a program's list could name any."""
    if ownership.is_programs_own(wrapper) or ownership.is_cache(wrapper) or type(wrapper) is functools.partial:
        _make_look_like(wrapper, wrapped)
    return wrapper


def _update_wrapper_of_the_library(wrapper: Any, wrapped: Any, *_: Any, **__: Any) -> Any:
    """What the library's decorators call, for functions of their own as well."""
    if type(wrapper) is types.FunctionType:
        _make_look_like(wrapper, wrapped)
    return wrapper


def _make_look_like(wrapper: Any, wrapped: Any) -> None:
    """The attributes of a plain function only: the `__dict__` of a class is its raw namespace, descriptors and all."""
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        with contextlib.suppress(AttributeError):
            setattr(wrapper, name, assigned.prepared(wrapper, name, getattr(wrapped, name)))
    if ownership.is_class(wrapper):
        return
    functions = type(wrapper) is type(wrapped) is types.FunctionType
    if functions and (ownership.is_programs_own(wrapped) or not _is_open(wrapper)):
        wrapper.__annotations__ = dict(wrapped.__annotations__)
        vars(wrapper).update(vars(wrapped))
    with contextlib.suppress(AttributeError):  # an object may have no room for it, or a `__setattr__` of its own
        wrapper.__wrapped__ = wrapped


def _is_open(wrapper: Any) -> bool:
    """Whether a program may look at all that the wrapper has."""
    return ownership.is_cache(wrapper) or ownership.is_programs_own(wrapper)


def wraps(wrapped: Any, *_: Any, **__: Any) -> Callable[[Any], Any]:
    """functools.wraps, as update_wrapper."""
    return lambda wrapper: update_wrapper(wrapper, wrapped)


class cached_property:  # noqa: N801  (the library's name)
    """functools.cached_property; the library's reads and writes `__dict__` of whatever its `__get__` is given."""

    def __init__(self, func: Callable[[Any], Any]) -> None:
        self.func = func
        self.attrname: str | None = None
        self.__doc__ = func.__doc__

    def __set_name__(self, owner: Any, name: str) -> None:
        if self.attrname is None:
            self.attrname = name
        elif name != self.attrname:
            raise TypeError(
                f"Cannot assign the same cached_property to two different names ({self.attrname!r} and {name!r})."
            )

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        if self.attrname is None:
            raise TypeError("Cannot use cached_property instance without calling __set_name__ on it.")
        if isinstance(instance, type) or not hasattr(instance, "__dict__"):
            raise TypeError(f"No '__dict__' attribute on {type(instance).__name__!r} instance to cache it.")
        cache = vars(attributes.write(instance, self.attrname))
        if self.attrname not in cache:
            cache[self.attrname] = self.func(instance)
        return cache[self.attrname]


# --- contextlib ------------------------------------------------------------------------------------


class redirect_stdout(contextlib.AbstractContextManager[Any]):  # noqa: N801  (the library's name)
    """contextlib.redirect_stdout; the library's reads and sets any attribute of `sys`, for any object it is handed."""

    def __init__(self, new_target: Any) -> None:
        self._new_target = new_target
        self._old_targets: list[Any] = []

    def __enter__(self) -> Any:
        seen = vars(facades.admitted["sys"])
        self._old_targets.append((sys.stdout, seen["stdout"]))
        sys.stdout = seen["stdout"] = self._new_target
        return self._new_target

    def __exit__(self, *_: object) -> None:
        sys.stdout, vars(facades.admitted["sys"])["stdout"] = self._old_targets.pop()


def _guard_exit_stacks() -> None:
    """`push` calls methods that a program's stack may have while it handles AttributeError(obj=type(exit))."""

    def push(self: Any, exit: Any) -> Any:
        method = getattr(type(exit), "__exit__", None)
        if method is None:
            self._push_exit_callback(exit)
        else:
            self._push_cm_exit(exit, method)
        return exit

    contextlib._BaseExitStack.push = push  # type: ignore[method-assign]


_singledispatch = functools.singledispatch


def singledispatch(func: Callable[..., Any]) -> Any:
    """functools.singledispatch; the library's asks a program's hooks while it handles KeyError(cls), of any class.

    What looks itself up beside classes is handed them, if it hashes like them (`type`).
    """
    made: Any = _singledispatch(lambda *_: None)  # of a function of ours: its attributes are copied over these
    made.register(object, func)
    registry = made.registry
    found: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
    token = abc.get_cache_token()

    def dispatch(cls: Any) -> Any:
        if not ownership.is_class(cls):
            raise TypeError("dispatch() takes a class")
        nonlocal token
        if token != abc.get_cache_token():
            token = abc.get_cache_token()
            found.clear()
        implementation = found.get(cls)
        if implementation is None:
            implementation = registry.get(cls)
            if implementation is None:
                implementation = functools._find_impl(cls, registry)  # type: ignore[attr-defined]
            found[cls] = implementation
        return implementation

    def register(cls: Any, func: Any = None) -> Any:
        done = made.register(cls, func)
        found.clear()
        return done if func is not None or done is cls else lambda later: register(cls, later)

    @functools.wraps(func)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not args:
            name = getattr(func, "__name__", "singledispatch function")
            raise TypeError(f"{name} requires at least 1 positional argument")
        return dispatch(args[0].__class__)(*args, **kwargs)

    vars(call).update(register=register, dispatch=dispatch, registry=Registry(registry))
    return call


class Registry(Mapping[Any, Any]):
    """A view of another mapping. A mappingproxy would hand that mapping itself to the other side of `==` and `|`."""

    __slots__ = ("_held",)

    def __new__(cls, held: Mapping[Any, Any]) -> Any:
        made = super().__new__(cls)
        _held_by.__set__(made, held)
        return made

    def __getitem__(self, key: Any) -> Any:
        return _held_by.__get__(self)[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(tuple(_held_by.__get__(self)))

    def __len__(self) -> int:
        return len(_held_by.__get__(self))

    def __repr__(self) -> str:
        return repr(dict(_held_by.__get__(self)))


_held_by: Any = Registry.__dict__["_held"]


def _guard_partial_methods() -> None:
    """What is bound gets the `__self__` of what it was made from, in plain sight; of a builtin, that is a module."""
    original = functools.partialmethod.__get__

    def get(self: Any, obj: Any, cls: Any = None) -> Any:
        bound = original(self, obj, cls)
        if type(bound) is functools.partial:
            vars(bound).pop("__self__", None)
        return bound

    functools.partialmethod.__get__ = get  # type: ignore[method-assign]


# --- typing -----------------------------------------------------------------------------------------


def get_type_hints(value: Any, *_: Any, **__: Any) -> dict[str, Any]:
    """typing.get_type_hints; annotations that are strings are compiled under the policy, like the rest."""
    found: dict[str, Any] = {}
    while type(value) in _HOLD_A_FUNCTION:
        value = value.__func__
    holders = reversed(type.mro(value)) if isinstance(value, type) else [value]
    for holder in holders:
        if ownership.is_programs_own(holder):
            annotations = getattr(holder, "__annotations__", {})
            found |= {str(name): _resolved(each) for name, each in dict(annotations).items()}
    return found


#: The annotations of these are those of the function.
_HOLD_A_FUNCTION = (types.MethodType, classmethod, staticmethod)


def _resolved(annotation: Any) -> Any:
    if annotation is None:
        return types.NoneType
    if type(annotation) is typing.ForwardRef:
        annotation = annotation.__forward_arg__
    if type(annotation) is not str:
        return annotation
    return eval(policy.compile_expression(annotation), ownership.state.program)  # noqa: S307  (compiled under the policy)


def get_origin(alias: Any) -> Any:
    """typing.get_origin; of `type[x]` the guarded `type`."""
    found = _get_origin(alias)
    return classes.GuardedType if found is type else found


_get_origin = typing.get_origin


def total_ordering(cls: Any) -> Any:
    """functools.total_ordering, of the program's own classes: it sets attributes."""
    if not ownership.is_programs_own(cls):
        raise refusals.SecurityError("a class of the library can't be given methods in the sandbox")
    return functools.total_ordering(cls)


def unchanged(value: Any) -> Any:
    """Decorators of typing that mean nothing at run time but set an attribute on whatever they get."""
    return value


# --- collections, copy ------------------------------------------------------------------------------


def replace(obj: Any, /, **changes: Any) -> Any:
    """copy.replace, by the guard's `__replace__`."""
    method = attributes.guarded_getattr(type(obj), "__replace__", None)
    if method is None:
        raise TypeError(f"replace() does not support {type(obj).__name__} objects")
    return method(obj, **changes)


def signature_of_class(cls: Any) -> inspect.Signature:
    """What a dataclass' docstring says: its `__init__`'s arguments, if that is a plain function.

    inspect.signature asks objects what they say of themselves, evaluates docstrings, and compares with `type`.
    """
    function = next((vars(base)["__init__"] for base in type.mro(cls) if "__init__" in vars(base)), None)
    if type(function) is not types.FunctionType:
        return inspect.Signature()
    found: inspect.Signature = inspect._signature_from_function(inspect.Signature, function)  # type: ignore[attr-defined]
    return found.replace(parameters=list(found.parameters.values())[1:])


def _guard_forward_references() -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise refusals.SecurityError("a forward reference can't be evaluated in the sandbox")

    for name in ("_evaluate", "evaluate"):
        if hasattr(typing.ForwardRef, name):
            setattr(typing.ForwardRef, name, refuse)


def _guard_caches_of_typing() -> None:
    """They compare arguments of a program with what else they hold: a typed one holds types, `type` among them."""
    # Before Python 3.13 Annotated is a class, and before 3.12 its cache is not typed.
    annotated = [(typing.Annotated, each) for each in ("_getitem", "_class_getitem_inner")]
    for form, name in ((typing.Literal, "_getitem"), *annotated):
        if hasattr(form, name):
            setattr(form, name, getattr(form, name).__wrapped__)
    for cache in caches.exchanged:
        cache.cache_clear()  # what the library has asked for, as `type[Any]`


def _guard_user_string() -> None:
    collections.UserString.format = (  # type: ignore[method-assign]
        lambda self, /, *args, **kwargs: formatting.format_string(self.data, *args, **kwargs)
    )
    collections.UserString.format_map = (  # type: ignore[method-assign]
        lambda self, mapping: formatting.format_string_map(self.data, mapping)
    )


_count_in_c = collections._count_elements  # type: ignore[attr-defined]
_PLAIN_KEYS = frozenset({str, int, bytes, bool, type(None)})


def count_elements(mapping: Any, iterable: Any) -> None:
    """What Counter counts with; the library's adds to a count that the addition itself can throw away.

    It still does what calls nothing of the program: count plain values, from nothing.
    """
    kind = type(iterable)
    plain = kind is str or kind is bytes or (kind in (list, tuple) and _PLAIN_KEYS.issuperset(map(type, iterable)))
    if plain and type(mapping) is collections.Counter and not dict.__len__(mapping):
        _count_in_c(mapping, iterable)
        return
    count_of = mapping.get
    for each in iterable:
        mapping[each] = count_of(each, 0) + 1


# --- statistics -------------------------------------------------------------------------------------


def _guard_statistics() -> None:
    """It calls the type of what it adds with the sum or the mean: of a class that is `type`."""
    original = statistics._exact_ratio  # type: ignore[attr-defined]

    def exact_ratio(value: Any) -> Any:
        if ownership.is_class(value):
            raise TypeError("can't convert a class to numerator/denominator")
        return original(value)

    statistics._exact_ratio = exact_ratio  # type: ignore[attr-defined]


# --- reprlib ----------------------------------------------------------------------------------------


def _guard_repr() -> None:
    """It reads an attribute of itself by the name of a class, which may be of a subclass of str."""

    def repr1(self: Any, x: Any, level: int) -> Any:
        name = "repr_" + str.__str__(assigned.name_of(type(x)))
        name = "_".join(name.split()) if " " in name else name
        return getattr(self, name)(x, level) if hasattr(self, name) else self.repr_instance(x, level)

    reprlib.Repr.repr1 = repr1  # type: ignore[method-assign]


# --- csv ----------------------------------------------------------------------------


_csv_reader = csv.reader


def csv_reader(lines: Any, /, *args: Any, **kwargs: Any) -> Any:
    """csv.reader; the library's loses its fields when what it asks for a line asks it for a row."""
    return _csv_reader((each for each in lines), *args, **kwargs)


csv_reader.__name__ = csv_reader.__qualname__ = "reader"


# --- uuid, zoneinfo -------------------------------------------------------------


def uuid1(node: int | None = None, clock_seq: int | None = None) -> uuid.UUID:
    """uuid.uuid1 with a random node: the library's runs programs to find the network card's."""
    chosen = node if node is not None else _random_node()
    return uuid.uuid1(chosen, clock_seq if clock_seq is not None else random.SystemRandom().getrandbits(14))


def getnode() -> int:
    """uuid.getnode: a random one, the same for the life of the program."""
    if not _node:
        _node.append(_random_node())
    return _node[0]


def _random_node() -> int:
    """With the bit that tells it from the address of a network card (RFC 9562)."""
    return random.SystemRandom().getrandbits(48) | 1 << 40


_node: list[int] = []
_zones: dict[str, bytes] = {}


def remember_zones(zones: dict[str, bytes]) -> None:
    """`ZoneInfo(key)` from memory: a child has no files."""
    _zones.update(zones)
    zoneinfo.reset_tzpath(())

    def load_tzdata(key: str) -> BytesIO:
        try:
            return _ZoneFile(_zones[key])
        except KeyError:
            raise zoneinfo.ZoneInfoNotFoundError(f"No time zone found with key {key}") from None

    load_data = zoneinfo._common.load_data

    def load_known_data(file: Any) -> Any:
        if type(file) is not _ZoneFile:
            raise PermissionError("there are no zone files in the sandbox: use ZoneInfo(key)")
        return load_data(file)

    zoneinfo._common.load_tzdata = load_tzdata  # type: ignore[assignment]
    zoneinfo._common.load_data = load_known_data  # type: ignore[assignment]
    if "Europe/Berlin" in zones:
        ZoneInfo.no_cache("Europe/Berlin")  # compiles the patterns for the rules of summer time


class _ZoneFile(BytesIO):
    """A file from the database. No other is read: the library believes its numbers, and reads beyond its lists."""


def available_timezones() -> set[str]:
    """zoneinfo.available_timezones."""
    return set(_zones)


# --- tables ------------------------------------------------------------------------------------------

REPLACED: dict[str, dict[str, Any]] = {
    "operator": {"attrgetter": attrgetter, "methodcaller": methodcaller},
    "functools": {
        "update_wrapper": update_wrapper,
        "wraps": wraps,
        "singledispatch": singledispatch,
        "total_ordering": total_ordering,
    },
    "typing": {
        "Type": classes.GuardedType,
        "OrderedDict": typing._alias(OrderedDict, 2, inst=False, name="OrderedDict"),  # type: ignore[attr-defined]
        "get_type_hints": get_type_hints,
        "get_origin": get_origin,
        "final": unchanged,
        "override": unchanged,
        "no_type_check": unchanged,
    },
    "array": {"array": array, "ArrayType": array},
    "collections": {"namedtuple": records.namedtuple},
    "itertools": {"groupby": groupby, **ITERATORS},
    "struct": {"Struct": Struct},
    "contextlib": {"redirect_stdout": redirect_stdout},
    "dataclasses": {"dataclass": records.dataclass, "make_dataclass": records.make_dataclass},
    "uuid": {"uuid1": uuid1, "getnode": getnode},
    "zoneinfo": {"available_timezones": available_timezones},
    "abc": {"ABCMeta": classes.GuardedABCMeta},
}


def guard_library() -> None:
    """Change the library where it would do the unguarded thing for a program. Once, in the zygote."""
    collections.namedtuple = records.namedtuple
    functools.cached_property = cached_property  # type: ignore[assignment,misc]
    typing.get_type_hints = get_type_hints  # type: ignore[assignment]  # functools.singledispatch calls it
    functools.update_wrapper = _update_wrapper_of_the_library
    collections.OrderedDict = OrderedDict  # type: ignore[misc,assignment]
    collections._chain = ITERATORS["chain"]  # type: ignore[attr-defined]  # Counter.elements() hands one out
    collections._count_elements = count_elements  # type: ignore[attr-defined]
    csv.reader = csv_reader
    zoneinfo.ZoneInfo = ZoneInfo  # type: ignore[misc]
    copy.copy, copy.deepcopy = copies.copy, copies.deepcopy  # type: ignore[assignment]
    if hasattr(copy, "replace"):  # Python 3.13
        copy.replace = replace
    records.guard_dataclasses()
    inspect.signature = signature_of_class  # type: ignore[assignment]
    functools.singledispatch = singledispatch
    urllib.parse.urlsplit = urllib.parse.urlsplit.__wrapped__  # type: ignore[attr-defined]  # has a typed lru_cache
    _guard_exit_stacks()
    _guard_partial_methods()
    _guard_forward_references()
    _guard_caches_of_typing()
    _guard_statistics()
    _guard_repr()
    _guard_user_string()
    enums.guard_enums()
    formatting.guard_formatter(attributes.guarded_getattr)
    json_encoder.guard_json()
