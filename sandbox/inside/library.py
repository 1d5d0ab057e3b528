"""Makes the standard library ready for programs: imports it, guards it, and puts the façades in front of it."""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Iterable, Iterator

from sandbox.inside import (
    admission,
    caches,
    caught_errors,
    datetimes,
    extras,
    facades,
    methods,
    modules,
    replacements,
    static_types,
)


def admit(extra: Iterable[str] = ()) -> None:
    """Import everything, guard the library, and make the façades. Once, before the zygote locks itself in.

    extra: modules that are handed out whole and unguarded, at the operator's own risk.
    """
    extra = tuple(extra)
    extras.keep_late()  # first, so that the memory that it needs in passing is used again
    caches.guard_caches()  # before `re` has kept one for templates
    for name in modules.LATE:
        importlib.import_module(name)
    replacements.guard_library()
    methods.guard_methods(admission.classes_behind(modules.ADMITTED))
    methods.guard_all_methods([extras.StandardStream])
    static_types.guard_static_types(caught_errors.harmless)
    datetimes.guard_datetimes()
    replacements.remember_zones(_zone_files())
    for name in modules.ADMITTED:
        contents = admission.contents_of(name, replacements.REPLACED.get(name, {}))
        facades.admitted[name] = facades.make_facade(name, contents)
    for name, contents in extras.MODULES.items():
        facades.admitted[name] = facades.make_facade(name, contents)
    for name, late in extras.LATE.items():
        facades.admitted[name] = facades.make_facade(name, dict.fromkeys(late.names.split()))
    facades.fill_late({name: functools.partial(extras.load_late, name) for name in extras.LATE})
    facades.put_into_packages()
    for name in extra:
        facades.admitted[name] = importlib.import_module(name)
        facades.admitted.setdefault(name.partition(".")[0], importlib.import_module(name.partition(".")[0]))
    admission.tell_guards(extra)


def _zone_files() -> dict[str, bytes]:
    """Every time zone, from the tzdata package or the system's folder. Many names share one content."""
    try:
        folder = os.path.join(importlib.import_module("tzdata").__path__[0], "zoneinfo")
    except ImportError:
        folder = "/usr/share/zoneinfo"
    found: dict[str, bytes] = {}
    contents: dict[bytes, bytes] = {}
    for name, path in _files_below(folder):
        with open(path, "rb", buffering=0) as file:  # there are 600, and a buffer is as dear as what is read
            content = file.read()
        if content.startswith(b"TZif"):
            found[name] = contents.setdefault(content, content)
    return found


def _files_below(folder: str, above: str = "") -> Iterator[tuple[str, str]]:
    """The names that may be those of zones, as `Europe/Vienna`, with their paths."""
    for entry in os.scandir(folder):
        name = above + entry.name
        if entry.is_dir():
            if name not in ("posix", "right") and not entry.is_symlink():
                yield from _files_below(entry.path, f"{name}/")
        elif "." not in entry.name:
            yield name, entry.path
