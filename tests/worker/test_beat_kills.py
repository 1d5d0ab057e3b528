"""Two beats are killed at random moments, and no firing is lost or doubled.

The ordinary run makes 20 kills. For a longer run by hand:
`CELERIAC_KILLS=200 python -m pytest tests/worker/test_beat_kills.py`. CELERIAC_SEED repeats a run.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter

from app.store.listing import Filters
from app.store.store import Store
from app.usecases.schedules import ScheduleService
from tests.servers import CeleryProcess, wait_until
from tests.worker.conftest import Start

KILLS = int(os.environ.get("CELERIAC_KILLS", "20"))
SCHEDULES = 10
SPEC = {
    "name": "tick",
    "cron_expression": "* * * * * *",
    "catch_up": "all",
    "function_code": "def f(): return 1",
    "function_name": "f",
}


def due_times_ms(store: Store, schedule_id: str) -> list[int]:
    """The due times of all tasks that a schedule created, from every page."""
    found: list[int] = []
    cursor = None
    while True:
        page = store.listing.page(Filters(scheduled_task_id=schedule_id), 200, cursor)
        found += [task.due_ms for task in page.items]
        cursor = page.cursor
        if cursor is None:
            return found


def ticked_since(store: Store, ms: int) -> bool:
    """Whether a beat has ticked after `ms`."""
    beat = store.liveness.last_beat()
    return beat is not None and beat.tick_ms > ms


def test_beats_that_are_killed_at_random_fire_each_second_once(
    store: Store, schedules: ScheduleService, start: Start
) -> None:
    seed = int(os.environ.get("CELERIAC_SEED", time.time_ns() % 1_000_000))
    print(f"CELERIAC_SEED={seed}")
    randomness = random.Random(seed)
    beats: list[CeleryProcess] = [start("beat") for _ in range(2)]
    wait_until(lambda: store.liveness.last_beat(), 30, "a first tick")
    created = [schedules.create(SPEC) for _ in range(SCHEDULES)]
    for number in range(KILLS):
        time.sleep(randomness.uniform(0, 0.7))  # a random moment within a tick
        beats[number % 2].signal(signal.SIGKILL)
        beats[number % 2].process.wait(10)
        beats[number % 2] = start("beat")
    killed_ms = time.time_ns() // 1_000_000
    wait_until(lambda: ticked_since(store, killed_ms + 2_000), 30, "ticks after the last kill")
    # A beat reports its tick before it takes the firings.
    wait_until(
        lambda: all((schedules.get(one.id).next_run_ms or 0) > killed_ms for one in created),
        10,
        "the firings of that tick",
    )
    for schedule in created:
        paused = schedules.pause(schedule.id)
        times = due_times_ms(store, schedule.id)
        assert [ms for ms, number in Counter(times).items() if number > 1] == []
        assert sorted(times) == list(range(times[-1], times[0] + 1, 1000))
        assert times[-1] == schedule.next_run_ms, "the first firing was lost"
        assert times[0] >= killed_ms - 1_000, "the newest firings were lost"
        assert paused.run_count == len(times)
        assert paused.missed_count == 0
