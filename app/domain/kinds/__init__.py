"""The kinds of task, one row each. How to add one: CONTRIBUTING.md."""

from __future__ import annotations

from app.domain.kinds.api import API
from app.domain.kinds.code import CODE
from app.domain.kinds.kind import KindSpec
from app.domain.status import Kind

KINDS: dict[Kind, KindSpec] = {row.kind: row for row in (CODE, API)}

#: kind -> the queue of its tasks.
QUEUES: dict[str, str] = {kind: row.queue for kind, row in KINDS.items()}

__all__ = ["KINDS", "QUEUES", "KindSpec"]
