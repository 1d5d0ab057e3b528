"""One run: start, load and harm, settle, end, judge."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import redis

from app.clock import system_clock
from app.domain.kinds import QUEUES
from app.domain.status import Kind, Status, TaskType
from app.domain.times import parse_rfc3339
from app.store.client import connect
from app.store.firings import FiringRecord
from app.store.keys import PRIORITIES, Keys
from app.store.schedules import Schedule
from app.store.store import Store
from tests.lateness import Lateness
from tests.servers import wait_until
from tests.system.chaos.checks import CHECKS
from tests.system.chaos.checks.keys import keys
from tests.system.chaos.checks.logs import logs
from tests.system.chaos.cluster import Cluster
from tests.system.chaos.evidence import Evidence
from tests.system.chaos.findings import Finding
from tests.system.chaos.journal import read_runs
from tests.system.chaos.ledger import Ledger
from tests.system.chaos.load import Load
from tests.system.chaos.monkey import END_SECONDS, Monkey
from tests.system.chaos.plan import CHANNEL, SCHEDULES, Plan
from tests.system.chaos.target import NOTICE_PATH, CountingTarget

READY_SECONDS = 60.0
#: From the last harm until every task is finished. Far beyond what a sound service needs on a busy machine.
SETTLE_SECONDS = 60.0
FIRINGS_KEPT = 1_000


class Run:
    """A run of `plan`; `findings` and `words` are its outcome."""

    def __init__(self, plan: Plan, cluster: Cluster) -> None:
        self.plan = plan
        self.findings: list[Finding] = []
        self.evidence: Evidence | None = None
        self.settled_seconds = 0.0
        self._cluster = cluster
        self._late = Lateness()
        self._monkey = Monkey(self._cluster, plan.blows)
        self._ledger = Ledger()
        self._paused_ms: dict[str, int] = {}
        self._first_run_ms: dict[str, int] = {}

    def go(self) -> None:
        """All of it. What goes wrong in the run itself fails the test; what the service did wrong is a finding."""
        try:
            self._go()
        finally:
            self.findings += [*self._monkey.findings, *self._ledger.findings]

    def _go(self) -> None:
        with self._late, self._cluster, CountingTarget(self._cluster.target_address) as target:
            self._cluster.start()
            self._caller = self._cluster.caller()
            self._await(lambda: self._caller.call("GET", "/health/ready").status == 200, READY_SECONDS, "ready")
            self._create_channel(target.url)
            self._create_schedules(target.url)
            with Load(self.plan, self._caller, self._ledger, target.url):
                self._monkey.run(self.plan.seconds)
            self._await(lambda: self._caller.call("GET", "/health/ready").status == 200, READY_SECONDS, "ready")
            self._pause_schedules()
            with closing(connect(self._cluster.redis_url)) as raw:
                self._settle(raw)
                self._end_our_own()
                self._judge(raw, target)

    # --- before and after -----------------------------------------------------------------------------

    def _create_channel(self, target_url: str) -> None:
        body = {"kind": "webhook", "url": target_url + NOTICE_PATH}
        answer = self._caller.call("PUT", f"/api/channels/{CHANNEL}", body)
        assert answer.status == 201, answer

    def _create_schedules(self, target_url: str) -> None:
        for key, body in SCHEDULES.items():
            named = {**body, "name": key}
            named |= {name: target_url + body[name] for name in ("api_url", "callback_url") if name in body}
            answer = self._caller.call("PUT", f"/api/scheduled-tasks/by-key/{key}", named)
            assert answer.status == 201, answer
            self._first_run_ms[answer.body["id"]] = parse_rfc3339(answer.body["next_run_at"])

    def _pause_schedules(self) -> None:
        """When a beat has come to what the last harm has kept back."""
        with closing(Store.at(self._cluster.redis_url)) as store:
            ended_ms = system_clock()
            self._await(lambda: (store.firings.next_due_ms() or 0) > ended_ms, SETTLE_SECONDS, "firings")
            for schedule_id in self._first_run_ms:
                self._paused_ms[schedule_id] = system_clock()
                answer = self._caller.call("POST", f"/api/scheduled-tasks/{schedule_id}/pause")
                assert answer.status == 200, answer

    def _settle(self, raw: redis.Redis) -> None:
        """Wait until there is nothing left to do; what is left after the time is found by the checks."""
        began = time.monotonic()
        while not _is_idle(raw) and time.monotonic() - began < SETTLE_SECONDS:
            self._monkey.look_after()
            time.sleep(0.1)
        self.settled_seconds = time.monotonic() - began

    def _end_our_own(self) -> None:
        """The logs are whole only when everybody has ended."""
        members = [member for name, member in self._cluster.members.items() if name not in self._cluster.services]
        for member in members:
            member.signal(signal.SIGTERM)
        deadline = time.monotonic() + END_SECONDS
        for member in members:
            while member.life.is_running and time.monotonic() < deadline:
                time.sleep(0.05)
            if member.life.is_running:
                sentence = f"{member.name} ran on {END_SECONDS:g} s after SIGTERM; its log: {member.life.log}"
                self.findings.append(Finding("SIGTERM ends", sentence))
            member.bury()

    def _await(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait, while the monkey looks after who dies."""

        def holds() -> bool:
            self._monkey.look_after()
            return condition()

        wait_until(holds, seconds, what)

    # --- judging --------------------------------------------------------------------------------------

    def _judge(self, raw: redis.Redis, target: CountingTarget) -> None:
        with closing(Store.at(self._cluster.redis_url)) as store:
            self.evidence = self._gather(raw, store, target)
            for check in CHECKS:
                self.findings += check(self.evidence)
        self.findings += keys(raw)
        self.findings += logs(self._cluster)

    def _gather(self, raw: redis.Redis, store: Store, target: CountingTarget) -> Evidence:
        tasks = {task.id: task for task_id in _task_ids(raw) if (task := store.tasks.get(task_id)) is not None}
        schedules = {one: schedule for one in self._first_run_ms if (schedule := store.schedules.get(one)) is not None}
        standstill_ms = self._late.longest_seconds * 1000
        return Evidence(
            plan=self.plan,
            ledger=self._ledger,
            store=store,
            tasks=tasks,
            schedules=schedules,
            firings={one: _all_firings(store, schedule) for one, schedule in schedules.items()},
            runs=read_runs(self._cluster),
            calls=[call for call in target.calls if call.ended_ms is not None],
            told=target.told,
            noticed=target.noticed,
            lease_ms=self._cluster.lease_seconds * 1000,
            skew_ms=self._cluster.skew_ms,
            standstill_ms=standstill_ms,
            has_partitions=self._cluster.has_partitions,
            silences=[(from_ms, until_ms + standstill_ms) for from_ms, until_ms in self._silences()],
            paused_ms=self._paused_ms,
            first_run_ms=self._first_run_ms,
        )

    def _silences(self) -> Iterator[tuple[float, float]]:
        yield from self._cluster.redis_silences()
        for name in self._cluster.beats:
            yield from self._cluster[name].silences()

    # --- telling --------------------------------------------------------------------------------------

    def words(self) -> Iterator[str]:
        """What was done and what came of it, in lines."""
        yield f"seed {self.plan.seed}, {self.plan.seconds:g} s, settled {self.settled_seconds:.1f} s after the load"
        yield f"the longest standstill: {self._late.longest_seconds:.1f} s"
        yield f"harm: {dict(sorted(self._monkey.did.items()))}"
        if self.evidence is not None:
            yield from self.evidence.words()


def _is_idle(raw: redis.Redis) -> bool:
    """Nothing waits, is queued or runs, no bulk, delivery or event for an alert is left, and no message."""
    names = Keys()
    unfinished = [status for status in Status if not status.finished]
    with raw.pipeline(transaction=False) as pipeline:
        for kind in Kind:
            for task_type in TaskType:
                for status in unfinished:
                    pipeline.zcard(names.task_index(kind, task_type, status))
        pipeline.zcard(names.running_bulks)
        pipeline.xlen(names.alert("events"))
        pipeline.zcard(names.delivery_index("pending"))
        for queue in QUEUES.values():
            for priority in range(PRIORITIES):
                pipeline.llen(names.queue(queue, priority))
        return not any(pipeline.execute())


def _task_ids(raw: redis.Redis) -> Iterator[str]:
    pattern = f"{Keys().task('')}*"
    for name in raw.scan_iter(match=pattern, count=1_000):
        task_id = str(name).removeprefix(Keys().task(""))
        if ":" not in task_id:
            yield task_id


def _all_firings(store: Store, schedule: Schedule) -> list[FiringRecord]:
    notes, _ = store.firings.page(schedule.id, FIRINGS_KEPT, None)
    return notes
