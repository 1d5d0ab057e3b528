"""What is wrong with a Redis that we did not start, read from what it says of itself (INFO)."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from app.domain.errors import Unavailable
from app.store.liveness import LivenessStore

logger = logging.getLogger("celeriac.redis")

MIN_VERSION = (6, 2)
Info = Mapping[str, Any]


def warnings(info: Info) -> list[str]:
    """What can lose tasks, each as a sentence. Empty for the embedded server."""
    found = []
    version = str(info.get("redis_version", "0"))
    if version_of(version) < MIN_VERSION:
        found.append(f"it is version {version}; Celeriac needs 6.2 or newer")
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        found.append(f"its maxmemory-policy is {policy}: it may throw tasks away; set it to noeviction")
    if not int(info.get("aof_enabled", 0)):
        found.append("it keeps no append-only file: what was created last is lost if it dies; set appendonly yes")
    return found


def refusal(info: Info) -> str | None:
    """Why it takes no writes, None where it does."""
    if info.get("role", "master") != "master":
        return "it is a replica: it takes no writes"
    if info.get("aof_last_write_status", "ok") != "ok":
        return "it can't write to its disk: it takes no writes"
    return None


def log_warnings(liveness: LivenessStore) -> None:
    """Log each, at a process' start. Where Redis does not answer yet, `/health` says them later."""
    try:
        found = warnings(liveness.info())
    except Unavailable as error:
        logger.warning("redis can't be reached yet", extra={"action": "redis_away", "reason": str(error)})
        return
    for sentence in found:
        logger.warning("of redis: %s", sentence, extra={"action": "redis_warning"})


def version_of(text: str) -> tuple[int, int]:
    """Major and minor of `9.1.2`; (0, 0) for what is no version."""
    match = re.match(r"(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)
