"""A signal ends a worker that is still starting."""

from __future__ import annotations

import signal

import pytest
import redis

from app.clock import system_clock
from app.domain.form import FORM
from app.store.store import Store
from tests.worker.conftest import Start

#: Signal -> the status with which Celery ends on it.
STATUSES = {signal.SIGTERM: 0, signal.SIGINT: 1}


@pytest.mark.parametrize("number", STATUSES)
def test_a_worker_that_waits_for_the_data_ends(
    start: Start, store: Store, raw_redis: redis.Redis, number: signal.Signals
) -> None:
    """It waits for as long as another process changes the data, here for ever."""
    raw_redis.set(store.keys.form, f"{FORM - 1}>{FORM}")
    raw_redis.set(f"{store.keys.form}:lease", "another")
    worker = start("--quiet", "worker")
    worker.wait_for("is being changed")
    worker.signal(number)
    assert worker.wait(15) == STATUSES[number]
    assert "Traceback" not in worker.output
    assert "ready" not in worker.output
    assert store.liveness.workers(system_clock()) == []
