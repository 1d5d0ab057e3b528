"""All measurements: whatever the modules of `benchmarks/rows` declare as MEASUREMENTS, in the order of ORDER."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Sequence
from typing import Any

from benchmarks import rows
from benchmarks.measurement import Measurement

#: Groups in the order of the table; those that are not named here follow by name.
ORDER = (
    "drain",
    "create",
    "round_trip",
    "chain",
    "beat",
    "kills",
    "sleep",
    "api_tasks",
    "delays",
    "records",
    "commands",
)


class NoSuchMeasurement(Exception):
    """A name is neither a measurement nor a group; the message lists what there is."""


@functools.cache
def measurements() -> dict[str, Measurement[Any]]:
    """Name -> measurement. Importing a row starts nothing."""
    found: list[Measurement[Any]] = []
    for module in pkgutil.iter_modules(rows.__path__):
        found += importlib.import_module(f"{rows.__name__}.{module.name}").MEASUREMENTS
    by_name = {each.name: each for each in sorted(found, key=lambda each: _place(each.name))}
    if len(by_name) != len(found):
        raise ValueError("two measurements have the same name")
    return by_name


def chosen(names: Sequence[str]) -> list[Measurement[Any]]:
    """The measurements and groups of these names, each once; all without a name. Raises NoSuchMeasurement."""
    known = measurements()
    unknown = [name for name in names if not any(_is_meant(each, name) for each in known)]
    if unknown:
        raise NoSuchMeasurement(f"there is no {', '.join(unknown)}; there is {', '.join(known)}")
    return [each for name, each in known.items() if not names or any(_is_meant(name, word) for word in names)]


def _is_meant(name: str, word: str) -> bool:
    return name == word or name.startswith(f"{word}.")


def _place(name: str) -> tuple[int, str]:
    group = name.partition(".")[0]
    return (ORDER.index(group) if group in ORDER else len(ORDER), name)
