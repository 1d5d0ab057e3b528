"""The guards that a program's code calls, and the builtins that it gets.

Three questions decide about an attribute: is the name harmless of any object (names.py); is the object one that a
program may look into (never a module, frame, traceback, code); and, for private and special names, does what is found
belong to the program or to the library. A guard asks for the type of an object, never for what the object says of
itself: `__class__` and isinstance can be made to lie, `type` can't.
"""

from __future__ import annotations

import _string  # type: ignore[import-not-found]
import abc
import builtins
import enum
import functools
import json
import string
import sys
import types
import typing
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sandbox.inside import assigned, builtin_names, modules, names, special_methods
from sandbox.inside.words import words

#: `__name__` of the program, and `__module__` of what it defines.
MODULE = "task"

_MISSING = object()
_REFUSED_TYPES = frozenset({types.ModuleType, types.FrameType, types.CodeType, types.TracebackType})
_ALIASES = frozenset(
    {types.GenericAlias}
    | {each for each in vars(typing).values() if isinstance(each, type) and "Alias" in each.__name__}
) - {getattr(typing, "TypeAliasType", None)}  # of a type statement (Python 3.12), which hands no read on
#: Objects that hand a read on (an alias does, to what it stands for, which may be anything) are looked at, too.
_LOOKED_AT_TYPES = _REFUSED_TYPES | _ALIASES
_mro_of: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__
_dict_of: Callable[[type], Mapping[str, Any]] = type.__dict__["__dict__"].__get__
_class_of_super: Callable[[Any], Any] = super.__dict__["__thisclass__"].__get__
_self_of_super: Callable[[Any], Any] = super.__dict__["__self__"].__get__
_self_class_of_super: Callable[[Any], Any] = super.__dict__["__self_class__"].__get__


class SecurityError(AttributeError):
    """The program used what the sandbox forbids."""


class ImportSecurityError(ImportError):
    """The program imported what the sandbox forbids."""


ImportSecurityError.__name__ = "SecurityError"


class _State:
    """What the guards know of the one program of this process."""

    def __init__(self) -> None:
        self.library_classes: set[type] = set()
        self.library_roots: frozenset[str] = frozenset()  # top names of modules handed out whole
        self.subclassable: frozenset[type] = frozenset()
        self.writable: frozenset[type] = frozenset()
        self.settable: Mapping[type, frozenset[str]] = {}
        self.program: dict[str, Any] = {}
        self.cache_code: types.CodeType | None = None  # of every function that functools.lru_cache makes


state = _State()


def all_classes() -> set[type]:
    """Every class that there is."""
    found: set[type] = {object}
    waiting: list[type] = [object]
    while waiting:
        below: list[type] = type.__subclasses__(waiting.pop())
        for each in below:
            if each not in found:
                found.add(each)
                waiting.append(each)
    return found


def remember_library(
    subclassable: Iterable[type],
    writable: Iterable[type],
    settable: Mapping[type, frozenset[str]],
    whole_modules: Iterable[str],
) -> None:
    """Call when everything is imported: each class that exists now is the library's, each later one the program's."""
    state.library_classes = all_classes()
    state.subclassable = frozenset(subclassable)
    state.writable = frozenset(writable)
    state.settable = settable
    state.library_roots = frozenset(name.partition(".")[0] for name in whole_modules)


def remember_late(added: Iterable[type], subclassable: Iterable[type], writable: Iterable[type]) -> None:
    """Classes that came with a module which a program's import made ready: the library's, too."""
    new = frozenset(added)
    exceptions = {each for each in new if issubclass(each, BaseException)}
    state.library_classes |= new
    state.subclassable |= exceptions.union(subclassable)
    state.writable |= frozenset(writable)


# --- whose is it ------------------------------------------------------------------------------------


def is_class(value: Any) -> bool:
    return issubclass(type(value), type)


def _is_program_function(value: Any) -> bool:
    return type(value) is types.FunctionType and value.__globals__ is state.program


def is_programs_own(value: Any) -> bool:
    """Whether the program made this class, this function, or the class of this object."""
    if is_class(value):
        return value not in state.library_classes
    return type(value) not in state.library_classes or _is_program_function(value)


def is_cache(value: Any) -> bool:
    """Whether functools.lru_cache made this function."""
    return type(value) is types.FunctionType and value.__code__ is state.cache_code


def is_open(value: Any) -> bool:
    """Whether a program may set attributes of this object of the library, and see all that it has."""
    return type(value) in state.writable or is_cache(value)


def _refuse(value: Any, name: str) -> SecurityError:
    return SecurityError(f"the attribute {name!r} of a {type(value).__name__!r} object may not be used in the sandbox")


# --- reading attributes -----------------------------------------------------------------------------


def read_public(value: Any, name: str) -> Any:
    """`value.name`, for a name without leading underscore."""
    if type(value) in _LOOKED_AT_TYPES:
        _look_at_refused(value, name)
    return getattr(value, name)


def _look_at_refused(value: Any, name: str) -> None:
    """Modules that the operator hands out whole are the exception."""
    while type(value) in _ALIASES:
        value = object.__getattribute__(value, "__origin__")
    if type(value) not in _REFUSED_TYPES:
        return
    whole = type(value) is types.ModuleType and value.__name__.partition(".")[0] in state.library_roots
    if not whole or name.startswith("_"):
        raise _refuse(value, name)


def read_private(value: Any, name: str) -> Any:
    """`value._name` and special names that depend on the name only."""
    if type(value) in _LOOKED_AT_TYPES:
        _look_at_refused(value, name)
    if names.is_special(name):
        return _read_harmless_special(value, name)
    if name not in names.PRIVATE_OF_THE_LIBRARY and not _is_private_of_program(value, name):
        raise _refuse(value, name)
    return getattr(value, name)


def _read_harmless_special(value: Any, name: str) -> Any:
    if type(value) is Facade and name in ("__name__", "__doc__"):
        return _facade_names[id(value)] if name == "__name__" else None
    return getattr(value, name)


def _is_private_of_program(value: Any, name: str) -> bool:
    """Whether the class in which `_name` is found is the program's, or else the object that holds it."""
    for each in _searched_classes(value):
        if name in _dict_of(each):
            return each not in state.library_classes
    return is_programs_own(value) or type(value) is super or is_open(value)


def _searched_classes(value: Any) -> tuple[type, ...]:
    if type(value) is super:
        mro = _mro_of(_self_class_of_super(value))
        return mro[mro.index(_class_of_super(value)) + 1 :]
    # A class has the methods of its class, too: EnumType._convert_ makes members of what a real module holds.
    return _mro_of(value) + _mro_of(type(value)) if is_class(value) else _mro_of(type(value))


def read_special(value: Any, name: str) -> Any:
    """The attributes whose value has to be looked at."""
    if type(value) in _LOOKED_AT_TYPES:
        _look_at_refused(value, name)
    return SPECIAL[name](value, name)


def _class(value: Any, _: str) -> Any:
    return class_of(value)


def class_of(value: Any) -> Any:
    """`type(value)`; for a class, the guarded `type` unless the program has made a class of classes itself."""
    found = type(value)
    if not issubclass(found, type) or found not in state.library_classes:
        return found
    return GuardedABCMeta if found is GuardedABCMeta else GuardedType


def _namespace(value: Any, name: str) -> dict[str, Any]:
    """The real dict of the program's own objects; of classes, a copy."""
    if is_class(value):
        return _namespace_of_own(value) if is_programs_own(value) else _namespace_of_the_library(value, name)
    if not is_programs_own(value) and not is_open(value):
        raise _refuse(value, name)
    found = getattr(value, name)
    if type(found) is not dict:
        raise _refuse(value, name)
    return found


#: The special names that the namespace of a class shows.
_SHOWN = names.METHODS | {"__doc__", "__module__", "__slots__", "__match_args__"}


def _namespace_of_own(cls: Any) -> dict[str, Any]:
    """Under special names, what the program has put there itself, or would get by reading the attribute."""
    found = {}
    for key, value in list(_dict_of(cls).items()):
        if key == "__annotations__":
            found[key] = dict(value)  # as in _annotations
        elif not names.is_special(key) or (
            key in _SHOWN and (_is_own_method(value) or guarded_getattr(cls, key, _MISSING_ATTRIBUTE) is value)
        ):
            found[key] = value
    return found


def _is_own_method(value: Any) -> bool:
    """Of the program's source: dataclasses compile methods that set any attribute, and give them its globals, too."""
    function = value.__func__ if type(value) in (staticmethod, classmethod) else value
    return _is_program_function(function) and function.__code__.co_filename == names.FILENAME


def _namespace_of_the_library(cls: Any, name: str) -> dict[str, Any]:
    """What reading each name gives, for those that may be read."""
    if issubclass(cls, type):
        raise _refuse(cls, name)
    shown = [key for key in list(_dict_of(cls)) if key in _SHOWN or not key.startswith("_")]
    found = {key: guarded_getattr(cls, key, _MISSING_ATTRIBUTE) for key in shown}
    return {key: value for key, value in found.items() if value is not _MISSING_ATTRIBUTE}


def _format_method(value: Any, name: str) -> Any:
    """`str.format`, bound or not, by our formatter; any other `format` as it is."""
    return _with_our_formatter(getattr(value, name))


def _with_our_formatter(found: Any) -> Any:
    kind = type(found)
    bound = kind is types.BuiltinMethodType and issubclass(type(found.__self__), str)
    of_str = bound or (kind is types.MethodDescriptorType and found.__objclass__ is str)
    if not of_str or found.__name__ not in _FORMATTERS:
        return found
    formatter = _FORMATTERS[found.__name__]
    return functools.partial(formatter, found.__self__) if bound else formatter


def _setter(value: Any, name: str) -> Callable[..., None]:
    """`object.__setattr__`, `super().__setattr__` and the like, for the names and objects that permit it."""
    found = getattr(value, name)
    function = found.__func__ if type(found) is types.MethodType else found
    in_c = type(function) is not types.FunctionType or special_methods.is_in_a_frame(function)
    if not in_c and not _is_program_function(function):
        raise _refuse(value, name)  # of an alias, it sets attributes of what its self calls its origin
    takes = 2 if name == "__setattr__" else 1

    def change(*args: Any) -> None:
        if len(args) not in (takes, takes + 1):
            raise TypeError(f"{name} takes {takes} arguments")
        target = args[0] if len(args) > takes else value
        if type(target) is super:
            target = _self_of_super(target)
        attribute = plain_name(args[-takes])
        write(target, attribute)
        new = [assigned.prepared(target, attribute, each) for each in args[len(args) - takes + 1 :]]
        assigned.with_former_dict(target, attribute, lambda: found(*args[:-takes], attribute, *new))

    return change


def _new(value: Any, name: str) -> Any:
    """`object.__new__`, `super().__new__`; for classes of classes, with a look at what becomes the new class."""
    found = getattr(value, name)

    def new(cls: Any, *args: Any, **kwargs: Any) -> Any:
        if is_class(cls) and issubclass(cls, type):
            if cls in state.library_classes and cls not in (GuardedType, GuardedABCMeta):
                raise _refuse(cls, name)
            args = _checked_new_class(*args)
        made = found(cls, *args, **kwargs)
        if issubclass(type(made), StopIteration):  # by the __new__ of Exception it has no value, which reads as None
            _value_of_stop.__set__(made, _value_of_stop.__get__(made))
        return made

    return new


_value_of_stop = StopIteration.__dict__["value"]


def _initializer(value: Any, name: str) -> Any:
    """Types in C may not expect a second `__init__` while they work: only those that can be bases have one here."""
    found = getattr(value, name)
    if type(found) in (types.WrapperDescriptorType, types.MethodWrapperType):
        owner = found.__objclass__
        if not (owner in state.subclassable or owner in (object, type) or issubclass(owner, BaseException)):
            raise _refuse(value, name)
    return found


_DESCRIPTORS = (types.GetSetDescriptorType, types.MemberDescriptorType)


def _answer(value: Any, name: str) -> Any:
    """An attribute's value. What reads it from any object is refused: it would read without the guard of this name."""
    found = getattr(value, name)
    if type(found) in _DESCRIPTORS:
        raise _refuse(value, name)
    return found


def _mapping(value: Any, name: str) -> Any:
    """A mappingproxy hands the mapping behind it to the other side of `==` and `|`, so it gets one of its own."""
    found = _answer(value, name)
    return types.MappingProxyType(dict(found)) if type(found) is types.MappingProxyType else found


def _wrapped(value: Any, name: str) -> Any:
    found = getattr(value, name)
    if not _is_program_function(found) and not is_programs_own(found):
        raise _refuse(value, name)
    return found


def _replacer(value: Any, name: str) -> Any:
    """The one of SimpleNamespace, since Python 3.13, believes that what its class makes is a SimpleNamespace."""
    found = getattr(value, name)
    if type(found) is types.BuiltinMethodType and issubclass(type(found.__self__), types.SimpleNamespace):
        return functools.partial(_replaced_namespace, found.__self__)
    unbound = type(found) is types.MethodDescriptorType and found.__objclass__ is types.SimpleNamespace
    return _replaced_namespace if unbound else found


def _replaced_namespace(old: Any, /, **changes: Any) -> Any:
    if not issubclass(type(old), types.SimpleNamespace):
        raise TypeError(f"__replace__() is for 'SimpleNamespace' objects, not {type(old).__name__!r}")
    made = type(old)()
    if type(made) is not type(old):
        raise TypeError(f"expected a {type(old).__name__!r} object, got {type(made).__name__!r}")
    _attributes_of_namespace(made).update(_attributes_of_namespace(old), **changes)
    return made


_attributes_of_namespace: Callable[[Any], dict[str, Any]] = types.SimpleNamespace.__dict__["__dict__"].__get__


def _annotations(value: Any, name: str) -> dict[str, Any]:
    """A copy: dataclasses paste its keys into source code."""
    if not is_programs_own(value):
        raise _refuse(value, name)
    return dict(getattr(value, name))


def _subclasses(value: Any, name: str) -> Any:
    if type(value) is super:
        raise _refuse(value, name)  # super(type, M).__subclasses__ would be type's own, of any class
    if not is_class(value):
        return _of_an_object(value, name)
    if not is_programs_own(value) or issubclass(value, type):
        raise _refuse(value, name)
    return lambda: type.__subclasses__(value)


def _ancestors(value: Any, name: str) -> Any:
    if type(value) is super:
        raise _refuse(value, name)  # as in _subclasses; and `type` is an ancestor of every class of classes
    if not is_class(value):
        return _of_an_object(value, name)
    if issubclass(value, type):
        raise _refuse(value, name)
    return (lambda: list(_mro_of(value))) if name == "mro" else getattr(value, name)


def _of_an_object(value: Any, name: str) -> Any:
    """The program's own only: an alias answers with what its class has (`type[int].__mro__` holds the real `type`)."""
    if not is_programs_own(value) and type(value) is not types.SimpleNamespace:
        raise _refuse(value, name)
    return getattr(value, name)


def _descriptor_getter(value: Any, name: str) -> Any:
    """Without an owner, `__get__` takes the real type of its object: `classmethod(f).__get__(int)()` is f(type)."""
    found = getattr(value, name)
    function = found.__func__ if type(found) is types.MethodType else found
    if is_class(function) or not callable(function) or _is_program_function(function):
        return found
    unbound = type(found) is not types.MethodWrapperType and function is found
    takes = 2 if unbound else 1

    def get(*args: Any) -> Any:
        given = (*args, None) if len(args) == takes else args
        if len(given) == takes + 1 and given[takes] is None:
            given = (*given[:takes], class_of(given[takes - 1]))
        return found(*given)

    return get


def _descriptor_setter(value: Any, name: str) -> Any:
    """A slot of a class of the library sets what `write` would refuse."""
    if not is_programs_own(value) and type(value) not in (property, super):
        raise _refuse(value, name)
    return getattr(value, name)


def _getattr_method(value: Any, name: str) -> Any:
    """The program's own only: typing's reads any attribute of the class behind an alias (`Annotated[str, 1]`)."""
    found = getattr(value, name)
    if not _is_program_function(found.__func__ if type(found) is types.MethodType else found):
        raise _refuse(value, name)
    return found


def _linked_error(value: Any, name: str) -> Any:
    found = _answer(value, name)
    return told(found) if issubclass(type(found), BaseException) else found


def told(error: BaseException) -> BaseException:
    """What the library caught itself may speak of what a program may not hold: it looks at `type(x)` of a class.

    It is changed in place: a program may have it from elsewhere, too.
    """
    args = _args_of.__get__(error)
    shown = tuple(harmless(each) for each in args)
    if any(one is not other for one, other in zip(args, shown, strict=True)):
        _args_of.__set__(error, shown)
    if issubclass(type(error), AttributeError):
        _missed_by.__set__(error, harmless(_missed_by.__get__(error)))
    return error


def harmless(value: Any) -> Any:
    """What an error speaks of, or None in the place of what no program may hold."""
    hidden = type(value) in _REFUSED_TYPES or issubclass(type(value), weakref.ref)
    return None if hidden else _without_type(value)


def handled_error() -> BaseException | None:
    """What `sys.exc_info` gives: in a hook that the library calls, what the library handles."""
    error = sys.exc_info()[1]
    return None if error is None else told(error)


def _prepare_to_raise_on() -> bool:
    """Asked before each `raise` without an exception (policy.Policy.visit_Raise), which hands on what is handled."""
    handled_error()
    return True


_args_of: Any = BaseException.__dict__["args"]
_missed_by: Any = AttributeError.__dict__["obj"]

SPECIAL: dict[str, Callable[[Any, str], Any]] = {
    "__cause__": _linked_error,
    "__context__": _linked_error,
    "__getattr__": _getattr_method,
    "__get__": _descriptor_getter,
    "__set__": _descriptor_setter,
    "__delete__": _descriptor_setter,
    "format": _format_method,
    "format_map": _format_method,
    "mro": _ancestors,
    "groupindex": _mapping,
    "__members__": _mapping,
    "__init__": _initializer,
    "__class__": _class,
    "__dict__": _namespace,
    "__setattr__": _setter,
    "__delattr__": _setter,
    "__new__": _new,
    "__wrapped__": _wrapped,
    "__replace__": _replacer,
    "__annotations__": _annotations,
    "__subclasses__": _subclasses,
    "__mro__": _ancestors,
    "__bases__": _ancestors,
    "__base__": _ancestors,
}


def _check_string(name: Any) -> None:
    """A subclass of str could compare equal to one name and be another."""
    if type(name) is not str:
        raise TypeError("the name of an attribute must be a string")


def plain_name(name: Any) -> str:
    """What an object of a subclass of str, such as a member of StrEnum, names: whatever it may compare equal to."""
    if not issubclass(type(name), str):
        raise TypeError("the name of an attribute must be a string")
    return str.__str__(name)


def guarded_getattr(value: Any, name: Any, default: Any = _MISSING, /) -> Any:
    """`getattr`, under the rules for attributes."""
    name = plain_name(name)
    try:
        return _read(value, name)
    except AttributeError:
        if default is _MISSING:
            raise
        return default


def _read(value: Any, name: str) -> Any:
    if not names.may_read(name):
        raise _refuse(value, name)
    if name in SPECIAL:
        return read_special(value, name)
    return read_private(value, name) if name.startswith("_") else read_public(value, name)


# --- writing attributes -----------------------------------------------------------------------------


def write(value: Any, name: str) -> Any:
    """`value`, if its attribute `name` may be set or deleted."""
    if name in names.NOT_OF_CLASSES and is_class(value) and issubclass(value, type):
        raise SecurityError(_NOT_OF_CLASSES.format(name))
    if names.may_write(name) and (
        is_programs_own(value)
        or (is_open(value) and not name.startswith("_"))
        or type(value) is types.SimpleNamespace
        or name in state.settable.get(type(value), ())
        or (issubclass(type(value), BaseException) and (not name.startswith("_") or names.is_special(name)))
    ):
        if name in assigned.BORROWED and is_class(value):
            assigned.keep_method(_dict_of(value).get(name))
        return assigned.Target(value) if name in assigned.LOOKED_AT else value
    raise SecurityError(f"the attribute {name!r} of a {type(value).__name__!r} object can't be changed in the sandbox")


def change(value: Any, name: str) -> Any:
    """`value`, if `value.name += …` may read its attribute, and then set it.

    What that is when it is set, nobody has looked at: `c` may have set it to another.
    """
    if name in names.METHODS and is_class(value):
        raise SecurityError(f"{name!r} of a class can't be changed in place in the sandbox")
    private = names.is_private(name) and name not in names.PRIVATE_OF_THE_LIBRARY
    looked_at = private or name in names.GUARDED or not names.may_read(name)
    if looked_at and any(name in _dict_of(each) for each in _searched_classes(value) if each in state.library_classes):
        raise _refuse(value, name)
    return write(value, name)


# --- classes ----------------------------------------------------------------------------------------

_NOT_OF_CLASSES = "a class of classes may not define {!r} in the sandbox"


def hide_type(function: Any) -> Any:
    """Wraps a method that is handed classes (names.CLASS_HOOKS): for the real `type` it gets the guarded one.

    Whatever its decorators have made of it: the last of them is this one.
    """
    if type(function) in (classmethod, staticmethod):
        return type(function)(hide_type(function.__func__))

    def hook(*args: Any) -> Any:
        return function(*[_without_type(each) for each in args])

    return hook


_HOOK_CODE = hide_type(None).__code__


def _without_type(value: Any) -> Any:
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
            raise SecurityError(f"{str(name)[:100]!r} may not be the name of a field")


def check_slots(found: Any) -> Any:
    """What is assigned to `__slots__`, in a form that says the same again. Raises SecurityError."""
    kept = found if type(found) in (str, dict) else tuple(found)
    for name in (kept,) if type(kept) is str else kept:
        if type(name) is not str or not names.may_be_slot(name):
            raise SecurityError(f"{str(name)[:100]!r} may not be the name of a slot")
    return kept


#: What the compiler puts there; the last two since Python 3.13. (Not `__classdictcell__`: it would give the real dict.)
_OF_A_NAMESPACE = frozenset(
    words("__module__ __qualname__ __annotations__ __classcell__ __match_args__ __firstlineno__ __static_attributes__")
)


def _check_namespace(namespace: Any, *, of_classes: bool) -> None:
    if type(namespace) is not dict:
        raise TypeError("the namespace of a class must be a dict")
    for name in list(namespace):
        _check_string(name)
        hook = name in names.CLASS_HOOKS and _is_hook(namespace[name])
        if not (names.may_bind(name) or name in _OF_A_NAMESPACE or hook):
            raise SecurityError(f"the name {name!r} may not be defined in a class")
        if of_classes and name in names.NOT_OF_CLASSES:
            raise SecurityError(_NOT_OF_CLASSES.format(name))
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
            raise SecurityError(f"the attribute {name!r} may not be read in a pattern")


def _check_bases(bases: Iterable[Any]) -> None:
    for base in bases:
        if not is_class(base):
            raise TypeError(f"a {type(base).__name__!r} object can't be a base of a class in the sandbox")
        if base in state.library_classes and base not in state.subclassable:
            raise SecurityError(f"{base.__name__!r} can't be a base of a class in the sandbox")


def _check_class_name(name: Any) -> None:
    if type(name) is not str:
        raise TypeError("the name of a class must be a plain string")  # see assigned.py


def _checked_new_class(*args: Any) -> tuple[Any, ...]:
    """The arguments, with what the new class is to have."""
    if len(args) >= 3:
        name, bases, namespace = args[:3]
        _check_class_name(name)
        if type(bases) is not tuple:
            raise TypeError("the bases of a class must be a tuple")  # a subclass' __iter__ shows others than it holds
        _check_bases(bases)
        of_classes = [issubclass(base, type) for base in bases]
        if any(of_classes) and not all(of_classes):
            raise SecurityError("a class of classes can have no other bases in the sandbox")
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
        raise SecurityError("a base must be a class or an alias of one in the sandbox")
    resolved = types.resolve_bases(bases)
    _check_bases(resolved)
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
        raise SecurityError("only type, ABCMeta and classes made from them can be a metaclass in the sandbox")


def _with_module(namespace: dict[str, Any]) -> dict[str, Any]:
    """The interpreter would name the module of the code that makes the class: this one."""
    return {"__module__": MODULE, **namespace}


class _TypeOfTypes(type):
    """Makes the guarded `type` look like the real one, and looks at each class of classes that is made from it."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], /, **keywords: Any) -> Any:
        if state.library_classes:  # ours are made before
            name, bases, namespace = _checked_new_class(name, bases, namespace)
        return super().__new__(mcs, name, bases, namespace, **keywords)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is GuardedType and len(args) == 1 and not kwargs:
            return class_of(args[0])
        if cls is GuardedType and len(args) == 3:
            name, bases, namespace = _checked_new_class(*args)
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
        name, bases, namespace = _checked_new_class(name, bases, namespace)
        return super().__new__(cls, name, bases, _with_module(namespace), **keywords)


class GuardedABCMeta(abc.ABCMeta, metaclass=_TypeOfTypes):
    """`abc.ABCMeta`, which looks at what it makes."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], /, **keywords: Any) -> Any:
        name, bases, namespace = _checked_new_class(name, bases, namespace)
        return super().__new__(cls, name, bases, _with_module(namespace), **keywords)


for _public, _guarded in (("type", GuardedType), ("ABCMeta", GuardedABCMeta)):
    _guarded.__name__ = _guarded.__qualname__ = _public
    _guarded.__module__ = "builtins" if _public == "type" else "abc"


def guard_enums() -> None:
    """What enum does with names that no policy has seen."""
    _guard_enums_by_call()
    _guard_enum_members()
    if hasattr(enum.property, "_attr_type"):  # Python 3.12
        _guard_enum_properties()


def _guard_enum_properties() -> None:
    """A member that is called `format` stands before the one of str, and hands it out; `vars()` shows the property.

    The property reads by its name, which `__set_name__` changes, and of any object that has a `_value_`.
    """
    original = enum.property.__get__

    def get(self: Any, instance: Any, ownerclass: Any = None) -> Any:
        if type(self) is not enum.property:
            raise TypeError("enum.property.__get__() is for 'property' objects")
        if instance is None or self.fget is not None or self._attr_type is None:  # type: ignore[attr-defined]
            return _with_our_formatter(original(self, instance, ownerclass))
        by_class = self._attr_type == "attr"  # type: ignore[attr-defined]
        return guarded_getattr(self._cls_type if by_class else instance._value_, self.name)  # type: ignore[attr-defined]

    enum.property.__get__ = get  # type: ignore[method-assign]


def _guard_enum_members() -> None:
    """What a member is before it is one sets an attribute of any name on any class, when it is told to."""
    original = enum._proto_member.__set_name__  # type: ignore[attr-defined]

    def set_name(self: Any, enum_class: Any, member_name: Any) -> None:
        _check_string(member_name)
        member = type(self) is enum._proto_member and issubclass(type(enum_class), enum.EnumMeta)  # type: ignore[attr-defined]
        if not member or _dict_of(enum_class).get(member_name) is not self:
            raise _refuse(self, "__set_name__")
        original(self, enum_class, member_name)

    enum._proto_member.__set_name__ = set_name  # type: ignore[attr-defined]


def _guard_enums_by_call() -> None:
    """`Enum("Name", members)` makes a class."""
    original = enum.EnumMeta._create_  # type: ignore[attr-defined]

    def create(cls: Any, class_name: Any, names: Any, *args: Any, **kwargs: Any) -> Any:
        plain: Any = names.replace(",", " ").split() if type(names) is str else names or ()
        listed = list(dict.items(plain)) if issubclass(type(plain), dict) else list(plain)
        members = [each if type(each) is str else tuple(each) for each in listed]
        check_field_names(each if type(each) is str else each[0] for each in members)
        if kwargs.get("module") is None:
            kwargs["module"] = MODULE
        if kwargs.get("type") is not None:
            _check_bases([kwargs["type"]])
        return original(cls, plain_name(class_name), members, *args, **kwargs)

    enum.EnumMeta._create_ = create  # type: ignore[attr-defined]


# --- json -------------------------------------------------------------------------------------------


def guard_json() -> None:
    """The encoder in C holds what it encodes only if it watches for circles: a `default` could let go of it."""
    original = json.encoder.c_make_encoder  # type: ignore[attr-defined]

    def make_encoder(markers: Any, *more: Any) -> Any:
        return original({} if markers is None else markers, *more)

    json.encoder.c_make_encoder = make_encoder  # type: ignore[attr-defined]


# --- formatting -------------------------------------------------------------------------------------


def guard_formatter() -> None:
    """`string.Formatter`, also as a base of a program's class, reads no attribute that the program may not read."""

    def get_field(self: string.Formatter, field_name: str, args: Any, kwargs: Any) -> Any:
        first, rest = _string.formatter_field_name_split(field_name)
        value = self.get_value(first, args, kwargs)
        for is_attribute, key in rest:
            value = guarded_getattr(value, key) if is_attribute else value[key]
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


# --- builtins ---------------------------------------------------------------------------------------


def _hasattr(value: Any, name: Any, /) -> bool:
    if plain_name(name) == "__dataclass_fields__":  # which can't be read, but is how programs know a dataclass
        return hasattr(value if is_class(value) else type(value), "__dataclass_fields__")
    return guarded_getattr(value, name, _MISSING_ATTRIBUTE) is not _MISSING_ATTRIBUTE


_MISSING_ATTRIBUTE = object()


def guarded_setattr(value: Any, name: Any, new: Any, /) -> None:
    """`setattr`, under the rules for attributes."""
    name = plain_name(name)
    setattr(write(value, name), name, new)


def _delattr(value: Any, name: Any, /) -> None:
    name = plain_name(name)
    delattr(write(value, name), name)


def _dir(value: Any, /) -> list[str]:
    return [name for name in dir(value) if type(name) is str and names.may_read(name)]


def _vars(value: Any, /) -> dict[str, Any]:
    return _namespace(value, "__dict__")


def _exit(code: Any = None) -> None:
    raise SystemExit(code)


class Facade:
    """A module as programs see it: the admitted names and nothing else. No method of it changes it."""

    def __repr__(self) -> str:
        return f"<module {_facade_names[id(self)]!r}>"

    def __getattr__(self, name: str) -> Any:
        """What is not there: with what to do instead, if there is something."""
        module = _facade_names.get(id(self), "")
        raise AttributeError(f"module {module!r} has no attribute {name!r} here{modules.why_missing(module, name)}")


Facade.__name__ = "module"  # in messages


#: Not an attribute, because `from a import b` would look up the real module `a.b` by it.
_facade_names: dict[int, str] = {}


def module_behind(value: Any) -> str | None:
    """The name of the module that a façade stands for; None of anything else."""
    return _facade_names.get(id(value)) if type(value) is Facade else None


def make_facade(name: str, admitted: Mapping[str, Any]) -> Facade:
    """The façade of one module."""
    facade = Facade()
    vars(facade).update(admitted)
    _facade_names[id(facade)] = name
    return facade


def make_builtins(print_function: Callable[..., None], import_function: Callable[..., Any]) -> dict[str, Any]:
    """`__builtins__` of a program, made anew for each, with the guards under names that no source can spell."""
    plain = {name: getattr(builtins, name) for name in builtin_names.ADMITTED}
    exceptions = {
        name: value
        for name, value in vars(builtins).items()
        if isinstance(value, type) and issubclass(value, BaseException)
    }
    replaced = {
        "type": GuardedType,
        "getattr": guarded_getattr,
        "hasattr": _hasattr,
        "setattr": guarded_setattr,
        "delattr": _delattr,
        "dir": _dir,
        "vars": _vars,
        "print": print_function,
        "exit": _exit,
        "quit": _exit,
        "__import__": import_function,
        "__build_class__": build_class,
    }
    guards = {
        names.READ_PUBLIC: read_public,
        names.READ_PRIVATE: read_private,
        names.READ_SPECIAL: read_special,
        names.WRITE: write,
        names.CHANGE: change,
        names.CHECK_SLOTS: check_slots,
        names.HOOK: hide_type,
        names.RAISE_ON: _prepare_to_raise_on,
    }
    return plain | exceptions | replaced | guards
