"""Whether a failed attempt is retried, and when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.retry import DEFAULT_RETRY_ON, RetryPolicy

POLICY = RetryPolicy(max_retries=3, delay_seconds=5, max_delay_seconds=3600)
SECONDS = st.floats(0, 86_400)


@pytest.mark.parametrize(
    ("attempt", "spread", "retry_after", "pause"),
    [
        (1, 1.0, None, 5),
        (2, 1.0, None, 10),
        (3, 1.0, None, 20),
        (3, 0.5, None, 10),  # full jitter: anywhere from zero …
        (3, 0.0, None, 0),
        (10, 1.0, None, 2560),
        (11, 1.0, None, 3600),  # 5120, capped
        (10_000, 1.0, None, 3600),  # a power far beyond the range of a float
        (1, 1.0, 60.0, 60),  # the target requested a longer pause
        (3, 1.0, 1.0, 20),  # … or a shorter one
        (1, 1.0, 99_999.0, 3600),  # … or one above the cap
        (1, 0.0, 0.0, 0),
    ],
)
def test_the_pause_doubles_up_to_its_cap_and_respects_retry_after(
    attempt: int, spread: float, retry_after: float | None, pause: float
) -> None:
    assert POLICY.pause_seconds(attempt, spread, retry_after) == pause


@given(st.integers(1, 101), st.floats(0, 1), st.none() | st.floats(0, 1e9), SECONDS, SECONDS)
def test_a_pause_is_within_its_bounds(
    attempt: int, spread: float, retry_after: float | None, delay: float, cap: float
) -> None:
    policy = RetryPolicy(100, delay, cap)
    pause = policy.pause_seconds(attempt, spread, retry_after)
    asked = min(retry_after or 0.0, cap)
    assert asked <= pause <= max(asked, min(delay * 2.0 ** (attempt - 1), cap))


def test_a_cap_below_the_delay_holds() -> None:
    assert RetryPolicy(1, 60, 10).pause_seconds(1, 1.0, None) == 10


@pytest.mark.parametrize(
    ("max_retries", "attempt", "allowed"),
    [(0, 1, False), (1, 1, True), (1, 2, False), (3, 3, True), (3, 4, False)],
)
def test_a_task_is_retried_at_most_max_retries_times(max_retries: int, attempt: int, allowed: bool) -> None:
    assert RetryPolicy(max_retries, 5, 3600).allows(attempt) is allowed


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 599])
def test_a_temporary_error_is_retried(code: int) -> None:
    assert POLICY.retries_answer(code, non_retryable=False)


@pytest.mark.parametrize("code", [200, 301, 400, 401, 404, 409, 422])
def test_a_permanent_error_is_not_retried(code: int) -> None:
    assert not POLICY.retries_answer(code, non_retryable=False)


def test_a_target_can_forbid_a_retry() -> None:
    greedy = RetryPolicy(3, 5, 3600, retry_on=("1xx", "2xx", "3xx", "4xx", "5xx"))
    assert greedy.retries_answer(404, non_retryable=False)
    assert not greedy.retries_answer(503, non_retryable=True)
    assert not greedy.retries_answer(489, non_retryable=False)


def test_the_default_matches_the_contract() -> None:
    assert DEFAULT_RETRY_ON == ("408", "425", "429", "5xx")


def test_no_status_at_all_may_be_worth_a_retry() -> None:
    assert not RetryPolicy(3, 5, 3600, retry_on=()).retries_answer(503, non_retryable=False)
