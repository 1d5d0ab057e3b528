"""How a program reads and writes attributes.

Three questions decide: is the name harmless of any object (names.py); is the object one that a program may look into
(never a module, frame, traceback, code); and, for private and special names, does what is found belong to the program
or to the library (ownership.py). A guard asks for the type of an object, never for what the object says of itself:
`__class__` and isinstance can be made to lie, `type` can't.
"""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Callable
from typing import Any

from sandbox.inside import (
    assigned,
    caught_errors,
    classes,
    facades,
    formatting,
    names,
    refusals,
    special_methods,
)
from sandbox.inside.ownership import (
    NEVER_LOOKED_INTO,
    dict_of,
    is_class,
    is_open,
    is_program_function,
    is_programs_own,
    mro_of,
    state,
)

_NO_DEFAULT = object()
_MISSING_ATTRIBUTE = object()
_ALIASES = frozenset(
    {types.GenericAlias}
    | {each for each in vars(typing).values() if isinstance(each, type) and "Alias" in each.__name__}
) - {getattr(typing, "TypeAliasType", None)}  # of a type statement (Python 3.12), which hands no read on
#: Objects that hand a read on (an alias does, to what it stands for, which may be anything) are looked at, too.
_LOOKED_AT_TYPES = NEVER_LOOKED_INTO | _ALIASES
_class_of_super: Callable[[Any], Any] = super.__dict__["__thisclass__"].__get__
_self_of_super: Callable[[Any], Any] = super.__dict__["__self__"].__get__
_self_class_of_super: Callable[[Any], Any] = super.__dict__["__self_class__"].__get__


def read_public(value: Any, name: str) -> Any:
    """`value.name`, for a name without leading underscore."""
    if type(value) in _LOOKED_AT_TYPES:
        _look_at_refused(value, name)
    return getattr(value, name)


def _look_at_refused(value: Any, name: str) -> None:
    """Modules that the operator hands out whole are the exception."""
    while type(value) in _ALIASES:
        value = object.__getattribute__(value, "__origin__")
    if type(value) not in NEVER_LOOKED_INTO:
        return
    whole = type(value) is types.ModuleType and value.__name__.partition(".")[0] in state.library_roots
    if not whole or name.startswith("_"):
        raise refusals.attribute(value, name)


def read_private(value: Any, name: str) -> Any:
    """`value._name` and special names that depend on the name only."""
    if type(value) in _LOOKED_AT_TYPES:
        _look_at_refused(value, name)
    if names.is_special(name):
        return _read_harmless_special(value, name)
    if name not in names.PRIVATE_OF_THE_LIBRARY and not _is_private_of_program(value, name):
        raise refusals.attribute(value, name)
    return getattr(value, name)


def _read_harmless_special(value: Any, name: str) -> Any:
    if type(value) is facades.Facade and name in ("__name__", "__doc__"):
        return facades.module_behind(value) if name == "__name__" else None
    return getattr(value, name)


def _is_private_of_program(value: Any, name: str) -> bool:
    """Whether the class in which `_name` is found is the program's, or else the object that holds it."""
    for each in _searched_classes(value):
        if name in dict_of(each):
            return each not in state.library_classes
    return is_programs_own(value) or type(value) is super or is_open(value)


def _searched_classes(value: Any) -> tuple[type, ...]:
    if type(value) is super:
        mro = mro_of(_self_class_of_super(value))
        return mro[mro.index(_class_of_super(value)) + 1 :]
    # A class has the methods of its class, too: EnumType._convert_ makes members of what a real module holds.
    return mro_of(value) + mro_of(type(value)) if is_class(value) else mro_of(type(value))


def read_special(value: Any, name: str) -> Any:
    """The attributes whose value has to be looked at."""
    if type(value) in _LOOKED_AT_TYPES:
        _look_at_refused(value, name)
    return SPECIAL[name](value, name)


def _class(value: Any, _: str) -> Any:
    return classes.class_of(value)


def namespace(value: Any, name: str) -> dict[str, Any]:
    """The real dict of the program's own objects; of classes, a copy."""
    if is_class(value):
        return _namespace_of_own(value) if is_programs_own(value) else _namespace_of_the_library(value, name)
    if not is_programs_own(value) and not is_open(value):
        raise refusals.attribute(value, name)
    found = getattr(value, name)
    if type(found) is not dict:
        raise refusals.attribute(value, name)
    return found


#: The special names that the namespace of a class shows.
_SHOWN = names.METHODS | {"__doc__", "__module__", "__slots__", "__match_args__"}


def _namespace_of_own(cls: Any) -> dict[str, Any]:
    """Under special names, what the program has put there itself, or would get by reading the attribute."""
    found = {}
    for key, value in list(dict_of(cls).items()):
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
    return is_program_function(function) and function.__code__.co_filename == names.FILENAME


def _namespace_of_the_library(cls: Any, name: str) -> dict[str, Any]:
    """What reading each name gives, for those that may be read."""
    if issubclass(cls, type):
        raise refusals.attribute(cls, name)
    shown = [key for key in list(dict_of(cls)) if key in _SHOWN or not key.startswith("_")]
    found = {key: guarded_getattr(cls, key, _MISSING_ATTRIBUTE) for key in shown}
    return {key: value for key, value in found.items() if value is not _MISSING_ATTRIBUTE}


def _format_method(value: Any, name: str) -> Any:
    """`str.format`, bound or not, by our formatter; any other `format` as it is."""
    return formatting.with_our_formatter(getattr(value, name))


def _setter(value: Any, name: str) -> Callable[..., None]:
    """`object.__setattr__`, `super().__setattr__` and the like, for the names and objects that permit it."""
    found = getattr(value, name)
    function = found.__func__ if type(found) is types.MethodType else found
    in_c = type(function) is not types.FunctionType or special_methods.is_in_a_frame(function)
    if not in_c and not is_program_function(function):
        raise refusals.attribute(value, name)  # of an alias, it sets attributes of what its self calls its origin
    takes = 2 if name == "__setattr__" else 1

    def change(*args: Any) -> None:
        if len(args) not in (takes, takes + 1):
            raise TypeError(f"{name} takes {takes} arguments")
        target = args[0] if len(args) > takes else value
        if type(target) is super:
            target = _self_of_super(target)
        attribute = names.plain_name(args[-takes])
        write(target, attribute)
        new = [assigned.prepared(target, attribute, each) for each in args[len(args) - takes + 1 :]]
        assigned.with_former_dict(target, attribute, lambda: found(*args[:-takes], attribute, *new))

    return change


def _new(value: Any, name: str) -> Any:
    """`object.__new__`, `super().__new__`; for classes of classes, with a look at what becomes the new class."""
    found = getattr(value, name)

    def new(cls: Any, *args: Any, **kwargs: Any) -> Any:
        if is_class(cls) and issubclass(cls, type):
            if cls in state.library_classes and cls not in (classes.GuardedType, classes.GuardedABCMeta):
                raise refusals.attribute(cls, name)
            args = classes.checked_new_class(*args)
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
            raise refusals.attribute(value, name)
    return found


_DESCRIPTORS = (types.GetSetDescriptorType, types.MemberDescriptorType)


def _answer(value: Any, name: str) -> Any:
    """An attribute's value. What reads it from any object is refused: it would read without the guard of this name."""
    found = getattr(value, name)
    if type(found) in _DESCRIPTORS:
        raise refusals.attribute(value, name)
    return found


def _mapping(value: Any, name: str) -> Any:
    """A mappingproxy hands the mapping behind it to the other side of `==` and `|`, so it gets one of its own."""
    found = _answer(value, name)
    return types.MappingProxyType(dict(found)) if type(found) is types.MappingProxyType else found


def _wrapped(value: Any, name: str) -> Any:
    found = getattr(value, name)
    if not is_program_function(found) and not is_programs_own(found):
        raise refusals.attribute(value, name)
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
        raise refusals.attribute(value, name)
    return dict(getattr(value, name))


def _subclasses(value: Any, name: str) -> Any:
    if type(value) is super:
        raise refusals.attribute(value, name)  # super(type, M).__subclasses__ would be type's own, of any class
    if not is_class(value):
        return _of_an_object(value, name)
    if not is_programs_own(value) or issubclass(value, type):
        raise refusals.attribute(value, name)
    return lambda: type.__subclasses__(value)


def _ancestors(value: Any, name: str) -> Any:
    if type(value) is super:
        raise refusals.attribute(value, name)  # as in _subclasses; and `type` is an ancestor of every class of classes
    if not is_class(value):
        return _of_an_object(value, name)
    if issubclass(value, type):
        raise refusals.attribute(value, name)
    return (lambda: list(mro_of(value))) if name == "mro" else getattr(value, name)


def _of_an_object(value: Any, name: str) -> Any:
    """The program's own only: an alias answers with what its class has (`type[int].__mro__` holds the real `type`)."""
    if not is_programs_own(value) and type(value) is not types.SimpleNamespace:
        raise refusals.attribute(value, name)
    return getattr(value, name)


def _descriptor_getter(value: Any, name: str) -> Any:
    """Without an owner, `__get__` takes the real type of its object: `classmethod(f).__get__(int)()` is f(type)."""
    found = getattr(value, name)
    function = found.__func__ if type(found) is types.MethodType else found
    if is_class(function) or not callable(function) or is_program_function(function):
        return found
    unbound = type(found) is not types.MethodWrapperType and function is found
    takes = 2 if unbound else 1

    def get(*args: Any) -> Any:
        given = (*args, None) if len(args) == takes else args
        if len(given) == takes + 1 and given[takes] is None:
            given = (*given[:takes], classes.class_of(given[takes - 1]))
        return found(*given)

    return get


def _descriptor_setter(value: Any, name: str) -> Any:
    """A slot of a class of the library sets what `write` would refuse."""
    if not is_programs_own(value) and type(value) not in (property, super):
        raise refusals.attribute(value, name)
    return getattr(value, name)


def _getattr_method(value: Any, name: str) -> Any:
    """The program's own only: typing's reads any attribute of the class behind an alias (`Annotated[str, 1]`)."""
    found = getattr(value, name)
    if not is_program_function(found.__func__ if type(found) is types.MethodType else found):
        raise refusals.attribute(value, name)
    return found


def _linked_error(value: Any, name: str) -> Any:
    found = _answer(value, name)
    return caught_errors.told(found) if issubclass(type(found), BaseException) else found


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
    "__dict__": namespace,
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


def guarded_getattr(value: Any, name: Any, default: Any = _NO_DEFAULT, /) -> Any:
    """`getattr`, under the rules for attributes."""
    name = names.plain_name(name)
    try:
        return _read(value, name)
    except AttributeError:
        if default is _NO_DEFAULT:
            raise
        return default


def _read(value: Any, name: str) -> Any:
    if not names.may_read(name):
        raise refusals.attribute(value, name)
    if name in SPECIAL:
        return read_special(value, name)
    return read_private(value, name) if name.startswith("_") else read_public(value, name)


def write(value: Any, name: str) -> Any:
    """`value`, if its attribute `name` may be set or deleted."""
    if name in names.NOT_OF_CLASSES and is_class(value) and issubclass(value, type):
        raise refusals.definition_in_class_of_classes(name)
    if names.may_write(name) and (
        is_programs_own(value)
        or (is_open(value) and not name.startswith("_"))
        or type(value) is types.SimpleNamespace
        or name in state.settable.get(type(value), ())
        or (issubclass(type(value), BaseException) and (not name.startswith("_") or names.is_special(name)))
    ):
        if name in assigned.BORROWED and is_class(value):
            assigned.keep_method(dict_of(value).get(name))
        return assigned.Target(value) if name in assigned.LOOKED_AT else value
    raise refusals.change_of_attribute(value, name)


def change(value: Any, name: str) -> Any:
    """`value`, if `value.name += …` may read its attribute, and then set it.

    What that is when it is set, nobody has looked at: `c` may have set it to another.
    """
    if name in names.METHODS and is_class(value):
        raise refusals.SecurityError(f"{name!r} of a class can't be changed in place in the sandbox")
    private = names.is_private(name) and name not in names.PRIVATE_OF_THE_LIBRARY
    looked_at = private or name in names.GUARDED or not names.may_read(name)
    if looked_at and any(name in dict_of(each) for each in _searched_classes(value) if each in state.library_classes):
        raise refusals.attribute(value, name)
    return write(value, name)


def guarded_setattr(value: Any, name: Any, new: Any, /) -> None:
    """`setattr`, under the rules for attributes."""
    name = names.plain_name(name)
    setattr(write(value, name), name, new)
