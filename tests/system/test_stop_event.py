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

#: While it waits, a handler takes more time than is left.
HANDLER_TAKES_LONGER = """
import signal, time
from app.launch.stop_event import StopEvent

def handler(number, frame):
    print("handled")
    time.sleep(0.1)

event = StopEvent()
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.02)
print(event.wait(0.1))
"""


def output_of(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True, timeout=20)
    return done.stdout.decode()


def test_a_signal_at_any_line_of_a_wait_ends_it() -> None:
    assert int(output_of(AT_EACH_LINE)) >= 3


def test_a_wait_ends_although_its_time_is_over_when_it_goes_on_after_a_signal() -> None:
    assert output_of(HANDLER_TAKES_LONGER).split() == ["handled", "False"]


def test_a_wait_ends_after_its_time_or_at_once() -> None:
    event = StopEvent()
    assert (event.wait(0.01), event.is_set()) == (False, False)
    event.set()
    event.set()  # Ctrl-C twice
    assert [event.wait(60), event.wait(60), event.is_set()] == [True] * 3
