"""Form 2 of the tasks of batches that are decided and not created yet: `program` stands among their values."""

from __future__ import annotations

import json
from collections.abc import Sequence

from app.domain.status import Kind, TaskType
from app.store.columns import dump_json
from app.store.migrations.bodies import new_body
from app.store.migrations.step import Data, Part, Step, Work

#: The values of a task in form 1, in their order (TASK of `_lib.lua`).
_VALUES = 12
_KIND, _TASK_TYPE, _BODY, _RECORD = 1, 2, 7, 11
_SEPARATOR = "\0"


def _run(data: Data, work: Work) -> Part:
    keys = _chunks(data)
    place = int(work.cursor or "0")
    if place >= len(keys):
        return Part(None, 0)
    text = data.client.get(keys[place])
    if text is not None and is_old_chunk(values := str(text).split(_SEPARATOR)):
        data.scripts("form_text", text_key=keys[place], seen=text, text=_SEPARATOR.join(new_chunk(values)))
    return Part(str(place + 1), 1)


def is_old_chunk(values: Sequence[str]) -> bool:
    """Whether the values of a chunk are those of form 1: a kind and a type stand where these have them."""
    return (
        len(values) % _VALUES == 0
        and set(values[_KIND::_VALUES]) <= set(Kind)
        and set(values[_TASK_TYPE::_VALUES]) <= set(TaskType)
    )


def new_chunk(values: Sequence[str]) -> list[str]:
    """The values of a chunk of form 1 in form 2."""
    changed: list[str] = []
    for first in range(0, len(values), _VALUES):
        task = values[first : first + _VALUES]
        body = new_body(task[_BODY])
        record = dump_json([*json.loads(task[_RECORD]), *body.fields])
        changed += (*task[:_BODY], body.beside, body.program, *task[_BODY + 1 : _RECORD], record)
    return changed


def _chunks(data: Data) -> list[str]:
    """The keys of all chunks. They do not change while this step runs."""
    found = []
    for batch_id in map(str, data.client.zrange(data.keys.batches, 0, -1)):
        batch = data.keys.batch(batch_id)
        first, end = data.client.hmget(batch, ["next", "chunks"])
        found += [f"{batch}:{number}" for number in range(int(first or 0), int(end or 0))]
    return found


def _size(data: Data) -> int:
    return len(_chunks(data))


STEP = Step("batches", _run, _size, is_exclusive=True)
