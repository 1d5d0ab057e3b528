"""Modules that are imported by the child that needs them. A child has no files, so the zygote keeps their code."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import marshal
import os
import sys
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

from sandbox.inside import ownership


class Shelf:
    """Finds and loads modules from code in memory; a finder in the sense of `sys.meta_path`."""

    def __init__(self) -> None:
        self._codes: dict[str, tuple[bytes, bool]] = {}

    def keep(self, names: Iterable[str]) -> None:
        """Read the code of modules that are not imported yet. One that this Python does not have is skipped."""
        for name in names:
            spec = importlib.util.find_spec(name) if _has(name.partition(".")[0]) else None
            loader: Any = spec.loader if spec is not None else None
            if spec is not None and hasattr(loader, "get_code"):
                code = _cached_code(spec) or marshal.dumps(loader.get_code(name))
                self._codes[name] = (code, spec.submodule_search_locations is not None)
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """What the import system asks for."""
        if name not in self._codes:
            return None
        loader: Any = self
        return importlib.machinery.ModuleSpec(name, loader, is_package=self._codes[name][1])

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """A plain module will do."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the code that was kept."""
        exec(marshal.loads(self._codes[module.__name__][0]), vars(module))  # noqa: S102, S302  (kept by the zygote)
        classes = [each for each in vars(module).values() if ownership.is_class(each)]
        defined = [each for each in classes if each.__module__ == module.__name__]
        ownership.remember_late(defined, subclassable=(), writable=())


def _cached_code(spec: importlib.machinery.ModuleSpec) -> bytes | None:
    """The code as the interpreter has cached it, unless the source has changed since; None where it has not."""
    if spec.cached is None or spec.origin is None:
        return None
    try:
        with open(spec.cached, "rb", buffering=0) as file:
            content = file.read()
    except OSError:
        return None
    source = os.stat(spec.origin)
    stamp = [int(source.st_mtime) & 0xFFFFFFFF, source.st_size & 0xFFFFFFFF]
    header = importlib.util.MAGIC_NUMBER + bytes(4) + b"".join(each.to_bytes(4, "little") for each in stamp)
    return content[len(header) :] if content.startswith(header) else None


def _has(package: str) -> bool:
    return package in sys.modules or importlib.util.find_spec(package) is not None


shelf = Shelf()
