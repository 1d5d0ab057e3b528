"""A machine with systemd for a trial of the units in deploy/systemd: this machine's files, seen from a container.

systemd-nspawn boots it. Its root is an overlay: this machine's root below, the service and its units above, and what is
written stays in memory. It has a network of its own, with nothing but loopback.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.deploy.image import ROOT
from tests.servers import redis_program

UNITS = ROOT / "deploy" / "systemd"
BOOT = """
set -e
mount -t tmpfs none "$1/memory"
mkdir "$1/memory/work"
cp -a "$1/files" "$1/memory/upper"
mount -t overlay -o "lowerdir=/,upperdir=$1/memory/upper,workdir=$1/memory/work" none "$1/root"
shift
# nspawn's own filter knows no Landlock. It is off, so that nothing but the units restricts the service.
export SYSTEMD_SECCOMP=0
exec systemd-nspawn --quiet --register=no --keep-unit --private-network --console=pipe "$@"
"""
TRIAL = """\
[Unit]
After=basic.target
Requires=basic.target
SuccessAction=poweroff-force
FailureAction=poweroff-force
[Service]
Type=oneshot
ExecStart=/opt/celeriac/.venv/bin/python /trial/inside.py
StandardOutput=file:/trial/output
StandardError=inherit
TimeoutStartSec=150
"""
REDIS = """\
[Service]
ExecStart={program} --port 6379 --save '' --appendonly no
"""
#: Where the tests' Python lives in a home folder, which the units hide. Of a service's Python, /usr has all.
PYTHON = """\
[Service]
ProtectHome=tmpfs
BindReadOnlyPaths={base}
"""


def trial(folder: Path, script: Path, seconds: float) -> Any:
    """Boot, run `script` as root, and return what it wrote to /trial/seen.json. Raises AssertionError with the log."""
    lay_out(folder / "files")
    shared = folder / "trial"
    for path in (shared, folder / "memory", folder / "root"):
        path.mkdir()
    shutil.copy(script, shared / "inside.py")
    binds = [f"--bind={shared}:/trial", f"--bind-ro={sys.prefix}:/opt/celeriac/.venv"]
    words = ["-D", str(folder / "root"), *binds, "--boot", "systemd.unit=trial.service", "systemd.show_status=no"]
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", BOOT, "boot", str(folder), *words]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False
    )
    seen = shared / "seen.json"
    output = shared / "output"
    log = output.read_text() if output.exists() else ""
    assert seen.exists(), f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}\n{log}"
    return json.loads(seen.read_text())


def lay_out(files: Path) -> None:
    """What the machine has on top of this one: the service in /opt/celeriac, the units, Redis, and the trial."""
    code = files / "opt" / "celeriac"
    for name in ("app", "tasks", "sandbox"):
        shutil.copytree(ROOT / name, code / name)
    for name in ("start.py", "celery_app.py"):
        shutil.copy(ROOT / name, code / name)
    (code / ".venv").mkdir()
    etc = files / "etc"
    units = etc / "systemd" / "system"
    units.mkdir(parents=True)
    os.setxattr(units, "trusted.overlay.opaque", b"y")  # this machine's own choice of services is left out
    for unit in [*UNITS.glob("*.service"), *UNITS.glob("*.target")]:
        shutil.copy(unit, units / unit.name)
        base = Path(sys.base_prefix).resolve()
        if unit.suffix == ".service" and not base.is_relative_to("/usr"):
            _write(units / f"{unit.name}.d" / "python.conf", PYTHON.format(base=base))
    _write(units / "trial.service", TRIAL)
    _write(units / "redis-server.service", REDIS.format(program=redis_program()))
    _write(etc / "fstab", "")
    _write(etc / "machine-id", "")
    _write(etc / "sysusers.d" / "celeriac.conf", (UNITS / "celeriac.sysusers.conf").read_text())
    _write(etc / "celeriac" / "celeriac.env", (UNITS / "celeriac.env").read_text())
    (etc / "celeriac" / "celeriac.env").chmod(0o600)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
