"""The statuses of a task, and the transitions between them."""

from __future__ import annotations

from app.domain.status import FINISHED, TRANSITIONS, Status


def reachable(start: Status) -> set[Status]:
    """Every status that transitions can reach from `start`."""
    found = {start}
    while True:
        more = {after for before, after in TRANSITIONS if before in found} - found
        if not more:
            return found
        found |= more


def test_a_finished_status_is_final() -> None:
    assert {Status.SUCCEEDED, Status.FAILED, Status.STOPPED} == FINISHED
    assert not [arrow for arrow in TRANSITIONS if arrow[0] in FINISHED]
    assert [status for status in Status if status.finished] == [Status.SUCCEEDED, Status.FAILED, Status.STOPPED]


def test_a_new_task_can_reach_every_status() -> None:
    assert reachable(Status.WAITING) == set(Status)
    assert reachable(Status.QUEUED) == set(Status)


def test_every_unfinished_task_can_be_stopped() -> None:
    assert all((status, Status.STOPPED) in TRANSITIONS for status in Status if not status.finished)


def test_only_a_running_task_can_succeed() -> None:
    assert {before for before, after in TRANSITIONS if after is Status.SUCCEEDED} == {Status.RUNNING}


def test_every_unfinished_task_can_fail_since_it_may_expire() -> None:
    assert {before for before, after in TRANSITIONS if after is Status.FAILED} == set(Status) - FINISHED


def test_every_transition_has_a_cause_and_changes_the_status() -> None:
    assert all(TRANSITIONS.values())
    assert all(before is not after for before, after in TRANSITIONS)
