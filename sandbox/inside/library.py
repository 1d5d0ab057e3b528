"""Makes the standard library ready for programs: imports it, guards it, and puts the façades in front of it."""

from __future__ import annotations

import builtins
import functools
import importlib
import os
import types
from collections.abc import Iterable
from typing import Any

from sandbox.inside import extras, facades, guards, modules, replacements


def admit(extra: Iterable[str] = ()) -> None:
    """Import everything, guard the library, and make the façades. Once, before the zygote locks itself in.

    extra: modules that are handed out whole and unguarded, at the operator's own risk.
    """
    extra = tuple(extra)
    extras.keep_late()  # first, so that the memory that it needs in passing is used again
    for name in modules.LATE:
        importlib.import_module(name)
    replacements.guard_library()
    replacements.guard_methods(_classes_behind(modules.ADMITTED))
    replacements.guard_all_methods([extras.StandardStream])
    replacements.remember_zones(_zone_files())
    for name, admitted in modules.ADMITTED.items():
        facades.admitted[name] = guards.make_facade(name, _admitted_of(name, admitted))
    for name, contents in extras.MODULES.items():
        facades.admitted[name] = guards.make_facade(name, contents)
    for name, late in extras.LATE.items():
        facades.admitted[name] = guards.make_facade(name, dict.fromkeys(late.names.split()))
    facades.fill_late({name: functools.partial(extras.load_late, name) for name in extras.LATE})
    for name in list(facades.admitted):
        parent, _, child = name.rpartition(".")
        if parent:
            vars(facades.admitted[parent])[child] = facades.admitted[name]
    for name in extra:
        facades.admitted[name] = importlib.import_module(name)
        facades.admitted.setdefault(name.partition(".")[0], importlib.import_module(name.partition(".")[0]))
    _tell_guards(extra)


def _classes_behind(names: Iterable[str]) -> set[type]:
    """Every class of the modules that programs may import, their classes and ancestors with them, but ours."""
    found = [each for name in names for each in vars(importlib.import_module(name)).values() if isinstance(each, type)]
    related = {above for each in found for kind in (each, type(each)) for above in type.mro(kind)}
    return {each for each in related if not each.__module__.startswith("sandbox.")}


def _admitted_of(name: str, admitted: str) -> dict[str, Any]:
    real = importlib.import_module(name)
    wanted = _public(real) if admitted == modules.EVERYTHING else admitted.split()
    found = {each: getattr(real, each) for each in wanted if hasattr(real, each)}
    # Whatever a new Python puts into a module: no class of classes but the guarded ones.
    found = {each: value for each, value in found.items() if not (isinstance(value, type) and issubclass(value, type))}
    return found | {each: value for each, value in replacements.REPLACED.get(name, {}).items() if hasattr(real, each)}


def _public(module: types.ModuleType) -> list[str]:
    names = getattr(module, "__all__", vars(module))
    return [
        name for name in names if not name.startswith("_") and not isinstance(getattr(module, name), types.ModuleType)
    ]


def _tell_guards(extra: tuple[str, ...]) -> None:
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
        guards.GuardedType,
        guards.GuardedABCMeta,
    }
    guards.remember_library(subclassable, _classes(modules.WRITABLE), extra)


def _classes(listed: str) -> list[type]:
    found = []
    module: Any = builtins
    for word in listed.split():
        if word.endswith(":"):
            module = importlib.import_module(word[:-1])
        elif isinstance(getattr(module, word, None), type):
            found.append(getattr(module, word))
    return found


def _zone_files() -> dict[str, bytes]:
    """Every time zone, from the tzdata package or the system's folder. Many names share one content."""
    try:
        folder = os.path.join(importlib.import_module("tzdata").__path__[0], "zoneinfo")
    except ImportError:
        folder = "/usr/share/zoneinfo"
    found: dict[str, bytes] = {}
    contents: dict[bytes, bytes] = {}
    for path in _files_below(folder):
        name = os.path.relpath(path, folder)
        if "." not in os.path.basename(name) and name.partition("/")[0] not in ("posix", "right"):
            with open(path, "rb") as file:
                content = file.read()
            if content.startswith(b"TZif"):
                found[name] = contents.setdefault(content, content)
    return found


def _files_below(folder: str) -> list[str]:
    return [os.path.join(above, name) for above, _, files in os.walk(folder) for name in files]
