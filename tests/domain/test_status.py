"""The statuses of a task, and the arrows between them."""

from __future__ import annotations

from app.domain.status import FINISHED, TRANSITIONS, Status


def reachable(start: Status) -> set[Status]:
    """Every status that arrows lead to from `start`."""
    found = {start}
    while True:
        more = {after for before, after in TRANSITIONS if before in found} - found
        if not more:
            return found
        found |= more


def test_a_finished_task_stays_as_it_is_for_ever() -> None:
    assert {Status.SUCCEEDED, Status.FAILED, Status.STOPPED} == FINISHED
    assert not [arrow for arrow in TRANSITIONS if arrow[0] in FINISHED]
    assert [status for status in Status if status.finished] == [Status.SUCCEEDED, Status.FAILED, Status.STOPPED]


def test_a_new_task_can_come_to_every_status() -> None:
    assert reachable(Status.WAITING) == set(Status)
    assert reachable(Status.QUEUED) == set(Status)


def test_everything_that_is_not_finished_can_be_stopped() -> None:
    assert all((status, Status.STOPPED) in TRANSITIONS for status in Status if not status.finished)


def test_only_a_running_task_can_end_by_itself() -> None:
    assert {before for before, after in TRANSITIONS if after in (Status.SUCCEEDED, Status.FAILED)} == {Status.RUNNING}


def test_every_arrow_says_what_causes_it_and_leads_elsewhere() -> None:
    assert all(TRANSITIONS.values())
    assert all(before is not after for before, after in TRANSITIONS)
