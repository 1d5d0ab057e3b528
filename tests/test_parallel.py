"""Several processes of pytest share the work of a new checkout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.servers import ROOT

CONFTEST = "from tests import parallel\n\npytest_configure = parallel.configure\n"
#: Says who has imported it.
MODULE = """\
import os
from pathlib import Path

with (Path({folder!r}) / os.environ["PYTEST_XDIST_WORKER"]).open("a") as imported:
    print(__name__, file=imported)


def test():
    assert True
"""


#: Ten tests that say who runs them.
TESTS = """\
import os

import pytest


@pytest.mark.parametrize("number", range(10))
def test(number):
    with open({path!r}, "a") as ran:
        print(os.environ["PYTEST_XDIST_WORKER"], __name__, file=ran)
"""


def run(folder: Path, modules: dict[str, str], settings: str = "") -> tuple[str, list[list[str]]]:
    """The output of two processes of pytest that run these modules, and what each process imported, in order.

    settings: Python that sets what tests/parallel.py is set to.
    """
    checks = folder / "checks"
    checks.mkdir()
    (folder / "conftest.py").write_text(f"{CONFTEST}{settings}")
    for name, source in modules.items():
        (checks / f"{name}.py").write_text(source)
    words = ["-m", "pytest", "-n", "2", "--import-mode=importlib", "--rootdir", str(folder), "-p", "no:cacheprovider"]
    env = {"PYTHONPATH": f"{folder}:{ROOT}", "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
    env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # each of them takes a while to import
    command = [sys.executable, *words, "-p", "xdist.plugin", "checks"]
    run = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60)
    files = [folder / f"gw{number}" for number in range(2)]
    return run.stdout, [file.read_text().split() if file.exists() else [] for file in files]


def test_each_process_begins_at_another_module_and_keeps_what_it_has_rewritten(tmp_path: Path) -> None:
    names = [f"test_{letter}" for letter in "abcd"]
    modules = dict.fromkeys(names, MODULE.format(folder=str(tmp_path)))
    skipped = "import pytest\npytest.skip('not here', allow_module_level=True)\n"
    output, imported = run(tmp_path, {**modules, "test_e": skipped})
    assert "4 passed, 1 skipped" in output
    a, b, c, d = [f"checks.{name}" for name in names]
    assert imported == [[a, b, c, d], [c, d, a, b]]
    kept = {path.name.partition(".")[0] for path in (tmp_path / "checks" / "__pycache__").glob("*-pytest-*.pyc")}
    assert kept == {*names, "test_e"}


def test_what_cannot_be_imported_is_told_as_ever(tmp_path: Path) -> None:
    output, imported = run(tmp_path, {"test_a": "1 / 0\n", "test_b": MODULE.format(folder=str(tmp_path))})
    assert "ZeroDivisionError: division by zero" in output
    assert imported == [["checks.test_b"]] * 2


def test_every_second_process_leaves_tests_that_wait_to_the_others(tmp_path: Path) -> None:
    source = TESTS.format(path=str(tmp_path / "ran"))
    settings = "parallel.WAITING = ('checks/test_a_',)\nparallel.LAST_TESTS = 2\n"
    output, _ = run(tmp_path, {"test_a_waits": source, "test_b_computes": source}, settings)
    assert "20 passed" in output
    ran = [line.split() for line in (tmp_path / "ran").read_text().splitlines()]
    kinds = {process: [kind for who, kind in ran if who == process] for process in ("gw0", "gw1")}
    waiting, computing = "checks.test_a_waits", "checks.test_b_computes"
    assert kinds["gw0"][:2] == [waiting] * 2
    assert kinds["gw1"][:2] == [computing] * 2
    assert sorted(kinds["gw0"], key=[waiting, computing].index) == kinds["gw0"], "in order"
