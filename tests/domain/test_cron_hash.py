"""`H`: the numbers that a schedule's id picks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.cron import EXAMPLE_ID, Cron, CronError
from app.domain.cron.fields import parse_fields
from app.domain.cron.hashed import is_hashed, resolve
from app.domain.ids import new_id
from tests.examples import scaled

NOW = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
FORMS = ["H", "h", "H/15", "H(0-29)", "H(10-20)/3", "H/7"]


def numbers(bits: int) -> list[int]:
    return [number for number in range(64) if bits >> number & 1]


def minutes(expression: str, hash_id: str) -> list[int]:
    return numbers(parse_fields(resolve(expression, hash_id)).minutes)


@pytest.mark.parametrize("form", FORMS)
@given(hash_id=st.text(max_size=40))
@settings(max_examples=scaled(30))
def test_it_is_what_croniter_picks(form: str, hash_id: str) -> None:
    theirs = croniter.expand(f"{form} * * * *", hash_id=hash_id.encode())[0][0]
    assert minutes(f"{form} * * * *", hash_id) == theirs


@given(hash_id=st.text(max_size=40))
@settings(max_examples=scaled(50))
def test_a_step_goes_on_from_the_number_picked_to_the_end(hash_id: str) -> None:
    first, *_ = found = minutes("H/15 * * * *", hash_id)
    assert first in range(15)
    assert found == list(range(first, 60, 15))
    first, *_ = found = minutes("H(30-59)/10 * * * *", hash_id)
    assert first in range(30, 40)
    assert found == list(range(first, 60, 10))


@given(hash_id=st.text(max_size=40))
def test_no_month_is_too_short_for_the_day_picked(hash_id: str) -> None:
    for form in ("H", "H(20-28)", "H/9"):
        fields = parse_fields(resolve(f"0 0 {form} * *", hash_id))
        assert numbers(fields.days)
        assert max(numbers(fields.days)) <= 28


def test_each_field_may_have_its_own_and_a_list_may_hold_some() -> None:
    fields = parse_fields(resolve("H H 0,H(1-5) H(1-28) H(jan-jun) H(mon-fri)", "a"))
    assert set(numbers(fields.hours)) & {1, 2, 3, 4, 5}
    assert 0 in numbers(fields.hours)
    assert numbers(fields.months)[0] in range(1, 7)
    assert numbers(fields.weekdays)[0] in range(1, 6)
    assert [len(numbers(bits)) for bits in (fields.seconds, fields.minutes, fields.days)] == [1, 1, 1]


def test_a_hundred_hourly_schedules_spread_over_the_hour() -> None:
    """A hundred balls in sixty urns hit 49 of them; nine out of ten in one urn would be no spread at all."""
    now_ms = 1_795_000_000_000
    per_minute = Counter(minutes("H * * * *", new_id(now_ms))[0] for _ in range(100))
    assert len(per_minute) >= 30
    assert max(per_minute.values()) <= 15


def test_the_numbers_are_the_same_in_every_process() -> None:
    program = "from app.domain.cron.hashed import resolve; print(resolve('H H(0-6) H * H', 'sch_1'))"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert outputs == {resolve("H H(0-6) H * H", "sch_1")}


def test_an_expression_with_h_fires_by_its_id() -> None:
    cron = Cron.parse("H * * * *", "UTC", now=NOW, hash_id="sch_1")
    following = cron.next_after(NOW)
    assert following is not None
    assert [following.minute] == minutes("H * * * *", "sch_1")
    assert cron.upcoming(NOW, 3)[2] == following + timedelta(hours=2)
    assert cron.expression == "H * * * *"  # as it was written


def test_the_words_name_the_numbers_and_an_example_says_that_it_is_one() -> None:
    minute = minutes("H * * * *", "sch_1")[0]
    assert Cron("H * * * *", "UTC", "sch_1").describe() == f"At {minute} minutes past the hour"
    example = Cron("H * * * *", "UTC", EXAMPLE_ID).describe()
    assert example.endswith("past the hour (an example: each scheduled task gets its own number for H)")
    assert Cron("0 * * * *", "UTC", EXAMPLE_ID).describe() == "Every hour"


@pytest.mark.parametrize(
    ("expression", "hashed"),
    [
        ("H * * * *", True),
        ("0 0 1,h(2-5) * *", True),
        ("0 0 * * thu", False),
        ("0 0 1 mar-oct *", False),
        ("@hourly", False),  # as before: at minute 0
        ("h", False),  # can't be read
    ],
)
def test_only_an_h_is_hashed(expression: str, hashed: bool) -> None:
    assert is_hashed(expression) is hashed


def test_an_id_changes_nothing_where_there_is_no_h() -> None:
    for expression in ("@hourly", "@midnight", "0 9 * * thu", "*/15 * * * *"):
        assert Cron(expression, "UTC", "a").resolved == expression


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("H(0-60) * * * *", "minute: 60 is not between 0 and 59"),
        ("H(5-5) * * * *", "minute: the range in 'H(5-5)' must go up, and end by 59"),
        ("H(20-10) * * * *", "minute: the range in 'H(20-10)' must go up, and end by 59"),
        ("0 0 H(1-31) * *", "day of month: the range in 'H(1-31)' must go up, and end by 28"),
        ("0 0 * * H(0-7)", "day of week: the range in 'H(0-7)' must go up, and end by 6"),
        ("H/0 * * * *", "minute: the step 0 is not between 1 and 59"),
        ("0 H/24 * * *", "hour: the step 24 is not between 1 and 23; for a fixed interval use every_seconds"),
        ("H() * * * *", "minute: 'H()' is not a number, a range, a step or '*'"),
        ("H-5 * * * *", "minute: 'H' is not a number from 0 to 59"),
        ("5/H * * * *", "minute: '5/H' is not a number, a range, a step or '*'"),
        ("0 0 * * H#1", "day of week: 'H' is not a number from 0 to 7 or a name like 'mon'"),
        ("H(a-b) * * * *", "minute: 'a' is not a number from 0 to 59"),
        ("H, * * * *", "minute: 'H,' has an empty entry"),
    ],
)
def test_a_refused_h_says_why(expression: str, message: str) -> None:
    with pytest.raises(CronError) as refused:
        Cron.parse(expression, "UTC", now=NOW, hash_id="sch_1")
    assert str(refused.value) == message
