"""Quotas: 429 with the time to wait, headers on every answer, and nobody uses up the quota of another."""

from __future__ import annotations

import pytest

from app.domain.quota import Action, Quota
from app.settings import PUBLIC_QUOTAS, ApiKey, Settings, SettingsError, read_settings
from app.usecases.access import network_of
from tests.api.calls import CODE, Api
from tests.api.conftest import MakeWeb
from tests.conftest import VirtualClock

KEYS = {name: f"{name}-key-0123456789abcdef0123456789abcdef" for name in ("one", "two")}
LIMITED = Settings(
    api_keys=tuple(ApiKey(name, "write", secret) for name, secret in KEYS.items()),
    rate_limit={Action.READ: Quota(3, 60), Action.WRITE: Quota(2, 10)},
)


def of(make_web: MakeWeb, name: str, settings: Settings = LIMITED) -> Api:
    return Api(make_web(settings), {"X-API-Key": KEYS[name]})


def test_a_used_up_quota_is_429_with_the_time_to_wait(make_web: MakeWeb, clock: VirtualClock) -> None:
    api = of(make_web, "one")
    assert [api.post("/api/tasks", CODE).status_code for _ in range(3)] == [201, 201, 429]
    refused = api.post("/api/tasks", CODE)
    assert refused.get_json()["type"] == "urn:celeriac:problem:too-many-requests"
    assert refused.get_json()["detail"] == "the limit is 2 write calls in 10 seconds"
    assert refused.headers["Retry-After"] == "5"
    assert refused.headers["RateLimit-Policy"] == '"write";q=2;w=10'
    assert refused.headers["RateLimit"] == '"write";r=0;t=10'
    clock.advance(5_000)
    assert [api.post("/api/tasks", CODE).status_code for _ in range(2)] == [201, 429]


def test_a_refused_call_changes_nothing(make_web: MakeWeb) -> None:
    api = of(make_web, "one")
    for _ in range(4):
        api.post("/api/tasks", CODE)
    assert len(api.get("/api/tasks").get_json()["items"]) == 2


def test_reading_and_creating_have_quotas_of_their_own(make_web: MakeWeb) -> None:
    api = of(make_web, "one")
    statuses = [api.get("/api/tasks").status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    assert api.post("/api/tasks", CODE).status_code == 201


def test_every_answer_tells_what_is_left(make_web: MakeWeb) -> None:
    answer = of(make_web, "one").get("/api/tasks")
    assert answer.headers["RateLimit-Policy"] == '"read";q=3;w=60'
    assert answer.headers["RateLimit"] == '"read";r=2;t=20'


def test_callers_without_a_key_use_up_the_quota_of_their_address_only(make_web: MakeWeb) -> None:
    nobody = Api(make_web(LIMITED))
    assert [nobody.get("/api/tasks").status_code for _ in range(4)] == [401, 401, 401, 429]
    assert of(make_web, "one").get("/api/tasks").status_code == 200


def test_each_key_has_its_own_quota_in_all_processes_together(make_web: MakeWeb) -> None:
    first, second = of(make_web, "one"), of(make_web, "one")
    assert [api.post("/api/tasks", CODE).status_code for api in (first, second, first)] == [201, 201, 429]
    assert of(make_web, "two").post("/api/tasks", CODE).status_code == 201


def test_without_keys_an_address_has_a_quota_if_one_is_set(make_web: MakeWeb) -> None:
    api = Api(make_web(Settings(rate_limit={Action.READ: Quota(1, 60)})))
    assert [api.get("/api/tasks").status_code for _ in range(2)] == [200, 429]
    assert "RateLimit" not in api.post("/api/tasks", CODE).headers


def test_probes_and_pages_have_none(make_web: MakeWeb) -> None:
    api = Api(make_web(Settings(rate_limit={Action.READ: Quota(1, 60)})))
    assert [api.get("/health/live").status_code for _ in range(3)] == [200] * 3


def test_a_quota_applies_on_loopback_only_if_it_is_set() -> None:
    assert read_settings({}).quotas == {}
    assert read_settings({"HOST": "0.0.0.0"}).quotas == PUBLIC_QUOTAS
    assert read_settings({"HOST": "0.0.0.0", "RATE_LIMIT": "off"}).quotas == {}
    assert read_settings({"RATE_LIMIT": "read:1/2"}).quotas == {Action.READ: Quota(1, 2)}
    with pytest.raises(SettingsError, match=r"^RATE_LIMIT must be off, or a list like"):
        read_settings({"RATE_LIMIT": "many"})


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::"),
        ("a:b", "a:b"),
        ("", ""),
    ],
)
def test_a_whole_network_of_ipv6_is_one_caller(address: str, network: str) -> None:
    assert network_of(address) == network
