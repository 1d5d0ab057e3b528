"""Whether a service uses a Redis at this moment."""

from __future__ import annotations

from app.clock import system_clock
from app.launch.open_store import open_store
from app.store.store import Store


class ServiceRuns(Exception):
    """A process of the service uses the Redis; the message names it."""


def require_quiet(redis_url: str) -> tuple[str, ...]:
    """Raise ServiceRuns if a worker, beat or API uses this Redis. Returns a state that changes with the data.

    An API that has not yet waited for a task is not noticed.
    """
    store = open_store(redis_url)
    try:
        running = _running(store, system_clock())
        if running:
            raise ServiceRuns(
                f"{running} uses this Redis: stop the service first (a process that was killed is forgotten after 10 s)"
            )
        return store.liveness.data_state()
    finally:
        store.close()


def _running(store: Store, now_ms: int) -> str:
    workers = store.liveness.workers(now_ms)
    if workers:
        return f"the worker {workers[0]['hostname']}"
    beat = store.liveness.last_beat()
    if beat is not None and beat.is_alive(now_ms):
        return f"the beat {beat.name}"
    return "an API" if store.liveness.listened_channels() else ""
