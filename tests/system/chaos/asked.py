"""What the command line asks of a run: how long, and which seed."""

from __future__ import annotations

import random

import pytest

from tests.conftest import is_long_run

#: The seed of short runs: its first half minute has 17 kinds of blows, those of most others 8 to 13. Other seeds
#: are for runs by hand: what a new one finds must not fail somebody else's change.
SHORT_SEED = 1452


def asked(config: pytest.Config, short_seconds: float) -> tuple[float, int]:
    """The seconds of load and faults, and the seed. CI, which leaves `--minutes` at 1, gets a short run."""
    given: int | None = config.getoption("--seed")
    if not is_long_run(config):
        return short_seconds, SHORT_SEED if given is None else given
    return config.getoption("--minutes") * 60, random.randrange(1_000_000) if given is None else given
