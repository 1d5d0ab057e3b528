"""What a process imports for good is left out of collections of garbage."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.launch.imports import import_for_good


@pytest.fixture
def frozen() -> Iterator[int]:
    """How many objects are left out before the test. Those of the test are collected again afterwards."""
    yield gc.get_freeze_count()
    gc.unfreeze()


def test_modules_are_imported_without_collections_and_left_out_of_later_ones(
    frozen: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "looks_at_gc.py").write_text("import gc\nis_collecting = gc.isenabled()\n")
    monkeypatch.syspath_prepend(tmp_path)
    import_for_good("looks_at_gc")
    assert not sys.modules.pop("looks_at_gc").is_collecting
    assert gc.get_freeze_count() > frozen
    assert gc.isenabled()


def test_collections_go_on_after_a_module_that_can_not_be_imported() -> None:
    with pytest.raises(ModuleNotFoundError):
        import_for_good("no_such_module")
    assert gc.isenabled()
