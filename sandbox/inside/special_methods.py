"""Special methods of a program's classes, which hold what they are called with.

The interpreter and the library call them with objects that they do not hold themselves. A function in Python is held by
its frame, and so is its self; a method in C is not (`__bool__ = list.sort`), and goes on with memory that is free if
what it calls lets go of its self.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

from sandbox.inside import names
from sandbox.inside.ownership import dict_of, mro_of

#: Looked up by the language for an object. Those left out are asked of a class, by getattr, which holds what it finds.
HELD = (names.METHODS | {"__doc__"}) - {"__new__", "__init_subclass__", "__class_getitem__"}
_OF_TYPES_IN_C = (types.MethodDescriptorType, types.WrapperDescriptorType)
_LruCache = functools._lru_cache_wrapper
_function_of: dict[type, Callable[[Any], Any]] = {
    staticmethod: staticmethod.__dict__["__func__"].__get__,
    classmethod: classmethod.__dict__["__func__"].__get__,
    property: property.__dict__["fget"].__get__,
}


def held(name: str, value: Any) -> Any:
    """What a class gets under the name in the place of the value. Raises TypeError for what can't be held."""
    if name not in HELD or _is_in_python(value):
        return value
    kind = type(value)
    if kind in _OF_TYPES_IN_C:
        return value if value.__name__ == name else _in_a_frame(value)  # of the same name, it could be inherited
    if kind is _LruCache:
        return _in_a_frame(value)
    for wrapper, function_of in _function_of.items():
        if issubclass(kind, wrapper):
            return _with_function_held(name, value, wrapper, function_of(value))
    if not any("__get__" in dict_of(each) for each in mro_of(kind) if each not in _GIVE_THEMSELVES):
        return staticmethod(_in_a_frame(value))
    raise _refuse(name, value)


#: By their `__get__`; that of `partial` is there since Python 3.13.
_GIVE_THEMSELVES = (types.MethodType, functools.partial)


def _is_in_python(value: Any) -> bool:
    """Whether what is called, if it is looked up and called, is functions only."""
    if type(value) is types.FunctionType:
        return True
    namespaces = [dict_of(each) for each in mro_of(type(value))]
    methods = [namespace[name] for namespace in namespaces for name in ("__get__", "__call__") if name in namespace]
    return all(type(each) is types.FunctionType for each in methods)


def _with_function_held(name: str, value: Any, wrapper: type, function: Any) -> Any:
    if function is not None and _is_in_python(function):
        return value
    if type(value) is not wrapper or wrapper is property or not callable(function):  # it may have no function yet
        raise _refuse(name, value)
    return wrapper(_in_a_frame(function))


def _refuse(name: str, value: Any) -> TypeError:
    return TypeError(f"{name!r} of a class can't be a {type(value).__name__!r} object in the sandbox: use a function")


def _in_a_frame(called: Any) -> Any:
    def method(*args: Any, **kwargs: Any) -> Any:
        return called(*args, **kwargs)

    if type(called) in _OF_TYPES_IN_C:
        method.__name__, method.__qualname__, method.__doc__ = called.__name__, called.__qualname__, called.__doc__
    elif type(called) is _LruCache:
        for each in ("cache_info", "cache_clear", "cache_parameters"):
            setattr(method, each, getattr(called, each))
    return method


_CODE = _in_a_frame(None).__code__


def is_in_a_frame(value: Any) -> bool:
    """Whether it is a function of this module."""
    return type(value) is types.FunctionType and value.__code__ is _CODE
