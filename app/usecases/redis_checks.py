"""Check the configuration of a Redis that Celeriac did not start, using its INFO."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from app.domain.errors import Unavailable, reason_of

if TYPE_CHECKING:  # redis-py comes with it
    from app.store.liveness import LivenessStore

logger = logging.getLogger("celeriac.redis")

MIN_VERSION = (6, 2)
Info = Mapping[str, Any]


def warnings(info: Info) -> list[str]:
    """One sentence for each risk of losing tasks. Empty for the embedded server."""
    found = [] if (old := too_old(info)) is None else [old]
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        found.append(f"maxmemory-policy is {policy}, so Redis may evict tasks; set it to noeviction")
    if evicted := int(info.get("evicted_keys", 0)):
        found.append(
            f"Redis has evicted {evicted} keys since its start; if any was of Celeriac, tasks are lost, and others may "
            "never run: restore a backup"
        )
    if not int(info.get("aof_enabled", 0)):
        found.append("appendonly is off, so a crash of Redis loses the latest tasks; set appendonly yes")
    return found


def too_old(info: Info) -> str | None:
    """The sentence for a server that lacks commands which Celeriac needs, or None."""
    version = str(info.get("redis_version", "0"))
    if version_of(version) >= MIN_VERSION:
        return None
    return f"Redis is version {version}; Celeriac needs {MIN_VERSION[0]}.{MIN_VERSION[1]} or newer"


def refusal(info: Info) -> str | None:
    """The reason why Redis refuses writes, or None if it accepts them."""
    if info.get("role", "master") != "master":
        return "Redis is a read-only replica"
    if info.get("refuses") == "NOREPLICAS":
        return "Redis has fewer replicas than its min-replicas-to-write and refuses writes"
    if info.get("refuses") or info.get("aof_last_write_status", "ok") != "ok":
        return "Redis can't write to its disk and refuses writes"
    return None


def check_at_start(liveness: LivenessStore) -> None:
    """Log the warnings when a process starts, and end it if the server is too old.

    If Redis does not answer yet, `/health` shows the warnings later.
    """
    try:
        info = liveness.info()
    except Unavailable as error:
        logger.warning("redis can't be reached yet", extra={"action": "redis_away", "reason": reason_of(error)})
        return
    if (old := too_old(info)) is not None:
        raise SystemExit(f"celeriac can't start: {old}")
    for sentence in warnings(info):
        logger.warning("check the configuration of redis: %s", sentence, extra={"action": "redis_warning"})


def version_of(text: str) -> tuple[int, int]:
    """Major and minor of a version such as `9.1.2`; (0, 0) if `text` is not a version."""
    match = re.match(r"(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)
