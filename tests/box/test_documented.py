"""What programs may import stands in the README's table, with what it does, and in the page for those who write them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sandbox.inside import builtin_names, extras, modules

ROOT = Path(__file__).parents[2]
README = (ROOT / "sandbox" / "README.md").read_text()
PAGE = (ROOT / "docs" / "programs.md").read_text()
NAMES = sorted({*modules.ADMITTED, *extras.MODULES, *extras.LATE})


def _first_cells(text: str, heading: str) -> set[str]:
    """The names in the first column of the table with that heading."""
    table = text[text.index(heading) :].split("\n\n")[0]
    return {name for row in table.splitlines()[2:] for name in re.findall(r"`([\w.]+)`", row.split("|")[1])}


@pytest.mark.parametrize("name", NAMES)
def test_somebody_has_read_the_module(name: str) -> None:
    assert name in _first_cells(README, "| module | what it copies")


def test_the_table_names_no_module_that_is_not_there() -> None:
    assert _first_cells(README, "| module | what it copies") <= set(NAMES)


def test_the_table_of_builtins_names_those_that_are_there() -> None:
    there = {*builtin_names.ADMITTED, *builtin_names.REPLACED}
    assert _first_cells(README, "| builtin | what it copies") <= there
    assert {*builtin_names.REPLACED} - {"exit", "quit", "__import__"} <= _first_cells(
        README, "| builtin | what it copies"
    )


def test_the_page_names_every_module() -> None:
    section = PAGE[PAGE.index("## What a program can import") :]
    named = set(re.findall(r"`([\w.]+)`", section[: section.index("A refused import")]))
    assert {name for name in NAMES if name not in ("urllib", "xml", "xml.etree")} <= named
