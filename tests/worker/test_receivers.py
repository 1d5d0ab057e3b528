"""How many of the places of a courier its receivers may hold."""

from __future__ import annotations

from tasks.deliveries.receivers import MOST_SLOW, Receivers, Wait


def held(receivers: Receivers, receiver: str, now: float = 0.0) -> int:
    """Enter until it has to wait, or has 20 places."""
    return next((number for number in range(20) if receivers.enter(receiver, now) is not None), 20)


def tried(receivers: Receivers, receiver: str, seconds: float, has_answered: bool | None) -> None:
    assert receivers.enter(receiver, 0.0) is None
    receivers.leave(receiver, seconds, has_answered)


def test_a_receiver_that_was_never_slow_has_all_places() -> None:
    receivers = Receivers(20, 15.0)
    assert held(receivers, "a:80") == 20
    for _ in range(20):
        receivers.leave("a:80", 1.9, False)
    assert held(receivers, "a:80") == 20


def test_one_that_did_not_answer_has_a_tenth_and_one_that_answered_late_a_half() -> None:
    receivers = Receivers(20, 15.0)
    tried(receivers, "silent:80", 2.0, False)
    tried(receivers, "late:80", 2.0, True)
    assert [held(receivers, one) for one in ("silent:80", "late:80", "other:80")] == [2, 10, 20]


def test_the_last_try_decides_unless_nothing_was_sent() -> None:
    receivers = Receivers(20, 15.0)
    tried(receivers, "a:80", 15.0, False)
    tried(receivers, "a:80", 0.1, None)
    assert held(receivers, "a:80") == 2
    receivers.leave("a:80", 0.1, True)
    assert held(receivers, "a:80") == 20


def test_each_has_one_place_at_least_and_half_of_a_short_timeout_is_long() -> None:
    receivers = Receivers(1, 1.0)
    tried(receivers, "a:80", 0.5, False)
    assert held(receivers, "a:80") == 1


def test_those_that_wait_have_their_turns_one_after_the_other() -> None:
    receivers = Receivers(10, 15.0)
    tried(receivers, "a:80", 15.0, False)
    assert receivers.enter("a:80", 100.0) is None
    assert receivers.enter("a:80", 100.0) == Wait(15.0, is_first=True)
    waits = [receivers.enter("a:80", 100.0) for _ in range(500)]
    assert all(wait is not None and not wait.is_first for wait in waits)
    assert [round(wait.seconds, 6) for wait in waits if wait] == [round(15 + n / 100, 6) for n in range(1, 501)]
    assert receivers.enter("a:80", 200.0) == Wait(15.0, is_first=False), "the line is over"


def test_a_receiver_that_was_well_in_between_waits_anew() -> None:
    receivers = Receivers(10, 15.0)
    for _ in range(2):
        tried(receivers, "a:80", 15.0, False)
        assert receivers.enter("a:80", 0.0) is None
        assert receivers.enter("a:80", 0.0) == Wait(15.0, is_first=True)
        receivers.leave("a:80", 0.1, True)


def test_the_number_of_slow_receivers_is_bounded() -> None:
    receivers = Receivers(20, 15.0)
    for number in range(MOST_SLOW + 1):
        tried(receivers, f"host-{number}:80", 15.0, False)
    assert [held(receivers, f"host-{number}:80") for number in (0, 1, MOST_SLOW)] == [20, 2, 2]
