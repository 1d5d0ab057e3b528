"""A process may open as many files as the system allows, whatever the shell that started it is content with."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

from app.launch.open_files import ENOUGH, allow_many
from tests.servers import ROOT
from tests.worker.conftest import Start

FEW = 256
#: Replaces itself by Python with the words behind it, as a shell with `ulimit -Sn 256` would.
WITH_FEW = (
    "-c",
    "import os, resource, sys; _, hard = resource.getrlimit(resource.RLIMIT_NOFILE); "
    f"resource.setrlimit(resource.RLIMIT_NOFILE, ({FEW}, hard)); "
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])",
)
_, HARD = resource.getrlimit(resource.RLIMIT_NOFILE)
MOST = ENOUGH if HARD == resource.RLIM_INFINITY else min(HARD, ENOUGH)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="looks at the limits of another process")
def test_a_worker_asks_for_more_than_it_was_started_with(start_worker: Start) -> None:
    worker = start_worker(within=WITH_FEW)
    assert resource.prlimit(worker.process.pid, resource.RLIMIT_NOFILE) == (MOST, HARD)


def test_so_does_the_start_of_everything() -> None:
    program = "import resource, start; start.main(['api']); print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    command = [sys.executable, *WITH_FEW, "-c", program]
    env = {**os.environ, "PORT": "none"}  # so that nothing is started
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=True)
    assert (done.stdout, "PORT" in done.stderr) == (f"{MOST}\n", True)


@pytest.mark.parametrize("soft", [FEW, MOST])
def test_a_limit_is_raised_and_never_lowered(soft: int) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, HARD))
    try:
        allow_many()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (MOST, HARD)
        resource.setrlimit(resource.RLIMIT_NOFILE, (HARD, HARD))
        allow_many()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (HARD, HARD)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
