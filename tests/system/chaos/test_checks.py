"""The checks find what they are there to find, and find nothing where all is well. Without processes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import redis

from app.clock import system_clock
from app.domain.bulk import Of
from app.domain.deliveries import DeliveryStatus
from app.domain.ids import firing_id, new_id
from app.domain.status import Status
from app.store.bulk import Bulk
from app.store.deliveries import NewDelivery
from app.store.firings import FiringRecord
from app.store.record import Change, Task
from app.store.schedules import Schedule
from app.store.store import Store
from app.usecases.alerts import AlertWork
from tests.servers import ROOT, LoggedProcess
from tests.store.making import FAILED, changed, claimed, created, finished, new_schedule
from tests.system.chaos.checks import CHECKS
from tests.system.chaos.checks.alerts import alerts
from tests.system.chaos.checks.bulks import bulks
from tests.system.chaos.checks.callbacks import callbacks
from tests.system.chaos.checks.keys import FAMILIES, keys
from tests.system.chaos.cluster import Life
from tests.system.chaos.evidence import Evidence
from tests.system.chaos.findings import Finding, told
from tests.system.chaos.journal import Run
from tests.system.chaos.ledger import Entry, Ledger
from tests.system.chaos.plan import CHANNEL, Ending, Order, Then, make_plan, retry_name
from tests.system.chaos.target import Call, Told

NAME = "order-1"
ORDER = Order(0, NAME, {"function_code": "…", "function_name": "answer"}, Ending.SUCCEEDED)
LEASE_MS = 2_000.0


@pytest.fixture
def evidence(store: Store, raw_redis: redis.Redis) -> Evidence:
    """One order, accepted, run once, and all is well."""
    task_id = finished(store, system_clock(), name=NAME)
    raw_redis.delete("celeriac:celeriac.code")  # its message was taken
    task = store.tasks.get(task_id)
    assert task is not None
    ledger = Ledger()
    ledger.open(ORDER).task_id = task_id
    return Evidence(
        plan=make_plan(1, 1),
        ledger=ledger,
        store=store,
        tasks={task_id: replace(task, result_json=f'"{NAME}"', stdout="")},
        schedules={},
        firings={},
        runs={task_id: [run_of(task)]},
        calls=[],
        told=[],
        noticed=[],
        lease_ms=LEASE_MS,
    )


def life(*frozen: tuple[float, float]) -> Life:
    return Life(Path("log"), cast(LoggedProcess, None), 0.0, 1e15, list(frozen))


def run_of(task: Task, began_ms: float = 0.0, ended_ms: float = 100.0, attempt: int = 1, **more: Any) -> Run:
    return Run(
        task.id,
        attempt,
        "worker-1",
        **{"life": life(), "end": "task_succeeded", **more},
        began_ms=began_ms,
        ended_ms=ended_ms,
    )


def promises(evidence: Evidence) -> set[str]:
    """Which promises the checks find broken."""
    found: list[Finding] = [finding for check in CHECKS for finding in check(evidence)]
    return {finding.promise for finding in found}


def only_task(evidence: Evidence) -> Task:
    (task,) = evidence.tasks.values()
    return task


def only_entry(evidence: Evidence) -> Entry:
    (entry,) = evidence.ledger.entries
    return entry


def test_where_all_is_well_nothing_is_found(evidence: Evidence, raw_redis: redis.Redis) -> None:
    assert promises(evidence) == set()
    assert list(keys(raw_redis)) == []


# --- orders ----------------------------------------------------------------------------------------------

Harm = Callable[[Evidence, Task, Entry], None]


def change(**fields: Any) -> Harm:
    """The record is another."""

    def harm(evidence: Evidence, task: Task, entry: Entry) -> None:
        evidence.tasks[task.id] = replace(task, **fields)

    return harm


def promise(**fields: Any) -> Harm:
    """The caller was told something else."""

    def harm(evidence: Evidence, task: Task, entry: Entry) -> None:
        for name, value in fields.items():
            setattr(entry, name, value)

    return harm


def lose(evidence: Evidence, task: Task, entry: Entry) -> None:
    del evidence.tasks[task.id]


def double(evidence: Evidence, task: Task, entry: Entry) -> None:
    evidence.tasks["another"] = replace(task, id="another")


def order(**fields: Any) -> Harm:
    """The order was another."""

    def harm(evidence: Evidence, task: Task, entry: Entry) -> None:
        entry.order = replace(entry.order, **fields)

    return harm


LOST = {"type": "WorkerLostError"}


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        (lose, "what was accepted is there"),
        (double, "each order is one task"),
        (change(status=Status.RUNNING), "nothing is stuck"),
        (change(status=Status.STOPPED), "nobody stops what nobody stopped"),
        (change(result_json='"other"'), "results are right"),
        (change(status=Status.FAILED, error={"type": "ValueError"}), "results are right"),
        (change(status=Status.FAILED, error=LOST), "three workers' lives"),
        (order(ending=Ending.FAILED), "results are right"),
        (promise(done=Then.STOP), "stopped is stopped"),
        (promise(done=Then.CHANGE), "changed is changed"),
        (promise(done=Then.DELETE), "what was deleted is gone"),
        (promise(is_refused=True), "a refusal creates nothing"),
        (promise(final={"status": "failed", "attempt": 1, "error": None}), "a finished task never changes"),
    ],
)
def test_a_broken_promise_is_found(evidence: Evidence, harm: Harm, found: str) -> None:
    harm(evidence, only_task(evidence), only_entry(evidence))
    assert found in promises(evidence)


def test_who_was_never_answered_though_he_asked_again_is_found(evidence: Evidence) -> None:
    evidence.ledger.open(replace(ORDER, name="order-2", is_keyed=True))
    assert promises(evidence) == {"who repeats is answered"}


# --- bulks -----------------------------------------------------------------------------------------------


def bulk_for(evidence: Evidence, then: Then, *, is_worked_off: bool = True) -> None:
    """A bulk that deletes, or retries, the only task; without the deletion or the retry itself."""
    entry, now_ms = only_entry(evidence), system_clock()
    entry.order, bulks = replace(entry.order, then=then), evidence.store.bulks
    bulk = Bulk(new_id(now_ms), Of.TASKS, "stop", None, {}, now_ms, matched=1)
    bulks.collect(bulk.id, 0, [created(evidence.store, now_ms)])
    bulks.begin(bulk, now_ms)
    if is_worked_off:
        bulks.end_tasks(bulk, 1, now_ms, "test")
    entry.bulk_id = bulk.id


def test_a_bulk_that_never_ends_is_found(evidence: Evidence) -> None:
    bulk_for(evidence, Then.BULK_STOP, is_worked_off=False)
    assert [finding.promise for finding in bulks(evidence)] == ["a bulk comes to its end"]


def test_a_bulk_that_did_not_delete_is_found(evidence: Evidence) -> None:
    bulk_for(evidence, Then.BULK_DELETE)
    assert [finding.promise for finding in bulks(evidence)] == ["what was deleted is gone"]


@pytest.mark.parametrize(
    ("number", "found"),
    [(0, ["a bulk counts what it did"]), (1, []), (2, ["a bulk retries once", "a bulk counts what it did"])],
)
def test_a_retry_that_was_lost_or_made_twice_is_found(evidence: Evidence, number: int, found: list[str]) -> None:
    bulk_for(evidence, Then.BULK_RETRY)
    retry = changed(only_task(evidence), name=retry_name(NAME))
    evidence.tasks |= {f"retry-{count}": replace(retry, id=f"retry-{count}") for count in range(number)}
    assert [finding.promise for finding in bulks(evidence)] == found


# --- attempts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frozen", "first_ends", "found"),
    [
        ([], 3_000, True),
        ([], 2_000, False),
        ([(500, 2_900)], 3_000, False),  # it stood still, and ended when it went on
        ([(500, 2_900)], 9_000, True),  # it went on for long after that
        ([(1_900, 2_900)], 3_000, True),  # its lease was not over yet
    ],
)
def test_attempts_that_overlap_are_found_but_for_one_that_stood_still(
    evidence: Evidence, frozen: list[tuple[float, float]], first_ends: float, found: bool
) -> None:
    task = only_task(evidence)
    first = run_of(task, 0, first_ends, life=life(*frozen), end="attempt_fenced")
    evidence.runs[task.id] = [first, run_of(task, 2_000, 4_000, attempt=2)]
    evidence.calls.append(Call(task.id, 1, "/ok", 10, first_ends, "hung up"))
    evidence.calls.append(Call(task.id, 2, "/ok", 2_000, 4_000, "200"))
    overlaps = {"attempts do not overlap", "calls do not overlap"}
    assert promises(evidence) & overlaps == (overlaps if found else set())


def test_an_end_that_its_worker_could_not_tell_is_not_taken_for_late(evidence: Evidence) -> None:
    task = only_task(evidence)
    first = run_of(task, 0, 3_000, end="died", is_end_unknown=True)
    evidence.runs[task.id] = [first, run_of(task, 2_000, 4_000, attempt=2)]
    assert "attempts do not overlap" not in promises(evidence)
    first.is_end_unknown = False
    assert "attempts do not overlap" in promises(evidence)


def test_more_attempts_and_calls_than_the_record_tells_of_are_found(evidence: Evidence) -> None:
    task = only_task(evidence)
    evidence.runs[task.id] *= 2
    evidence.calls += [Call(task.id, 1, "/ok", 0, 1, "200"), Call(task.id, 1, "/ok", 2, 3, "200")]
    assert promises(evidence) == {"no attempt is without a record", "a task ends once", "no call is without a record"}


def test_calls_and_attempts_of_no_task_are_found(evidence: Evidence) -> None:
    task = only_task(evidence)
    evidence.runs["unknown"] = [run_of(task)]
    evidence.calls.append(Call("unknown", 1, "/ok", 0, 1, "200"))
    assert promises(evidence) == {"no attempt is without a record", "no call is without a record"}


def test_a_call_after_the_end_is_found(evidence: Evidence) -> None:
    task = only_task(evidence)
    assert task.finished_ms is not None
    evidence.calls.append(Call(task.id, 1, "/ok", task.finished_ms + 1_500, task.finished_ms + 1_501, "200"))
    assert promises(evidence) == {"a finished task is not called"}
    evidence.standstill_ms = 600.0
    assert promises(evidence) == set(), "the target may have stood still as long as this process did"


def test_a_call_before_a_stop_that_was_slow_is_not_found(evidence: Evidence) -> None:
    task = only_task(evidence)
    assert task.finished_ms is not None
    evidence.calls.append(Call(task.id, 1, "/ok", task.finished_ms + 1_500, task.finished_ms + 1_501, "503"))
    for end, is_found in (("task_retried", False), ("attempt_fenced", True)):
        evidence.runs[task.id] = [run_of(task, 990, 1_010, end=end)]
        assert ("a finished task is not called" in promises(evidence)) == is_found


# --- histories, counters, firings ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        [],  # it ended, and nothing tells how
        [(Status.SUCCEEDED, Status.RUNNING)],  # no such change
        [(Status.QUEUED, Status.RUNNING)],  # not where the task is
        [(Status.QUEUED, Status.RUNNING), (Status.QUEUED, Status.STOPPED)],  # a gap
        [(Status.QUEUED, Status.RUNNING), (Status.RUNNING, Status.QUEUED)] * 2,  # more claims than attempts
    ],
)
def test_an_illegal_history_is_found(evidence: Evidence, changes: list[tuple[Status, Status]]) -> None:
    task = only_task(evidence)
    history = [Change(0, before, after, "worker-1", "why") for before, after in changes]
    evidence.tasks[task.id] = replace(task, history=history)
    assert "histories are legal" in promises(evidence)


@pytest.mark.parametrize("field", ["end:code:immediate:succeeded:9", "wait:code:9"])
def test_a_counter_that_is_wrong_is_found(evidence: Evidence, raw_redis: redis.Redis, field: str) -> None:
    raw_redis.hincrby(evidence.store.keys.minute(system_clock() // 60_000), field, 1)
    assert promises(evidence) == {"counters are right"}


def test_a_status_that_is_not_counted_is_found(evidence: Evidence) -> None:
    finished(evidence.store, system_clock(), FAILED)
    assert promises(evidence) == {"counters are right"}


MINUTE_MS = 60_000


def fired(evidence: Evidence, *minutes: int) -> Schedule:
    """A schedule that had to fire in the minutes 0, 1, 2, and has fired in these."""
    start_ms = system_clock() // MINUTE_MS * MINUTE_MS - 5 * MINUTE_MS
    schedule = new_schedule(start_ms - 1, name="latest", run_count=len(minutes))
    evidence.schedules[schedule.id] = schedule
    evidence.first_run_ms[schedule.id], evidence.paused_ms[schedule.id] = start_ms, start_ms + 2 * MINUTE_MS + 30_000
    times_ms = [start_ms + minute * MINUTE_MS for minute in minutes]
    evidence.firings[schedule.id] = [FiringRecord(ms, "created", firing_id(schedule.id, ms)) for ms in times_ms]
    return schedule


def firing_promises(evidence: Evidence) -> set[str]:
    return promises(evidence) - {"a firing creates its task", "counters are right"}  # there are no tasks here


@pytest.mark.parametrize(
    ("minutes", "found"),
    [
        ((0, 1, 2), set()),
        ((0, 2), {"no firing is lost"}),
        ((1, 2), {"no firing is lost"}),
        ((0, 1), {"no firing is lost"}),
        ((0, 1, 1, 2), {"no firing is doubled"}),
        ((-1, 0, 1, 2), {"no firing is made up"}),
    ],
)
def test_a_firing_lost_doubled_or_made_up_is_found(
    evidence: Evidence, minutes: tuple[int, ...], found: set[str]
) -> None:
    fired(evidence, *minutes)
    assert firing_promises(evidence) == found
    assert {"a firing creates its task", "counters are right"} <= promises(evidence)


def test_what_starts_again_after_the_next_firing_has_stopped_it_is_found(evidence: Evidence) -> None:
    schedule, task = fired(evidence, 0, 1, 2), only_task(evidence)
    evidence.schedules[schedule.id] = changed(schedule, name="stop")
    starts = [Change(ms, Status.QUEUED, Status.RUNNING, "worker-1", "…") for ms in (1_000, 5_000)]
    first = replace(task, scheduled_task_id=schedule.id, due_ms=1_000, history=starts)
    evidence.tasks |= {task.id: first, "next": replace(first, id="next", due_ms=2_000, created_ms=2_000)}
    assert "a stopped task never starts again" in promises(evidence)
    evidence.silences.append((1_500, 5_500))
    assert "a stopped task never starts again" not in promises(evidence)


# --- keys ------------------------------------------------------------------------------------------------

GONE = "0198f3c2-5c1e-7a3b-9f21-3d0c8e6b1a40"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("SET", f"celeriac:t:{GONE}:spec", "{}"), "its task is gone"),
        (("RPUSH", f"celeriac:t:{GONE}:history", "…"), "its task is gone"),
        (("HSET", f"celeriac:s:{GONE}:firings", "a", "1"), "its schedule is gone"),
        (("ZADD", "celeriac:ix:code:immediate:queued", 1, GONE), f"its member {GONE} is gone"),
        (("ZADD", "celeriac:tag:red", 1, GONE), f"its member {GONE} is gone, or has another tag"),
        (("ZADD", f"celeriac:by:{GONE}", 1, GONE), f"its member {GONE} is gone, or another's"),
        (("ZADD", "celeriac:due", 1, GONE), f"its member {GONE} is gone, or not waiting"),
        (("ZADD", "celeriac:queued:code:5", 1, GONE), f"its member {GONE} is gone, or not queued, or elsewhere"),
        (("HSET", f"celeriac:bulk:{GONE}", "status", "completed"), "its bulk is gone"),
        (("ZADD", "celeriac:bulks:running", 1, GONE), f"bulk {GONE} has not ended"),
        (("ZADD", "celeriac:leases", 1, GONE), f"its member {GONE} is gone, or not running"),
        (("ZADD", "celeriac:cron", 1, GONE), f"its member {GONE} is gone, or not active, or due at another time"),
        (("SET", "celeriac:keyed:nightly", GONE), "its schedule is gone"),
        (("SET", "celeriac:idem:POST /api/tasks a", GONE), "it never ends"),
        (("LPUSH", "celeriac:celeriac.code", "{}"), "1 messages are left"),
        (("SET", "celeriac:new-thing", 1), "nobody knows what it is"),
        (("SET", "elsewhere", 1), "is not under celeriac:"),
    ],
)
def test_a_key_that_belongs_to_nothing_is_found(raw_redis: redis.Redis, command: tuple[Any, ...], said: str) -> None:
    raw_redis.execute_command(*command)  # type: ignore[no-untyped-call]
    (finding,) = keys(raw_redis)
    assert said in finding.sentence


def test_every_key_that_scripts_name_is_known() -> None:
    sources = [path.read_text() for path in (ROOT / "app/store/lua").glob("*.lua")]
    named = {name for source in sources for name in re.findall(r"P \.\. '([^']*[^':])'(?! *\.\.)", source)}
    assert {"due", "form:newest", "totals"} <= named
    unknown = {name for name in named if not any(pattern.fullmatch(name) for pattern, _ in FAMILIES)}
    assert unknown == {"beat", "stop"}  # which messages are published to


def test_a_record_that_is_missing_in_an_index_is_found(store: Store, raw_redis: redis.Redis) -> None:
    task_id = finished(store, system_clock(), tags=("red",), function_code="#" * 100)
    raw_redis.delete("celeriac:celeriac.code", *raw_redis.keys("celeriac:program:*"))
    raw_redis.delete("celeriac:tag:red", "celeriac:ix:code:immediate:succeeded")
    assert {finding.sentence for finding in keys(raw_redis)} == {
        "it is not in celeriac:ix:code:immediate:succeeded",
        "it is not among those with the tag red",
        "its program is gone",
    }
    raw_redis.hdel(f"celeriac:t:{task_id}", "ph")
    assert "it has no program" in {finding.sentence for finding in keys(raw_redis)}


def test_a_program_with_a_wrong_count_or_text_is_found(store: Store, raw_redis: redis.Redis) -> None:
    finished(store, system_clock(), function_code="#" * 100)
    finished(store, system_clock(), function_code="#" * 100)
    raw_redis.delete("celeriac:celeriac.code")
    (program,) = raw_redis.keys("celeriac:program:*")
    assert list(keys(raw_redis)) == []
    raw_redis.hincrby(program, "uses", 1)
    raw_redis.hset(program, "text", "another")
    said = [finding.sentence for finding in keys(raw_redis)]
    assert [sentence.partition(": ")[2] for sentence in said] == ["it is another program's", "2 have it, and it says 3"]


def test_what_runs_and_what_waits_has_its_places(store: Store, raw_redis: redis.Redis) -> None:
    now_ms = system_clock()
    claimed(store, created(store, now_ms), now_ms)
    raw_redis.delete("celeriac:celeriac.code")
    assert list(keys(raw_redis)) == []


# --- alerts ----------------------------------------------------------------------------------------------


@pytest.fixture
def noticed(evidence: Evidence) -> Evidence:
    """A failed task with a rule, of which the channel was told once."""
    store, now_ms = evidence.store, system_clock()
    task_id = created(store, now_ms, alert={"channels": [CHANNEL]})
    store.tasks.finish(claimed(store, task_id, now_ms), FAILED, now_ms, 1.0)
    AlertWork(store.alerts, None, "beat@test").run(now_ms)
    (delivery,) = store.deliveries.claim(now_ms, now_ms, 1)
    store.deliveries.end_try(delivery, now_ms, DeliveryStatus.DELIVERED)
    task = store.tasks.get(task_id)
    assert task is not None
    evidence.tasks = {task_id: task}
    evidence.noticed = [delivery.event_id]
    return evidence


def alert_promises(evidence: Evidence) -> set[str]:
    return {finding.promise for finding in alerts(evidence)}


def test_a_notice_that_is_missing_twice_or_wrong_is_found(noticed: Evidence) -> None:
    assert alert_promises(noticed) == set()
    ((task_id, task),) = noticed.tasks.items()
    assert alert_promises(replace(noticed, noticed=[])) == {"every notice arrives"}
    succeeded = {task_id: replace(task, status=Status.SUCCEEDED)}
    assert alert_promises(replace(noticed, tasks=succeeded)) == {"only failures are told", "every failure is told"}
    other = replace(noticed, tasks={**noticed.tasks, "other": replace(task, id="other")})
    assert alert_promises(other) == {"every failure is told"}
    again = NewDelivery(type="alert.failed", channel=CHANNEL, task_id=task_id, data={})
    noticed.store.deliveries.add(again, system_clock())
    assert alert_promises(noticed) == {"a failure is told once", "every failure is told", "every notice arrives"}


# --- callbacks -------------------------------------------------------------------------------------------

PATH = "/told"


@pytest.fixture
def told_of(evidence: Evidence) -> Evidence:
    """The task has a callback, which was told once."""
    now_ms = system_clock()
    task_id = finished(evidence.store, now_ms, name=NAME, callback_url="http://127.0.0.1/told")
    (delivery,) = evidence.store.deliveries.claim(now_ms, now_ms, 1)
    evidence.store.deliveries.end_try(delivery, now_ms, DeliveryStatus.DELIVERED)
    task = evidence.store.tasks.get(task_id)
    assert task is not None
    evidence.tasks = {task_id: task}
    evidence.told = [Told(task_id, delivery.event_id, "task.succeeded", True, "200")]
    return evidence


def told_promises(evidence: Evidence) -> set[str]:
    return {finding.promise for finding in callbacks(evidence)}


@pytest.mark.parametrize(
    ("heard", "found"),
    [
        (lambda told: [told], set()),
        (lambda told: [replace(told, answer="500"), told, told], set()),
        (lambda told: [], {"every finish is told"}),
        (lambda told: [replace(told, answer="hung up")], {"every finish is told"}),
        (lambda told: [told, replace(told, event_id="msg_2")], {"a finish is one event"}),
        (lambda told: [replace(told, type="task.failed")], {"callbacks are right"}),
        (lambda told: [replace(told, is_signed=False)], {"callbacks are signed"}),
    ],
)
def test_a_callback_that_was_lost_or_is_wrong_is_found(
    told_of: Evidence, heard: Callable[[Told], list[Told]], found: set[str]
) -> None:
    told_of.told = heard(told_of.told[0])
    assert told_promises(told_of) == found


def test_a_delivery_that_is_missing_or_not_delivered_is_found(told_of: Evidence) -> None:
    delivery_id = told_of.told[0].event_id.removeprefix("msg_")
    told_of.store.deliveries.replay(delivery_id, system_clock())
    assert told_promises(told_of) == {"every finish is told"}
    told_of.store.deliveries.trim(0, 0, 10)
    assert told_promises(told_of) == {"a finish is one delivery"}


def test_a_deleted_task_has_to_be_told_of(told_of: Evidence) -> None:
    told_of.tasks, heard = {}, told_of.told
    (entry,) = told_of.ledger.entries
    entry.order = replace(ORDER, body={**ORDER.body, "callback_url": PATH})
    entry.task_id = heard[0].task_id
    assert told_promises(told_of) == set()
    told_of.told = []
    assert told_promises(told_of) == {"every finish is told"}


# --- the rest --------------------------------------------------------------------------------------------


def test_a_seed_is_a_plan() -> None:
    assert make_plan(7, 30) == make_plan(7, 30)
    assert make_plan(7, 30) != make_plan(8, 30)
    plan = make_plan(7, 600)
    assert 3_000 < len(plan.orders) < 6_000
    assert len({order.name for order in plan.orders}) == len(plan.orders)
    assert {order.then for order in plan.orders} == set(Then)


def test_a_finding_is_told_with_all_that_is_known_of_its_task(evidence: Evidence) -> None:
    task = only_task(evidence)
    text = "\n".join(told([Finding("nothing is stuck", "it is", task.id)], evidence))
    for word in ("nothing is stuck: it is", task.id, "attempt 1 starts", "worker='worker-1'", "order=Order("):
        assert word in text
