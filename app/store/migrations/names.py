"""Form 2: `newest` is a ZSET instead of a HASH, so that lists find the names of the newest tasks first."""

from __future__ import annotations

from app.store.migrations.step import Data, Part, Step, Work

NAMES_PER_PART = 2_000


def _run(data: Data, work: Work) -> Part:
    done, cursor = data.scripts("form_names", limit=NAMES_PER_PART, after=work.cursor)
    return Part(f"({cursor}" if done else None, done)


def _size(data: Data) -> int:
    return int(data.client.zcard(data.keys.names))


STEP = Step("names", _run, _size, is_exclusive=True)
