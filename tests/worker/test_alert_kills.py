"""Beats that are killed in the middle of alert work: every notice that a rule owes is recorded, none twice."""

from __future__ import annotations

import random
import signal
from collections import defaultdict

from app.clock import system_clock
from app.domain.channels import NoticeType
from app.store.deliveries import DeliveryFilters
from app.store.store import Store
from app.usecases.schedules import ScheduleService
from tests.servers import wait_until
from tests.store.making import FAILED, SUCCEEDED, claimed
from tests.worker.conftest import Start

SCHEDULES = 40
ROUNDS = 5
KILLS = 6
RULE = {"on": ["failed", "recovered"]}


def test_every_notice_that_a_rule_owes_is_recorded_and_none_twice(
    store: Store, schedules: ScheduleService, start: Start
) -> None:
    chance = random.Random(7)
    code = {"name": "s", "function_code": "def f(): return 1", "function_name": "f", "cron_expression": "0 0 1 1 *"}
    ids = {}
    for number in range(SCHEDULES):  # each has a channel of its own, so that no notice is held back
        name = f"c{number}"
        store.channels.put(name, {"kind": "slack", "url": "https://hooks.example/1"}, system_clock(), None)
        ids[schedules.create({**code, "alert": {"channels": [name], **RULE}}).id] = name
    beats = [start("beat") for _ in range(2)]
    for beat in beats:
        beat.wait_for("beat: Starting...")
    killed = 0
    for _ in range(ROUNDS):
        for schedule_id in ids:
            for outcome in (FAILED, SUCCEEDED):
                task_id = schedules.run_now(schedule_id).id
                store.tasks.finish(claimed(store, task_id, system_clock()), outcome, system_clock(), 1.0)
            if killed < KILLS and chance.random() < 0.05:
                beats.pop(0).signal(signal.SIGKILL)
                beats.append(start("beat"))
                killed += 1
    wait_until(lambda: store.alerts.read(0).is_empty, 40, "all events are dealt with")
    told = defaultdict(list)
    cursor = None
    while True:
        page = store.deliveries.page(DeliveryFilters(), 200, cursor)
        for one in page.items:
            told[one.scheduled_task_id].append(one.type)
        cursor = page.cursor
        if cursor is None:
            break
    pair = [f"alert.{NoticeType.RECOVERED}", f"alert.{NoticeType.FAILED}"]
    assert told == dict.fromkeys(ids, pair * ROUNDS)
    assert killed > 0
