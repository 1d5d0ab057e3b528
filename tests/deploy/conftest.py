"""The tools that these tests run: they come with requirements-dev.txt, on Linux on x86-64."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Tool = Callable[[str], str]


def missing(sentence: str) -> None:
    """Skip, saying what is missing; fail in CI, where everything can be had."""
    if os.environ.get("CI"):
        pytest.fail(sentence)
    pytest.skip(sentence)


@pytest.fixture(scope="session")
def tool() -> Tool:
    """The path of a program, by its name. Without it, the test is skipped; in CI it fails."""

    def path(name: str) -> str:
        found = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        if found is None:
            missing(f"there is no {name}: it comes with requirements-dev.txt on Linux on x86-64")
        assert found is not None
        return found

    return path
