"""What a rule owes: the state of one scheduled task by events, and the bound on notices to one channel."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.alerts.rule import ALL_ON, ScheduleAlert
from app.domain.alerts.service import Trouble
from app.domain.alerts.storm import MOST, NAMED, WINDOW_MS, Flow, admit, summed_up
from app.domain.alerts.watch import Ended, Event, Late, Look, Missed, Owed, WatchState, next_look_ms, step
from app.domain.channels.notice import Notice, NoticeType

SINCE_MS = 1_000


def rule(**fields: Any) -> ScheduleAlert:
    """A rule with one channel."""
    return ScheduleAlert(channels=["ops"], **fields)


def run(of: ScheduleAlert, *events: Event, state: WatchState | None = None) -> tuple[WatchState, list[Owed]]:
    """The state after the events, and everything that is owed."""
    state, owed = state or WatchState(), list[Owed]()
    for event in events:
        state, more = step(of, state, event)
        owed += more
    return state, owed


def ended(statuses: str, at_ms: int = 10_000) -> list[Event]:
    """Tasks that end one after the other: f, s or x (stopped)."""
    words = {"f": "failed", "s": "succeeded", "x": "stopped"}
    return [Ended(f"t{n}", words[letter], at_ms + n) for n, letter in enumerate(statuses)]


def types(of: ScheduleAlert, *events: Event) -> list[str]:
    """The types of what is owed."""
    return [str(owed.type) for owed in run(of, *events)[1]]


@pytest.mark.parametrize(
    ("fields", "statuses", "expected"),
    [
        ({}, "s", []),
        ({}, "f", ["failed"]),
        ({}, "fff", ["failed"]),  # one notice per state
        ({}, "ffs", ["failed", "recovered"]),
        ({}, "fsf", ["failed", "recovered", "failed"]),
        ({"after_failures": 3}, "ff", []),
        ({"after_failures": 3}, "ffsff", []),  # in a row
        ({"after_failures": 3}, "ffff", ["failed"]),
        ({"after_failures": 3}, "fffs", ["failed", "recovered"]),
        ({"on": ["failed"]}, "fs", ["failed"]),
        ({"on": ["recovered"]}, "fs", []),  # nobody was told that it failed
        ({}, "xx", ["stopped"]),
        ({}, "xsx", ["stopped", "stopped"]),
        ({}, "fxf", ["failed", "stopped"]),  # a stop neither fails nor succeeds
        ({"after_failures": 2}, "fxf", ["stopped", "failed"]),
    ],
)
def test_ends_of_tasks(fields: dict[str, Any], statuses: str, expected: list[str]) -> None:
    assert types(rule(**fields), *ended(statuses)) == expected


def test_a_clock_that_is_set_back_puts_off_neither_silence_nor_reminders() -> None:
    of = rule(silent_after=60, remind_every=60)
    ahead, back = 10_000_000, 2_000_000
    state, _ = run(of, *ended("s", ahead), *ended("s", back))
    assert state.last_success_ms == back
    state, _ = run(of, *ended("f", ahead), *ended("f", back), Look(back, SINCE_MS, True))
    assert state.told_ms == back


def test_a_notice_of_failures_has_their_number_and_the_last_of_them() -> None:
    _, owed = run(rule(after_failures=2), *ended("ffs"))
    assert owed == [
        Owed(NoticeType.FAILED, 10_001, "t1", 2, 10_000),
        Owed(NoticeType.RECOVERED, 10_002, "t2", 2, 10_000),
    ]


def test_missed_firings_are_told_once_until_a_success() -> None:
    missed = Missed(3, 5_000, 9_000)
    assert types(rule(), missed, missed, *ended("fs"), missed) == ["missed", "failed", "recovered", "missed"]
    assert types(rule(on=["failed"]), missed) == []


def test_a_late_task_is_told_once_and_recovers_with_a_success() -> None:
    late = Late("t9", 5_000, 9_000)
    assert types(rule(late_after=4), late, late, *ended("s")) == ["late", "recovered"]
    assert types(rule(), late, *ended("s")) == []  # it was late by a rule that has been changed


def test_silence_is_told_once_however_late_it_is_noticed() -> None:
    of = rule(silent_after=60, on=["failed"])
    assert types(of, Look(60_999, SINCE_MS, True)) == []
    state, owed = run(of, Look(61_000, SINCE_MS, True), Look(99_000_000, SINCE_MS, True))
    assert owed == [Owed(NoticeType.SILENT, 61_000, since_ms=SINCE_MS)]
    assert next_look_ms(of, state, SINCE_MS) is None
    assert types(of, Look(1_000_000, SINCE_MS, True)) == ["silent"]  # no beat was there before


def test_a_success_a_change_and_a_resumption_start_the_clock_anew() -> None:
    of = rule(silent_after=60)
    state, _ = run(of, *ended("s", 50_000))
    assert next_look_ms(of, state, SINCE_MS) == 110_000
    assert next_look_ms(of, state, 80_000) == 140_000
    assert types(of, *ended("s", 50_000), Look(109_999, SINCE_MS, True)) == []


def test_a_paused_schedule_is_never_silent_and_reminds_nobody() -> None:
    assert types(rule(silent_after=60, remind_every=60), *ended("f"), Look(9_999_999, SINCE_MS, False)) == ["failed"]


def test_the_end_of_a_silence_is_told() -> None:
    of = rule(silent_after=60)
    assert types(of, Look(61_000, SINCE_MS, True), *ended("s", 70_000)) == ["silent", "recovered"]


def test_channels_that_a_rule_gets_later_are_told_what_lasts() -> None:
    """While it has none, nobody is told of anything, and nothing counts as told."""
    fields = {"late_after": 4, "silent_after": 60, "remind_every": 60}
    nobody = ScheduleAlert(channels=[], **fields)
    look = Look(99_000, SINCE_MS, True)
    state, owed = run(nobody, *ended("fxf"), Missed(3, 5_000, 9_000), Late("t9", 5_000, 9_000), look)
    assert (owed, state.told, state.failures) == ([], (), 2)
    assert next_look_ms(nobody, state, SINCE_MS) is None
    _, owed = run(rule(**fields), look, *ended("f", 99_500), state=state)
    assert [(one.type, one.count) for one in owed] == [("silent", 0), ("failed", 3)]
    told, _ = run(rule(**fields), *ended("f"))
    assert next_look_ms(nobody, told, SINCE_MS) is None, "it reminds nobody of what others were told"
    assert run(nobody, look, state=told) == (told, [])


def test_reminders_come_as_often_as_asked_while_it_lasts() -> None:
    of = rule(remind_every=100)
    state, _ = run(of, *ended("ff"))
    assert next_look_ms(of, state, SINCE_MS) == 110_000
    looks = [Look(ms, SINCE_MS, True) for ms in (109_999, 110_000, 110_001, 210_000)]
    _, owed = run(of, *looks, state=state)
    assert [(one.type, one.at_ms, one.count) for one in owed] == [("failed", 110_000, 2), ("failed", 210_000, 2)]
    done, _ = run(of, *ended("s", 220_000), state=state)
    assert next_look_ms(of, done, SINCE_MS) is None


def test_the_next_look_is_the_earlier_of_silence_and_reminder() -> None:
    of = rule(silent_after=60, remind_every=100)
    state, _ = run(of, Ended("t", "failed", 10_000))
    assert next_look_ms(of, state, 1_000) == 61_000
    assert next_look_ms(of, state, 90_000) == 110_000


def test_a_single_failure_has_no_row_that_began_earlier() -> None:
    assert run(rule(), *ended("f"))[1] == [Owed(NoticeType.FAILED, 10_000, "t0", 1, 0)]


def test_a_reminder_of_silence_or_lateness_says_when_the_last_success_was() -> None:
    succeeded, look = ended("s", 15_000), Look(220_000, SINCE_MS, True)
    _, silent = run(rule(silent_after=60, remind_every=100), *succeeded, Look(120_000, SINCE_MS, True), look)
    _, late = run(rule(late_after=5, remind_every=100), *succeeded, Late("t9", 5_000, 20_000), look)
    assert silent[-1] == Owed(NoticeType.SILENT, 220_000, "", 0, 15_000)
    assert late[-1] == Owed(NoticeType.LATE, 220_000, "", 0, 15_000)


def test_a_reminder_says_since_when_even_after_one_failure_or_no_success_at_all() -> None:
    look = Look(220_000, SINCE_MS, True)
    _, failed = run(rule(remind_every=100), *ended("f", 15_000), look)
    assert failed[-1] == Owed(NoticeType.FAILED, 220_000, "t0", 1, 15_000)
    _, silent = run(rule(silent_after=60, remind_every=100), Look(61_000, SINCE_MS, True), look)
    assert silent[-1] == Owed(NoticeType.SILENT, 220_000, "", 0, SINCE_MS)


def test_a_recovery_says_since_when_it_lasted_however_many_reminders_there_were() -> None:
    looks = [Look(ms, SINCE_MS, True) for ms in (120_000, 220_000, 320_000)]
    _, silent = run(rule(silent_after=60, remind_every=100), *ended("s", 15_000), *looks, *ended("s", 330_000))
    assert [owed.type for owed in silent] == ["silent", "silent", "silent", "recovered"]
    assert {owed.since_ms for owed in silent} == {15_000}
    _, late = run(rule(late_after=1, remind_every=100), Late("t9", 5_000, 6_000), *looks, *ended("s", 330_000))
    assert (late[-1].type, late[-1].since_ms) == ("recovered", 5_000)
    _, failed = run(rule(remind_every=100), *ended("ff", 7_000), *looks, *ended("s", 330_000))
    assert (failed[-1].type, failed[-1].since_ms) == ("recovered", 7_000)


def test_what_is_not_known_is_empty() -> None:
    assert WatchState().as_json() == {}
    assert asdict(Owed(NoticeType.STOPPED, 1)) == {
        "type": NoticeType.STOPPED, "at_ms": 1, "task_id": "", "count": 0, "since_ms": 0,
    }  # fmt: skip
    assert Flow().as_json() == {"began_ms": 0, "passed": 0, "held": 0, "lines": ()}


@pytest.mark.parametrize(
    "state",
    [
        WatchState(failures=2, told=("failed",)),
        Flow(began_ms=5, lines=("a",)),
        Trouble("queue", "late", 7, is_told=True),
        Notice(NoticeType.LATE, "report", 7, count=2),
    ],
)
def test_what_a_newer_version_has_added_to_the_stored_form_is_left_out(
    state: WatchState | Flow | Trouble | Notice,
) -> None:
    """Versions of one form work side by side (docs/upgrade.md)."""
    assert type(state).from_json({**state.as_json(), "newer": 1}) == state


RULES = st.builds(
    lambda on, failures, silent, remind: rule(
        on=on, after_failures=failures, late_after=9, silent_after=silent, remind_every=remind
    ),
    st.lists(st.sampled_from(ALL_ON), min_size=1, unique=True),
    st.integers(1, 4),
    st.none() | st.integers(1, 100),
    st.none() | st.integers(60, 200),
)
KINDS = st.lists(st.tuples(st.sampled_from("fsxmlk"), st.integers(0, 50_000)), max_size=60)


def events_of(kinds: list[tuple[str, int]]) -> list[Event]:
    """Events with growing times."""
    now_ms, events = SINCE_MS, list[Event]()
    for kind, pause_ms in kinds:
        now_ms += pause_ms
        if kind == "m":
            events.append(Missed(1, now_ms, now_ms))
        elif kind == "l":
            events.append(Late("late", now_ms, now_ms))
        elif kind == "k":
            events.append(Look(now_ms, SINCE_MS, True))
        else:
            events += ended(kind, now_ms)
    return events


@given(of=RULES, kinds=KINDS)
def test_of_any_events_each_condition_is_told_once_until_it_is_over(
    of: ScheduleAlert, kinds: list[tuple[str, int]]
) -> None:
    state, since_told = WatchState(), list[str]()
    for event in events_of(kinds):
        before = state
        state, owed = step(of, state, event)
        assert WatchState.from_json(state.as_json()) == state
        assert step(of, before, event) == (state, owed)  # nothing but its arguments counts
        for one in owed:
            is_reminder = isinstance(event, Look) and one.type in before.told
            assert is_reminder or one.type not in before.told
            assert one.type in of.on or one.type == "silent"
        if isinstance(event, Ended) and event.status == "succeeded":
            assert (state.told, state.failures) == ((), 0)
            assert (len(owed) == 1) == ("recovered" in of.on and bool({"failed", "late", "silent"} & set(before.told)))
        since_told += [str(one.type) for one in owed]
    if of.remind_every is None:
        assert len(since_told) <= len(kinds)


@given(of=RULES, kinds=KINDS)
def test_a_look_at_the_time_foretold_owes_something_and_no_earlier_one_does(
    of: ScheduleAlert, kinds: list[tuple[str, int]]
) -> None:
    state, _ = run(of, *events_of(kinds))
    due_ms = next_look_ms(of, state, SINCE_MS)
    if due_ms is None:
        assert step(of, state, Look(10**12, SINCE_MS, True))[1] == ()
    else:
        assert step(of, state, Look(due_ms - 1, SINCE_MS, True))[1] == ()
        assert len(step(of, state, Look(due_ms, SINCE_MS, True))[1]) == 1


def test_ten_notices_pass_within_five_minutes_and_a_summary_names_five_of_the_others() -> None:
    flow, passed = Flow(), list[bool]()
    for number in range(20):
        flow, passes = admit(flow, 1_000_000, str(number))
        passed.append(passes)
    assert passed == [True] * 10 + [False] * 10
    assert (flow.held, flow.lines, flow.ends_ms) == (10, ("10", "11", "12", "13", "14"), 1_300_000)
    after = summed_up(1_300_000)
    assert (after.held, after.lines, after.ends_ms) == (0, (), 1_600_000)
    assert admit(after, 1_599_999, "x")[1] is False, "the storm goes on"
    assert admit(after, 1_600_000, "x")[1] is True


def test_a_window_begins_with_a_notice_or_with_a_clock_that_was_set_back() -> None:
    flow, _ = admit(Flow(), 1_000_000, "x")
    for now_ms, began_ms, passed in ((1_299_999, 1_000_000, 2), (1_300_000, 1_300_000, 1), (999_999, 999_999, 1)):
        assert admit(flow, now_ms, "y") == (Flow(began_ms=began_ms, passed=passed), True)


def test_a_clock_that_is_set_back_during_a_storm_does_not_put_off_its_summary() -> None:
    flow = Flow(began_ms=10_000_000, passed=MOST, held=3, lines=("a", "b", "c"))
    following, passes = admit(flow, 1_000_000, "d")
    assert not passes
    assert following == Flow(began_ms=1_000_000, passed=MOST, held=4, lines=("a", "b", "c", "d"))


@given(pauses=st.lists(st.integers(0, 100_000), max_size=200))
def test_of_any_storm_a_channel_gets_few_notices_and_every_one_is_counted(pauses: list[int]) -> None:
    flow, now_ms, sent, counted, times = Flow(), 0, 0, 0, list[int]()
    for pause_ms in pauses:
        now_ms += pause_ms
        if flow.held and now_ms >= flow.ends_ms:
            counted += flow.held
            times.append(now_ms)
            flow = summed_up(now_ms)
        flow, passes = admit(flow, now_ms, "x")
        sent += passes
        times += [now_ms] if passes else []
        assert len(flow.lines) == min(flow.held, NAMED)
        assert Flow.from_json(flow.as_json()) == flow
    assert sent + counted + flow.held == len(pauses)
    for start in times:
        assert sum(start <= at < start + WINDOW_MS for at in times) <= 2 * MOST + 1
