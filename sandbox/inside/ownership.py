"""What belongs to the program, and what to the library."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

#: Modules that the operator hands out whole are an exception (attributes.py).
NEVER_LOOKED_INTO = frozenset({types.ModuleType, types.FrameType, types.CodeType, types.TracebackType})
mro_of: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__
dict_of: Callable[[type], Mapping[str, Any]] = type.__dict__["__dict__"].__get__


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


def is_class(value: Any) -> bool:
    """Whether it is one, whatever it says of itself."""
    return issubclass(type(value), type)


def is_program_function(value: Any) -> bool:
    """Whether the function is of the program's source, or compiled for it."""
    return type(value) is types.FunctionType and value.__globals__ is state.program


def is_programs_own(value: Any) -> bool:
    """Whether the program made this class, this function, or the class of this object."""
    if is_class(value):
        return value not in state.library_classes
    return type(value) not in state.library_classes or is_program_function(value)


def is_cache(value: Any) -> bool:
    """Whether functools.lru_cache made this function."""
    return type(value) is types.FunctionType and value.__code__ is state.cache_code


def is_open(value: Any) -> bool:
    """Whether a program may set attributes of this object of the library, and see all that it has."""
    return type(value) in state.writable or is_cache(value)
