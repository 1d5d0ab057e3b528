"""Form 2 of the bodies of scheduled tasks (bodies.py). Exclusive: firings copy them to tasks."""

from __future__ import annotations

from typing import Any

from app.domain.status import Kind, ScheduleStatus
from app.store.migrations.bodies import is_old, new_body
from app.store.migrations.step import Data, Part, Step, Work

SCHEDULES_PER_PART = 100


def _run(data: Data, work: Work) -> Part:
    indexes = _indexes(data)
    place, seq = work.cursor.split(" ") if work.cursor else ("0", "0")
    if int(place) >= len(indexes):
        return Part(None, 0)
    # Nothing moves while this step runs, so the sequence number is a cursor.
    found: Any = data.client.zrange(
        indexes[int(place)], f"({seq}", "+inf", byscore=True, offset=0, num=SCHEDULES_PER_PART, withscores=True
    )
    if not found:
        return Part(f"{int(place) + 1} 0", 0)
    _change(data, [data.keys.schedule(schedule_id) for schedule_id, _ in found])
    return Part(f"{place} {found[-1][1]:.0f}", len(found))


def _change(data: Data, keys: list[str]) -> None:
    with data.client.pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.hgetall(key)
            pipeline.get(f"{key}:spec")
        found = pipeline.execute()
    changes: list[str] = []
    for key, record, body in zip(keys, found[::2], found[1::2], strict=True):
        if is_old(record, body):
            changes += (key, body, new_body(body).to_json())
    data.scripts("form_records", records=changes)


def _indexes(data: Data) -> list[str]:
    return [data.keys.schedule_index(kind, status) for kind in Kind for status in ScheduleStatus]


def _size(data: Data) -> int:
    return sum(int(data.client.zcard(index)) for index in _indexes(data))


STEP = Step("scheduled tasks", _run, _size, is_exclusive=True)
