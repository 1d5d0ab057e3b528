"""The zygote need not compile our files at each start."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import ROOT

START = """
from sandbox import Sandbox
box = Sandbox(spare_children=1, runs_programs=False)
box.start()
box.close()
"""


@pytest.mark.parametrize("keeps", [True, False])
def test_the_zygote_keeps_what_it_compiles_where_its_parent_does(tmp_path: Path, keeps: bool) -> None:
    shutil.copytree(ROOT / "sandbox", tmp_path / "sandbox", ignore=shutil.ignore_patterns("__pycache__"))
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "" if keeps else "1"}
    subprocess.run([sys.executable, "-P", "-c", START], env=env, cwd=tmp_path, check=True, timeout=60)
    for folder in ("sandbox", "sandbox/inside"):  # the parent's modules, and the zygote's
        assert (tmp_path / folder / "__pycache__").exists() == keeps
