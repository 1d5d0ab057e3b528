"""Ids: UUIDv7, sorted by creation time; the id of a firing is deterministic."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.ids import batch_ids, bulk_task_id, firing_id, first_batch_id, is_id, new_id, time_of

TIMES_MS = st.integers(0, (1 << 48) - 1)


def assert_is_uuid7(text: str, ms: int) -> None:
    value = uuid.UUID(text)
    assert str(value) == text
    assert (value.version, value.variant) == (7, uuid.RFC_4122)
    assert value.int >> 80 == ms
    assert is_id(text)


@given(TIMES_MS)
def test_an_id_is_a_uuid7_of_its_time(ms: int) -> None:
    assert_is_uuid7(new_id(ms), ms)


@given(TIMES_MS, TIMES_MS)
def test_ids_sort_by_their_time(one: int, other: int) -> None:
    if one != other:
        assert (new_id(one) < new_id(other)) == (one < other)


def test_ids_of_one_millisecond_differ() -> None:
    assert len({new_id(1) for _ in range(1000)}) == 1000


@given(st.uuids(), TIMES_MS)
def test_a_firings_id_is_a_deterministic_uuid7(schedule: uuid.UUID, ms: int) -> None:
    assert_is_uuid7(firing_id(str(schedule), ms), ms)
    assert firing_id(str(schedule), ms) == firing_id(str(schedule), ms)


def test_a_firings_id_does_not_change_with_a_new_version() -> None:
    """Two versions of the service may run side by side and must agree on ids."""
    schedule = "019aaf4c-5d40-7000-8000-000000000000"
    assert firing_id(schedule, 1_795_422_600_000) == "01a20786-bb40-7dea-8c0d-e64779664cff"


@given(TIMES_MS, st.integers(1, 40))
def test_the_ids_of_a_batch_follow_from_the_first_and_sort_in_their_order(ms: int, number: int) -> None:
    first = first_batch_id(ms)
    ids = batch_ids(first, number)
    assert ids == batch_ids(first, number) == sorted(set(ids))
    assert (len(ids), ids[0]) == (number, first)
    for each in ids:
        assert_is_uuid7(each, ms)
        assert time_of(each) == ms


def test_the_largest_batch_sorts_in_its_order() -> None:
    ids = batch_ids(first_batch_id(1), 4_096)
    assert ids == sorted(set(ids))


@given(TIMES_MS)
def test_a_bulks_task_has_the_time_of_the_bulk_and_one_id_for_each_source(ms: int) -> None:
    bulk, one, other = new_id(ms), new_id(5), new_id(5)
    assert_is_uuid7(bulk_task_id(bulk, one), ms)
    assert bulk_task_id(bulk, one) == bulk_task_id(bulk, one) != bulk_task_id(bulk, other)


def test_a_time_past_the_last_one_begins_anew() -> None:
    assert time_of(new_id((1 << 48) + 5)) == 5


def test_firings_of_other_schedules_and_other_times_have_other_ids() -> None:
    one, other = new_id(1), new_id(1)
    assert len({firing_id(one, 5), firing_id(other, 5), firing_id(one, 6)}) == 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "019aaf4c-5d40-7000-8000-00000000000",
        "019aaf4c-5d40-7000-8000-0000000000000",
        "019AAF4C-5D40-7000-8000-000000000000",  # the service writes lower-case letters
        "019aaf4c5d4070008000000000000000",
        "019aaf4c-5d40-7000-8000-00000000000g",
        "019aaf4c-5d40-7000-8000-000000000000\n",
        "019aaf4c-5d40-7000-8000-00000000000٣",  # a digit, but not ASCII
        "../../etc/passwd",
    ],
)
def test_any_other_text_is_not_an_id(text: str) -> None:
    assert not is_id(text)
