"""/api/channels: what is stored, what is shown of it, who may change it, and channels of a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import redis

from app.settings import ApiKey, Settings, SettingsError, read_settings
from app.store.channels import MAX_CHANNELS
from app.store.store import Store
from tests.api.calls import Api, fields_of
from tests.api.conftest import MakeWeb
from tests.conftest import VirtualClock
from tests.domain.test_channels import FIELDS, SECRET, TOKEN

SLACK: dict[str, Any] = {"kind": "slack", "url": "https://hooks.slack.com/services/T0/B0/t0ken"}
DINGTALK: dict[str, Any] = {"kind": "dingtalk", **FIELDS["dingtalk"]}
WRITER, ADMIN = (ApiKey(scope, scope, f"{scope}-key-0123456789abcdef0123456789abcdef") for scope in ("write", "admin"))


def test_a_channel_is_created_then_replaced(api: Api, clock: VirtualClock) -> None:
    first = api.put("/api/channels/ops", SLACK)
    assert (first.status_code, first.headers["Location"]) == (201, "/api/channels/ops")
    assert first.get_json() == {
        "name": "ops",
        "kind": "slack",
        "url": "https://hooks.slack.com/***",
        "language": "en",
        "source": "api",
        "created_at": "2026-11-23T08:30:00.000Z",
        "updated_at": "2026-11-23T08:30:00.000Z",
    }
    clock.advance(1000)
    second = api.put("/api/channels/ops", {**SLACK, "language": "zh"})
    assert second.status_code == 200
    assert second.get_json()["created_at"] == "2026-11-23T08:30:00.000Z"
    assert api.get("/api/channels/ops").get_json() == second.get_json()


@pytest.mark.parametrize("kind", FIELDS)
def test_a_channel_of_each_kind_comes_back_without_its_secrets(api: Api, store: Store, kind: str) -> None:
    shown = api.put(f"/api/channels/{kind}", {"kind": kind, **FIELDS[kind]})
    assert shown.status_code == 201
    for text in (shown.text, api.get(f"/api/channels/{kind}").text, api.get("/api/channels").text):
        assert "t0ken" not in text
        assert TOKEN not in text
        assert SECRET not in text
    before = store.channels.get(kind)
    fields = {
        name: value
        for name, value in shown.get_json().items()
        if name not in ("name", "source", "created_at", "updated_at")
    }
    assert api.put(f"/api/channels/{kind}", fields).status_code == 200
    after = store.channels.get(kind)
    assert before is not None
    assert after is not None
    assert after.fields == before.fields


def test_a_change_keeps_the_secret_unless_it_names_it(api: Api, store: Store) -> None:
    api.put("/api/channels/ops", DINGTALK)
    assert api.patch("/api/channels/ops", {"language": "zh"}).get_json()["secret"] == "***"
    stored = store.channels.get("ops")
    assert stored is not None
    assert stored.fields == {**DINGTALK, "language": "zh"}
    assert api.patch("/api/channels/ops", {"secret": None}).get_json()["secret"] is None


TELEGRAM: dict[str, Any] = {"kind": "telegram", **FIELDS["telegram"]}
EMAIL: dict[str, Any] = {"kind": "email", **FIELDS["email"], "url": "smtps://mail.example", "secret": "pa55"}
OTHER_SERVERS = [
    (TELEGRAM, "https://evil.example"),
    (TELEGRAM, "http://api.telegram.org"),
    (TELEGRAM, "https://api.telegram.org:444"),
    (EMAIL, "smtps://evil.example"),
    (EMAIL, "smtp://mail.example:465"),
    (EMAIL, "smtps://mail.example:466"),
]


@pytest.mark.parametrize(("channel", "url"), OTHER_SERVERS)
def test_a_secret_is_not_kept_for_another_server(api: Api, store: Store, channel: dict[str, Any], url: str) -> None:
    path = "/api/channels/ops"
    api.put(path, channel)
    stored = store.channels.get("ops")
    for refused in (
        api.patch(path, {"url": url}),
        api.patch(path, {"url": url, "secret": "***"}),
        api.put(path, {**channel, "url": url, "secret": "***"}),
    ):
        assert refused.status_code == 422
        assert refused.get_json()["errors"] == [
            {"field": "secret", "message": "give it again: the url leads to another server than before"}
        ]
    assert store.channels.get("ops") == stored
    assert api.patch(path, {"url": url, "secret": channel["secret"]}).status_code == 200
    back = api.patch(path, {"url": channel.get("url")})  # null is Telegram's default
    assert fields_of(back) == ["secret"]


@pytest.mark.parametrize(
    ("channel", "url"),
    [
        (TELEGRAM, "https://API.telegram.org:443/path/"),
        (EMAIL, "smtps://Mail.example:465"),
    ],
)
def test_a_secret_is_kept_for_the_same_server_in_other_words(
    api: Api, store: Store, channel: dict[str, Any], url: str
) -> None:
    api.put("/api/channels/ops", channel)
    assert api.patch("/api/channels/ops", {"url": url}).get_json()["url"] == url
    stored = store.channels.get("ops")
    assert stored is not None
    assert stored.fields["secret"] == channel["secret"]


def test_a_mail_channel_without_a_password_changes_its_server_freely(api: Api) -> None:
    api.put("/api/channels/ops", {**EMAIL, "username": None, "secret": None})
    assert api.patch("/api/channels/ops", {"url": "smtps://other.example"}).status_code == 200
    api.put("/api/channels/ops", EMAIL)
    freed = {"url": "smtps://other.example", "username": None, "secret": None}
    assert api.patch("/api/channels/ops", freed).get_json()["secret"] is None


def test_channels_are_listed_by_name_and_deleted(api: Api) -> None:
    for name in ("b", "a"):
        api.put(f"/api/channels/{name}", SLACK)
    assert [item["name"] for item in api.get("/api/channels").get_json()["items"]] == ["a", "b"]
    assert api.delete("/api/channels/a").status_code == 204
    assert api.delete("/api/channels/a").status_code == 404
    assert api.get("/api/channels/a").status_code == 404
    assert api.patch("/api/channels/a", {}).status_code == 404


@pytest.mark.parametrize("name", ["-a", "a b", "ü", "a" * 65])
def test_a_name_is_short_and_plain(api: Api, name: str) -> None:
    answer = api.put(f"/api/channels/{name}", SLACK)
    assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (422, "name")


def test_every_wrong_field_is_named(api: Api) -> None:
    answer = api.put("/api/channels/ops", {"kind": "email", "url": "x", "to": ["a"], "pager": 1})
    fields = [error["field"] for error in answer.get_json()["errors"]]
    assert (answer.status_code, sorted(fields)) == (422, ["pager", "sender", "to[0]", "url"])


def test_a_hint_names_a_field_that_the_channel_has(api: Api) -> None:
    answer = api.put("/api/channels/ops", {"kind": "slack", "url": SLACK["url"], "endpoint": 1, "Lang-uage": "zh"})
    errors = {error["field"]: error["message"] for error in answer.get_json()["errors"]}
    assert errors == {"endpoint": "is not a field", "Lang-uage": "is not a field: did you mean language?"}


def test_the_number_of_channels_is_bounded(api: Api, store: Store) -> None:
    for number in range(MAX_CHANNELS):
        store.channels.put(f"c{number}", SLACK, 1, None)
    answer = api.put("/api/channels/ops", SLACK)
    assert (answer.status_code, answer.get_json()["type"]) == (409, "urn:celeriac:problem:conflict")
    assert "delete one first" in answer.get_json()["detail"]
    assert "Retry-After" not in answer.headers
    assert api.put("/api/channels/c1", SLACK).status_code == 200


def test_only_admins_see_and_change_channels(make_web: MakeWeb) -> None:
    web = make_web(Settings(api_keys=(WRITER, ADMIN)))
    writer, admin = (Api(web, {"X-API-Key": key.secret}) for key in (WRITER, ADMIN))
    assert admin.put("/api/channels/ops", SLACK).status_code == 201
    assert {writer.get("/api/channels").status_code, writer.put("/api/channels/ops", SLACK).status_code} == {403}


# --- CHANNELS_FILE ----------------------------------------------------------------------------------


def _file(folder: Path, text: str) -> str:
    path = folder / "channels.toml"
    path.write_text(text)
    return str(path)


def test_a_channel_of_the_file_is_shown_and_not_changed(make_web: MakeWeb, tmp_path: Path) -> None:
    path = _file(tmp_path, '[ops]\nkind = "slack"\nurl = "https://hooks.slack.com/services/t0ken"\n')
    api = Api(make_web(read_settings({"CHANNELS_FILE": path})))
    shown = api.get("/api/channels/ops").get_json()
    assert (shown["source"], shown["created_at"], shown["url"]) == ("file", None, "https://hooks.slack.com/***")
    api.put("/api/channels/other", SLACK)
    assert [item["source"] for item in api.get("/api/channels").get_json()["items"]] == ["file", "api"]
    for answer in (
        api.put("/api/channels/ops", SLACK),
        api.patch("/api/channels/ops", {}),
        api.delete("/api/channels/ops"),
    ):
        assert (answer.status_code, answer.get_json()["detail"]) == (
            409,
            "the channel comes from CHANNELS_FILE: change it there",
        )


def test_a_wrong_file_stops_the_process_at_start_in_plain_words(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^CHANNELS_FILE /.*channels.toml: channel ops: url is required$"):
        read_settings({"CHANNELS_FILE": _file(tmp_path, '[ops]\nkind = "slack"\n')})
    with pytest.raises(SettingsError, match=r"^CHANNELS_FILE /.* can't be read: No such file or directory$"):
        read_settings({"CHANNELS_FILE": str(tmp_path / "none.toml")})


@pytest.mark.parametrize("url", ["tasks.example", "ftp://x", "https://x?a=b", "https://u:p@x", "https://x y"])
def test_a_public_url_is_one(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^PUBLIC_URL must be"):
        read_settings({"PUBLIC_URL": url})


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            '{"fields": {"kind": "pigeon", "url": "https://a.test"}, "created_ms": 1, "updated_ms": 1}',
            "kind: must be one",
        ),
        (
            f'{{"fields": {{"kind": "slack", "url": 7, "secret": "{TOKEN}"}}, "created_ms": 1, "updated_ms": 1}}',
            "url: ",
        ),
        ('{"later": 1}', "kind: must be one"),
        ("not JSON", "kind: must be one"),
    ],
)
def test_a_stored_channel_that_is_invalid_here_is_shown_with_its_error(
    api: Api, store: Store, raw_redis: redis.Redis, text: str, error: str
) -> None:
    api.put("/api/channels/good", SLACK)
    raw_redis.hset(store.keys.channels, "bad", text)
    bad, good = api.get("/api/channels").get_json()["items"]
    assert (good["name"], good["kind"], "error" in good) == ("good", "slack", False)
    assert (bad["name"], "kind" in bad) == ("bad", False)
    assert bad["error"].startswith(f"this version can't use what is stored: {error}")
    assert TOKEN not in bad["error"]
    assert api.get("/api/channels/bad").get_json() == bad
    assert api.patch("/api/channels/bad", {"language": "zh"}).status_code == 422
    assert api.put("/api/channels/bad", SLACK).get_json()["kind"] == "slack"


def test_what_a_newer_version_adds_to_a_channel_is_ignored(api: Api, store: Store, raw_redis: redis.Redis) -> None:
    api.put("/api/channels/ops", SLACK)
    stored = json.loads(str(raw_redis.hget(store.keys.channels, "ops")))
    raw_redis.hset(store.keys.channels, "ops", json.dumps({**stored, "later": 1}))
    assert api.get("/api/channels/ops").get_json()["kind"] == "slack"
