"""The run. By hand: `--minutes N`, and `--seed S` for the plan of an earlier one. CI runs half a minute of one seed."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.system import needs_proc
from tests.system.chaos.asked import asked
from tests.system.chaos.cluster import LocalCluster
from tests.system.chaos.findings import told
from tests.system.chaos.plan import make_plan
from tests.system.chaos.run import Run

SHORT_SECONDS = 30.0


@needs_proc
def test_nothing_is_lost_doubled_or_stuck_whatever_is_killed(
    request: pytest.FixtureRequest, redis_program_path: Path, tmp_path: Path
) -> None:
    seconds, seed = asked(request.config, SHORT_SECONDS)
    again = f"python -m pytest tests/system/chaos --minutes {seconds / 60:g} --seed {seed}"
    print(f"the same again: {again}\nlogs: {tmp_path}")
    # Not tmp_path: a socket's path may have 104 characters at most.
    with tempfile.TemporaryDirectory(prefix="cel-") as folder:
        run = Run(make_plan(seed, seconds), LocalCluster(redis_program_path, Path(folder), tmp_path))
        try:
            run.go()
        finally:
            print("\n".join([*run.words(), f"findings: {len(run.findings)}", *told(run.findings, run.evidence)]))
    assert not run.findings, f"{len(run.findings)} findings, told above. The same again: {again}"
