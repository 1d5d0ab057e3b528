"""The command that runs the tests many times tells what failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import again

TEST = """\
from pathlib import Path

def test_passes(): pass

def test_fails_the_second_time():
    path = Path(__file__).with_name("once")
    assert not path.exists(), "again - a second time"
    path.touch()
"""


def test_failures_of_any_run_are_counted_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # each of them takes a while to import
    test = tmp_path / "test_flaky.py"
    test.write_text(TEST)
    words = ["-p", "no:cacheprovider", "--noconftest", "-p", "xdist.plugin", "-n", "0", str(test)]
    assert again.main(["2", "--busy", "--logs", str(tmp_path / "logs"), "--", *words]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("run 1: status 0, ")
    assert lines[1].startswith("run 2 beside a busy core: status 1, ")
    assert lines[2].endswith("::test_fails_the_second_time")
    assert lines[3] == f"1 of 2 runs passed; the output is in {tmp_path / 'logs'}"
    assert lines[4] == f"  1 × {lines[2].strip()}"
    assert "2 passed" in (tmp_path / "logs" / "1.log").read_text()
