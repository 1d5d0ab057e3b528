"""A signal ends a beat at any moment."""

from __future__ import annotations

import signal
import sys

import pytest
import redis
from celery.beat import Service

from app.domain.form import FORM
from app.launch.processes import EXIT_NEWER_DATA
from app.store.store import Store
from app.usecases.form_watch import FormWatch
from celery_app import celery
from tasks.beat import StoreScheduler
from tasks.celery_seam.beat import Beat
from tests.servers import wait_until
from tests.worker.conftest import Start

NUMBERS = (signal.SIGTERM, signal.SIGINT)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_beat_that_is_still_starting_ends(
    start: Start, store: Store, raw_redis: redis.Redis, number: signal.Signals
) -> None:
    """It starts for as long as another process changes the data, here for ever."""
    raw_redis.set(store.keys.form, "1")
    raw_redis.set(f"{store.keys.form}:lease", "another")
    beat = start("--quiet", "beat")
    beat.wait_for("is being changed")
    beat.signal(number)
    assert beat.wait(15) == 0
    assert "Traceback" not in beat.output
    assert store.liveness.last_beat() is None


@pytest.mark.parametrize("number", NUMBERS)
def test_a_beat_that_works_signs_off(start: Start, store: Store, number: signal.Signals) -> None:
    beat = start("--quiet", "beat")
    wait_until(store.liveness.last_beat, 30, "a tick")
    beat.signal(number)
    assert beat.wait(15) == 0
    assert "Traceback" not in beat.output
    assert store.liveness.last_beat() is None


class EndsInDestructor:
    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


class FailsInDestructor:
    def __del__(self) -> None:
        raise ValueError("told")


def test_a_signal_in_a_destructor_ends_a_beat_without_a_traceback(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
    service = Service(celery, scheduler_cls=StoreScheduler)
    before = {number: signal.getsignal(number) for number in NUMBERS}
    try:
        Beat(app=celery).install_sync_handler(service)
        lost = EndsInDestructor()
        del lost
        assert capsys.readouterr().err == ""
        failed = FailsInDestructor()
        del failed
        assert "ValueError: told" in capsys.readouterr().err
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert service._is_shutdown.is_set()


def test_newer_data_that_turns_up_at_once_is_told_by_the_status(
    redis_url: str, store: Store, raw_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_newer_data(watch: FormWatch) -> None:
        raw_redis.set(store.keys.form, FORM + 1)
        assert not watch.check()
        raise SystemExit  # as the signal does, which the watch sends to its process

    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setattr(FormWatch, "start", find_newer_data)
    with pytest.raises(SystemExit) as ended:
        Service(celery, scheduler_cls=StoreScheduler).start()
    assert ended.value.code == EXIT_NEWER_DATA
