"""Reports whether a worker or a beat is alive, as an exit status for containers and init systems.

python -m app.launch.alive worker    0 if a worker on this host sent a heartbeat just now and fetches; else 1
python -m app.launch.alive beat      0 if a beat on any host ticked just now; else 1
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Sequence

from app.domain.errors import Unavailable
from app.launch.redis_location import require_redis_url
from app.settings import SettingsError, read_settings
from app.store.liveness import LivenessStore
from app.store.store import Store

ROLES = ("worker", "beat")


def is_alive(role: str, liveness: LivenessStore, host: str, now_ms: int) -> bool:
    """Whether `role` is alive at `now_ms`; only workers on `host` count, but any beat. Raises Unavailable."""
    if role == "beat":
        last = liveness.last_beat()
        return last is not None and last.is_alive(now_ms)
    on_host = [worker for worker in liveness.workers(now_ms) if str(worker["hostname"]).endswith(f"@{host}")]
    return any(worker.get("consuming", True) for worker in on_host)


def main(arguments: Sequence[str]) -> int:
    """Print the answer and return the exit status."""
    if len(arguments) != 1 or arguments[0] not in ROLES:
        sys.stderr.write("usage: python -m app.launch.alive worker|beat\n")
        return 2
    (role,) = arguments
    try:
        liveness = Store.at(require_redis_url(read_settings()), max_connections=1).liveness
        alive = is_alive(role, liveness, socket.gethostname(), time.time_ns() // 1_000_000)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except Unavailable as error:
        sys.stderr.write(f"Redis can't be reached: {error}\n")
        return 1
    sys.stdout.write(f"{role} is {'alive' if alive else 'not alive'}\n")
    return 0 if alive else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
