"""The form of the data: who may work on which."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from app.domain.errors import OtherForm
from app.domain.form import FORM, Form
from app.store import scripts
from app.store.scripts import FOR_ANY_FORM
from app.store.store import Store
from app.usecases.form_watch import FormWatch
from tests.conftest import VirtualClock
from tests.servers import wait_until
from tests.store.making import created, new_task, scheduled

NEWER = [str(FORM + 1), f"{FORM}>{FORM + 1}", f"{FORM + 1}>{FORM + 2}"]
LUA = Path(scripts.__file__).parent / "lua"
SCRIPTS = sorted(path.stem for path in LUA.glob("*.lua") if not path.stem.startswith(("_", FOR_ANY_FORM)))


@pytest.fixture
def key(store: Store) -> str:
    """The key of the form."""
    return store.keys.form


def test_an_empty_redis_gets_our_form(store: Store, raw_redis: redis.Redis, key: str) -> None:
    assert store.form.look() == Form(FORM)
    assert raw_redis.get(key) == str(FORM)


def test_data_without_a_number_gets_the_form_that_it_has(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, key: str
) -> None:
    created(store, clock())
    raw_redis.delete(key)
    assert store.form.look() == Form(2)
    raw_redis.delete(key, store.keys.newest)
    raw_redis.hset(store.keys.newest, "a name", "1")
    assert store.form.look() == Form(1)
    raw_redis.delete(key, store.keys.newest)  # scheduled tasks only
    assert store.form.look() == Form(1)


@pytest.mark.parametrize("text", NEWER)
def test_newer_data_is_left_alone(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, key: str, text: str
) -> None:
    task_id = created(store, clock())
    raw_redis.set(key, text)
    before = {name: raw_redis.type(name) for name in raw_redis.scan_iter()}
    with pytest.raises(OtherForm, match=rf"has form {text[-1]}, .* knows no form after {FORM}"):
        store.tasks.get(task_id)
    with pytest.raises(OtherForm, match="leaves the data alone"):
        store.tasks.create([new_task(clock())], clock())
    with pytest.raises(OtherForm):
        store.form.advance(clock())
    assert {name: raw_redis.type(name) for name in raw_redis.scan_iter()} == before
    assert raw_redis.get(key) == text


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_refuses_data_of_another_form_before_it_does_anything(
    store: Store, raw_redis: redis.Redis, key: str, name: str
) -> None:
    text = store.form._scripts._scripts[name].text
    for form in ("1", "1>2", *NEWER):
        raw_redis.set(key, form)
        with pytest.raises(redis.ResponseError, match=f"FORM {form}"):
            raw_redis.eval(text, 0)
        assert raw_redis.keys() == [key]


def test_what_is_not_a_form_is_not_overwritten(store: Store, raw_redis: redis.Redis, key: str) -> None:
    raw_redis.set(key, "mine")
    with pytest.raises(OtherForm, match="'mine' is not the form"):
        store.form.look()
    with pytest.raises(OtherForm, match="'mine' is not the form"):
        store.tasks.get("none")
    assert raw_redis.get(key) == "mine"


def test_a_process_notices_newer_data_and_says_so_once(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    ends: list[int] = []
    watch = FormWatch(store.form, clock, lambda: ends.append(1))
    watch.wait()
    watch.require()
    raw_redis.set(key, FORM + 1)
    watch.start()
    wait_until(lambda: ends, 15, "a look")
    assert not watch.check()
    watch.stop()
    with pytest.raises(OtherForm):
        watch.require()
    assert ends == [1]
    assert [record.levelname for record in caplog.records] == ["CRITICAL"]


def test_a_process_waits_while_another_changes_the_data(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, key: str
) -> None:
    assert store.form.lease.take("another")
    raw_redis.set(key, "1")
    watch = FormWatch(store.form, clock)
    assert not watch.check()
    with pytest.raises(OtherForm, match="being changed from form 1"):
        watch.require()
    raw_redis.set(key, FORM)
    assert watch.check()
    watch.require()


def test_a_process_that_is_to_end_does_not_wait_for_the_data(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, key: str
) -> None:
    assert store.form.lease.take("another")
    raw_redis.set(key, f"{FORM - 1}>{FORM}")
    watch, looks = FormWatch(store.form, clock), [False, False, True]
    watch.wait(lambda: looks.pop(0))
    assert looks == []
    with pytest.raises(OtherForm):
        watch.require()


def test_a_redis_that_is_emptied_under_a_running_process_keeps_its_form(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    assert store.form.look().is_current
    raw_redis.flushdb()
    scheduled(store, clock())  # before anybody looks again
    assert store.form.look().is_current
    assert store.form.progress() is None
