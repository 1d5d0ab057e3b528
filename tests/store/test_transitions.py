"""The store makes exactly the changes of status that the table of the domain permits."""

from __future__ import annotations

from app.domain.outcome import Ending
from app.domain.status import TRANSITIONS, Status
from app.store.messages import NO_MESSAGE
from app.store.store import Store
from tests.conftest import VirtualClock
from tests.store.making import FAILED, STOPPED, SUCCEEDED, claimed, created


def test_each_permitted_transition_is_made_and_no_other(store: Store, clock: VirtualClock) -> None:
    ids = list[str]()

    def new(ahead_ms: int = 0, **fields: float) -> str:
        ids.append(created(store, clock(), due_ms=clock() + ahead_ms, message=NO_MESSAGE, **fields))
        return ids[-1]

    for outcome in (SUCCEEDED, FAILED, STOPPED):
        store.tasks.finish(claimed(store, new(), clock()), outcome, clock(), 1.0)
    for pause_ms in (0, 1_000):
        attempt, due_ms = claimed(store, new(), clock()), clock() + pause_ms
        store.tasks.run_again(attempt, FAILED, clock(), 1.0, due_ms, NO_MESSAGE, Ending.COUNTED, entry=None)
    for ahead_ms in (0, 1_000):
        store.tasks.stop(new(ahead_ms), clock())
        new(ahead_ms, expires_in=1)
    on_time, due = new(1_000), new(1_000)
    clock.advance(1_000)
    claimed(store, on_time, clock())
    (sendable,) = store.recovery.sendable([due])
    store.recovery.send([(sendable, NO_MESSAGE)], clock())
    assert store.tasks.expire(clock.advance(1_001), 10, "beat") == 2
    seen = set[tuple[Status, Status]]()
    for task_id in ids:
        task = store.tasks.get(task_id)
        assert task is not None
        seen |= {(change.before, change.after) for change in task.history if change.before is not None}
    assert seen == set(TRANSITIONS)
