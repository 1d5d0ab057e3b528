"""What mypy has found out about this repository, and what it imports, for a check of something else."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def copy_known_types(folder: Path) -> None:
    """Copy what tests/test_static.py has found, if it has, to where mypy looks in this folder.

    It may be at it just now. mypy uses what was found with the same options: those of our pyproject.toml.
    """
    for known in (ROOT / ".mypy_cache").glob("*/*.db"):
        copy = folder / known.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        with (
            closing(sqlite3.connect(known.as_uri() + "?mode=ro", uri=True)) as one,
            closing(sqlite3.connect(copy)) as other,
        ):
            one.backup(other)
