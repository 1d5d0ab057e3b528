"""One sandbox for all tests of this folder that do not need one of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox import Sandbox
from tests.box.programs import Runner


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
def most_alike(pytestconfig: pytest.Config) -> int:
    """How many objects that seem alike a walk looks at: one, or four in a long run (`--minutes 2` or more)."""
    return 1 if pytestconfig.getoption("--minutes") == 1 else 4
