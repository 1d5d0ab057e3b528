"""Tells whether a role is alive on this host, as an exit status for containers and init systems.

python -m app.launch.alive api       0 if the API answers on this host; else 1
python -m app.launch.alive worker    0 if a worker on this host sent a heartbeat just now and fetches; else 1
python -m app.launch.alive beat      0 if a beat on this host ticked just now; else 1
python -m app.launch.alive all       0 if all three are alive, as under `python start.py`; else 1

With --ignore-redis, the status is 0 as well while Redis can't be asked, or refuses to write heartbeats: for checks by
which a process is killed. A new one would not reach Redis either, and the old one still holds results.

"This host" is what the host's name says: each container has a name of its own, so a beat that hangs is noticed even
while another one works.
"""

from __future__ import annotations

import socket
import sys

from app.clock import system_clock
from app.domain.errors import Unavailable, reason_of
from app.launch.redis_location import require_redis_url
from app.settings import Settings, SettingsError, read_settings
from app.store.heartbeats import Heartbeats, fetches
from app.store.keys import PREFIX, Keys
from app.usecases.redis_checks import refusal

ROLES = ("api", "worker", "beat")
IGNORE_REDIS = "--ignore-redis"


def is_alive(role: str, heartbeats: Heartbeats, host: str, now_ms: int) -> bool:
    """Whether a worker or a beat on `host` is alive at `now_ms`. Raises Unavailable."""
    if role == "beat":
        return any(name.startswith(f"beat@{host}:") for name in heartbeats.beats(now_ms))
    on_host = [worker for worker in heartbeats.workers(now_ms) if str(worker["hostname"]).endswith(f"@{host}")]
    return any(map(fetches, on_host))


def main(arguments: list[str]) -> int:
    """Print the answer and return the exit status."""
    wanted, options = arguments[:1], arguments[1:]
    if not set(wanted) <= {*ROLES, "all"} or not wanted or options not in ([], [IGNORE_REDIS]):
        sys.stderr.write(f"usage: python -m app.launch.alive {'|'.join(ROLES)}|all [{IGNORE_REDIS}]\n")
        return 2
    roles = ROLES if wanted == ["all"] else wanted
    try:
        settings = read_settings()
        alive = {role: _asked(role, settings) for role in roles}
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except Unavailable as error:
        sys.stderr.write(f"Redis can't be used: {reason_of(error)}\n")
        return 0 if options else 1
    sys.stdout.writelines(f"{role} is {'alive' if is_well else 'not alive'}\n" for role, is_well in alive.items())
    return 0 if all(alive.values()) else 1


def _asked(role: str, settings: Settings) -> bool:
    if role == "api":
        from app.launch.announcement import api_answers  # an HTTP client comes with it

        return api_answers(settings)
    from app.store.client import connect  # redis-py comes with it

    with connect(require_redis_url(settings), max_connections=1) as client:
        heartbeats = Heartbeats(client, Keys(PREFIX))
        alive = is_alive(role, heartbeats, socket.gethostname(), system_clock())
        if not alive and (why := refusal(heartbeats.info())) is not None:  # so nobody's heartbeat can be written
            raise Unavailable(why)
        return alive


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
