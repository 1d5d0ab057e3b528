"""Which signals stop `start.py`, whoever started it."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

import start

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def handlers_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in NUMBERS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", NUMBERS)
def test_each_of_them_stops(number: signal.Signals) -> None:
    for each in NUMBERS:
        signal.signal(each, signal.SIG_DFL)
    stopping = start._stop_on_signals()
    signal.raise_signal(number)
    assert stopping.is_set()


def test_a_script_s_background_job_stops_by_sigint_too() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell without job control leaves it
    stopping = start._stop_on_signals()
    signal.raise_signal(signal.SIGINT)
    assert stopping.is_set()


def test_under_nohup_the_terminal_s_end_does_not() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stopping = start._stop_on_signals()
    signal.raise_signal(signal.SIGHUP)
    assert not stopping.is_set()
