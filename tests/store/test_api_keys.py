"""Stored keys, quotas and the last use: what each call of the store promises."""

from __future__ import annotations

import hashlib

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.quota import Action, Quota
from app.store.api_keys import MAX_STORED_KEYS, Authorization, StoredKey
from app.store.store import Store
from tests.conftest import NOON_MS, VirtualClock
from tests.examples import scaled
from tests.store.making import send_twice

ADDRESS = "192.0.2.1"
HOUR_MS = 3_600_000
TEN_IN_TEN_SECONDS = Quota(10, 10)


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def ask(store: Store, now_ms: int, secret: str = "", quota: Quota | None = None, **more: str) -> Authorization:
    values = {"known_name": "", "action": Action.READ, "address": ADDRESS, **more}
    found = digest(secret) if secret else ""
    return store.api_keys.authorize(
        found, values["known_name"], Action(values["action"]), values["address"], quota, now_ms
    )


def create(store: Store, now_ms: int, secret: str, name: str = "ci", expires_ms: int | None = None) -> str:
    return store.api_keys.create(digest(secret), name, "write", now_ms, expires_ms)


# --- keys ------------------------------------------------------------------------------------------


def test_a_key_is_found_by_its_hash_and_is_stored_nowhere(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    assert not store.api_keys.is_any_stored()
    assert create(store, clock(), "secret-1") == "created"
    assert store.api_keys.is_any_stored()
    found = ask(store, clock(), "secret-1")
    assert (found.name, found.scope, found.is_admitted) == ("ci", "write", True)
    assert ask(store, clock(), "secret-2").name == ""
    assert ask(store, clock()).name == ""
    kept = {key: raw_redis.hgetall(key) for key in raw_redis.keys("*")}
    assert len(kept) == 2
    assert "secret-1" not in str(kept)


def test_a_name_is_given_once(store: Store, clock: VirtualClock) -> None:
    assert create(store, clock(), "one") == "created"
    assert create(store, clock(), "two") == "taken"
    assert ask(store, clock(), "two").name == ""


def test_no_more_keys_are_stored_than_may_be(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    raw_redis.hset(store.keys.api_keys, mapping={f"d{n}": f"n{n}" for n in range(MAX_STORED_KEYS - 1)})
    assert create(store, clock(), "last", "last") == "created"
    assert create(store, clock(), "beyond", "beyond") == "full"
    assert store.api_keys.rotate(digest("beyond"), "last", clock(), None, HOUR_MS)[0] == "full"


def test_a_key_expires_at_its_moment_and_still_counts_as_configured(store: Store, clock: VirtualClock) -> None:
    create(store, clock(), "secret", expires_ms=clock() + 1_000)
    assert ask(store, clock.advance(999), "secret").name == "ci"
    assert ask(store, clock.advance(1), "secret").name == ""
    assert store.api_keys.is_any_stored()


def test_a_revoked_key_is_unknown_to_the_next_call(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    create(store, clock(), "secret")
    store.api_keys.rotate(digest("next"), "ci", clock(), None, HOUR_MS)
    create(store, clock(), "other", "other")
    assert store.api_keys.revoke("ci") == 2
    assert store.api_keys.revoke("ci") == 0
    assert [ask(store, clock(), secret).name for secret in ("secret", "next", "other")] == ["", "", "other"]
    assert store.api_keys.revoke("other") == 1
    assert [key for key in raw_redis.keys("*") if not key.startswith("celeriac:call:")] == []


def test_both_keys_are_valid_while_a_rotation_overlaps(store: Store, clock: VirtualClock) -> None:
    create(store, clock(), "old", expires_ms=clock() + 10 * HOUR_MS)
    clock.advance(HOUR_MS)
    rotated = store.api_keys.rotate(digest("new"), "ci", clock(), None, HOUR_MS)
    assert rotated[:3] == ("rotated", "write", clock() + 10 * HOUR_MS), "as long as the old one was meant to live"
    assert rotated[3] == clock() + HOUR_MS
    assert [ask(store, clock(), secret).name for secret in ("old", "new")] == ["ci", "ci"]
    clock.advance(HOUR_MS)
    assert [ask(store, clock(), secret).name for secret in ("old", "new")] == ["", "ci"]


def test_a_rotation_never_prolongs_the_old_key(store: Store, clock: VirtualClock) -> None:
    create(store, clock(), "old", expires_ms=clock() + 1_000)
    assert store.api_keys.rotate(digest("new"), "ci", clock(), HOUR_MS, HOUR_MS)[3] == clock() + 1_000
    assert ask(store, clock.advance(1_000), "old").name == ""


def test_a_rotation_without_overlap_ends_the_old_key_at_once(store: Store, clock: VirtualClock) -> None:
    create(store, clock(), "old")
    assert store.api_keys.rotate(digest("new"), "ci", clock(), None, 0) == ("rotated", "write", None, clock())
    assert [ask(store, clock(), secret).name for secret in ("old", "new")] == ["", "ci"]


def test_a_rotation_clears_away_replaced_keys_that_have_expired(store: Store, clock: VirtualClock) -> None:
    create(store, clock(), "1")
    for secret in ("2", "3", "4"):
        store.api_keys.rotate(digest(secret), "ci", clock.advance(HOUR_MS), None, HOUR_MS)
    assert [key.digest for key in store.api_keys.all()] == [digest("4"), digest("3")]


@pytest.mark.parametrize("overlap_ms", [0, HOUR_MS])
def test_a_call_that_is_sent_again_gets_the_same_answer(
    store: Store, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, overlap_ms: int
) -> None:
    send_twice(monkeypatch, store.api_keys)
    assert create(store, clock(), "one") == "created"
    assert create(store, clock(), "two") == "taken"
    assert store.api_keys.rotate(digest("three"), "ci", clock(), 3 * HOUR_MS, overlap_ms) == (
        "rotated", "write", clock() + 3 * HOUR_MS, clock() + overlap_ms,
    )  # fmt: skip
    assert ask(store, clock() + 2 * HOUR_MS, "three").name == "ci"
    assert ask(store, clock(), "one").name == ("ci" if overlap_ms else "")
    assert store.api_keys.revoke("ci") == (2 if overlap_ms else 1)
    assert store.api_keys.revoke("ci") == 0
    assert not store.api_keys.is_any_stored()


def test_an_unknown_key_is_not_rotated(store: Store, clock: VirtualClock) -> None:
    assert store.api_keys.rotate(digest("new"), "ci", clock(), None, HOUR_MS) == ("unknown", "", None, None)
    assert not store.api_keys.is_any_stored()


def test_the_list_tells_all_but_the_key(store: Store, clock: VirtualClock) -> None:
    create(store, clock(), "b", "b")
    create(store, clock(), "a", "a", expires_ms=clock() + HOUR_MS)
    now_ms = clock.advance(5)
    ask(store, now_ms, "a")
    assert store.api_keys.all() == [
        StoredKey(digest("a"), "a", "write", NOON_MS, NOON_MS + HOUR_MS, None, now_ms),
        StoredKey(digest("b"), "b", "write", NOON_MS, None, None, None),
    ]


def test_the_last_use_is_written_once_a_minute(store: Store, clock: VirtualClock) -> None:
    create(store, clock(), "secret")
    seen = []
    for _ in range(5):
        ask(store, clock.advance(30_000), "secret")
        seen.append(store.api_keys.last_used_ms(digest("secret")))
    first = NOON_MS + 30_000
    assert seen == [first, first, first + 60_000, first + 60_000, first + 120_000]


def test_a_key_of_the_setting_leaves_its_last_use_only_and_not_for_ever(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    found = ask(store, clock(), "of-setting", known_name="env")
    assert (found.name, found.scope) == ("env", "")
    assert store.api_keys.last_used_ms(digest("of-setting")) == clock()
    assert not store.api_keys.is_any_stored()
    assert raw_redis.ttl(store.keys.api_key(digest("of-setting"))) > 0


def test_an_unknown_key_leaves_nothing(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    ask(store, clock(), "nonsense")
    assert raw_redis.keys("*") == []


# --- quotas ----------------------------------------------------------------------------------------


def test_a_quota_may_be_used_at_once_and_fills_up_again(store: Store, clock: VirtualClock) -> None:
    answers = [ask(store, clock(), quota=TEN_IN_TEN_SECONDS) for _ in range(11)]
    assert [answer.is_admitted for answer in answers] == [True] * 10 + [False]
    assert [answer.calls_left for answer in answers] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0]
    assert answers[0].full_in_ms == 1_000
    assert answers[-1].full_in_ms == 10_000
    assert answers[-1].wait_ms == 1_000
    assert not ask(store, clock.advance(999), quota=TEN_IN_TEN_SECONDS).is_admitted
    assert ask(store, clock.advance(1), quota=TEN_IN_TEN_SECONDS).is_admitted
    assert not ask(store, clock(), quota=TEN_IN_TEN_SECONDS).is_admitted


def test_a_quota_that_is_whole_again_leaves_no_key(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    ask(store, clock(), quota=TEN_IN_TEN_SECONDS)
    (key,) = raw_redis.keys("*")
    assert 0 < raw_redis.pttl(key) <= 1_000


def test_keys_addresses_and_actions_have_quotas_of_their_own(store: Store, clock: VirtualClock) -> None:
    create(store, clock(), "secret")
    one = Quota(1, 60)
    assert [ask(store, clock(), quota=one).is_admitted for _ in range(2)] == [True, False]
    assert ask(store, clock(), quota=one, action="write").is_admitted
    assert ask(store, clock(), quota=one, address="192.0.2.2").is_admitted
    assert ask(store, clock(), "secret", quota=one).is_admitted, "callers without a key use up nobody else's quota"
    assert not ask(store, clock(), "secret", quota=one, address="192.0.2.3").is_admitted
    assert not ask(store, clock(), "nonsense", quota=one).is_admitted, "a wrong key is none"


def test_a_rotated_key_has_the_quota_of_the_one_it_replaced(store: Store, clock: VirtualClock) -> None:
    create(store, clock(), "old")
    store.api_keys.rotate(digest("new"), "ci", clock(), None, HOUR_MS)
    assert ask(store, clock(), "old", quota=Quota(1, 60)).is_admitted
    assert not ask(store, clock(), "new", quota=Quota(1, 60)).is_admitted


def test_a_clock_that_was_set_back_locks_nobody_out_for_longer_than_a_span(store: Store, clock: VirtualClock) -> None:
    for _ in range(10):
        ask(store, clock(), quota=TEN_IN_TEN_SECONDS)
    clock.advance(-HOUR_MS)
    assert ask(store, clock(), quota=TEN_IN_TEN_SECONDS).wait_ms == 1_000
    assert ask(store, clock.advance(1_000), quota=TEN_IN_TEN_SECONDS).is_admitted


def test_a_redis_that_refuses_writes_still_answers(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    create(store, clock(), "secret")
    raw_redis.config_set("maxmemory", "1")
    try:
        found = ask(store, clock(), "secret", quota=TEN_IN_TEN_SECONDS)
    finally:
        raw_redis.config_set("maxmemory", "0")
    assert (found.name, found.is_admitted) == ("ci", True)


@settings(max_examples=scaled(40))
@given(
    calls=st.integers(1, 50),
    seconds=st.integers(1, 60),
    steps_ms=st.lists(st.integers(0, 3_000), min_size=1, max_size=60),
)
def test_a_quota_is_the_token_bucket_that_it_promises(
    shared_redis: str, admin_url: str, calls: int, seconds: int, steps_ms: list[int]
) -> None:
    store = Store.at(shared_redis, max_connections=1)
    with redis.Redis.from_url(admin_url) as admin:
        admin.flushdb()
    # The same bucket in whole numbers: in units of 1/(1000 * seconds) of a call.
    size = calls * 1_000 * seconds
    tokens, now_ms = size, NOON_MS
    try:
        for step_ms in steps_ms:
            now_ms += step_ms
            tokens = min(size, tokens + step_ms * calls)
            found = ask(store, now_ms, quota=Quota(calls, seconds))
            assert found.is_admitted == (tokens >= 1_000 * seconds)
            tokens -= 1_000 * seconds if found.is_admitted else 0
            assert found.calls_left == tokens // (1_000 * seconds)
    finally:
        store.close()


@pytest.mark.parametrize("action", list(Action))
def test_the_answer_without_a_quota_admits(store: Store, action: Action, clock: VirtualClock) -> None:
    assert ask(store, clock(), action=action) == Authorization("", "", True, 0, 0, 0)
