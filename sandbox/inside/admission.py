"""Makes façades of modules that are imported, and tells the guards what is the library's."""

from __future__ import annotations

import builtins
import importlib
import sys
import types
from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.inside import classes, facades, modules, ownership


def contents_of(name: str, replaced: Mapping[str, Any]) -> dict[str, Any]:
    """What programs get of a module of the library. replaced: what they get instead of the library's own."""
    real = importlib.import_module(name)
    admitted = modules.ADMITTED[name]
    wanted = _public(real) if admitted == modules.EVERYTHING else admitted.split()
    found = {each: getattr(real, each) for each in wanted if hasattr(real, each)}
    # Whatever a new Python puts into a module: no class of classes but the guarded ones.
    found = {each: value for each, value in found.items() if not (isinstance(value, type) and issubclass(value, type))}
    return found | {each: value for each, value in replaced.items() if hasattr(real, each)}


def _public(module: types.ModuleType) -> list[str]:
    names = getattr(module, "__all__", vars(module))
    return [
        name for name in names if not name.startswith("_") and not isinstance(getattr(module, name), types.ModuleType)
    ]


def classes_behind(names: Iterable[str]) -> set[type]:
    """Every class of the modules that programs may import, their classes and ancestors with them, but ours."""
    found = [each for name in names for each in vars(importlib.import_module(name)).values() if isinstance(each, type)]
    related = {above for each in found for kind in (each, type(each)) for above in type.mro(kind)}
    return {each for each in related if not each.__module__.startswith("sandbox.")}


def tell_guards(extra: tuple[str, ...] = ()) -> None:
    """Once everything is imported. extra: modules that are handed out whole."""
    exceptions = {
        value for value in vars(builtins).values() if isinstance(value, type) and issubclass(value, BaseException)
    }
    admitted = {
        value
        for facade in list(facades.admitted.values())
        for value in vars(facade).values()
        if isinstance(value, type) and (issubclass(value, BaseException) or value.__module__ == "collections.abc")
    }
    subclassable = {
        *_classes(modules.SUBCLASSABLE),
        *exceptions,
        *admitted,
        classes.GuardedType,
        classes.GuardedABCMeta,
    }
    ownership.remember_library(subclassable, _classes(modules.WRITABLE), _settable(), extra)


def _settable() -> dict[type, frozenset[str]]:
    """modules.SETTABLE, of modules that are imported."""
    found = {}
    for name, attributes in modules.SETTABLE.items():
        module, _, kind = name.rpartition(".")
        if module in sys.modules:
            found[getattr(sys.modules[module], kind)] = frozenset(attributes.split())
    return found


def _classes(listed: str) -> list[type]:
    """Those of a table whose modules are imported."""
    found = []
    module: Any = None
    for word in listed.split():
        if word.endswith(":"):
            module = builtins if word == "builtins:" else sys.modules.get(word[:-1])
        elif isinstance(getattr(module, word, None), type):
            found.append(getattr(module, word))
    return found
