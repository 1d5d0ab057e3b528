"""The drill: load, a backup while it works, everything lost, a restore. Nothing is missing, and nothing runs again.

DRILL_SECONDS=60 makes the load last longer than the two seconds of CI, which are the least.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis

from app.launch.backup.file import BackupFile
from app.launch.embedded_redis import EmbeddedServer
from app.settings import read_settings
from app.store.columns import SHORT_NAMES
from tests.system import Started, needs_no_local_redis, needs_proc, run, wait_until
from tests.system.chaos.checks.keys import keys
from tests.system.chaos.target import CALLBACK_PATH, CALLBACK_SECRET, CountingTarget

pytestmark = needs_proc

LOAD_SECONDS = float(os.environ.get("DRILL_SECONDS", "2"))
FINISHED = ("succeeded", "failed", "stopped")
#: So many tasks in the backup have finished, and as many have not.
FEWEST = 20
#: What the check of all keys says of work that is on its way.
UNDER_WAY = ("messages are left", "has not ended", "a batch is not complete")
CODE = {"function_code": "def main(n):\n    return n", "function_name": "main", "args": [1]}


@dataclass
class Drill:
    """What the drill has seen.

    before: ids whose 201 came before the backup began. finished, unfinished: ids in the backup. calls_until: how many
    calls the target had when the first life had ended.
    """

    before: set[str] = field(default_factory=set)
    finished: set[str] = field(default_factory=set)
    unfinished: set[str] = field(default_factory=set)
    calls_until: int = 0
    wrong_keys: list[str] = field(default_factory=list)
    schedules_before: dict[str, Any] = field(default_factory=dict)
    schedules_after: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)


def kinds_of_work(target: CountingTarget) -> Iterator[dict[str, Any]]:
    """Tasks of each sort, for ever: quick, slow, delayed, retried, told of, and programs."""
    told = {"callback_url": f"{target.url}{CALLBACK_PATH}?ms=300"}
    while True:
        yield {"name": "quick", "api_url": f"{target.url}/ok"}
        yield {"name": "told", "api_url": f"{target.url}/ok", **told}
        yield {"name": "slow", "api_url": f"{target.url}/ok?ms=1500"}
        yield {"name": "later", "task_type": "delayed", "delay_seconds": 10, "api_url": f"{target.url}/ok"}
        yield {"name": "soon", "task_type": "delayed", "delay_seconds": 2, "api_url": f"{target.url}/ok"}
        yield {"name": "retried", "api_url": f"{target.url}/busy?times=2", "max_retries": 3, "retry_delay": 0.3}
        yield {"name": "code", **CODE}


class Load:
    """Creates tasks until it is stopped; `accepted` are their ids, in the order of the answers."""

    def __init__(self, started: Started, target: CountingTarget) -> None:
        self.accepted: list[str] = []
        self._started, self._work = started, kinds_of_work(target)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        for number, body in enumerate(self._work):
            if self._is_over.is_set():
                return
            self.accepted.append(self._started.post("/api/tasks", body)["id"])
            if number % 5 == 4:
                self._is_over.wait(0.1)

    def stop(self) -> None:
        self._is_over.set()
        self._thread.join()


@pytest.fixture(scope="module")
def target() -> Iterator[CountingTarget]:
    with CountingTarget() as target:
        yield target


@pytest.fixture(scope="module")
def drill(target: CountingTarget, tmp_path_factory: pytest.TempPathFactory) -> Drill:
    """The whole drill, once."""
    needs_no_local_redis()
    folder = tmp_path_factory.mktemp("drill")
    var, file, drill = folder / "var", folder / "backup", Drill()
    started = Started(var, CALLBACK_SECRETS=CALLBACK_SECRET)
    try:
        started.wait_for("Try it:", seconds=120)
        drill.schedules_before = _schedules(started, target)
        load = Load(started, target)
        time.sleep(LOAD_SECONDS)  # not a wait for something: how long the load lasts
        wait_until(lambda: _is_in_the_middle(started), 120, "work that has ended, and as much that has not")
        drill.before = set(load.accepted)
        _command("backup", str(file), VAR_DIR=str(var))
        load.stop()
        assert started.end(signal.SIGTERM, seconds=30) == 0
    finally:
        started.clean_up()
    drill.calls_until = len(target.calls)
    drill.finished, drill.unfinished = _statuses(file)
    shutil.rmtree(var)
    _command("restore", str(file), is_warm=False, VAR_DIR=str(var))
    drill.wrong_keys = _wrong_keys(var)
    started = Started(var, CALLBACK_SECRETS=CALLBACK_SECRET)
    try:
        started.wait_for("Try it:", seconds=120)
        wait_until(
            lambda: all(_has_finished(started, task_id) for task_id in drill.unfinished),
            120,
            "the end of what had not finished",
        )
        pending = "/api/deliveries?status=pending&limit=1"
        wait_until(lambda: started.get(pending)["items"] == [], 120, "the last callback")
        drill.after = _export(started)
        drill.schedules_after = {key: _schedule(started, key) for key in drill.schedules_before}
        assert started.end(signal.SIGTERM, seconds=30) == 0
    finally:
        started.clean_up()
    return drill


def _command(*words: str, is_warm: bool = True, **settings: str) -> None:
    done = run(*words, is_warm=is_warm, **settings)
    assert done.returncode == 0, done.stderr


def _schedules(started: Started, target: CountingTarget) -> dict[str, Any]:
    body = {"name": "s", "every_seconds": 1, "api_url": f"{target.url}/ok", "catch_up": "none"}
    for key in ("ticking", "paused"):
        started.call("PUT", f"/api/scheduled-tasks/by-key/{key}", {**body, "name": key})
    found = {key: _schedule(started, key) for key in ("ticking", "paused")}
    started.call("POST", f"/api/scheduled-tasks/{found['paused']['id']}/pause")
    wait_until(lambda: _schedule(started, "ticking")["run_count"] > 0, 60, "a firing")
    return {key: _schedule(started, key) for key in found}


def _schedule(started: Started, name: str) -> Any:
    (found,) = started.get(f"/api/scheduled-tasks?name={name}")["items"]
    return found


def _is_in_the_middle(started: Started) -> bool:
    """Whether a backup that is made now finds enough of both, though some ends while it begins."""
    counts = started.get("/api/tasks/stats")["by_status"]
    finished = sum(counts[status] for status in FINISHED)
    return finished > 1.5 * FEWEST and sum(counts.values()) - finished > 1.5 * FEWEST


def _statuses(file: Path) -> tuple[set[str], set[str]]:
    """The ids of the tasks in the backup: those that have finished, and the others."""
    finished, others = set(), set()
    with BackupFile(file) as backup:
        for command in backup.commands():
            kind, _, task_id = command[1].decode("utf-8", "replace").removeprefix("celeriac:").partition(":")
            if command[0] == b"HSET" and kind == "t" and ":" not in task_id:
                record = dict(zip(command[2::2], command[3::2], strict=True))
                status = record[SHORT_NAMES["status"].encode()].decode()
                (finished if status in FINISHED else others).add(task_id)
    return finished, others


def _wrong_keys(var: Path) -> list[str]:
    """What is wrong with the restored keys, other than what is said of work on its way."""
    server = EmbeddedServer(read_settings({"VAR_DIR": str(var)}), say=print)
    server.start()
    try:
        with redis.Redis.from_url(server.url, decode_responses=True) as raw:
            findings = [str(finding) for finding in keys(raw)]
    finally:
        server.stop()
    return [finding for finding in findings if not any(words in finding for words in UNDER_WAY)]


def _export(started: Started) -> dict[str, Any]:
    """All tasks, by id."""
    connection = http.client.HTTPConnection("127.0.0.1", started.port, timeout=30)
    connection.request("GET", "/api/tasks/export")
    tasks = [json.loads(line) for line in connection.getresponse().read().splitlines()]
    connection.close()
    return {task["id"]: task for task in tasks}


def _has_finished(started: Started, task_id: str) -> bool:
    """Asked once, it waits for that."""
    status, task = started.call("GET", f"/api/tasks/{task_id}?wait=10")
    return status == 200 and task["status"] in FINISHED


# --- what must hold ----------------------------------------------------------------------------------


def test_backup_was_made_in_the_middle_of_the_work(drill: Drill, target: CountingTarget) -> None:
    assert len(drill.finished) > FEWEST
    assert len(drill.unfinished) > FEWEST
    assert len(target.calls) > drill.calls_until


def test_nothing_that_was_accepted_before_the_backup_is_missing(drill: Drill) -> None:
    assert drill.before <= drill.finished | drill.unfinished
    assert drill.finished | drill.unfinished <= drill.after.keys()


def test_everything_ends_well(drill: Drill) -> None:
    wrong = {id: task for id, task in drill.after.items() if id in drill.before and task["status"] != "succeeded"}
    assert wrong == {}


def test_nothing_that_had_finished_runs_again(drill: Drill, target: CountingTarget) -> None:
    again = [call for call in target.calls[drill.calls_until :] if call.task_id in drill.finished]
    assert again == []


def test_restored_keys_belong_together(drill: Drill) -> None:
    assert drill.wrong_keys == []


def test_callback_of_a_finished_task_keeps_its_id(drill: Drill, target: CountingTarget) -> None:
    ids = defaultdict(set)
    for told in target.told:
        ids[told.task_id].add(told.event_id)
    assert any(task_id in ids for task_id in drill.finished)
    assert {task_id: found for task_id, found in ids.items() if task_id in drill.finished and len(found) > 1} == {}


def test_every_callback_arrives(drill: Drill, target: CountingTarget) -> None:
    owed = {id for id, task in drill.after.items() if task["name"] == "told"}
    assert owed <= {told.task_id for told in target.told}


def test_schedules_are_what_they_were(drill: Drill) -> None:
    for key, before in drill.schedules_before.items():
        after = drill.schedules_after[key]
        assert (after["id"], after["key"], after["status"]) == (before["id"], key, before["status"])
    assert drill.schedules_before["paused"]["status"] == "paused"
    assert drill.schedules_after["paused"]["run_count"] == drill.schedules_before["paused"]["run_count"]
    assert drill.schedules_after["ticking"]["run_count"] > drill.schedules_before["ticking"]["run_count"]
