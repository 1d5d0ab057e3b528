"""The same on several hosts: one by one they die, hang, or can't be reached, and their clocks differ.

python -m pytest tests/system/chaos/test_hosts.py -s --minutes 10
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest

from tests.programs import require_program
from tests.system.chaos.findings import told
from tests.system.chaos.hosts import require_hosts
from tests.system.chaos.hosts_cluster import HARMS, HostCluster
from tests.system.chaos.plan import make_plan
from tests.system.chaos.run import Run

#: In CI, where `--minutes` has its default, 1.
SHORT_SECONDS = 20.0
SHORT_SEED = 12
TASKS_PER_SECOND = 4.0


@pytest.mark.alone
def test_nothing_is_lost_doubled_or_stuck_whichever_host_is_lost(
    request: pytest.FixtureRequest, tls_redis_program: Path, tmp_path: Path
) -> None:
    require_hosts()
    haproxy = require_program(["haproxy"], "haproxy", else_skip=True)
    minutes = request.config.getoption("--minutes")
    seconds = SHORT_SECONDS if minutes == 1 else minutes * 60
    given: int | None = request.config.getoption("--seed")
    chosen = SHORT_SEED if minutes == 1 else random.randrange(1_000_000)
    seed = chosen if given is None else given
    print(f"the same again: python -m pytest {__name__.replace('.', '/')}.py --minutes {seconds / 60:g} --seed {seed}")
    print(f"logs: {tmp_path}")
    with tempfile.TemporaryDirectory(prefix="cel-") as folder:
        cluster = HostCluster(tls_redis_program, haproxy, Path(folder), tmp_path)
        run = Run(make_plan(seed, seconds, HARMS, TASKS_PER_SECOND), cluster)
        try:
            run.go()
        finally:
            print("\n".join([*run.words(), f"findings: {len(run.findings)}", *told(run.findings, run.evidence)]))
    assert not run.findings, f"{len(run.findings)} findings, told above"
