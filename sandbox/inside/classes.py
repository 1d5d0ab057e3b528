"""How a program's classes are made: from which bases, with which names, and by the guarded `type` and `ABCMeta`."""

from __future__ import annotations

import abc
import builtins
import types
import typing
from collections.abc import Iterable
from typing import Any

from sandbox.inside import names, refusals, special_methods
from sandbox.inside.ownership import is_class, state
from sandbox.inside.words import words


def hide_type(function: Any) -> Any:
    """Wraps a method that is handed classes (names.CLASS_HOOKS): for the real `type` it gets the guarded one.

    Whatever its decorators have made of it: the last of them is this one.
    """
    if type(function) in (classmethod, staticmethod):
        return type(function)(hide_type(function.__func__))

    def hook(*args: Any) -> Any:
        return function(*[without_type(each) for each in args])

    return hook


_HOOK_CODE = hide_type(None).__code__


def without_type(value: Any) -> Any:
    """The value, but the guarded class of classes in the place of a real one."""
    if is_class(value) and issubclass(value, type) and value in state.library_classes:
        return GuardedABCMeta if issubclass(value, abc.ABCMeta) else GuardedType
    return value


def _is_hook(value: Any) -> bool:
    function = value.__func__ if type(value) is classmethod else value
    return type(function) is types.FunctionType and function.__code__ is _HOOK_CODE


def check_field_names(found: Iterable[Any]) -> None:
    """Names that a class pattern will read without a guard, or that end up in source code. Raises SecurityError."""
    for name in found:
        if type(name) is not str or not name.isidentifier() or not names.may_bind(name) or names.is_special(name):
            raise refusals.SecurityError(f"{str(name)[:100]!r} may not be the name of a field")


def check_slots(found: Any) -> Any:
    """What is assigned to `__slots__`, in a form that says the same again. Raises SecurityError."""
    kept = found if type(found) in (str, dict) else tuple(found)
    for name in (kept,) if type(kept) is str else kept:
        if type(name) is not str or not names.may_be_slot(name):
            raise refusals.SecurityError(f"{str(name)[:100]!r} may not be the name of a slot")
    return kept


#: What the compiler puts there; the last two since Python 3.13. (Not `__classdictcell__`: it would give the real dict.)
_OF_A_NAMESPACE = frozenset(
    words("__module__ __qualname__ __annotations__ __classcell__ __match_args__ __firstlineno__ __static_attributes__")
)


def _check_namespace(namespace: Any, *, of_classes: bool) -> None:
    if type(namespace) is not dict:
        raise TypeError("the namespace of a class must be a dict")
    for name in list(namespace):
        names.check_string(name)
        hook = name in names.CLASS_HOOKS and _is_hook(namespace[name])
        if not (names.may_bind(name) or name in _OF_A_NAMESPACE or hook):
            raise refusals.SecurityError(f"the name {name!r} may not be defined in a class")
        if of_classes and name in names.NOT_OF_CLASSES:
            raise refusals.definition_in_class_of_classes(name)
    _check_class_name(namespace.get("__qualname__", ""))
    annotations, matched = namespace.get("__annotations__", {}), namespace.get("__match_args__", ())
    if type(annotations) is not dict or type(matched) is not tuple:
        raise TypeError("__annotations__ must be a dict, and __match_args__ a tuple")
    check_field_names(annotations)
    if type(namespace.get("__slots__", ())) not in (str, tuple, list, dict):
        raise TypeError("__slots__ of a class made by type() must be a tuple, list, string or dict")
    check_slots(namespace.get("__slots__", ()))
    for name in matched:
        if type(name) is not str or not names.may_match(name):
            raise refusals.SecurityError(f"the attribute {name!r} may not be read in a pattern")


def check_bases(bases: Iterable[Any]) -> None:
    """Raises TypeError for what is no class, and SecurityError for one that can't be a base."""
    for base in bases:
        if not is_class(base):
            raise TypeError(f"a {type(base).__name__!r} object can't be a base of a class in the sandbox")
        if base in state.library_classes and base not in state.subclassable:
            raise refusals.SecurityError(f"{base.__name__!r} can't be a base of a class in the sandbox")


def _check_class_name(name: Any) -> None:
    if type(name) is not str:
        raise TypeError("the name of a class must be a plain string")  # see assigned.py


def checked_new_class(*args: Any) -> tuple[Any, ...]:
    """The arguments, with what the new class is to have."""
    if len(args) >= 3:
        name, bases, namespace = args[:3]
        _check_class_name(name)
        if type(bases) is not tuple:
            raise TypeError("the bases of a class must be a tuple")  # a subclass' __iter__ shows others than it holds
        check_bases(bases)
        of_classes = [issubclass(base, type) for base in bases]
        if any(of_classes) and not all(of_classes):
            raise refusals.SecurityError("a class of classes can have no other bases in the sandbox")
        _check_namespace(namespace, of_classes=any(of_classes))
        args = (name, bases, {each: special_methods.held(each, namespace[each]) for each in namespace}, *args[3:])
    return args


def _names_the_same_bases(base: Any) -> bool:
    """The interpreter asks `__mro_entries__` again; the library's answer is the same then, a program's need not be."""
    kind = type(base)
    alias = kind is types.GenericAlias or (kind in state.library_classes and kind.__module__ == "typing")
    return alias or base is typing.NamedTuple or base is typing.TypedDict


def build_class(function: Any, name: str, /, *bases: Any, metaclass: Any = None, **keywords: Any) -> Any:
    """`class name(*bases)`: only from classes that can be subclassed without a way around the guards."""
    if not all(is_class(base) or _names_the_same_bases(base) for base in bases):
        raise refusals.SecurityError("a base must be a class or an alias of one in the sandbox")
    resolved = types.resolve_bases(bases)
    check_bases(resolved)
    if metaclass is not None:
        _check_metaclass(metaclass)
        if metaclass is not GuardedType or any(type(base) is not type for base in resolved):
            keywords["metaclass"] = metaclass
    chosen, prepared, keywords = types.prepare_class(name, resolved, keywords)

    def make(name: str, bases: tuple[type, ...], namespace: dict[str, Any], /, **keywords: Any) -> Any:
        for key, value in list(dict.items(namespace)):
            new = special_methods.held(key, value)
            if new is not value:
                dict.__setitem__(namespace, key, new)
        return chosen(name, bases, namespace, **keywords)

    make.__prepare__ = lambda *_, **__: prepared  # type: ignore[attr-defined]
    return builtins.__build_class__(function, name, *bases, metaclass=make, **keywords)


def _check_metaclass(metaclass: Any) -> None:
    if (
        not is_class(metaclass)
        or not issubclass(metaclass, type)
        or (metaclass in state.library_classes and metaclass not in (GuardedType, GuardedABCMeta))
    ):
        raise refusals.SecurityError("only type, ABCMeta and classes made from them can be a metaclass in the sandbox")


def _with_module(namespace: dict[str, Any]) -> dict[str, Any]:
    """The interpreter would name the module of the code that makes the class: this one."""
    return {"__module__": names.MODULE, **namespace}


class _TypeOfTypes(type):
    """Makes the guarded `type` look like the real one, and looks at each class of classes that is made from it."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], /, **keywords: Any) -> Any:
        if state.library_classes:  # ours are made before
            name, bases, namespace = checked_new_class(name, bases, namespace)
        return super().__new__(mcs, name, bases, namespace, **keywords)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is GuardedType and len(args) == 1 and not kwargs:
            return class_of(args[0])
        if cls is GuardedType and len(args) == 3:
            name, bases, namespace = checked_new_class(*args)
            return type(name, bases, _with_module(namespace), **kwargs)
        return type.__call__(cls, *args, **kwargs)

    def __instancecheck__(cls, instance: Any) -> bool:
        return issubclass(type(instance), type) if cls is GuardedType else type.__instancecheck__(cls, instance)

    def __subclasscheck__(cls, subclass: Any) -> bool:
        return issubclass(subclass, type) if cls is GuardedType else type.__subclasscheck__(cls, subclass)

    __iter__ = None  # else __getitem__ would make it iterable, without end

    def __getitem__(cls, item: Any) -> Any:
        return types.GenericAlias(cls, item)

    def __repr__(cls) -> str:
        return "<class 'type'>" if cls is GuardedType else type.__repr__(cls)


class GuardedType(type, metaclass=_TypeOfTypes):
    """`type`: of an object; as a class of classes, one that looks at what it makes."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], /, **keywords: Any) -> Any:
        name, bases, namespace = checked_new_class(name, bases, namespace)
        return super().__new__(cls, name, bases, _with_module(namespace), **keywords)


class GuardedABCMeta(abc.ABCMeta, metaclass=_TypeOfTypes):
    """`abc.ABCMeta`, which looks at what it makes."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], /, **keywords: Any) -> Any:
        name, bases, namespace = checked_new_class(name, bases, namespace)
        return super().__new__(cls, name, bases, _with_module(namespace), **keywords)


for _public, _guarded in (("type", GuardedType), ("ABCMeta", GuardedABCMeta)):
    _guarded.__name__ = _guarded.__qualname__ = _public
    _guarded.__module__ = "builtins" if _public == "type" else "abc"


def class_of(value: Any) -> Any:
    """`type(value)`; for a class, the guarded `type` unless the program has made a class of classes itself."""
    found = type(value)
    if not issubclass(found, type) or found not in state.library_classes:
        return found
    return GuardedABCMeta if found is GuardedABCMeta else GuardedType
