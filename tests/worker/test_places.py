"""A worker of both queues claims no more tasks of a queue than it runs at once, though it has threads for all."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from app.clock import system_clock
from app.domain.status import Status
from app.store.store import Store
from app.usecases.tasks import TaskService
from tasks import places as places_module
from tasks.places import Place, Places
from tests.http.target import OK, Target, answering
from tests.servers import wait_until
from tests.worker.conftest import Start
from tests.worker.test_celery_commands import code

SLEEPS = "import time\ndef f():\n    time.sleep({})"
BOTH = ["a", "b"]


@pytest.fixture
def places() -> Places:
    """Two places of "a", for which nobody may wait, and one of "b", for which one may."""
    return Places({"a": 2, "b": 1}, {"b": 1})


def take(places: Places, queue: str, number: int) -> list[bool]:
    return [places.take(queue, "") for _ in range(number)]


def test_there_are_as_many_places_as_the_limit_says(places: Places) -> None:
    assert take(places, "a", 3) == [True, True, False]
    assert places.full() == ["a"]
    places.leave("a")
    assert (places.full(), take(places, "a", 1)) == ([], [True])
    assert all(take(places, "no limit", 1_000))


def test_a_message_on_its_way_to_a_thread_counts(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the consumer would fetch many more before the first thread has begun."""
    for task_id in "12":
        places.coming(task_id, "a")
    assert places.full() == ["a"]
    assert places.take("a", "1")
    places.leave("a")
    assert places.full() == []
    places.coming("3", "a")
    assert places.full() == ["a"]
    monkeypatch.setattr(places_module, "COMING_SECONDS", 0.0)
    time.sleep(0.001)
    assert places.full() == [], "one that never came takes no place for ever"


def test_a_thread_that_waits_gets_the_place_before_others(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places_module, "PATIENCE_SECONDS", 60.0)
    first = Place(places, "b")
    assert first.take("1")
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(places.take, "b", "2")
        wait_until(lambda: places.is_awaited("b"), 10, "somebody who waits")
        assert (places.full(), places.take("b", "3")) == (["b"], False)
        with first.asking(BOTH) as queues:
            assert queues == ["a"], "not its own, which another waits for"
        first.leave()
        assert second.result(10)
    places.leave("b")
    assert take(places, "b", 1) == [True]


def test_who_waits_in_vain_gives_the_task_back_and_nothing_more_is_fetched(places: Places) -> None:
    """Where programs take long, an idle worker must not wait for the messages that a busy one has fetched."""
    assert (take(places, "b", 1), places.full()) == ([True], [])
    assert (take(places, "b", 1), places.full()) == ([False], ["b"])
    places.leave("b")
    assert (take(places, "b", 1), places.full()) == ([True], [])


def test_a_thread_goes_on_with_a_task_of_another_queue_only_where_there_is_a_place(places: Places) -> None:
    place = Place(places, "a")
    assert place.take("1")
    with place.asking(BOTH) as queues:
        assert queues == ["b", "a"]
        assert not places.take_another("b"), "that place is kept for the answer"
        place.go_to("b")
    assert (place.queue, places.take_another("b")) == ("b", False)
    with place.asking(BOTH) as queues:
        assert queues == ["a", "b"]
    other = Place(places, "a")
    assert other.take("2")
    with other.asking(BOTH) as queues:
        assert queues == ["a"]
    other.go_to("b")  # a claim that was made already
    other.leave()
    place.leave()
    assert places.full() == []
    assert (take(places, "a", 3), take(places, "b", 1)) == ([True, True, False], [True])


def test_a_thread_that_needs_no_place_takes_none(places: Places) -> None:
    for _ in range(9):
        place = Place(places, "")
        assert place.take("1")
        place.go_to("a")
    assert places.full() == []
    place.leave()


def statuses(service: TaskService, ids: list[str]) -> list[Status]:
    return [service.get(task_id).status for task_id in ids]


def test_programs_that_wait_for_a_place_stay_queued_and_keep_nobody_waiting(
    service: TaskService, start_worker: Start
) -> None:
    ids = [service.create(code(SLEEPS.format(120), timeout=150)).id for _ in range(12)]
    start_worker("one", CODE_CONCURRENCY="2", API_CONCURRENCY="4")
    wait_until(lambda: statuses(service, ids).count(Status.RUNNING) == 2, 30, "two that run")
    with Target(answering(OK)) as target:
        for _ in range(10):
            call = service.create({"name": "n", "api_url": target.url, "timeout": 20})
            assert service.get(call.id, wait_seconds=20).status is Status.SUCCEEDED
    assert [statuses(service, ids).count(each) for each in (Status.RUNNING, Status.QUEUED)] == [2, 10]
    start_worker("two", CODE_CONCURRENCY="3", API_CONCURRENCY="4")
    wait_until(lambda: statuses(service, ids).count(Status.RUNNING) == 5, 30, "three more, on another worker")
    for task_id in ids:
        service.stop(task_id)
    assert set(statuses(service, ids)) == {Status.STOPPED}


def test_programs_run_in_their_order_although_some_are_given_back(service: TaskService, start_worker: Start) -> None:
    start_worker("one", CODE_CONCURRENCY="1", API_CONCURRENCY="8")
    long = service.create(code(SLEEPS.format(6)))
    wait_until(lambda: service.get(long.id).status is Status.RUNNING, 30, "a start")
    ids = [service.create(code(SLEEPS.format(0.15))).id for _ in range(14)]
    started = [service.get(task_id, wait_seconds=60).started_ms or 0 for task_id in ids]
    assert started == sorted(started)


def test_countdowns_that_are_due_together_run_one_after_the_other(service: TaskService, start_worker: Start) -> None:
    start_worker("one", CODE_CONCURRENCY="1", API_CONCURRENCY="4")
    delayed = {"task_type": "delayed", "delay_seconds": 1}
    ids = [service.create(code(SLEEPS.format(0.2), **delayed)).id for _ in range(6)]
    tasks = [service.get(task_id, wait_seconds=30) for task_id in ids]
    assert {(task.status, task.attempt) for task in tasks} == {(Status.SUCCEEDED, 1)}
    runs = sorted((task.started_ms or 0, task.finished_ms or 0) for task in tasks)
    assert all(end <= begin for (_, end), (begin, _) in pairwise(runs)), "each was claimed when it had a place"


@pytest.mark.parametrize(
    ("words", "slots"),
    [
        ("", 2 + 4),
        ("-Q celeriac.code", 2),
        ("-Q celeriac.api", 4),
        ("-Q celeriac.code -c 1", 1),
        ("-Q celeriac.code -c auto", min(2, len(os.sched_getaffinity(0)))),
        ("-P solo", 1),
        ("-P processes -c 3 -Q celeriac.code", 3),  # its children run what they get, each one task
    ],
)
def test_a_worker_reports_how_many_tasks_it_runs_at_once(
    words: str, slots: int, store: Store, start_worker: Start
) -> None:
    start_worker("one", *words.split(), CODE_CONCURRENCY="2", API_CONCURRENCY="4")
    wait_until(lambda: store.liveness.workers(system_clock()), 30, "its first sign of life")
    assert [worker["concurrency"] for worker in store.liveness.workers(system_clock())] == [slots]
