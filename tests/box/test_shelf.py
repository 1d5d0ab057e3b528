"""The zygote keeps the code of modules as the interpreter has cached it, if that is of the source as it is."""

from __future__ import annotations

import importlib.util
import os
import py_compile
import sys
from pathlib import Path

import pytest

from sandbox.inside import ownership
from sandbox.inside.shelf import Shelf


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module whose code is cached."""
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "kept", raising=False)
    source = tmp_path / "kept.py"
    source.write_text("value = 1")
    py_compile.compile(str(source), doraise=True)
    return source


def _value_of_kept(source: Path) -> object:
    """What the module has, once its source is gone."""
    Shelf().keep([source.stem])
    source.unlink()
    try:
        return importlib.import_module(source.stem).value
    finally:
        sys.modules.pop(source.stem, None)


def test_cached_code_is_kept_without_a_look_at_the_source(source: Path) -> None:
    before = source.stat()
    source.write_text("value = 2")
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert _value_of_kept(source) == 1


def test_cached_code_of_a_source_of_another_size_is_not_kept(source: Path) -> None:
    before = source.stat()
    source.write_text("value = 22")
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert _value_of_kept(source) == 22


def test_cached_code_of_a_source_of_another_time_is_not_kept(source: Path) -> None:
    before = source.stat()
    source.write_text("value = 2")
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns + 2_000_000_000))
    assert _value_of_kept(source) == 2


def test_code_that_is_not_cached_is_compiled(source: Path) -> None:
    Path(importlib.util.cache_from_source(str(source))).unlink()
    assert _value_of_kept(source) == 1


def test_classes_of_a_module_that_is_taken_from_the_shelf_are_of_the_library(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library: set[type] = set()
    monkeypatch.setattr(ownership.state, "library_classes", library)
    source.write_text("from collections import Counter\nclass Table:\n    pass\nvalue = Table")
    assert library == {_value_of_kept(source)}
