"""A process may open as many files as the system allows, whatever the shell that started it is content with."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from app.launch.open_files import ENOUGH, allow_many
from tests.servers import ROOT
from tests.worker.conftest import Start

FEW = 256
#: Leaves a process as few as a shell with `ulimit -Sn 256` would.
HAVE_FEW = f"""
import resource
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, ({FEW}, hard))
"""
_, HARD = resource.getrlimit(resource.RLIMIT_NOFILE)
MOST = ENOUGH if HARD == resource.RLIM_INFINITY else min(HARD, ENOUGH)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="looks at the limits of another process")
def test_a_worker_asks_for_more_than_it_was_started_with(tmp_path: Path, start_worker: Start) -> None:
    (tmp_path / "few_files.py").write_text(f"{HAVE_FEW}from celery_app import celery\n")
    worker = start_worker(app="few_files", PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert resource.prlimit(worker.process.pid, resource.RLIMIT_NOFILE) == (MOST, HARD)


def test_so_does_the_start_of_everything() -> None:
    program = "import start; start.main(['api']); print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    command = [sys.executable, "-c", HAVE_FEW + program]
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
