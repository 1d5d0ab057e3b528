"""Failed tasks by their error, as the scripts take it."""

from __future__ import annotations

from app.domain.fingerprint import group_of
from app.domain.outcome import Failure
from app.domain.status import Kind
from app.store.columns import dump_json


def failure_values(kind: Kind | str, failure: Failure) -> str:
    """What `index_failure` of `_lib.lua` takes: JSON [fingerprint, error type]."""
    group = group_of(kind, failure)
    return dump_json([group.fingerprint, group.type])
