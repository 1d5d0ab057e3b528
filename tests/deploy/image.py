"""The Dockerfile's image without Docker: its last stage as a folder tree, and a process that lives in it.

What the base image and pip would bring comes from this machine: /usr and the Python that runs the tests. Everything
else is what the Dockerfile copies, so a file that it forgets is missing here, too.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.box import container

ROOT = Path(__file__).resolve().parents[2]
USER = 10_001
VENV = "/venv"


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction of a Dockerfile: its word in capitals, and the rest on one line."""

    word: str
    rest: str


def stages(dockerfile: str) -> list[list[Instruction]]:
    """The instructions, stage by stage. Comments are left out and continued lines joined."""
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    found: list[list[Instruction]] = []
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            found.append([])
        found[-1].append(Instruction(word.upper(), " ".join(rest.split())))
    return found


class Image:
    """The tree of the last stage, in `folder`, with /celeriac in it."""

    def __init__(self, folder: Path) -> None:
        self.instructions = stages((ROOT / "Dockerfile").read_text())[-1]
        self.code = folder / "celeriac"
        self.var = folder / "var"
        self.var.mkdir(mode=0o700)
        for each in self.of("COPY"):
            self._copy(shlex.split(each.rest))
        (self.code / "var").mkdir()
        self.passwd = folder / "passwd"
        self.passwd.write_text(f"celeriac:x:{USER}:{USER}::/nonexistent:/usr/sbin/nologin\n")

    def of(self, word: str) -> list[Instruction]:
        """The instructions of one kind."""
        return [each for each in self.instructions if each.word == word]

    def _copy(self, words: list[str]) -> None:
        if words[0].startswith("--from="):
            return  # the packages: those of the tests stand in for them
        *sources, target = words
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, self.code / target)  # with what Python has compiled, as in the image
            else:
                self.code.mkdir(exist_ok=True)
                shutil.copy(ROOT / source, self.code / target)

    @property
    def environment(self) -> dict[str, str]:
        """What ENV sets."""
        words = [word for each in self.of("ENV") for word in shlex.split(each.rest)]
        named = dict(word.split("=", 1) for word in words)
        return {**named, "PATH": f"{VENV}/bin:/usr/bin:/bin"}

    @property
    def command(self) -> list[str]:
        """What CMD runs."""
        (command,) = self.of("CMD")
        return list(json.loads(command.rest))

    @property
    def health_command(self) -> list[str]:
        """What HEALTHCHECK runs."""
        (check,) = self.of("HEALTHCHECK")
        return list(json.loads(check.rest.partition("CMD ")[2]))

    def run(self, command: Sequence[str], seconds: float, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a command as a container of this image with `read_only`, `cap_drop: ALL` and `no-new-privileges`.

        The root is read-only but for /tmp, which is empty and in memory, and /celeriac/var. The process has the user
        of the image, no capabilities, a network of its own with nothing but loopback, and Docker's rules about
        namespaces (tests/box/container.py).
        """
        if os.geteuid() == 0:
            os.chown(self.var, USER, USER)
        reader, writer = os.pipe()
        os.write(writer, container.docker_filter())
        os.close(writer)
        try:
            return subprocess.run(
                self._bubblewrap(reader, settings) + list(command),
                pass_fds=[reader],
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
        finally:
            os.close(reader)

    def _bubblewrap(self, filter_fd: int, settings: dict[str, str]) -> list[str]:
        words = ["bwrap", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--die-with-parent"]
        words += ["--hostname", "box", "--proc", "/proc", "--dev", "/dev", "--clearenv"]
        words += ["--ro-bind", "/usr", "/usr"]
        for name in ("bin", "sbin", "lib", "lib64"):
            words += ["--symlink", f"usr/{name}", f"/{name}"]
        words += ["--ro-bind", str(self.passwd), "/etc/passwd"]
        words += ["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
        words += self._python()
        words += ["--ro-bind", str(self.code), "/celeriac", "--bind", str(self.var), "/celeriac/var"]
        words += ["--perms", "1777", "--tmpfs", "/tmp", "--chdir", "/celeriac", "--remount-ro", "/"]
        for name, value in {**self.environment, **settings}.items():
            words += ["--setenv", name, value]
        words += ["--seccomp", str(filter_fd)]
        if os.geteuid() != 0:
            return [*words, "--unshare-user", "--uid", str(USER), "--gid", str(USER)]
        words += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"]
        user = ["--reuid", str(USER), "--regid", str(USER), "--clear-groups"]
        return [*words, "setpriv", *user, "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]

    @staticmethod
    def _python() -> list[str]:
        """The interpreter where it is, and its packages where the image has them."""
        base = Path(sys.base_prefix).resolve()
        words = ["--ro-bind", sys.prefix, VENV]
        if base.is_relative_to("/usr"):
            return words
        for parent in list(reversed(base.parents))[1:]:  # bubblewrap would close those of a folder of root's
            words += ["--perms", "0755", "--dir", str(parent)]
        return [*words, "--ro-bind", str(base), str(base)]
