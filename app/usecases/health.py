"""`GET /health`: the health of the service and of each component."""

from __future__ import annotations

import time
from typing import Any

from app.clock import Clock
from app.domain.errors import OtherForm, Unavailable
from app.domain.form import FORM
from app.domain.kinds import QUEUES
from app.domain.status import Kind
from app.domain.times import to_rfc3339
from app.store.admission import memory_share
from app.store.form import Progress
from app.store.heartbeats import fetches
from app.store.liveness import unserved
from app.store.store import Store
from app.usecases.admission import FULL_MEMORY_SHARE
from app.usecases.redis_checks import Info, refusal, warnings
from app.version import VERSION

Part = dict[str, Any]


class HealthService:
    """Checks Redis, the workers, beat and the sandbox."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def report(self) -> dict[str, Any]:
        """The body of `/health`. `status` is "ok" or "degraded"; each component that is not ok has a `detail`."""
        try:
            form = self._store.form.read()
            if not form.is_current:
                return self.report_without_redis(OtherForm(form.words))
            parts = self._parts()
        except Unavailable as error:
            return self.report_without_redis(error)
        healthy = all(part["status"] == "ok" for part in parts.values())
        return {"status": "ok" if healthy else "degraded", "version": VERSION, **parts}

    def report_without_redis(self, error: Unavailable) -> dict[str, Any]:
        """The body of `/health` if Redis can't be reached, or its data has another form: nothing else is known then."""
        if isinstance(error, OtherForm):
            data = {"status": "down", "detail": str(error)}
            return {"status": "degraded", "version": VERSION, "redis": {"status": "ok"}, "data": data}
        redis = {"status": "down", "detail": f"Redis can't be reached ({error})"}
        return {"status": "degraded", "version": VERSION, "redis": redis}

    def is_ready(self) -> bool:
        """Whether an accepted task would run: Redis takes writes, in this version's form, and each queue has a worker.

        Not whether there is room for a new one: a full service is at work, and tells each caller that it is full.
        """
        try:
            if not self._store.form.read().is_current:
                return False
            if refusal(self._store.liveness.info()) is not None:
                return False
            return not unserved(self._store.liveness.workers(self._clock()))
        except Unavailable:
            return False

    def _parts(self) -> dict[str, Part]:
        now_ms = self._clock()
        started = time.perf_counter()
        self._store.liveness.ping()
        round_trip_ms = (time.perf_counter() - started) * 1000
        info = self._store.liveness.info()
        workers = self._store.liveness.workers(now_ms)
        return {
            "redis": _redis(info, round_trip_ms),
            "workers": _workers(workers),
            "beat": self._beat(now_ms),
            "sandbox": _sandbox(workers),
            "data": _data(self._store.form.progress()),
        }

    def _lag_ms(self, now_ms: int) -> int:
        """How long the oldest overdue item has waited for beat: a firing, or a delayed task without a message."""
        times = (self._store.firings.next_due_ms(), self._store.recovery.next_due_ms())
        return max(0, now_ms - min((ms for ms in times if ms is not None), default=now_ms))

    def _beat(self, now_ms: int) -> Part:
        beat = self._store.liveness.last_beat()
        if beat is None:
            return {
                "status": "down",
                "detail": "no beat is running, so scheduled tasks do not fire",
                "last_tick_at": None,
            }
        age_ms = max(0, now_ms - beat.tick_ms)
        part: Part = {
            "status": "ok",
            "name": beat.name,
            "last_tick_at": to_rfc3339(beat.tick_ms),
            "age_seconds": age_ms / 1000,
            "lag_seconds": self._lag_ms(now_ms) / 1000,
        }
        if not beat.is_alive(now_ms):
            part |= {"status": "down", "detail": "beat has stopped ticking, so scheduled tasks do not fire"}
        return part


def _redis(info: Info, round_trip_ms: float) -> Part:
    memory = {"used_bytes": int(info["used_memory"]), "max_bytes": int(info.get("maxmemory", 0)) or None}
    part: Part = {
        "status": "ok",
        "round_trip_ms": round(round_trip_ms, 2),
        "warnings": warnings(info),
        "memory": memory,
    }
    refused = refusal(info) or _lack_of_memory(memory_share(info))
    return part if refused is None else part | {"status": "down", "detail": refused}


def _lack_of_memory(share: float) -> str | None:
    """The sentence for a server that has no room for new tasks; those that were accepted go on."""
    if share < FULL_MEMORY_SHARE:
        return None
    return f"Redis uses {100 * share:.0f} % of its maxmemory, so new tasks are refused"


def _data(progress: Progress | None) -> Part:
    part: Part = {"status": "ok", "form": FORM}
    if progress is not None:
        part["change"] = {"step": progress.step, "done": progress.done, "of": progress.size}
    return part


def _workers(workers: list[Part]) -> Part:
    without_worker = unserved(workers)
    idle = sorted(worker["hostname"] for worker in workers if not fetches(worker))
    part: Part = {
        "status": "down" if without_worker or idle else "ok",
        "count": len(workers),
        "queues": {queue: sum(queue in worker["queues"] for worker in workers) for queue in QUEUES.values()},
    }
    reasons = [f"not fetching tasks: {', '.join(idle)}"] if idle else []
    reasons += [f"no worker serves {', '.join(without_worker)}"] if without_worker else []
    if reasons:
        part["detail"] = "; ".join(reasons)
    return part


def _sandbox(workers: list[Part]) -> Part:
    """The state of each layer on the weakest worker that runs programs: "on", or the reason it is off."""
    layers: dict[str, str] = {}
    for worker in workers:
        if QUEUES[Kind.CODE] in worker["queues"]:
            for name, state in worker["sandbox"].items():
                if layers.get(name, "on") == "on":
                    layers[name] = state
    if not layers:
        refusals = [why for worker in workers if (why := worker.get("refused", {}).get(Kind.CODE))]
        return {"status": "down", "detail": "; ".join(["no worker runs code tasks", *refusals[:1]]), "layers": {}}
    return {"status": "ok", "layers": layers}
