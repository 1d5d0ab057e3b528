"""The run. `--minutes N` and `--seed S` by hand; CI runs one minute of a seed by the clock."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest

from tests.system import needs_proc
from tests.system.chaos.cluster import LocalCluster
from tests.system.chaos.findings import told
from tests.system.chaos.plan import make_plan
from tests.system.chaos.run import Run


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The one that was asked for, or any."""
    given: int | None = request.config.getoption("--seed")
    return random.randrange(1_000_000) if given is None else given


@needs_proc
def test_nothing_is_lost_doubled_or_stuck_whatever_is_killed(
    request: pytest.FixtureRequest, redis_program_path: Path, tmp_path: Path, seed: int
) -> None:
    minutes: float = request.config.getoption("--minutes")
    again = f"python -m pytest tests/system/chaos --minutes {minutes:g} --seed {seed}"
    print(f"the same again: {again}\nlogs: {tmp_path}")
    # Not tmp_path: a socket's path may have 104 characters at most.
    with tempfile.TemporaryDirectory(prefix="cel-") as folder:
        run = Run(make_plan(seed, minutes * 60), LocalCluster(redis_program_path, Path(folder), tmp_path))
        try:
            run.go()
        finally:
            print("\n".join([*run.words(), f"findings: {len(run.findings)}", *told(run.findings, run.evidence)]))
    assert not run.findings, f"{len(run.findings)} findings, told above. The same again: {again}"
