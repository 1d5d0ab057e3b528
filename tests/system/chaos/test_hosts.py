"""The same on several hosts: one by one they die, hang, or can't be reached, and their clocks differ.

python -m pytest tests/system/chaos/test_hosts.py -s --minutes 10
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.programs import require_program
from tests.system.chaos.asked import asked
from tests.system.chaos.findings import told
from tests.system.chaos.hosts import require_hosts
from tests.system.chaos.hosts_cluster import HARMS, HostCluster
from tests.system.chaos.plan import make_plan
from tests.system.chaos.run import Run

#: They have each kind of blow of the short seed's first 20 seconds; what follows are the same again.
SHORT_SECONDS = 10.0
TASKS_PER_SECOND = 4.0


def test_nothing_is_lost_doubled_or_stuck_whichever_host_is_lost(
    request: pytest.FixtureRequest, tls_redis_program: Path, tmp_path: Path
) -> None:
    require_hosts()
    haproxy = require_program(["haproxy"], "haproxy", else_skip=True)
    seconds, seed = asked(request.config, SHORT_SECONDS)
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
