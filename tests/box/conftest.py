"""One sandbox for all tests of this folder that do not need one of their own."""

from __future__ import annotations

import decimal
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import Sandbox
from tests.box.programs import Runner
from tests.conftest import is_long_run

#: Walks all that a program can reach, by a script of this folder; what the script has printed, by line.
Walk = Callable[..., list[Any]]


@pytest.fixture(autouse=True)
def _decimal_of_a_new_process() -> Iterator[None]:
    """Programs run under plain CPython, too, and set the context of this process."""
    with decimal.localcontext(decimal.Context()):
        yield


@pytest.fixture(scope="session")
def box() -> Iterator[Sandbox]:
    """A started sandbox with every layer that the machine gives."""
    sandbox = Sandbox(spare_children=2)
    sandbox.start()
    yield sandbox
    sandbox.close()


@pytest.fixture(scope="session")
def bare_box() -> Iterator[Sandbox]:
    """A sandbox whose language layer is off: what holds here holds without RestrictedPython."""
    sandbox = Sandbox(spare_children=2, language_layer=False, extra_modules=["socket"])  # a child has no file to import
    sandbox.start()
    yield sandbox
    sandbox.close()


@pytest.fixture(scope="session")
def run(box: Sandbox) -> Runner:
    """Runs programs in the shared sandbox."""
    return Runner(box)


@pytest.fixture(scope="session")
def run_bare(bare_box: Sandbox) -> Runner:
    """Runs programs with the language layer off."""
    return Runner(bare_box)


@pytest.fixture(scope="session")
def walk(pytestconfig: pytest.Config) -> Walk:
    """Runs object_graph.py, or a script like it: on one of the objects that seem alike, in a long run on four."""
    most_alike = 4 if is_long_run(pytestconfig) else 1

    def walk(script: str, *arguments: str, seconds: float = 900) -> list[Any]:
        path = Path(__file__).with_name(script)
        command = [sys.executable, "-I", "-W", "ignore", str(path), str(most_alike), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
        assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
        return [json.loads(line) for line in done.stdout.splitlines()]

    return walk
