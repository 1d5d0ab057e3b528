"""The embedded server's disk is full: nothing is accepted that can't be kept, and all goes on once there is room."""

from __future__ import annotations

import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import Started, needs_no_local_redis, wait_until

PROGRAM = {"function_name": "main", "function_code": "def main():\n    return 7"}
LATER = {"name": "later", "task_type": "delayed", "delay_seconds": 3600, **PROGRAM}


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 8 MB. Mounting it takes root."""
    with tempfile.TemporaryDirectory(prefix="cel-") as folder:
        command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            pytest.skip("a file system can't be mounted here; that takes root")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path) -> Path:
    """A file that takes all the room that is left."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return ballast


def refusal(started: Started) -> str | None:
    """What the answer to a new task says, if it is refused."""
    try:
        status, answer = started.call("POST", "/api/tasks", LATER)
    except OSError:
        return None
    return str(answer["detail"]) if status == 503 else None


@pytest.mark.parametrize(
    ("durability", "why"),
    [
        ("everysec", "Redis can't write to its disk and refuses writes"),
        ("always", "Redis can't be reached"),  # the server ends rather than lose a write, and is started again
    ],
)
def test_nothing_is_accepted_that_cannot_be_kept(small_disk: Path, durability: str, why: str) -> None:
    needs_no_local_redis()
    started = Started(small_disk / "var", DURABILITY=durability)
    try:
        started.wait_until_ready()
        before = started.post("/api/tasks", LATER)
        ballast = fill(small_disk)
        wait_until(lambda: (refusal(started) or "").startswith(why), 20, f"a refusal; the output:\n{started.output}")
        ballast.unlink()
        wait_until(lambda: refusal(started) is None, 20, "room again")
        started.wait_until_ready()
        after = started.post("/api/tasks", {"name": "after", **PROGRAM})
        wait_until(lambda: started.get(f"/api/tasks/{after['id']}")["status"] == "succeeded", 20, "the task's end")
        assert started.get(f"/api/tasks/{before['id']}")["status"] == "waiting"
        accepted = {task["id"] for task in started.get("/api/tasks?limit=200")["items"]}
        started.end(signal.SIGTERM)
    finally:
        started.clean_up()
    again = Started(small_disk / "var", "api", DURABILITY=durability)  # and the embedded server with it
    try:
        again.wait_until_ready(path="/api/tasks")
        assert {task["id"] for task in again.get("/api/tasks?limit=200")["items"]} == accepted
        assert again.end(signal.SIGTERM) == 0
    finally:
        again.clean_up()
