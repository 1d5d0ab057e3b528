"""A fixed interval: its grid, its anchor, its words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.interval import MAX_SECONDS, Interval
from app.domain.times import to_ms

CREATED = to_ms(datetime(2026, 11, 23, 8, 30, 0, 250_000, tzinfo=UTC))
START = to_ms(datetime(2026, 12, 1, 9, 0, tzinfo=UTC))
HOUR = 3_600_000
seconds = st.one_of(st.integers(1, 200), st.integers(1, MAX_SECONDS))
times_ms = st.integers(0, 4_000_000_000_000)


def test_without_a_start_the_first_firing_is_one_interval_after_the_creation() -> None:
    interval = Interval.counted(5_400, start_ms=None, created_ms=CREATED)
    assert interval.next_after(CREATED) == CREATED + 5_400_000
    assert interval.next_after(CREATED + 5_400_000 - 1) == CREATED + 5_400_000
    assert interval.next_after(CREATED + 5_400_000) == CREATED + 2 * 5_400_000


def test_with_a_start_the_first_firing_is_the_start() -> None:
    interval = Interval.counted(5_400, start_ms=START, created_ms=CREATED)
    assert interval.next_after(CREATED) == START
    assert interval.next_after(START) == START + 5_400_000


def test_a_start_in_the_past_only_says_from_where_to_count() -> None:
    interval = Interval.counted(14 * 86_400, start_ms=START, created_ms=START + 10 * 86_400_000)
    assert interval.next_after(START + 10 * 86_400_000) == START + 14 * 86_400_000


def test_it_keeps_to_real_time_through_a_clock_change() -> None:
    """Every 24 hours across the end of summer time: 12:00 in Berlin, then 11:00."""
    noon = to_ms(datetime(2026, 10, 24, 10, 0, tzinfo=UTC))
    assert Interval(86_400, noon).next_after(noon) == noon + 24 * HOUR


@given(seconds, times_ms, times_ms)
def test_the_next_is_the_first_of_the_grid_that_is_later(every: int, anchor_ms: int, after_ms: int) -> None:
    following = Interval(every, anchor_ms).next_after(after_ms)
    assert following is not None
    assert following > after_ms
    assert following >= anchor_ms
    assert (following - anchor_ms) % (every * 1000) == 0
    assert following == anchor_ms or following - every * 1000 <= after_ms


@given(seconds, times_ms, times_ms, st.integers(0, 10**11))
def test_a_later_question_never_has_an_earlier_answer(every: int, anchor_ms: int, after_ms: int, later_ms: int) -> None:
    interval = Interval(every, anchor_ms)
    first, second = interval.next_after(after_ms), interval.next_after(after_ms + later_ms)
    assert first is not None
    assert second is not None
    assert second == first if first > after_ms + later_ms else second > first


def test_at_the_end_of_the_calendar_it_ends() -> None:
    last = to_ms(datetime(9999, 12, 31, tzinfo=UTC))
    assert Interval(60, last - 60_000).next_after(last - 60_000) == last
    assert Interval(60, last).next_after(last) is None


@pytest.mark.parametrize("every", [0, -1, MAX_SECONDS + 1])
def test_out_of_bounds_is_refused(every: int) -> None:
    with pytest.raises(ValueError, match=r"^must be from 1 to 31536000 seconds$"):
        Interval(every, START)


@pytest.mark.parametrize(
    ("every", "words"),
    [
        (1, "Every second"),
        (45, "Every 45 seconds"),
        (60, "Every minute"),
        (90, "Every 90 seconds"),
        (5_400, "Every 90 minutes"),
        (3_600, "Every hour"),
        (36 * 3_600, "Every 36 hours"),
        (86_400, "Every 24 hours"),  # not "every day": the wall clock's time moves with the summer time
        (3 * 86_400, "Every 3 days"),
        (604_800, "Every week"),
        (14 * 86_400, "Every 2 weeks"),
        (MAX_SECONDS, "Every 365 days"),
    ],
)
def test_in_words(every: int, words: str) -> None:
    assert Interval(every, START).describe() == words


@given(seconds)
def test_the_words_say_how_long_it_is(every: int) -> None:
    words = Interval(every, START).describe().removeprefix("Every ")
    count, unit = words.split() if " " in words else ("1", f"{words}s")
    assert timedelta(**{unit: int(count)}) == timedelta(seconds=every)
