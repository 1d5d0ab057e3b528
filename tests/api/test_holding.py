"""Held answers leave threads for those who only want to be answered."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from app.api.holding import Holding, max_held
from app.settings import Settings
from app.store.store import Store
from tests.api.calls import CODE, Api, PlayedWorker
from tests.api.conftest import MakeWeb
from tests.servers import wait_until

SOON_SECONDS = 15.0  # far below every wait in here


@pytest.mark.parametrize(("threads", "held"), [(4, 2), (16, 8), (32, 16), (33, 17), (128, 112)])
def test_sixteen_threads_stay_free_or_half_of_few(threads: int, held: int) -> None:
    assert max_held(threads) == held


def test_a_place_comes_back_when_its_answer_is_given_or_fails() -> None:
    holding = Holding(1)
    with holding(0.0) as nothing, holding(5.0) as first, holding(5.0) as second:
        assert (nothing, first, second) == (0.0, 5.0, 0.0)
    with pytest.raises(ZeroDivisionError), holding(5.0):
        raise ZeroDivisionError
    with holding(5.0) as again:
        assert again == 5.0


def test_beyond_the_bound_the_answer_comes_at_once(
    make_web: MakeWeb, store: Store, raw_redis: redis.Redis, worker: PlayedWorker
) -> None:
    web = make_web(Settings(api_threads=4))
    api = Api(web)
    task_id = api.create()["id"]
    channel = store.keys.done(task_id)
    with ThreadPoolExecutor(2) as pool:
        held = [pool.submit(Api(web).get, f"/api/tasks/{task_id}?wait=30") for _ in range(max_held(4))]
        wait_until(lambda: raw_redis.pubsub_numsub(channel) == [(channel, 1)], 15, "those who wait")
        wait_until(lambda: not has_places(web.extensions["celeriac"].holding), 15, "no place is left")
        began = time.monotonic()
        looked = api.get(f"/api/tasks/{task_id}?wait=30")
        created = api.post("/api/tasks", CODE, headers={"Prefer": "wait=30"})
        assert time.monotonic() - began < SOON_SECONDS
        assert (looked.status_code, looked.get_json()["status"]) == (200, "queued")
        assert (created.status_code, created.get_json()["status"]) == (201, "queued")
        assert "Preference-Applied" not in created.headers, "it was not"
        worker.succeed(task_id)
        assert [each.result(SOON_SECONDS).get_json()["status"] for each in held] == ["succeeded"] * 2


def has_places(holding: Holding) -> bool:
    """Without taking one, which a call that wants to be held might find taken."""
    return holding._places._value > 0
