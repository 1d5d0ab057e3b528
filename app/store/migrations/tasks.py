"""Form 2 of tasks, while they are in use: bodies (bodies.py), short results in the record, and fewer fields.

Whatever reads a task copes with both forms: a body beside the record may contain the program, two fields have a second
name (`OLD_NAMES`), and what form 2 leaves out may be there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import product
from typing import Any

from app.domain.status import Kind, Status, TaskType
from app.store.bodies import is_short
from app.store.columns import OLD_NAMES, TASK
from app.store.migrations.bodies import Change, is_old, new_body
from app.store.migrations.step import Data, Part, Step, Work
from app.store.record import SEQ_PER_MS, read_history, read_task

TASKS_PER_PART = 100
_SEQ, _CREATED, _QUEUED, _DUE, _STARTED, _FINISHED, _RESULT = (
    TASK[name].short for name in ("seq", "created_ms", "queued_ms", "due_ms", "started_ms", "finished_ms", "result")
)


def _run(data: Data, work: Work) -> Part:
    name, seq = json.loads(work.cursor) if work.cursor else ("", "0")
    found = data.scripts("form_ids", name=name, seq=seq, last_seq=work.last_seq, limit=TASKS_PER_PART)
    if not found:
        return Part(None, 0)
    name, seq, *ids = found
    if ids:
        _change(data, work, ids)
    return Part(json.dumps([name, seq]), len(ids))


def _change(data: Data, work: Work, ids: Sequence[str]) -> None:
    changes: list[str] = []
    for task_id, (record, body, *more) in zip(ids, _read(data, ids), strict=True):
        if not is_old(record, body):
            continue
        change = new_body(body)
        if record.get(_CREATED) == str(int(record[_SEQ]) // SEQ_PER_MS):
            change.removed.append(_CREATED)
        if int(record.get(_FINISHED, work.began_ms)) < work.began_ms:
            _change_finished(change, task_id, record, *more)
        else:
            change.removed.extend(OLD_NAMES)  # of an attempt that is not the last one, as far as anybody knows here
        changes += (data.keys.task(task_id), body, change.to_json())
    data.scripts("form_records", records=changes)


def _read(data: Data, ids: Sequence[str]) -> list[list[Any]]:
    with data.client.pipeline(transaction=False) as pipeline:
        for key in map(data.keys.task, ids):
            pipeline.hgetall(key)
            pipeline.get(f"{key}:spec")
            pipeline.get(f"{key}:result")
            pipeline.lrange(f"{key}:history", 0, -1)
        found = pipeline.execute()
    return [found[place : place + 4] for place in range(0, len(found), 4)]


def _change_finished(
    change: Change, task_id: str, record: dict[str, str], result: str | None, history: list[str]
) -> None:
    """Add what becomes of a task that an older version has finished: nothing else writes to it any more."""
    change.renamed.extend(OLD_NAMES.items())
    is_started = _STARTED in record
    if not is_started and _QUEUED not in record:
        change.fields.extend((_QUEUED, ""))  # it was stopped, or expired, before it was queued
    elif is_started and record.get(_QUEUED) == record[_DUE]:
        change.removed.append(_QUEUED)
    if result is not None and is_short(result):
        change.fields.extend((_RESULT, result))
        change.keys_removed.append(":result")
    task = read_task(task_id, [part for item in record.items() for part in item])
    if history and read_history(task, ()) == read_history(task, history):
        change.keys_removed.append(":history")


def _size(data: Data) -> int:
    indexes = product(Kind, TaskType, Status)
    return sum(int(data.client.zcard(data.keys.task_index(*index))) for index in indexes)


STEP = Step("tasks", _run, _size)
