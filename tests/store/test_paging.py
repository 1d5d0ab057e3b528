"""Pages of the list: for any combination of filters, each match exactly once, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.fingerprint import group_of
from app.domain.names import folded, name_pattern
from app.domain.outcome import Failure, Outcome
from app.domain.spec import fields_of_others
from app.domain.status import Kind, Status, TaskType
from app.store import listing as listing_module
from app.store.columns import SPEC
from app.store.listing import SEQ_PER_MS, Filters, Order
from app.store.record import Task
from app.store.store import Store
from tests.conftest import NOON_MS, VirtualClock
from tests.examples import scaled
from tests.store.making import SUCCEEDED, claimed, created, new_task

SCHEDULES = ("01a20786-bb40-7dea-8c0d-e64779664c00", "01a20786-bb40-7dea-8c0d-e64779664c01")
NAMES = ("report", "Report", "report 2", "re", 'a:b"*', "Ü💡", "ü💡", "STRASSE", "straße", "*", "the report")
PATTERNS = (
    *NAMES,
    "REPORT",
    "r*",
    "R*",
    "*PORT*",
    "*t",
    "*2",
    "ü*",
    "*ß*",
    "a:B*",
    "nobody",
    "nobody*",
    "*nobody*",
    "**",
)
ERRORS = (Failure("ValueError", "no row 12"), Failure("ValueError", "no row 13"), Failure("KeyError", "12", 3))
TAGS = ("a", "a:b", '"quoted"', "ü💡", "*", "a b\n")


@dataclass(frozen=True)
class Made:
    """One task to create."""

    kind: Kind
    task_type: TaskType
    status: Status
    name: str
    tags: tuple[str, ...]
    schedule: str | None
    pause_ms: int
    error: Failure = ERRORS[0]


MADE = st.builds(
    Made,
    st.sampled_from(Kind),
    st.sampled_from(TaskType),
    st.sampled_from(Status),
    st.sampled_from(NAMES),
    st.lists(st.sampled_from(TAGS), max_size=2).map(tuple),
    st.none() | st.sampled_from(SCHEDULES),
    st.sampled_from([0, 0, 0, 1, 7]),  # mostly in the same millisecond
    st.sampled_from(ERRORS),
)
TIMES_MS = st.integers(NOON_MS - 1, NOON_MS + 40)
FILTERS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "status": st.builds(dict, status=st.sampled_from(Status)),
    "task_type": st.builds(dict, task_type=st.sampled_from(TaskType)),
    "kind": st.builds(dict, kind=st.sampled_from(Kind)),
    "name": st.builds(dict, name=st.sampled_from(PATTERNS).map(name_pattern)),
    "tag": st.builds(dict, tag=st.sampled_from([*TAGS, "b", "nothing"])),
    "schedule": st.builds(dict, scheduled_task_id=st.sampled_from(SCHEDULES)),
    "error_type": st.builds(dict, error_type=st.sampled_from(["ValueError", "KeyError", "nobody"])),
    "fingerprint": st.builds(
        dict, kind=st.just(Kind.CODE), fingerprint=st.sampled_from([group_of(Kind.CODE, e).fingerprint for e in ERRORS])
    ),
    "after": st.builds(dict, created_after_ms=TIMES_MS),
    "before": st.builds(dict, created_before_ms=TIMES_MS),
}


@st.composite
def mixtures_of_filters(draw: st.DrawFn) -> Filters:
    """At most three filters: with more, hardly any task matches."""
    chosen = draw(st.lists(st.sampled_from(sorted(FILTERS)), max_size=3, unique=True))
    parts = [draw(FILTERS[name]) for name in chosen]
    return Filters(**{name: value for part in parts for name, value in part.items()})


def make(store: Store, clock: VirtualClock, made: Made) -> None:
    now_ms = clock.advance(made.pause_ms)
    due_ms = now_ms + 60_000 if made.status is Status.WAITING else now_ms
    task_id = created(
        store,
        now_ms,
        kind=made.kind,
        task_type=made.task_type,
        name=made.name,
        tags=made.tags,
        scheduled_task_id=made.schedule,
        due_ms=due_ms,
    )
    if made.status is Status.STOPPED:
        store.tasks.stop(task_id, now_ms)
    elif made.status not in (Status.WAITING, Status.QUEUED):
        attempt = claimed(store, task_id, now_ms)
        if made.status is not Status.RUNNING:
            outcome = SUCCEEDED if made.status is Status.SUCCEEDED else Outcome(failure=made.error)
            store.tasks.finish(attempt, outcome, now_ms, 1.0)


def matches(task: Task, filters: Filters) -> bool:
    """The contract of each filter, applied task by task."""
    failure = Failure(**task.error) if task.error else None
    return (
        (filters.name is None or filters.name.matches(task.name))
        and (filters.error_type is None or (failure is not None and failure.type == filters.error_type))
        and (
            filters.fingerprint is None
            or (failure is not None and group_of(task.kind, failure).fingerprint == filters.fingerprint)
        )
        and filters.status in (None, task.status)
        and filters.task_type in (None, task.task_type)
        and filters.kind in (None, task.kind)
        and filters.scheduled_task_id in (None, task.scheduled_task_id)
        and (filters.tag is None or filters.tag in task.spec["tags"])
        and (filters.created_after_ms is None or task.created_ms >= filters.created_after_ms)
        and (filters.created_before_ms is None or task.created_ms < filters.created_before_ms)
    )


def walk(store: Store, filters: Filters, limit: int, order: Order = Order.CREATED) -> list[Task]:
    """The whole list, page by page."""
    found: list[Task] = []
    cursor = None
    while True:
        page = store.listing.page(filters, limit, cursor, order)
        assert len(page.items) <= limit
        found += page.items
        if page.cursor is None:
            return found
        assert page.cursor != cursor, "the cursor does not advance"
        cursor = page.cursor


@given(
    made=st.lists(MADE, max_size=25), mixtures=st.lists(mixtures_of_filters(), min_size=5, max_size=20), data=st.data()
)
@settings(max_examples=scaled(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pages_contain_exactly_the_matches_newest_first(
    store: Store,
    raw_redis: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    made: list[Made],
    mixtures: list[Filters],
    data: st.DataObject,
) -> None:
    raw_redis.flushdb()
    clock = VirtualClock()
    for one in made:
        make(store, clock, one)
    everything = walk(store, Filters(), 200)
    assert len(everything) == len(made)
    assert [task.name for task in everything] == [one.name for one in reversed(made)]
    for task in data.draw(st.lists(st.sampled_from(everything), max_size=5)) if everything else []:
        store.tasks.delete(task.id)
    everything = walk(store, Filters(), 200)
    names = {folded(task.name) for task in everything}
    assert raw_redis.zrange(store.keys.names, 0, -1) == sorted(names, key=str.encode)
    assert set(raw_redis.zrange(store.keys.newest, 0, -1)) == names
    monkeypatch.setattr(listing_module, "SCAN_PER_PAGE", data.draw(st.sampled_from([2, 500])))
    monkeypatch.setattr(listing_module, "NAMES_MATCHED", data.draw(st.sampled_from([0, 2, 2_000])))
    monkeypatch.setattr(listing_module, "NAMES_BEGUN", data.draw(st.sampled_from([0, 1, 500])))
    for filters in mixtures:
        limit = data.draw(st.sampled_from([1, 2, 7, 200]))
        expected = [task for task in everything if matches(task, filters)]
        assert walk(store, filters, limit) == expected
        assert walk(store, filters, limit, Order.OLDEST) == expected[::-1]
        finished = walk(store, filters, limit, Order.FINISHED)
        assert {task.id for task in finished} == {task.id for task in expected if task.status.finished}
        assert [task.finished_ms for task in finished] == sorted((t.finished_ms or 0 for t in finished), reverse=True)


def test_every_combination_of_filters_finds_exactly_the_matches(store: Store, clock: VirtualClock) -> None:
    """The random test above may miss a filter that is ignored when combined with another; this test can't."""
    parts = (Kind, TaskType, ("re", "report"), ("a", "a:b"), SCHEDULES)
    for kind, task_type, name, tag, schedule in product(*parts):
        make(store, clock, Made(kind, task_type, Status.QUEUED, name, (tag,), schedule, 1))
    everything = walk(store, Filters(), 200)
    assert len(everything) == 48
    for kind, task_type, name, tag, schedule in product(*((None, *part) for part in parts)):
        filters = Filters(
            kind=kind,
            task_type=task_type,
            name=name_pattern(name) if name else None,
            tag=tag,
            scheduled_task_id=schedule,
        )
        assert walk(store, filters, 200) == [task for task in everything if matches(task, filters)]


def test_tasks_that_finish_in_one_millisecond_are_listed_in_the_order_of_their_ends(
    store: Store, clock: VirtualClock
) -> None:
    ids = [created(store, clock()) for _ in range(5)]
    for task_id in ids[::-1]:
        store.tasks.stop(task_id, clock())
    for limit in (1, 2, 9):
        assert [task.id for task in walk(store, Filters(), limit, Order.FINISHED)] == ids


def test_tasks_of_one_millisecond_do_not_hide_each_other(store: Store, clock: VirtualClock) -> None:
    many = [new_task(clock(), kind=kind) for kind in (Kind.CODE, Kind.API) * 150]
    store.tasks.create(many, clock())
    for limit in (1, 50):
        assert [task.id for task in walk(store, Filters(), limit)] == [task.id for task in reversed(many)]


@pytest.mark.parametrize("skew_ms", [0, -50])
def test_time_filters_use_the_record_even_if_many_tasks_were_created_at_once(
    store: Store, clock: VirtualClock, skew_ms: int
) -> None:
    """More tasks in one ms than seq has numbers for, or a second machine whose clock is behind."""
    first_ms = clock()
    early = [new_task(first_ms) for _ in range(SEQ_PER_MS + 100)]
    store.tasks.create(early, first_ms)
    second_ms = clock.advance(1) + skew_ms
    late = [new_task(second_ms) for _ in range(50)]
    store.tasks.create(late, second_ms)
    everything = [*reversed(late), *reversed(early)]
    created_ms = dict.fromkeys((task.id for task in early), first_ms) | {task.id: second_ms for task in late}
    for bound_ms in (first_ms - 50, first_ms, first_ms + 1, first_ms + 2):
        before = walk(store, Filters(created_before_ms=bound_ms), 200)
        assert [task.id for task in before] == [t.id for t in everything if created_ms[t.id] < bound_ms]
        after = walk(store, Filters(created_after_ms=bound_ms), 200)
        assert [task.id for task in after] == [t.id for t in everything if created_ms[t.id] >= bound_ms]


def test_a_rare_mixture_of_filters_gives_short_pages_with_a_cursor_and_misses_nothing(
    store: Store, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each filter matches half of the tasks, and both together four."""
    monkeypatch.setattr(listing_module, "SCAN_PER_PAGE", 8)
    rare, half = {4, 90, 170, 298}, Filters(name=name_pattern("even"), tag="odd")
    many = [
        new_task(clock(), name="odd" if number % 2 else "Even", tags=["odd"] if number % 2 or number in rare else [])
        for number in range(300)
    ]
    store.tasks.create(many, clock())
    page = store.listing.page(half, 2)
    assert (len(page.items), page.cursor is None) == (1, False), "the work for one answer is not bounded"
    pages, found = 1, list(page.items)
    while page.cursor is not None:
        page = store.listing.page(half, 2, page.cursor)
        pages, found = pages + 1, found + page.items
    assert [task.id for task in found] == [many[number].id for number in sorted(rare, reverse=True)]
    assert pages == 7, "pages of 24 that are looked for in one index, which is the work of comparing 8"


@pytest.mark.parametrize("pattern", ["X*", "*mark"])
def test_a_page_is_filled_wherever_its_matches_are(store: Store, clock: VirtualClock, pattern: str) -> None:
    """The oldest of many tasks match, each with a name of its own, and some of them have been deleted."""
    many = [new_task(clock(), name=f"x {number} mark") for number in range(200)]
    many += [new_task(clock(), name=f"y {number % 100}") for number in range(1_000)]
    store.tasks.create(many, clock())
    for task in many[190:200]:
        store.tasks.delete(task.id)
    page, expected = store.listing.page(Filters(name=name_pattern(pattern)), 50), many[189::-1]
    assert [task.id for task in page.items] == [task.id for task in expected[:50]]
    assert [task.id for task in walk(store, Filters(name=name_pattern(pattern)), 50)] == [task.id for task in expected]


@pytest.mark.parametrize("pattern", ["X*", "*mark"])
@pytest.mark.parametrize("filters", [{}, {"kind": Kind.CODE}], ids=["no other filter", "another filter"])
@pytest.mark.parametrize("names_begun", [0, 3, listing_module.NAMES_BEGUN])
def test_pages_go_on_behind_the_newest_tasks_of_many_names(
    store: Store,
    clock: VirtualClock,
    monkeypatch: pytest.MonkeyPatch,
    names_begun: int,
    pattern: str,
    filters: dict[str, Any],
) -> None:
    """More names than are merged for one page have tasks on the pages before."""
    monkeypatch.setattr(listing_module, "NAMES_BEGUN", names_begun)
    many = [new_task(clock(), name=f"x {number} mark") for number in range(names_begun + 250)]
    store.tasks.create(many, clock())
    found = walk(store, Filters(name=name_pattern(pattern), **filters), 130)
    assert [task.id for task in found] == [task.id for task in reversed(many)]


@pytest.mark.parametrize("names_matched", [0, 2_000])
@pytest.mark.parametrize("pattern", ["report", "re*", "*port", "*e*", "*re*", "*e.o*", "*%*"])
def test_names_match_as_texts_whether_they_or_the_tasks_are_compared(
    store: Store, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, pattern: str, names_matched: int
) -> None:
    monkeypatch.setattr(listing_module, "NAMES_MATCHED", names_matched)
    for name in ("report", "Re", "port", "support", "my report", "re.o", "100 %"):
        created(store, clock(), name=name)
    filters = Filters(name=name_pattern(pattern))
    expected = [task for task in walk(store, Filters(), 200) if matches(task, filters)]
    assert 0 < len(expected) < 7
    assert walk(store, filters, 2) == expected
    assert walk(store, filters, 2, Order.OLDEST) == expected[::-1]


def test_tasks_created_while_paging_do_not_disturb_the_pages(store: Store, clock: VirtualClock) -> None:
    old = [created(store, clock()) for _ in range(5)]
    page = store.listing.page(Filters(), 2)
    created(store, clock.advance(1))
    store.tasks.stop(old[1], clock())  # it moves to another index, but keeps its position
    rest = store.listing.page(Filters(), 10, page.cursor)
    assert [task.id for task in [*page.items, *rest.items]] == list(reversed(old))


@given(
    old=st.lists(MADE, min_size=1, max_size=20),
    meanwhile=st.lists(MADE, min_size=1, max_size=5),
    filters=st.sampled_from([Filters(), *(Filters(name=name_pattern(text)) for text in ("r*", "*e*", "report"))]),
    limit=st.sampled_from([1, 3]),
    order=st.sampled_from(Order),
)
@settings(max_examples=scaled(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pages_neither_skip_nor_repeat_while_tasks_are_created_and_end(
    store: Store,
    raw_redis: redis.Redis,
    old: list[Made],
    meanwhile: list[Made],
    filters: Filters,
    limit: int,
    order: Order,
) -> None:
    raw_redis.flushdb()
    clock = VirtualClock()
    for one in old:
        make(store, clock, one)
    last = store.listing.position()
    expected = [task.id for task in walk(store, filters, 200, order)]
    everything, found, cursor = walk(store, Filters(), 200), list[str](), None
    while True:
        page = store.listing.page(filters, limit, cursor, order, last)
        found += [task.id for task in page.items]
        cursor = page.cursor
        if cursor is None:
            break
        for one in meanwhile:
            make(store, clock, one)
        if everything:
            store.tasks.stop(everything.pop().id, clock())
    assert found == expected


def test_the_last_page_has_no_cursor(store: Store, clock: VirtualClock) -> None:
    for _ in range(4):
        created(store, clock())
    first = store.listing.page(Filters(), 2)
    assert store.listing.page(Filters(), 2, first.cursor).cursor is None
    assert store.listing.page(Filters(), 4).cursor is None
    assert store.listing.page(Filters(status=Status.FAILED), 4) == listing_module.Page([], None)


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1.5", "٣", "9" * 17, "1 ", "+inf"])
def test_an_invalid_cursor_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(ValueError, match="is not a cursor returned by a list"):
        store.listing.page(Filters(), 10, cursor)


def test_a_listed_task_has_no_bodies(store: Store, clock: VirtualClock) -> None:
    task_id = created(store, clock())
    store.tasks.finish(claimed(store, task_id, clock()), SUCCEEDED, clock(), 1.0)
    (task,) = store.listing.page(Filters(), 10).items
    whole: Any = store.tasks.get(task_id)
    assert task.spec.keys() == set(SPEC) - fields_of_others(Kind.CODE), "only fields of the record"
    assert (task.result_json, task.stdout, task.attempts) == (None, "", ())
    assert (task.id, task.status, task.duration_ms) == (whole.id, whole.status, whole.duration_ms)
