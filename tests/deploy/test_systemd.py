"""The units in deploy/systemd: their score, and a trial of them on a machine with systemd (systemd_machine.py)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.settings import SettingsError, read_settings
from start import WORKER_END_SECONDS
from tests.deploy import systemd_machine
from tests.deploy.systemd_machine import UNITS
from tests.programs import require_program
from tests.servers import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")

#: What `systemd-analyze security` says at most, of 100; 0 is a service that may do nothing. The least that is possible
#: here: each needs the network, and workers what the sandbox is made of.
SCORES = {"celeriac-api.service": 15, "celeriac-beat.service": 13, "celeriac-worker@.service": 22}
WORKERS = ("celeriac-worker@code.service", "celeriac-worker@api.service")
ALL = ("celeriac-api.service", "celeriac-beat.service", *WORKERS)
LANDLOCK = {"landlock", "landlock_tcp", "landlock_scope"}


def test_every_service_has_a_score() -> None:
    assert {path.name for path in UNITS.glob("*.service")} == set(SCORES)


@pytest.mark.parametrize("unit", SCORES)
def test_exposure_is_as_low_as_can_be(unit: str) -> None:
    program = require_program(["systemd-analyze"], "systemd", else_skip=True)
    done = subprocess.run(
        [program, "security", "--no-pager", "--offline=true", f"--threshold={SCORES[unit]}", UNITS / unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_an_attempt_has_its_grace_before_a_worker_is_killed() -> None:
    lines = (UNITS / "celeriac-worker@.service").read_text().splitlines()
    (seconds,) = [int(line.partition("=")[2]) for line in lines if line.startswith("TimeoutStopSec=")]
    assert seconds >= read_settings({}).shutdown_grace + WORKER_END_SECONDS


def test_the_page_tells_with_which_statuses_a_unit_stays_down() -> None:
    units = "\n".join((UNITS / name).read_text() for name in SCORES)
    statuses = {
        status
        for line in re.findall(r"^RestartPreventExitStatus=(.*)$", units, re.MULTILINE)
        for status in line.split()
    }
    (dying,) = re.findall(r"^- \*\*Dying\.\*\* (.*)$", (ROOT / "docs" / "deploy.md").read_text(), re.MULTILINE)
    assert statuses == set(re.findall(r"\((?:status )?(\d+)\)", dying))


def test_the_example_of_the_environment_can_be_read() -> None:
    lines = [line.removeprefix("#") for line in (UNITS / "celeriac.env").read_text().splitlines()]
    environ = dict(line.split("=", 1) for line in lines if "=" in line and " " not in line)
    with pytest.raises(SettingsError, match="at least 32 characters"):  # nobody's key is one that everybody can read
        read_settings({"API_KEYS": environ.pop("API_KEYS")})
    settings = read_settings(environ)
    assert settings.redis_url == "redis://127.0.0.1:6379/0"


# --- the trial -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, redis_program_path: Path) -> dict[str, Any]:
    """What was seen of the units at work: see systemd_inside.py. Skips, in CI too, where no machine can be booted."""
    if os.geteuid() != 0:
        pytest.skip("only root can boot a machine")
    require_program(["systemd-nspawn"], "systemd-container", else_skip=True)
    folder = tmp_path_factory.mktemp("machine")
    script = Path(__file__).with_name("systemd_inside.py")
    try:
        found: dict[str, Any] = systemd_machine.trial(folder, script, redis_program_path, 180)
    except systemd_machine.CannotBootError as error:
        pytest.skip(f"no machine can be booted here: {error}")
    return found


def test_what_hinders_a_machine_from_booting_is_told_apart(
    tmp_path: Path, redis_program_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "systemd-nspawn").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "systemd-nspawn").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(systemd_machine.CannotBootError, match=r"exit status|no overlay"):
        systemd_machine.trial(tmp_path, Path(os.devnull), redis_program_path, 60)


def test_systemd_finds_nothing_wrong(seen: dict[str, Any]) -> None:
    assert seen["verified"] == ""


def test_the_target_starts_a_service_that_works(seen: dict[str, Any]) -> None:
    assert seen["health"]["status"] == "ok"
    assert seen["results"] == [42, 200]
    assert {unit: seen["units"][unit]["ActiveState"] for unit in ALL} == dict.fromkeys(ALL, "active")


def test_a_command_is_run_with_the_settings_of_the_units_as_the_docs_say(seen: dict[str, Any]) -> None:
    assert seen["command"]["words"] in (ROOT / "docs" / "deploy.md").read_text()
    assert re.fullmatch(r"celeriac_[A-Za-z0-9_-]{43}\n", seen["command"]["said"]), seen["command"]["besides"]


@pytest.mark.parametrize("unit", ALL)
def test_nothing_has_a_right_that_it_does_not_need(seen: dict[str, Any], unit: str) -> None:
    rights = seen["rights"][unit]
    assert rights["Uid"] != "0"
    assert (rights["NoNewPrivs"], rights["Seccomp"]) == ("1", "2")
    assert {int(rights["CapBnd"], 16), int(rights["CapEff"], 16)} == {0}


def test_every_layer_of_the_sandbox_holds_but_the_one_that_needs_root(seen: dict[str, Any]) -> None:
    of_the_kernel = {"landlock_tcp", "landlock_scope", "no_exec_memory"}  # an older one lacks them
    assert off(seen["health"]["sandbox"]["layers"]) - of_the_kernel == {"user"}


@pytest.mark.parametrize(
    ("stricter", "lost"),
    [
        ("nothing", set()),
        ("RestrictNamespaces=yes", {"namespaces", "root"}),
        ("no mount", {"root"}),
        ("no Landlock", LANDLOCK),
        ("no seccomp", {"seccomp"}),
    ],
)
def test_what_a_stricter_unit_takes_from_the_sandbox(seen: dict[str, Any], stricter: str, lost: set[str]) -> None:
    layers = seen["layers"]
    assert off(layers[stricter]) == off(layers["nothing"]) | lost


def off(layers: dict[str, str]) -> set[str]:
    assert layers
    return {name for name, state in layers.items() if state != "on"}


def test_a_worker_that_is_stopped_ends_what_it_runs_first(seen: dict[str, Any]) -> None:
    drain = seen["drain"]
    assert (drain["status"], drain["Result"], drain["ExecMainStatus"]) == ("succeeded", "success", "0")
    assert drain["seconds"] < 20


def test_stopping_the_target_stops_everything_and_leaves_no_process(seen: dict[str, Any]) -> None:
    assert [seen["stopped"][unit] for unit in ALL] == 4 * [{"Result": "success", "TasksCurrent": "[not set]"}]
