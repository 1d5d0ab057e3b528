"""How many examples hypothesis makes of a property whose test says so itself."""

from __future__ import annotations

from hypothesis import settings

from tests.conftest import EXAMPLES_PER_MINUTE


def scaled(number: int) -> int:
    """This number in a short run, and in a long one (`--minutes`) as many times more as of every other property."""
    return number * max(EXAMPLES_PER_MINUTE, settings().max_examples) // EXAMPLES_PER_MINUTE
