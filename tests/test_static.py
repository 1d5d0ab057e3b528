"""The checks that read the code and do not run it: lint, form and types."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_SECONDS = 600

CHECKS = {
    "lint": ("ruff", "check", "--no-cache", "."),
    "form": ("ruff", "format", "--check", "--no-cache", "."),
    "types": ("mypy",),  # strict, by pyproject.toml; the flag here would undo its exceptions
}


@pytest.mark.parametrize("check", CHECKS)
def test_the_code_passes(check: str) -> None:
    command = [sys.executable, "-m", *CHECKS[check]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    assert done.returncode == 0, f"{' '.join(CHECKS[check])}\n{done.stdout}{done.stderr}"
