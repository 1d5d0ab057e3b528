"""The present code on the data of each form: all work under way is ended once, and nothing else has changed."""

from __future__ import annotations

import gzip
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from app.domain.form import FORM
from app.launch.redis_location import socket_path
from app.settings import read_settings
from tests.servers import redis_program, throw_away_redis, wait_until
from tests.system import Started, needs_no_local_redis, needs_proc
from tests.system.chaos.checks.keys import keys
from tests.upgrade.scenario import (
    BATCH_TASKS,
    SETTINGS,
    Api,
    Case,
    Target,
    finished,
    retried,
    running,
    schedules,
    told,
    waiting,
)

pytestmark = needs_proc

FOLDER = Path(__file__).parent
#: The data of each form, and of ours as a newer version of the same form would leave it.
DATA = (*range(1, FORM + 1), "newer")
#: What a task that was under way may still have at the end.
UNFINISHED = {"far"}
#: Of a scheduled task.
CHANGE_BY_FIRING = {
    *("status", "next_run_at", "run_count", "last_task_id", "updated_at", "revision"),
    *("last_outcome", "succeeded_count", "failed_count", "failure_streak", "missed_count", "skipped_count"),
}
#: Fields of form 1 that records do not have any more.
OLD_FIELDS = {"cpu", "mem"}


class Upgraded:
    """A service of the present code on the data of an older form."""

    def __init__(self, data: int | str, folder: Path) -> None:
        form = FORM if data == "newer" else data
        self.facts: dict[str, Any] = json.loads(gzip.decompress((FOLDER / f"form-{form}.json.gz").read_bytes()))
        self.ids: dict[str, str] = self.facts["ids"]
        var = folder / "var"
        dump = gzip.decompress((FOLDER / f"form-{form}.rdb.gz").read_bytes())
        lay_out(with_additions(dump) if data == "newer" else dump, var)
        self.target = Target(is_made=True)
        self.service = Started(var, **SETTINGS, LEASE_SECONDS="5", COUNTDOWN_HORIZON="5")
        self.api = Api(f"http://127.0.0.1:{self.service.port}", self.facts["key"])
        socket = socket_path(read_settings({"VAR_DIR": str(var)}))
        self.raw = redis.Redis.from_url(f"unix://{socket}?db=0", decode_responses=True)
        last_ms = int(max(self.facts["tasks"]).replace("-", "")[:12], 16)
        self.minutes = {f"celeriac:minute:{last_ms // 60_000 - ago}" for ago in range(5)}

    def task(self, name: str) -> Any:
        """The task as the API shows it."""
        return self.api("GET", f"/api/tasks/{self.ids[name]}")

    def schedule(self, name: str) -> Any:
        """The scheduled task as the API shows it."""
        return self.api("GET", f"/api/scheduled-tasks/{self.facts['schedules'][name]}")

    def tasks_of(self, schedule: str) -> list[Any]:
        """What a scheduled task has created."""
        return self.api.all(f"/api/tasks?scheduled_task_id={self.facts['schedules'][schedule]}")

    def is_up_to_date(self) -> bool:
        """Whether everything is healthy and all data has the present form."""
        try:
            return bool(self.api("GET", "/health")["data"] == {"status": "ok", "form": FORM})
        except OSError:
            return False


def lay_out(data: bytes, var: Path) -> None:
    """Write a dump into VAR_DIR in the form in which an embedded server leaves its data there."""
    folder = var / "appendonlydir"
    folder.mkdir(parents=True)
    for each in (var, folder):
        each.chmod(0o700)
    (folder / "appendonly.aof.1.base.rdb").write_bytes(data)
    (folder / "appendonly.aof.1.incr.aof").touch()
    manifest = "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n"
    (folder / "appendonly.aof.manifest").write_text(manifest)


def with_additions(dump: bytes) -> bytes:
    """The dump with more in each record, body and message than this version knows: a newer one may add that."""
    program = redis_program()
    assert program is not None
    with throw_away_redis(program) as server:
        server.stop()
        path = server.socket.parent / "dump.rdb"
        path.write_bytes(dump)
        server.start()
        with redis.Redis.from_url(server.url, decode_responses=True) as raw:
            for name in list(raw.scan_iter(count=1_000)):
                _add(raw, name)
            raw.save()
        return path.read_bytes()


RECORDS = re.compile(r"celeriac:(t|s|d|bulk|batch|program|error|apikey):[^:]+")
BODIES = {"b", "te"}


def _add(raw: redis.Redis, name: str) -> None:
    if RECORDS.fullmatch(name) and raw.type(name) == "hash":
        raw.hset(name, mapping={"zz": "1", "later_field": "[2]"})
        record: Any = raw.hgetall(name)
        for short in BODIES & record.keys():
            raw.hset(name, short, _more(record[short]))
    elif name.endswith(":spec") or re.fullmatch("celeriac:worker:.+", name):
        raw.set(name, _more(str(raw.get(name))), keepttl=True)
    elif name.startswith("celeriac:celeriac."):  # messages
        lines: Any = raw.lrange(name, 0, -1)
        for place, line in enumerate(lines):
            message = json.loads(line)
            message["headers"]["later"] = {"a": 1}
            raw.lset(name, place, _more(json.dumps(message)))


def _more(text: str) -> str:
    return json.dumps({**json.loads(text), "later_field": [3]})


@pytest.fixture(scope="module", params=DATA)
def upgraded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgraded]:
    """A service that has ended what was under way."""
    needs_no_local_redis()
    upgraded = Upgraded(request.param, tmp_path_factory.mktemp("upgrade"))
    try:
        with upgraded.target.serving():
            wait_until(upgraded.is_up_to_date, 90, f"the present form; the output:\n{upgraded.service.output}")
            for name in upgraded.raw.scan_iter("celeriac:idem:*"):
                upgraded.raw.expire(name, 86_400)
            yield upgraded
    finally:
        upgraded.raw.close()
        upgraded.service.clean_up()


def under_way() -> dict[str, Case]:
    """All tasks that had not finished, by name."""
    return {**running(0), **retried(0), **waiting()}


def test_all_that_was_under_way_ends_once(upgraded: Upgraded) -> None:
    for name, case in under_way().items():
        wait_until(lambda name=name, case=case: upgraded.task(name)["status"] == case.end, 60, f"{name}: {case.end}")
        task = upgraded.task(name)
        changes = [change["to"] for change in task["history"]]
        ends = [status for status in changes if status in ("succeeded", "failed", "stopped")]
        assert (name, ends) == (name, [case.end] * (name not in UNFINISHED))
        if "api_url" in case.body:
            assert (name, upgraded.target.calls[task["id"]]) == (name, 1)
    assert upgraded.task("running code")["attempt"] == 2
    assert upgraded.task("running to fail")["error"]["type"] == "WorkerLostError"
    assert upgraded.task("expiring")["error"]["type"] == "ExpiredError"
    assert upgraded.task("retry of code fails")["retry_of"] == upgraded.ids["code fails"]


def test_a_task_that_waits_can_be_changed_and_runs(upgraded: Upgraded) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    assert upgraded.task("far")["status"] == "waiting"
    upgraded.api("PATCH", f"/api/tasks/{upgraded.ids['far']}", {"run_at": now, "name": "now"})
    wait_until(lambda: upgraded.task("far")["status"] == "succeeded", 20, "the end of a changed task")


def test_finished_tasks_are_as_they_were(upgraded: Upgraded) -> None:
    for name in finished():
        before, after = upgraded.facts["tasks"][upgraded.ids[name]], upgraded.task(name)
        assert {field: after.get(field) for field in before} == before
        assert upgraded.target.calls[before["id"]] == 0


def test_a_batch_and_a_bulk_are_completed(upgraded: Upgraded) -> None:
    def batch() -> list[Any]:
        return upgraded.api.all("/api/tasks?name=batch*&status=succeeded")

    wait_until(lambda: len(batch()) == BATCH_TASKS, 60, "the end of the batch")
    assert {task["name"] for task in batch()} == {f"batch {number}" for number in range(BATCH_TASKS)}
    path = f"/api/bulk/{upgraded.facts['bulk']}"
    wait_until(lambda: upgraded.api("GET", path)["status"] == "completed", 20, "the end of the bulk")
    bulk = upgraded.api("GET", path)
    assert (bulk["matched"], bulk["done"], bulk["failed"]) == (1, 1, 0)
    failed = upgraded.ids["api fails"]
    assert len([task for task in upgraded.api.all("/api/tasks?name=api%20fails") if task["retry_of"] == failed]) == 1


def test_who_was_to_be_told_is_told(upgraded: Upgraded) -> None:
    if not any(name in upgraded.ids for name in told()):
        assert upgraded.api.all("/api/deliveries") == []
        return
    wait_until(lambda: upgraded.target.paths["/told"] and upgraded.target.paths["/noticed"], 60, "two deliveries")
    both = ["delivered"] * 2
    wait_until(lambda: [each["status"] for each in upgraded.api.all("/api/deliveries")] == both, 10, "their status")
    assert (upgraded.target.paths["/told"], upgraded.target.paths["/noticed"]) == (1, 1)


def test_schedules_go_on_where_they_were(upgraded: Upgraded) -> None:
    facts = upgraded.facts["scheduled"]
    for name in schedules():
        before, after = facts[upgraded.facts["schedules"][name]], upgraded.schedule(name)
        same = set(before) - CHANGE_BY_FIRING
        assert {field: after[field] for field in same} == {field: before[field] for field in same}
    wait_until(lambda: upgraded.schedule("all six")["status"] == "ended", 30, "the sixth firing")
    assert Counter(task["status"] for task in upgraded.tasks_of("all six")) == {"succeeded": 6}
    paused = facts[upgraded.facts["schedules"]["paused"]]
    assert (upgraded.schedule("paused")["status"], upgraded.schedule("paused")["run_count"]) == (
        "paused",
        paused["run_count"],
    )
    assert len(upgraded.tasks_of("paused")) == paused["run_count"]
    assert (upgraded.schedule("ended")["status"], len(upgraded.tasks_of("ended"))) == ("ended", 1)
    assert upgraded.schedule("yearly")["status"] == "active"
    keyed = upgraded.api("PUT", "/api/scheduled-tasks/by-key/mine", {"name": "keyed", **schedules()["yearly"]})
    assert keyed["id"] == upgraded.facts["schedules"]["keyed"]


def test_an_idempotency_key_is_remembered(upgraded: Upgraded) -> None:
    once = upgraded.api("POST", "/api/tasks", upgraded.facts["once"], Idempotency_Key="upgrade-1")
    assert once["id"] == upgraded.ids["once"]


def test_that_there_is_no_default_rule_and_no_tag_is_stored(upgraded: Upgraded) -> None:
    """Older versions removed the keys instead."""
    names = ("celeriac:alerts:default", "celeriac:totals:tags")
    wait_until(lambda: upgraded.raw.mget(*names) == ["", ","], 15, "the first round of beat")


def test_lists_and_counts_agree(upgraded: Upgraded) -> None:
    for name in upgraded.facts["schedules"]:
        if upgraded.schedule(name)["status"] == "active":
            upgraded.api("POST", f"/api/scheduled-tasks/{upgraded.facts['schedules'][name]}/pause")
    wait_until(lambda: not _unfinished(upgraded), 30, "the end of everything")
    tasks = upgraded.api.all("/api/tasks")
    stats = upgraded.api("GET", "/api/tasks/stats")
    for field in ("status", "kind", "task_type"):
        counted = {name: number for name, number in stats[f"by_{field}"].items() if number}
        assert counted == Counter(task[field] for task in tasks)
    assert len(upgraded.api.all("/api/tasks?name=code%20long")) == 1
    assert len(upgraded.api.all("/api/tasks?tag=a")) == sum("a" in task["tags"] for task in tasks)
    for minute in set(upgraded.raw.scan_iter("celeriac:minute:*")) & upgraded.minutes:
        upgraded.raw.delete(minute)  # of before the upgrade: they expire, and are in no total
    assert list(keys(upgraded.raw)) == []


def _unfinished(upgraded: Upgraded) -> bool:
    by_status = upgraded.api("GET", "/api/tasks/stats")["by_status"]
    return any(by_status[status] for status in ("waiting", "queued", "running"))


def test_nothing_of_an_older_form_is_left(upgraded: Upgraded) -> None:
    raw = upgraded.raw
    assert raw.get("celeriac:form") == str(FORM)
    assert raw.type("celeriac:newest") == "zset"
    # Who stood still when it came to the last step leaves its lease to expire.
    wait_until(lambda: not list(raw.scan_iter("celeriac:form:*")), 60, "the end of the change")
    for name in (*raw.scan_iter("celeriac:t:*", count=1_000), *raw.scan_iter("celeriac:s:*", count=1_000)):
        if name.endswith(":spec"):
            assert "function_code" not in json.loads(str(raw.get(name)))
        elif raw.type(name) == "hash":
            assert not OLD_FIELDS & raw.hgetall(name).keys()  # type: ignore[union-attr]
