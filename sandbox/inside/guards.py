"""The builtins that a program gets, and the two guards that its code calls."""

from __future__ import annotations

import _string  # type: ignore[import-not-found]
import builtins
import string
import types
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.inside import modules, names

#: `__module__` of everything that a program defines: how a guard knows its own from the interpreter's.
MODULE = "task"

#: Builtins left out, with the reason; every other is admitted by name below.
LEFT_OUT = {
    "open": "files",
    "input": "nobody is there to answer",
    "eval": "code that no policy has seen",
    "exec": "as eval",
    "compile": "as eval",
    "globals": "leads to the guards",
    "locals": "as globals",
    "breakpoint": "starts a debugger",
    "help": "starts a pager",
    "exit": "ends the process",
    "quit": "as exit",
    "memoryview": "of no use to a program without buffers",
    "copyright": "of the interactive mode",
    "credits": "of the interactive mode",
    "license": "of the interactive mode",
}

_PLAIN = [
    "abs",
    "all",
    "any",
    "ascii",
    "bin",
    "bool",
    "bytearray",
    "bytes",
    "callable",
    "chr",
    "classmethod",
    "complex",
    "dict",
    "divmod",
    "enumerate",
    "filter",
    "float",
    "frozenset",
    "hash",
    "hex",
    "id",
    "int",
    "isinstance",
    "issubclass",
    "iter",
    "len",
    "list",
    "map",
    "max",
    "min",
    "next",
    "object",
    "oct",
    "ord",
    "pow",
    "property",
    "range",
    "repr",
    "reversed",
    "round",
    "set",
    "slice",
    "sorted",
    "staticmethod",
    "str",
    "sum",
    "super",
    "tuple",
    "zip",
    "format",
    "aiter",
    "anext",
    "NotImplemented",
    "Ellipsis",
    "True",
    "False",
    "None",
    "__build_class__",
    "__debug__",
]


class _TypeOfTypes(builtins.type):
    """Makes the guarded `type` look like a class to isinstance."""

    def __call__(cls, *args: Any) -> Any:
        if len(args) != 1:
            raise TypeError("type() takes one argument here")
        return class_of(args[0])

    def __instancecheck__(cls, instance: Any) -> bool:
        return builtins.isinstance(instance, builtins.type)

    def __subclasscheck__(cls, subclass: Any) -> bool:
        return builtins.issubclass(subclass, builtins.type)

    def __repr__(cls) -> str:
        return "<class 'type'>"


class GuardedType(metaclass=_TypeOfTypes):
    """`type`: with one argument, and never a class of classes, which would make classes past the policy."""

    def __init_subclass__(cls) -> None:
        raise TypeError("type can't be subclassed here")

    def __class_getitem__(cls, _: Any) -> Any:
        return cls


GuardedType.__name__ = GuardedType.__qualname__ = "type"
GuardedType.__module__ = "builtins"


def class_of(value: Any) -> Any:
    """`type(value)`, and for a class the guarded `type`."""
    found = builtins.type(value)
    return GuardedType if builtins.issubclass(found, builtins.type) else found


def _is_own(value: Any) -> bool:
    """Whether the program itself made this object, or its class."""
    kind = builtins.type(value)
    if builtins.issubclass(kind, builtins.type):
        return bool(builtins.type.__getattribute__(value, "__module__") == MODULE)
    if kind is types.FunctionType:
        return bool(value.__module__ == MODULE and value.__globals__.get("__name__") == MODULE)
    return bool(kind.__module__ == MODULE)


def guarded_write(value: Any) -> Any:
    """`value`, if its attributes may be set: the program's own objects, and a few made for it."""
    if _is_own(value) or builtins.isinstance(value, modules.WRITABLE):
        return value
    raise AttributeError(f"attributes of {builtins.type(value).__name__} objects can't be changed here")


class _Formatter(string.Formatter):
    """`str.format` that reads no attribute which the program itself may not read."""

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> Any:
        first, rest = _string.formatter_field_name_split(field_name)
        value = self.get_value(first, args, kwargs)
        for is_attribute, key in rest:
            value = guarded_getattr(value, key) if is_attribute else value[key]
        return value, first


def _format(template: str, /, *args: Any, **kwargs: Any) -> str:
    return _Formatter().vformat(str(template), args, kwargs)


def _format_map(template: str, mapping: Mapping[str, Any], /) -> str:
    return _Formatter().vformat(str(template), (), mapping)


_FORMATTERS: dict[str, Callable[..., str]] = {"format": _format, "format_map": _format_map}
_MISSING = object()


def _formatter(value: Any, name: str) -> Any:
    """`str.format`, bound or not, by our formatter; any other `format` as it is."""
    found = getattr(value, name)
    if builtins.type(found) is types.BuiltinMethodType and builtins.isinstance(found.__self__, str):
        template = found.__self__
        return lambda *args, **kwargs: _FORMATTERS[name](template, *args, **kwargs)
    if found is getattr(str, name):
        return _FORMATTERS[name]
    return found


def _own_dict(value: Any) -> dict[str, Any]:
    if builtins.isinstance(value, builtins.type) or not (
        _is_own(value) or builtins.isinstance(value, modules.WRITABLE)
    ):
        raise AttributeError("__dict__ can't be read here")
    found = value.__dict__
    return dict(found) if builtins.type(found) is dict else {}


def _guarded_setter(value: Any, name: str) -> Callable[..., None]:
    """`object.__setattr__`, `super().__setattr__` and the like, for the names and objects that permit it."""
    found = getattr(value, name)

    def change(*args: Any) -> None:
        takes = 2 if name == "__setattr__" else 1
        attribute = args[-takes] if len(args) >= takes else ""
        if len(args) > takes:
            guarded_write(args[0])
        elif not builtins.isinstance(value, builtins.super):
            guarded_write(value)
        _check(attribute, names.may_write)
        found(*args)

    return change


def _guarded_new(value: Any) -> Any:
    """`object.__new__` and `super().__new__`, but never that of a class of classes."""
    found = value.__new__

    def new(cls: Any, *args: Any, **kwargs: Any) -> Any:
        if builtins.isinstance(cls, builtins.type) and builtins.issubclass(cls, builtins.type):
            raise TypeError("classes of classes can't be made here")
        return found(cls, *args, **kwargs)

    return new


def guarded_getattr(value: Any, name: Any, default: Any = _MISSING) -> Any:
    """`getattr`, under the rules for attributes."""
    if name in names.GUARDED:
        return _guarded_special(value, name)
    _check(name, names.may_read)
    return getattr(value, name) if default is _MISSING else getattr(value, name, default)


def _guarded_special(value: Any, name: str) -> Any:
    if name == "__class__":
        return class_of(value)
    if name == "__dict__":
        return _own_dict(value)
    if name == "__new__":
        return _guarded_new(value)
    if name in ("__setattr__", "__delattr__"):
        return _guarded_setter(value, name)
    return _formatter(value, name)


def _check(name: Any, permits: Callable[[str], bool]) -> None:
    if builtins.type(name) is not str:
        raise TypeError("the name of an attribute must be a string")
    if not permits(name):
        raise AttributeError(f"the attribute {name!r} may not be used here")


def _hasattr(value: Any, name: str) -> bool:
    try:
        guarded_getattr(value, name)
    except AttributeError:
        return False
    return True


def _setattr(value: Any, name: str, new: Any) -> None:
    _check(name, names.may_write)
    setattr(guarded_write(value), name, new)


def _delattr(value: Any, name: str) -> None:
    _check(name, names.may_write)
    delattr(guarded_write(value), name)


def _dir(value: Any) -> list[str]:
    return [name for name in dir(value) if names.may_read(name)]


def attrgetter(*attributes: str) -> Callable[[Any], Any]:
    """operator.attrgetter, under the rules for attributes."""

    def get(value: Any) -> Any:
        found = tuple(_dotted(value, name) for name in attributes)
        return found[0] if len(found) == 1 else found

    return get


def _dotted(value: Any, name: str) -> Any:
    for part in name.split("."):
        value = guarded_getattr(value, part)
    return value


def methodcaller(name: str, /, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
    """operator.methodcaller, under the rules for attributes."""
    return lambda value: guarded_getattr(value, name)(*args, **kwargs)


def wraps(wrapped: Callable[..., Any], **_: Any) -> Callable[[Any], Any]:
    """functools.wraps with its own list of attributes: a program's list could name any."""

    def decorate(wrapper: Any) -> Any:
        return update_wrapper(wrapper, wrapped)

    return decorate


def update_wrapper(wrapper: Any, wrapped: Any, **_: Any) -> Any:
    """functools.update_wrapper, as `wraps`."""
    guarded_write(wrapper)
    for name in ("__name__", "__qualname__", "__doc__"):
        if hasattr(wrapped, name):
            setattr(wrapper, name, getattr(wrapped, name))
    wrapper.__wrapped__ = wrapped
    return wrapper


def import_guarded(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
    """`import` of what is admitted."""
    if level or not modules.is_admitted(name):
        raise ImportError(f"the module {name!r} may not be imported")
    return modules.facade(name if fromlist else name.partition(".")[0])


def make_builtins(print_function: Callable[..., None]) -> dict[str, Any]:
    """`__builtins__` of a program, made anew for each."""
    own = {name: getattr(builtins, name) for name in _PLAIN if hasattr(builtins, name)}
    own |= {
        name: value
        for name, value in vars(builtins).items()
        if builtins.isinstance(value, builtins.type) and builtins.issubclass(value, BaseException)
    }
    return own | {
        "type": GuardedType,
        "getattr": guarded_getattr,
        "hasattr": _hasattr,
        "setattr": _setattr,
        "delattr": _delattr,
        "dir": _dir,
        "vars": _own_dict,
        "print": print_function,
        "__import__": import_guarded,
    }
