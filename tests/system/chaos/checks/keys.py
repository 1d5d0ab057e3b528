"""A walk over every key: each belongs to something that lives, and each living thing has its keys."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import redis

from app.domain.kinds import QUEUES
from app.domain.status import FINISHED, ScheduleStatus, Status
from app.store.bodies import hash_of
from app.store.keys import PREFIX, PRIORITY_SEPARATOR
from tests.system.chaos.findings import Finding

PROMISE = "no key belongs to nothing"
#: What kombu and Celery keep: which queue is bound to what, and their remote control's.
KOMBU = re.compile(r"_kombu\.binding\w*(?:\.[\w.@-]+)?|/?[\w.@-]*\.?celery\.pidbox|celeryev[\w.@-]*")
SCAN_COUNT = 1_000


@dataclass(frozen=True)
class World:
    """The records that live: their fields, by id."""

    raw: redis.Redis
    tasks: dict[str, dict[str, str]]
    schedules: dict[str, dict[str, str]]

    @cached_property
    def users(self) -> Counter[str | None]:
        """How many records have a program, by its hash."""
        return Counter(record.get("ph") for record in (*self.tasks.values(), *self.schedules.values()))


Judge = Callable[[World, str, re.Match[str]], Iterator[str]]


def keys(raw: redis.Redis) -> Iterator[Finding]:
    """What is wrong with each key, and with each record's places."""
    names = sorted(str(name) for name in raw.scan_iter(count=SCAN_COUNT))
    world = World(raw, _records(raw, names, "t"), _records(raw, names, "s"))
    for name in names:
        if not name.startswith(PREFIX):
            yield Finding(PROMISE, f"{name!r} is not under {PREFIX}")
            continue
        yield from (Finding(PROMISE, f"{name!r}: {wrong}") for wrong in _judge(world, name.removeprefix(PREFIX)))
    for task_id, record in world.tasks.items():
        yield from (Finding("indexes are right", wrong, task_id) for wrong in _misplaced(world, task_id, record))


def _records(raw: redis.Redis, names: list[str], letter: str) -> dict[str, dict[str, str]]:
    pattern = re.compile(re.escape(f"{PREFIX}{letter}:") + r"([0-9a-f-]+)")
    ids = [match[1] for name in names if (match := pattern.fullmatch(name))]
    with raw.pipeline(transaction=False) as pipeline:
        for one in ids:
            pipeline.hgetall(f"{PREFIX}{letter}:{one}")
        return dict(zip(ids, pipeline.execute(), strict=True))


def _judge(world: World, name: str) -> Iterator[str]:
    for pattern, judge in FAMILIES:
        match = pattern.fullmatch(name)
        if match:
            yield from judge(world, PREFIX + name, match)
            return
    yield "nobody knows what it is"


# --- one family of keys each --------------------------------------------------------------------------


def _fine(world: World, name: str, match: re.Match[str]) -> Iterator[str]:
    return iter(())


def _of_task(world: World, name: str, match: re.Match[str]) -> Iterator[str]:
    if match[1] not in world.tasks:
        yield "its task is gone"


def _of_schedule(world: World, name: str, match: re.Match[str]) -> Iterator[str]:
    if match[1] not in world.schedules:
        yield "its schedule is gone"


def _program(world: World, name: str, match: re.Match[str]) -> Iterator[str]:
    program: Any = world.raw.hgetall(name)
    if hash_of(program.get("text", "")) != match[1]:
        yield "it is another program's"
    number = world.users[match[1]]
    if not number or str(number) != program.get("uses"):
        yield f"{number} have it, and it says {program.get('uses')}"


def _members(world: World, name: str) -> dict[str, int]:
    found: Any = world.raw.zrange(name, 0, -1, withscores=True)
    return {member: int(score) for member, score in found}


def _leaf(world: World, name: str, match: re.Match[str]) -> Iterator[str]:
    for task_id, seq in _members(world, name).items():
        record = world.tasks.get(task_id)
        if record is None:
            yield f"its member {task_id} is gone"
        elif (record["k"], record["tt"], record["st"], record["q"]) != (match[1], match[2], match[3], str(seq)):
            yield f"its member {task_id} is {record}"


def _tag(world: World, name: str, match: re.Match[str]) -> Iterator[str]:
    for task_id in _members(world, name):
        if match[1] not in json.loads(world.tasks.get(task_id, {}).get("tg", "[]")):
            yield f"its member {task_id} is gone, or has another tag"


def _finished_leaf(world: World, name: str, match: re.Match[str]) -> Iterator[str]:
    for task_id in _members(world, name):
        record = world.tasks.get(task_id, {})
        if match[3] not in FINISHED or (record.get("k"), record.get("tt"), record.get("st")) != match.groups():
            yield f"its member {task_id} is gone, or elsewhere"


def _name(world: World, name: str, match: re.Match[str]) -> Iterator[str]:
    for task_id in _members(world, name):
        record = world.tasks.get(task_id, {})
        if record.get("nf", record.get("n")) != match[1]:
            yield f"its member {task_id} is gone, or has another name"
    if world.raw.zscore(f"{PREFIX}names", match[1]) is None:
        yield "it is not among the names"


def _names(world: World, name: str, match: re.Match[str]) -> Iterator[str]:
    for folded_name in world.raw.zrange(name, 0, -1):
        if not world.raw.exists(f"{PREFIX}name:{folded_name}"):
            yield f"no task has the name {folded_name!r}"


def _newest(world: World, name: str, match: re.Match[str]) -> Iterator[str]:
    for folded_name, seq in _members(world, name).items():
        newest: Any = world.raw.zrange(f"{PREFIX}name:{folded_name}", 0, 0, desc=True, withscores=True)
        if not newest or seq < newest[0][1]:
            yield f"the newest task of {folded_name!r} is gone, or newer"


def _failed_with(short: str) -> Judge:
    def judge(world: World, name: str, match: re.Match[str]) -> Iterator[str]:
        for task_id in _members(world, name):
            record = world.tasks.get(task_id, {})
            if (record.get("st"), record.get(short)) != (Status.FAILED, match[1]):
                yield f"its member {task_id} is gone, or did not fail so"

    return judge


def _created_by(world: World, name: str, match: re.Match[str]) -> Iterator[str]:
    for task_id in _members(world, name):
        if world.tasks.get(task_id, {}).get("sid") != match[1]:
            yield f"its member {task_id} is gone, or another's"


def _place(*statuses: str) -> Judge:
    def judge(world: World, name: str, match: re.Match[str]) -> Iterator[str]:
        for task_id in _members(world, name):
            if world.tasks.get(task_id, {}).get("st") not in statuses:
                yield f"its member {task_id} is gone, or not {' or '.join(statuses)}"

    return judge


def _queued(world: World, name: str, match: re.Match[str]) -> Iterator[str]:
    for task_id in _members(world, name):
        record = world.tasks.get(task_id, {})
        if (record.get("st"), record.get("k"), record.get("p", "5")) != ("queued", match[1], match[2]):
            yield f"its member {task_id} is gone, or not queued, or elsewhere"


def _bulk(world: World, name: str, match: re.Match[str]) -> Iterator[str]:
    if world.raw.zscore(f"{PREFIX}bulks", match[1]) is None and world.raw.ttl(name) == -1:
        yield "its bulk is gone"


def _running_bulks(world: World, name: str, match: re.Match[str]) -> Iterator[str]:
    for bulk_id in _members(world, name):
        yield f"bulk {bulk_id} has not ended"


def _schedule_leaf(world: World, name: str, match: re.Match[str]) -> Iterator[str]:
    for schedule_id in _members(world, name):
        record = world.schedules.get(schedule_id, {})
        if (record.get("k"), record.get("st")) != (match[1], match[2]):
            yield f"its member {schedule_id} is gone, or elsewhere"


def _cron(world: World, name: str, match: re.Match[str]) -> Iterator[str]:
    for schedule_id, next_ms in _members(world, name).items():
        record = world.schedules.get(schedule_id, {})
        if record.get("st") != ScheduleStatus.ACTIVE or record.get("nx") != str(next_ms):
            yield f"its member {schedule_id} is gone, or not active, or due at another time"


def _keyed(world: World, name: str, match: re.Match[str]) -> Iterator[str]:
    if world.raw.get(name) not in world.schedules:
        yield "its schedule is gone"


def _expires(world: World, name: str, match: re.Match[str]) -> Iterator[str]:
    if world.raw.ttl(name) == -1:
        yield "it never ends"


def _minute(world: World, name: str, match: re.Match[str]) -> Iterator[str]:
    if not world.raw.sismember(f"{PREFIX}minute:open", match[1]):
        yield "nobody will add it to the totals"


def _of_delivery(world: World, name: str, match: re.Match[str]) -> Iterator[str]:
    status = world.raw.hget(f"{PREFIX}d:{match[1]}", "status")
    if status is None:
        yield "its delivery is gone"
    elif status != "pending" and name.endswith((":task", ":result", ":stdout")):
        yield f"its delivery is {status}"


def _deliveries(world: World, name: str, match: re.Match[str]) -> Iterator[str]:
    for delivery_id in _members(world, name):
        status = world.raw.hget(f"{PREFIX}d:{delivery_id}", "status")
        wanted = "pending" if name.endswith((":due", ":notices", ":leases")) else name.rpartition(":")[2]
        if status is None or (wanted in ("pending", "delivered", "failed") and status != wanted):
            yield f"its member {delivery_id} is {status}"


def _incomplete(world: World, name: str, match: re.Match[str]) -> Iterator[str]:
    yield "a batch is not complete"


def _unchanged(world: World, name: str, match: re.Match[str]) -> Iterator[str]:
    yield "a change of the form is not complete"


def _queue(world: World, name: str, match: re.Match[str]) -> Iterator[str]:
    yield f"{world.raw.llen(name)} messages are left"


ID = r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
QUEUE = "|".join(map(re.escape, QUEUES.values()))
#: Every key that app/store/keys.py knows, and who judges it.
FAMILIES: list[tuple[re.Pattern[str], Judge]] = [
    (re.compile(pattern), judge)
    for pattern, judge in (
        (rf"t:{ID}(?::spec|:result|:stdout|:attempts|:history)?", _of_task),
        (r"program:([\w-]{43})", _program),
        (r"ix:(\w+):(\w+):(\w+)", _leaf),
        (r"fx:(\w+):(\w+):(\w+)", _finished_leaf),
        (r"tag:(.+)", _tag),
        (r"name:((?s:.+))", _name),
        (r"names", _names),
        (r"newest", _newest),
        (r"et:(.+)", _failed_with("et")),
        (r"fp:([0-9a-f]+)", _failed_with("fp")),
        (rf"by:{ID}", _created_by),
        (rf"s:{ID}(?::spec|:firings)?", _of_schedule),
        (r"sx:(\w+):(\w+)", _schedule_leaf),
        (r"keyed:.+", _keyed),
        (r"cron", _cron),
        (r"due|sent", _place("waiting")),
        (r"expiring", _place("waiting", "queued")),
        (r"queued:(\w+):(\d)", _queued),
        (rf"bulk:{ID}(:ids)?", _bulk),
        (r"bulks", _fine),
        (r"bulks:running", _running_bulks),
        (rf"d:{ID}(?::tries|:task|:result|:stdout)?", _of_delivery),
        (r"deliveries(?::(?:pending|delivered|failed|due|leases|(?:task|schedule|channel):.+))?", _deliveries),
        (r"deliveries:due:notices", _deliveries),
        (r"leases", _place("running")),
        (r"minute:(\d+)", _minute),
        (r"minute:\d+:past", _expires),
        (r"minute:open|totals|totals:(?:http|tags|values:.+)", _fine),
        (r"totals:added:.+", _expires),
        (r"worker:.+", _expires),
        (r"idem:.+", _expires),
        (r"rate:channel:.+", _expires),
        (r"rate:(?:read|write):(?:key|address):.+", _expires),
        (r"apikeys|apikey:[0-9a-f]{64}|audit", _fine),
        (rf"batch:{ID}:\d+", _expires),
        (rf"batch:{ID}|batches|promised", _incomplete),
        (r"error:[0-9a-f]+(?::by)?", _expires),
        (r"call:.+", _expires),
        (r"events(?::since)?", _expires),
        (r"alerts:called", _expires),
        (r"alerts:(?:events|schedules|flows|service|due|late|default|default_since|revision)", _fine),
        (r"form|workers|beats|seq|errors|channels|zones", _fine),
        (r"form:work|form:newest", _unchanged),
        (r"(?:form|bulks|alerts):lease", _expires),
        (rf"(?:{QUEUE})(?:{PRIORITY_SEPARATOR}\d)?", _queue),
        (KOMBU.pattern, _fine),
    )
]


def _misplaced(world: World, task_id: str, record: dict[str, str]) -> Iterator[str]:
    """Where a record has to stand and does not."""
    raw = world.raw
    leaf = f"{PREFIX}ix:{record['k']}:{record['tt']}:{record['st']}"
    if raw.zscore(leaf, task_id) is None:
        yield f"it is not in {leaf}"
    name = record.get("nf", record["n"])
    if raw.zscore(f"{PREFIX}name:{name}", task_id) is None:
        yield "it is not among those of its name"
    if record["st"] in FINISHED and raw.zscore(leaf.replace(":ix:", ":fx:"), task_id) is None:
        yield "it is not among the finished ones"
    if record["st"] == Status.FAILED and raw.zscore(f"{PREFIX}fp:{record['fp']}", task_id) is None:
        yield "it is not among those that failed so"
    for tag in json.loads(record.get("tg", "[]")):
        if raw.zscore(f"{PREFIX}tag:{tag}", task_id) is None:
            yield f"it is not among those with the tag {tag}"
    if "sid" in record and raw.zscore(f"{PREFIX}by:{record['sid']}", task_id) is None:
        yield "it is not among its schedule's"
    if "ph" in record and not raw.exists(f"{PREFIX}program:{record['ph']}"):
        yield "its program is gone"
    if record["k"] == "code" and not {"pg", "ph"} & record.keys():
        yield "it has no program"
