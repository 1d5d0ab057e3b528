"""The field `alert`: what becomes of tasks and schedules is told once, whoever looks, and however late."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest
import redis

from app.domain.alerts.rule import ScheduleAlert
from app.domain.alerts.storm import MOST, WINDOW_MS
from app.domain.outcome import Ending, Failure, Outcome
from app.settings import SettingsError, read_settings
from app.store.columns import SHORT_NAMES, dump_json
from app.store.deliveries import Delivery, DeliveryFilters
from app.store.listing import Filters
from app.store.messages import NO_MESSAGE
from app.store.store import Store
from app.usecases.alerts import UNREADABLE_LOOK_MS, AlertWork, _Round, rule_json
from app.usecases.dispatch import Dispatcher
from app.usecases.firing import FiringService
from tests.api.calls import CODE, EVERY_MINUTE, Api, PlayedWorker, fields_of
from tests.conftest import NOON_MS, VirtualClock
from tests.servers import used_memory_bytes
from tests.store.making import PlainMessages

OPS = {"channels": ["ops"]}
MINUTE_MS = 60_000


@pytest.fixture
def api(api: Api) -> Api:
    """The API, with the channels `ops` and `other`."""
    for name in ("ops", "other"):
        api.put(f"/api/channels/{name}", {"kind": "slack", "url": "https://hooks.slack.com/services/1"})
    return api


class Alerts:
    """A beat that the test plays: it fires schedules and does the alert work."""

    def __init__(self, store: Store, clock: VirtualClock, default: ScheduleAlert | None = None) -> None:
        self._store = store
        self._clock = clock
        self.work = AlertWork(store.alerts, default, "beat@test")
        self._firing = FiringService(store, Dispatcher(PlainMessages(), 5.0), clock)

    def fire(self, after_ms: int = MINUTE_MS) -> list[str]:
        """Take what is due that much later. Returns the ids of the new tasks, oldest first."""
        before = set(self._ids())
        self._clock.advance(after_ms)
        self._firing.fire_due(100)
        return sorted(set(self._ids()) - before)

    def _ids(self) -> list[str]:
        page = self._store.listing.page(Filters(), 200)
        return [task.id for task in page.items]

    def told(self, after_ms: int = 0, channel: str | None = None) -> list[dict[str, Any]]:
        """Do the alert work. Returns every notice so far, oldest first, with its type as in `type`."""
        self.work.run(self._clock.advance(after_ms))
        return [self._told(one) for one in reversed(self.deliveries(channel))]

    def types(self, after_ms: int = 0, channel: str | None = None) -> list[str]:
        """The types of all notices so far."""
        return [notice["type"] for notice in self.told(after_ms, channel)]

    def deliveries(self, channel: str | None = None) -> list[Delivery]:
        """Every notice, newest first."""
        return self._store.deliveries.page(DeliveryFilters(channel=channel), 200).items

    def _told(self, delivery: Delivery) -> dict[str, Any]:
        assert delivery.data is not None
        assert delivery.type == f"alert.{delivery.data['type']}"
        return dict(delivery.data)


@pytest.fixture
def alerts(store: Store, clock: VirtualClock) -> Alerts:
    return Alerts(store, clock)


# --- tasks ------------------------------------------------------------------------------------------


def test_a_task_that_has_failed_for_good_is_told(api: Api, worker: PlayedWorker, alerts: Alerts) -> None:
    task = api.create(name="import", alert={"channels": ["ops", "other"]})
    assert task["alert"] == {"channels": ["ops", "other"]}
    worker.fail(task["id"])
    first, second = alerts.told()
    assert first == second
    assert first == {
        "type": "failed",
        "subject": "import",
        "at_ms": NOON_MS,
        "reason": "ZeroDivisionError: division by zero (line 2)",
        "task_id": task["id"],
    }
    to_ops, to_other = alerts.deliveries()
    assert {to_ops.channel, to_other.channel} == {"ops", "other"}
    assert to_ops.event_id == to_other.event_id
    assert alerts.types() == ["failed", "failed"]


def test_success_and_stop_of_a_task_are_not_told(api: Api, worker: PlayedWorker, alerts: Alerts) -> None:
    worker.succeed(api.create(alert=OPS)["id"])
    api.post(f"/api/tasks/{api.create(alert=OPS)['id']}/stop")
    worker.fail(api.create()["id"])
    worker.fail(api.create(alert={"channels": []})["id"])
    assert alerts.types() == []


def test_a_task_that_is_deleted_before_anybody_looks_is_told_nevertheless(
    api: Api, worker: PlayedWorker, alerts: Alerts
) -> None:
    task = api.create(name="gone", alert=OPS)
    worker.fail(task["id"])
    api.delete(f"/api/tasks/{task['id']}")
    assert [(notice["subject"], "reason" in notice) for notice in alerts.told()] == [("gone", False)]


def test_a_channel_must_exist(api: Api) -> None:
    alert = {"channels": ["ops", "nowhere"]}
    wanted = [{"field": "alert.channels", "message": "there is no channel nowhere"}]
    for path, body in (("/api/tasks", CODE), ("/api/scheduled-tasks", EVERY_MINUTE)):
        answer = api.post(path, {**body, "alert": alert})
        assert (answer.status_code, answer.get_json()["errors"]) == (422, wanted)
    assert fields_of(api.post("/api/tasks/batch", {"tasks": [{**CODE, "alert": alert}]})) == ["tasks.0.alert.channels"]


def test_a_channel_that_a_retry_names_must_exist(api: Api, worker: PlayedWorker) -> None:
    task_id = api.create(alert=OPS)["id"]
    worker.fail(task_id)
    changes = {"alert": {"channels": ["nowhere"]}}
    assert fields_of(api.post(f"/api/tasks/{task_id}/retry", changes)) == ["alert.channels"]
    bulk = {"action": "retry", "ids": [task_id], "changes": changes}
    for is_dry in (True, False):
        assert fields_of(api.post("/api/bulk", {**bulk, "dry_run": is_dry})) == ["changes.alert.channels"]


def test_a_task_runs_again_though_its_channel_is_gone(api: Api, worker: PlayedWorker) -> None:
    task_id = api.create(alert=OPS)["id"]
    worker.fail(task_id)
    api.delete("/api/channels/ops")
    for changes in ({}, {"timeout": 3}):
        again = api.post(f"/api/tasks/{task_id}/retry", changes)
        assert (again.status_code, again.get_json()["alert"]) == (201, OPS)


@pytest.mark.parametrize("changes", [{"name": "new"}, {"delay_seconds": 5}, {"alert": OPS}])
def test_a_waiting_task_can_be_changed_though_its_channel_is_gone(api: Api, changes: dict[str, Any]) -> None:
    path = f"/api/tasks/{api.create(alert=OPS, task_type='delayed', delay_seconds=60)['id']}"
    api.delete("/api/channels/ops")
    changed = api.patch(path, changes)
    assert (changed.status_code, changed.get_json()["alert"]) == (200, OPS)
    assert fields_of(api.patch(path, {"alert": {"channels": ["nowhere"]}})) == ["alert.channels"]


def test_a_schedule_can_be_changed_though_its_channel_is_gone(api: Api) -> None:
    body = {**EVERY_MINUTE, "alert": {**OPS, "after_failures": 2}}
    path = f"/api/scheduled-tasks/{api.put('/api/scheduled-tasks/by-key/k', body).get_json()['id']}"
    api.delete("/api/channels/ops")
    for changed in (api.patch(path, {"timeout": 5}), api.put("/api/scheduled-tasks/by-key/k", {**body, "timeout": 6})):
        assert (changed.status_code, changed.get_json()["alert"]) == (200, body["alert"])
    for rule in ({"channels": ["nowhere"]}, {**OPS, "after_failures": 3}):
        assert fields_of(api.patch(path, {"alert": rule})) == ["alert.channels"]
    assert fields_of(api.put("/api/scheduled-tasks/by-key/new", body)) == ["alert.channels"]


def test_null_in_a_rule_counts_as_left_out(api: Api) -> None:
    rule = dict.fromkeys(ScheduleAlert.model_fields) | {"channels": ["ops"]}
    assert api.schedule(alert=rule)["alert"] == {"channels": ["ops"]}
    assert fields_of(api.post("/api/scheduled-tasks", {**EVERY_MINUTE, "alert": {**rule, "of": None}})) == ["alert.of"]


@pytest.mark.parametrize(
    ("alert", "field"),
    [
        ({}, "alert.channels"),
        ({"channels": None}, "alert.channels"),
        ({"channels": "ops"}, "alert.channels"),
        ({"channels": ["a b"]}, "alert.channels[0]"),
        ({"channels": ["ops", "ops"]}, "alert.channels"),
        ({"channels": ["ops"], "on": ["failed"]}, "alert.on"),
        ({"channels": ["ops"], "late_after": 5}, "alert.late_after"),
        ([], "alert"),
    ],
)
def test_a_wrong_rule_of_a_task_is_refused(api: Api, alert: Any, field: str) -> None:
    answer = api.post("/api/tasks", {"name": "x", "api_url": "http://x.example", "alert": alert})
    assert fields_of(answer) == [field]


def test_a_retry_of_a_task_of_a_schedule_keeps_the_channels(api: Api, worker: PlayedWorker, alerts: Alerts) -> None:
    schedule = api.schedule(alert={**OPS, "late_after": 5})
    (task_id,) = alerts.fire()
    worker.fail(task_id)
    for body in ({}, {"timeout": 5}):
        again = api.post(f"/api/tasks/{task_id}/retry", body).get_json()
        assert again["alert"] == OPS
    assert api.get(f"/api/tasks/{task_id}").get_json()["alert"] == schedule["alert"]


def test_a_rule_is_shown_as_it_was_given(api: Api) -> None:
    rule = {**OPS, "on": ["failed"], "after_failures": 2, "late_after": 600, "silent_after": 1.5, "remind_every": 60}
    schedule = api.schedule(alert=rule)
    assert schedule["alert"] == rule
    assert '"late_after":600,' in api.get(f"/api/scheduled-tasks/{schedule['id']}").text
    assert api.schedule(alert={**OPS, "late_after": None})["alert"] == OPS


# --- schedules --------------------------------------------------------------------------------------


def test_a_schedule_that_fails_is_told_once_and_its_recovery_too(
    api: Api, worker: PlayedWorker, alerts: Alerts, clock: VirtualClock
) -> None:
    schedule = api.schedule(name="nightly", alert={**OPS, "after_failures": 2})
    for count in (0, 1, 1):
        (task_id,) = alerts.fire()
        worker.fail(task_id, Failure("ValueError", "no"))
        assert alerts.types() == ["failed"] * count
    (task_id,) = alerts.fire()
    worker.succeed(task_id)
    failed, recovered = alerts.told()
    assert failed == {
        "type": "failed",
        "subject": "nightly",
        "at_ms": NOON_MS + 2 * MINUTE_MS,
        "reason": "ValueError: no",
        "task_id": failed["task_id"],
        "scheduled_task_id": schedule["id"],
        "schedule": "nightly",
        "count": 2,
        "since_ms": NOON_MS + MINUTE_MS,
    }
    assert (recovered["type"], recovered["count"], recovered["task_id"]) == ("recovered", 3, task_id)
    found = api.get(f"/api/deliveries?scheduled_task_id={schedule['id']}").get_json()["items"]
    assert [item["type"] for item in found] == ["alert.recovered", "alert.failed"]


def test_a_schedule_shows_what_its_channels_were_told_and_when(api: Api, worker: PlayedWorker, alerts: Alerts) -> None:
    path = f"/api/scheduled-tasks/{api.schedule(alert=OPS)['id']}"
    assert api.get(path).get_json()["alert_state"] is None
    (task_id,) = alerts.fire()
    worker.fail(task_id)
    alerts.told()
    failed = {"told": ["failed"], "last_told_at": "2026-11-23T08:31:00.000Z", "last_success_at": None}
    assert api.get(path).get_json()["alert_state"] == failed
    (task_id,) = alerts.fire()
    worker.succeed(task_id)
    alerts.told()
    well = {"told": [], "last_told_at": "2026-11-23T08:32:00.000Z", "last_success_at": "2026-11-23T08:32:00.000Z"}
    assert api.get(path).get_json()["alert_state"] == well
    assert api.patch(path, {"name": "other"}).get_json()["alert_state"] == well


def test_firings_that_did_not_happen_are_told(api: Api, alerts: Alerts) -> None:
    api.schedule(alert=OPS, overlap="skip")
    alerts.fire()
    alerts.fire()
    (told,) = alerts.told()
    assert (told["type"], told["count"], told["reason"]) == ("missed", 1, "skipped_overlap")
    alerts.fire()
    assert alerts.types() == ["missed"]


def test_firings_that_nobody_took_are_told_by_the_beat_that_comes_back(api: Api, alerts: Alerts) -> None:
    api.schedule(alert=OPS)
    alerts.fire(10 * MINUTE_MS)
    (told,) = alerts.told()
    assert (told["type"], told["count"], told["since_ms"]) == ("missed", 9, NOON_MS + MINUTE_MS)
    assert told["reason"] == "missed"


def test_a_task_that_has_not_finished_is_late(api: Api, worker: PlayedWorker, alerts: Alerts) -> None:
    api.schedule(alert={**OPS, "late_after": 90, "on": ["late", "recovered"]}, cron_expression="0 * * * *")
    (task_id,) = alerts.fire(30 * MINUTE_MS)
    assert alerts.types(89_000) == []
    (told,) = alerts.told(1_000)
    assert (told["type"], told["task_id"], told["since_ms"]) == ("late", task_id, NOON_MS + 30 * MINUTE_MS)
    assert told["reason"] == "queued"
    worker.succeed(task_id)
    assert alerts.types(90_000) == ["late", "recovered"]
    (on_time,) = alerts.fire(60 * MINUTE_MS)
    worker.succeed(on_time)
    assert alerts.types(90_000) == ["late", "recovered"]


@pytest.mark.parametrize("is_default", [False, True])
def test_a_task_that_waits_for_its_next_attempt_is_late_since_its_time(
    api: Api, worker: PlayedWorker, store: Store, clock: VirtualClock, is_default: bool
) -> None:
    rule = {**OPS, "late_after": 90, "on": ["late"]}
    alerts = Alerts(store, clock, ScheduleAlert.model_validate(rule) if is_default else None)
    assert alerts.types() == []
    api.schedule(cron_expression="0 * * * *", **({} if is_default else {"alert": rule}))
    (task_id,) = alerts.fire(30 * MINUTE_MS)
    failed = Outcome(failure=Failure("ValueError", "no"))
    due_ms = clock() + 60 * MINUTE_MS
    attempt = worker.start(task_id)
    store.tasks.run_again(attempt, failed, clock(), 3.1, due_ms, NO_MESSAGE, Ending.COUNTED, entry=None)
    (told,) = alerts.told(90_000)
    assert (told["task_id"], told["since_ms"]) == (task_id, NOON_MS + 30 * MINUTE_MS)
    assert told["reason"] == "waiting"


@pytest.mark.parametrize("is_default", [False, True])
def test_a_task_that_is_over_is_not_looked_at_any_more(
    api: Api, worker: PlayedWorker, store: Store, clock: VirtualClock, raw_redis: redis.Redis, is_default: bool
) -> None:
    """Or the number kept would be that of all firings within `late_after`, whatever the retention."""
    rule = {**OPS, "late_after": 31_536_000}
    alerts = Alerts(store, clock, ScheduleAlert.model_validate(rule) if is_default else None)
    assert alerts.types() == []
    api.schedule(**({} if is_default else {"alert": rule}))
    succeeded, stopped, deleted = (alerts.fire()[0] for _ in range(3))
    assert raw_redis.zcard("celeriac:alerts:late") == 3
    worker.succeed(succeeded)
    assert api.post(f"/api/tasks/{stopped}/stop").status_code == 200
    assert api.delete(f"/api/tasks/{deleted}").status_code == 204
    assert raw_redis.zcard("celeriac:alerts:late") == 0


def test_a_late_task_that_runs_is_told_apart_from_one_that_nobody_starts(
    api: Api, worker: PlayedWorker, alerts: Alerts
) -> None:
    api.schedule(alert={**OPS, "late_after": 90, "on": ["late"]}, cron_expression="0 * * * *")
    (task_id,) = alerts.fire(30 * MINUTE_MS)
    worker.start(task_id)
    (told,) = alerts.told(90_000)
    assert told["reason"] == "running"


def test_nobody_is_told_of_a_late_task_by_a_rule_that_is_no_more(api: Api, alerts: Alerts) -> None:
    schedule = api.schedule(alert={**OPS, "late_after": 90}, cron_expression="0 * * * *")
    alerts.fire(30 * MINUTE_MS)
    api.patch(f"/api/scheduled-tasks/{schedule['id']}", {"alert": OPS})
    assert alerts.types(90_000) == []


def test_a_field_of_a_newer_version_is_ignored(api: Api, alerts: Alerts, raw_redis: redis.Redis) -> None:
    rule = {**OPS, "late_after": 90, "on": ["late"]}
    schedule = api.schedule(alert=rule, cron_expression="0 * * * *")
    raw_redis.hset(f"celeriac:s:{schedule['id']}", SHORT_NAMES["alert"], dump_json({**rule, "early_after": 5}))
    alerts.fire(30 * MINUTE_MS)
    assert alerts.types(90_000) == ["late"]


def test_a_rule_that_can_not_be_read_does_not_hold_up_the_others(
    api: Api, alerts: Alerts, raw_redis: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """A newer version may have written it."""
    rule = {**OPS, "late_after": 90, "on": ["late"]}
    unreadable, other = (api.schedule(alert=rule, name=name, cron_expression="0 * * * *") for name in ("new", "old"))
    alerts.fire(30 * MINUTE_MS)
    (task,) = api.get(f"/api/tasks?scheduled_task_id={unreadable['id']}").get_json()["items"]
    newer = dump_json({**rule, "on": ["late", "early"]})
    for key in (f"celeriac:s:{unreadable['id']}", f"celeriac:t:{task['id']}"):
        assert raw_redis.hset(key, SHORT_NAMES["alert"], newer) == 0
    assert [notice["subject"] for notice in alerts.told(90_000)] == [other["name"]]
    assert {record.__dict__["scheduled_task_id"] for record in caplog.records} == {unreadable["id"]}
    caplog.clear()
    assert alerts.types(UNREADABLE_LOOK_MS - 1) == ["late"]
    assert caplog.records == []
    alerts.told(1)
    assert len(caplog.records) == 1, "it looks again, as a newer beat would"


def test_silence_is_told_once_even_if_nobody_was_there_to_notice(
    api: Api, worker: PlayedWorker, alerts: Alerts
) -> None:
    api.schedule(alert={**OPS, "silent_after": 3600, "on": ["failed"]}, cron_expression="0 0 1 1 *")
    assert alerts.types() == []
    assert alerts.types(3_599_000) == []
    assert alerts.types(100 * 3_600_000) == ["silent"]
    assert alerts.types(100 * 3_600_000) == ["silent"]


def test_a_paused_schedule_is_not_silent_and_a_resumed_one_has_its_time_anew(api: Api, alerts: Alerts) -> None:
    schedule = api.schedule(alert={**OPS, "silent_after": 3600}, cron_expression="0 0 1 1 *")
    assert alerts.types() == []
    path = f"/api/scheduled-tasks/{schedule['id']}"
    api.post(f"{path}/pause")
    assert alerts.types(10 * 3_600_000) == []
    api.post(f"{path}/resume")
    assert alerts.types(3_599_000) == []
    assert alerts.types(1_000) == ["silent"]


def test_a_rule_that_is_added_changed_or_removed_counts_from_then_on(api: Api, alerts: Alerts) -> None:
    path = f"/api/scheduled-tasks/{api.schedule(cron_expression='0 0 1 1 *')['id']}"
    assert alerts.types(3_600_000) == []
    api.patch(path, {"alert": {**OPS, "silent_after": 60}})
    assert alerts.types() == []
    assert alerts.types(60_000) == ["silent"]
    api.patch(path, {"alert": None})
    assert alerts.types(3_600_000) == ["silent"]
    api.patch(path, {"alert": {**OPS, "silent_after": 60}})
    assert alerts.types(60_000) == ["silent", "silent"]


def test_reminders_come_while_it_lasts(api: Api, worker: PlayedWorker, alerts: Alerts) -> None:
    api.schedule(alert={**OPS, "remind_every": 600}, cron_expression="0 * * * *")
    (task_id,) = alerts.fire(30 * MINUTE_MS)
    worker.fail(task_id)
    assert alerts.types() == ["failed"]
    assert alerts.types(599_000) == ["failed"]
    assert alerts.types(1_000) == ["failed", "failed"]
    (task_id,) = alerts.fire(60 * MINUTE_MS)
    worker.succeed(task_id)
    assert alerts.types()[-1] == "recovered"
    assert alerts.types(6_000_000)[-1] == "recovered"


def test_a_deleted_schedule_leaves_nothing_behind(
    api: Api, worker: PlayedWorker, alerts: Alerts, raw_redis: redis.Redis
) -> None:
    schedule = api.schedule(alert={**OPS, "silent_after": 100})
    (task_id,) = alerts.fire()
    alerts.told()
    assert raw_redis.hkeys("celeriac:alerts:schedules") == [schedule["id"]]
    worker.fail(task_id)
    api.delete(f"/api/scheduled-tasks/{schedule['id']}")
    for _ in range(2):
        assert raw_redis.hkeys("celeriac:alerts:schedules") == raw_redis.zrange("celeriac:alerts:due", 0, -1) == []
        assert alerts.types(120_000) == []


def test_run_by_hand_counts_as_well(api: Api, worker: PlayedWorker, alerts: Alerts) -> None:
    schedule = api.schedule(alert=OPS)
    worker.fail(api.post(f"/api/scheduled-tasks/{schedule['id']}/run").get_json()["id"])
    assert alerts.types() == ["failed"]


# --- the default ------------------------------------------------------------------------------------


def test_the_default_holds_for_schedules_without_a_rule(
    api: Api, worker: PlayedWorker, store: Store, clock: VirtualClock
) -> None:
    api.schedule(name="before")
    api.schedule(name="own", alert={"channels": ["other"]})
    api.schedule(name="nobody", alert={"channels": []})
    alerts = Alerts(store, clock, ScheduleAlert(channels=["ops"], silent_after=600, late_after=30))
    assert alerts.types() == []
    for task_id in alerts.fire():
        worker.fail(task_id)
    assert Counter(told["subject"] for told in alerts.told()) == {"before": 1, "own": 1}
    alerts.fire()
    assert sorted(alerts.types(30_000)) == ["failed", "failed", "late"]
    assert sorted(alerts.types(600_000)) == ["failed", "failed", "late", "silent"]
    without = Alerts(store, clock)
    before = len(without.told())
    for task_id in without.fire():
        worker.succeed(task_id)
    told = {(notice["subject"], notice["type"]) for notice in without.told()[before:]}
    assert told == {("own", "recovered"), ("own", "missed")}


def test_a_default_that_redis_has_lost_is_stored_again(
    api: Api, worker: PlayedWorker, store: Store, clock: VirtualClock, raw_redis: redis.Redis
) -> None:
    """It was restarted with older data, for example."""
    api.schedule()
    alerts = Alerts(store, clock, ScheduleAlert(channels=["ops"]))
    assert alerts.types() == []
    raw_redis.delete("celeriac:alerts:default", "celeriac:alerts:default_since")
    assert alerts.types() == []
    (task_id,) = alerts.fire()
    worker.fail(task_id)
    assert alerts.types() == ["failed"]


def test_a_default_that_was_removed_is_not_stored_again_by_the_beat_that_is_replaced(
    api: Api, worker: PlayedWorker, store: Store, clock: VirtualClock, raw_redis: redis.Redis
) -> None:
    """A schedule without a rule is then as before there was a default: nothing of it is noted for alerts."""
    api.schedule(overlap="skip")
    older, newer = Alerts(store, clock, ScheduleAlert(channels=["ops"], late_after=30)), Alerts(store, clock)
    for alerts in (older, newer, older):
        assert alerts.types() == []
    (running,) = older.fire()
    assert older.fire() == []  # skipped
    worker.fail(running)
    assert raw_redis.xlen("celeriac:alerts:events") == 0
    assert raw_redis.exists("celeriac:alerts:due", "celeriac:alerts:late") == 0
    assert older.types() == newer.types() == []


def test_that_there_is_no_default_is_stored_again_if_redis_has_lost_it(
    store: Store, clock: VirtualClock, raw_redis: redis.Redis
) -> None:
    """Older versions removed the key instead. No schedule is looked at: there was no rule before either."""
    newer = Alerts(store, clock)
    newer.told()
    revision = store.alerts.revision()
    raw_redis.delete("celeriac:alerts:default")
    newer.told()
    Alerts(store, clock).told()
    assert raw_redis.get("celeriac:alerts:default") == ""
    assert store.alerts.revision() == revision


def test_beats_with_different_defaults_do_not_take_turns(store: Store, clock: VirtualClock) -> None:
    older, newer = (Alerts(store, clock, ScheduleAlert(channels=[name])) for name in ("ops", "other"))
    for alerts in (older, newer):
        alerts.told()
    revision = store.alerts.revision()
    for alerts in (older, newer, older):
        alerts.told()
    assert store.alerts.revision() == revision


def test_silence_by_a_new_default_counts_from_then_on(
    api: Api, worker: PlayedWorker, store: Store, clock: VirtualClock
) -> None:
    api.schedule()
    before = Alerts(store, clock)
    for _ in range(2):
        for task_id in before.fire():
            worker.succeed(task_id)
    assert before.told(20 * MINUTE_MS) == []
    default = ScheduleAlert(channels=["ops"], silent_after=600)
    assert Alerts(store, clock, default).types() == []  # nobody has noted its successes until now
    again = Alerts(store, clock, default)  # another process, with the same rule
    assert again.types(599_000) == []
    (silent,) = again.told(1_000)
    assert (silent["type"], silent["since_ms"]) == ("silent", clock() - 600_000)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not valid JSON"),
        ("{}", "channels is required"),
        ('{"channels": ["a"], "on": ["bored"]}', "on"),
        ("[]", "it must be a JSON object"),
    ],
)
def test_a_wrong_default_stops_the_process_at_start(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=rf"^ALERT_DEFAULT .*{message}"):
        read_settings({"ALERT_DEFAULT": text})
    assert read_settings({"ALERT_DEFAULT": '{"channels": ["a"]}'}).alert_default == ScheduleAlert(channels=["a"])


# --- storms, races and losses -----------------------------------------------------------------------


def test_a_storm_is_a_few_notices_and_a_summary(api: Api, worker: PlayedWorker, alerts: Alerts) -> None:
    for number in range(MOST + 47):
        worker.fail(api.create(name=f"t{number}", alert=OPS)["id"])
    assert Counter(alerts.types()) == {"failed": MOST}
    told = alerts.told(WINDOW_MS)
    assert (told[-1]["type"], told[-1]["subject"]) == ("summary", "47")
    assert told[-1]["reason"].split("\n") == [*(f"failed: t{MOST + n}" for n in range(5)), "…"]
    for number in range(20):  # it goes on
        worker.fail(api.create(name=f"u{number}", alert=OPS)["id"])
    assert Counter(alerts.types()) == {"failed": MOST, "summary": 1}
    assert Counter(alerts.types(WINDOW_MS)) == {"failed": MOST, "summary": 2}
    worker.fail(api.create(alert={"channels": ["other"]})["id"])
    assert alerts.types(channel="other") == ["failed"]
    alerts.types(WINDOW_MS)
    worker.fail(api.create(alert=OPS)["id"])
    assert alerts.types()[-1] == "failed"


def test_a_name_is_one_line_of_a_summary(api: Api, worker: PlayedWorker, alerts: Alerts) -> None:
    for number in range(MOST + 2):
        worker.fail(api.create(name=f"t{number}\nfailed: the\u202e bank", alert=OPS)["id"])
    alerts.told()
    summary = alerts.told(WINDOW_MS)[-1]
    assert summary["reason"].split("\n") == [f"failed: t{MOST + n} failed: the bank" for n in range(2)]


def test_many_beats_at_once_tell_each_notice_once(
    api: Api, worker: PlayedWorker, store: Store, clock: VirtualClock
) -> None:
    ids = {api.schedule(name=f"s{number}", alert=OPS)["id"] for number in range(8)}
    for task_id in Alerts(store, clock).fire():
        worker.fail(task_id)
    beats = [AlertWork(store.alerts, None, "one name, so that the lease keeps none") for _ in range(6)]
    threads = [threading.Thread(target=beat.run, args=(clock(),)) for beat in beats]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = store.deliveries.page(DeliveryFilters(channel="ops"), 200).items
    assert Counter(one.scheduled_task_id for one in told) == dict.fromkeys(ids, 1)


def test_one_beat_at_a_time_does_the_rounds(
    api: Api, worker: PlayedWorker, store: Store, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    api.schedule(alert=OPS)
    alerts, key = Alerts(store, clock), store.keys.alert("lease")
    worker.fail(alerts.fire()[0])
    assert store.alerts.lease.take("another")
    assert alerts.types() == []
    assert 0 < raw_redis.pttl(key) <= 1_000, "it runs out, should the other beat be killed"
    raw_redis.delete(key)
    assert alerts.types() == ["failed"]
    assert not raw_redis.exists(key), "it is given up"


def test_a_beat_that_dies_before_it_commits_has_done_nothing_and_after_it_everything(
    api: Api, worker: PlayedWorker, store: Store, clock: VirtualClock
) -> None:
    api.schedule(alert=OPS)
    alerts = Alerts(store, clock)
    (task_id,) = alerts.fire()
    worker.fail(task_id)
    seen = store.alerts.read(clock())
    assert len(seen.events) == 1  # it dies here
    assert alerts.types() == ["failed"]
    assert store.alerts.read(clock()).is_empty
    late = _Round(store.alerts, None, seen, clock()).plan()  # and it comes back with what it had read
    assert len(late.deliveries) in (0, 1)
    assert not store.alerts.commit(seen.revision, late, clock())
    assert alerts.types() == ["failed"]


def test_a_schedule_that_is_resumed_between_read_and_commit_is_looked_at_again(
    api: Api, store: Store, clock: VirtualClock, alerts: Alerts
) -> None:
    path = f"/api/scheduled-tasks/{api.schedule(alert={**OPS, 'silent_after': 600})['id']}"
    alerts.told()
    api.post(f"{path}/pause")
    seen = store.alerts.read(clock())
    plan = _Round(store.alerts, None, seen, clock()).plan()
    api.post(f"{path}/resume")
    assert store.alerts.commit(seen.revision, plan, clock())
    assert alerts.types() == []
    assert alerts.types(600_000) == ["silent"]


def test_a_default_that_is_set_between_read_and_commit_has_every_schedule_looked_at(
    api: Api, store: Store, clock: VirtualClock
) -> None:
    api.schedule()
    api.patch(f"/api/scheduled-tasks/{api.schedule(alert=OPS)['id']}", {"alert": None})
    seen = store.alerts.read(clock())
    plan = _Round(store.alerts, None, seen, clock()).plan()
    default = ScheduleAlert(channels=["ops"], silent_after=600)
    store.alerts.set_default(rule_json(default), clock())
    assert not store.alerts.commit(seen.revision, plan, clock())
    with_default = Alerts(store, clock, default)
    assert with_default.types() == []
    assert with_default.types(600_000) == ["silent", "silent"]


def test_work_goes_on_where_the_memory_is_full(
    api: Api, worker: PlayedWorker, store: Store, clock: VirtualClock, raw_redis: redis.Redis
) -> None:
    task = api.create(alert=OPS)
    worker.fail(task["id"])
    raw_redis.config_set("maxmemory", str(used_memory_bytes(raw_redis) // 2))
    try:
        alerts = Alerts(store, clock)
        alerts.work._is_default_stored = True
        assert alerts.types() == ["failed"]
    finally:
        raw_redis.config_set("maxmemory", "0")


def test_tasks_without_a_rule_leave_no_event(api: Api, worker: PlayedWorker, raw_redis: redis.Redis) -> None:
    worker.fail(api.create()["id"])
    worker.succeed(api.create(alert=OPS)["id"])
    schedule = api.schedule()
    worker.fail(api.post(f"/api/scheduled-tasks/{schedule['id']}/run").get_json()["id"])
    assert raw_redis.keys("celeriac:alerts:*") == []
