"""A machine with systemd for a trial of the units in deploy/systemd: this machine's files, seen from a container.

systemd-nspawn boots it. Its root is an overlay: this machine's root below, the service and its units above, and what is
written stays in memory. It has a network of its own, with nothing but loopback. It does not see this machine's /tmp or
other file systems that are mounted here: what it needs is copied, or bound from wherever it lies.
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

UNITS = ROOT / "deploy" / "systemd"
#: If it is killed, nothing of the machine is left: nspawn alone would leave it running.
APART = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc")
BOOT = """
set -e
mount -t tmpfs none "$1/memory"
mkdir "$1/memory/work"
cp -a "$1/files" "$1/memory/upper"
mount -t overlay -o "lowerdir=/,upperdir=$1/memory/upper,workdir=$1/memory/work" none "$1/root"
shift
# nspawn's own filter knows no Landlock. It is off, so that nothing but the units restricts the service.
export SYSTEMD_SECCOMP=0
systemd-nspawn --quiet --register=no --keep-unit --private-network --console=pipe "$@"
"""
#: Shows that the machine boots, and that it can give a service what the units ask for.
ABLE = """\
[Unit]
FailureAction=poweroff-force
[Service]
Type=oneshot
ExecStart=touch /trial/able
ReadWritePaths=/trial
ProtectSystem=strict
ProtectHome=yes
ProtectControlGroups=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProcSubset=pid
PrivateTmp=yes
PrivateDevices=yes
PrivateUsers=yes
"""
TRIAL = """\
[Unit]
After=basic.target able.service
Requires=basic.target able.service
SuccessAction=poweroff-force
FailureAction=poweroff-force
[Service]
Type=oneshot
ExecStart=/opt/celeriac/.venv/bin/python /trial/inside.py
StandardOutput=file:/trial/output
StandardError=inherit
TimeoutStartSec=160
"""
REDIS = """\
[Service]
ExecStart="/opt/redis/{program}" --port 6379 --save '' --appendonly no
"""
#: Where the tests' Python lives in a home folder or /tmp, which the units hide. Of a service's Python, /usr has all.
PYTHON = """\
[Service]
ProtectHome=tmpfs
BindReadOnlyPaths={bases}
"""


class CannotBootError(Exception):
    """This machine can't boot another one, or that one can't restrict a service; says why."""


def trial(folder: Path, script: Path, redis_program: Path, seconds: float) -> Any:
    """Boot, run `script` as root, and return what it wrote to /trial/seen.json.

    Raises CannotBootError if it does not come to the script, and AssertionError, with the log, if the script fails.
    """
    lay_out(folder / "files", redis_program)
    shared = folder / "trial"
    for path in (shared, folder / "memory", folder / "root"):
        path.mkdir()
    shutil.copy(script, shared / "inside.py")
    binds = [f"--bind={shared}:/trial", f"--bind-ro={sys.prefix}:/opt/celeriac/.venv"]
    binds += [f"--bind-ro={base}" for base in python_bases()]
    words = ["-D", str(folder / "root"), *binds, "--boot", "systemd.unit=trial.service", "systemd.show_status=no"]
    said = run([*APART, "sh", "-c", BOOT, "boot", str(folder), *words], seconds)
    if not (shared / "able").exists():
        raise CannotBootError(said)
    seen = shared / "seen.json"
    output = shared / "output"
    assert seen.exists(), f"{said}\n{output.read_text() if output.exists() else 'the script did not start'}"
    return json.loads(seen.read_text())


def run(command: list[str], seconds: float) -> str:
    """The end of what the command says. It is killed after so many seconds."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        return f"not in {seconds} s: {(error.output or b'')[-3000:].decode(errors='replace')}"
    return f"exit status {done.returncode}: {done.stdout[-3000:].decode(errors='replace')}"


def python_bases() -> list[Path]:
    """Where the Python lies from which the tests' virtual environment is made; nothing if that is /usr."""
    base = Path(sys.base_prefix)
    return [path for path in dict.fromkeys((base, base.resolve())) if not path.is_relative_to("/usr")]


def lay_out(files: Path, redis_program: Path) -> None:
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
    try:  # this machine's own choice of services is left out
        os.setxattr(units, "trusted.overlay.opaque", b"y")
    except OSError as error:
        raise CannotBootError(f"no overlay can be laid out: {error}") from error
    bases = " ".join(f'"{base}"' for base in python_bases())
    for unit in [*UNITS.glob("*.service"), *UNITS.glob("*.target")]:
        shutil.copy(unit, units / unit.name)
        if unit.suffix == ".service" and bases:
            _write(units / f"{unit.name}.d" / "python.conf", PYTHON.format(bases=bases))
    _write(units / "trial.service", TRIAL)
    _write(units / "able.service", ABLE)
    _write(units / "redis-server.service", REDIS.format(program=redis_program.name))
    (files / "opt" / "redis").mkdir()
    shutil.copy(redis_program, files / "opt" / "redis" / redis_program.name)
    _write(etc / "fstab", "")
    _write(etc / "machine-id", "")
    _write(etc / "sysusers.d" / "celeriac.conf", (UNITS / "celeriac.sysusers.conf").read_text())
    _write(etc / "celeriac" / "celeriac.env", (UNITS / "celeriac.env").read_text())
    (etc / "celeriac" / "celeriac.env").chmod(0o600)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
