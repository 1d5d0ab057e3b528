"""A signal stops the main thread wherever it meets it."""

from __future__ import annotations

import subprocess
import sys

from app.launch.stop_event import StopEvent
from tests.servers import ROOT

#: A signal at each line that a wait executes, one after the other, until a wait is over before its turn comes. One that
#: blocks for good, as with threading.Event, leaves the process hanging.
AT_EACH_LINE = """
import signal, sys
from app.launch.stop_event import StopEvent

def stopped_at(place):
    event, lines = StopEvent(), 0
    signal.signal(signal.SIGTERM, lambda number, frame: event.set())

    def trace(frame, what, argument):
        nonlocal lines
        if what == "line":
            lines += 1
            if lines == place:
                sys.settrace(None)
                signal.raise_signal(signal.SIGTERM)
        return trace

    sys.settrace(trace)
    event.wait(0.001)
    sys.settrace(None)
    return event.is_set()

print(next(place for place in range(1, 1000) if not stopped_at(place)) - 1)
"""


def test_a_signal_at_any_line_of_a_wait_ends_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_EACH_LINE], cwd=ROOT, capture_output=True, text=True, check=True, timeout=20
    )
    assert int(done.stdout) >= 3


def test_a_wait_ends_after_its_time_or_at_once() -> None:
    event = StopEvent()
    assert (event.wait(0.01), event.is_set()) == (False, False)
    event.set()
    assert [event.wait(60), event.wait(60), event.is_set()] == [True] * 3
