"""The Dockerfile: its lint, and its image without Docker. The service lives there as it does in a container."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.conftest import Tool
from tests.deploy.image import ROOT, USER, Image, stages
from tests.programs import require_program

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the image is Linux's")

KEY = "k" * 32


def test_the_linter_finds_nothing(tool: Tool) -> None:
    done = subprocess.run(
        [tool("hadolint"), "--no-color", "--failure-threshold", "style", str(ROOT / "Dockerfile")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_packages_are_built_in_a_stage_of_their_own_and_pinned() -> None:
    packages, _ = stages((ROOT / "Dockerfile").read_text())
    (installed,) = [each.rest for each in packages if each.word == "RUN"]
    assert "--require-hashes" in installed
    pinned = (ROOT / "requirements.txt").read_text()
    for name in installed.partition("uninstall --yes ")[2].split():
        assert name == "pip" or f"\n{name}==" in pinned, f"{name} is not installed in the first place"


def test_no_secret_is_in_the_image() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert not [name for name in ("API_KEYS", "CALLBACK_SECRETS", "REDIS_URL") if name in text]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a process in the image saw: see life_in_image.py."""
    require_program(["bwrap"], "bubblewrap")
    image = Image(tmp_path_factory.mktemp("image"))
    script = Path(__file__).with_name("life_in_image.py").read_text()
    asked = {"command": image.command, "health": image.health_command, "key": KEY}
    command = ["python", "-c", script, json.dumps(asked)]
    done = image.run(command, 120, API_KEYS=f"me:admin:{KEY}", API_PROCESSES="1")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_it_runs_as_an_ordinary_user_without_capabilities(seen: dict[str, Any]) -> None:
    assert set(seen["ids"]) == {USER}
    assert {int(mask, 16) for mask in seen["capabilities"]} == {0}


def test_the_root_is_read_only(seen: dict[str, Any]) -> None:
    assert seen["written"].pop("/tmp") == "written"
    assert set(seen["written"].values()) == {"Read-only file system"}


def test_it_works_there_and_keeps_its_data_in_the_volume(seen: dict[str, Any]) -> None:
    assert seen["result"] == 42
    assert seen["kept"], "the embedded server's files"
    assert seen["status"] == 0


def test_the_health_check_tells_a_service_that_lives_from_one_that_does_not(seen: dict[str, Any]) -> None:
    assert (seen["healthy"], seen["healthy_afterwards"]) == (0, 1)


def test_the_sandbox_has_the_layers_that_the_docs_say(seen: dict[str, Any]) -> None:
    off = {name for name, state in seen["layers"].items() if state != "on"}
    assert off >= {"namespaces", "root", "user"}
    assert seen["layers"]["seccomp"] == "on"
    allowed = {"namespaces", "root", "user", "landlock", "landlock_tcp", "landlock_scope", "no_exec_memory"}
    assert off <= allowed, "only those that an old kernel lacks may be off besides"
