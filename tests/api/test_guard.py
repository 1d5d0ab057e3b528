"""Who may call: keys of every scope, wrong ones, none; the Host header; pages of other sites."""

from __future__ import annotations

import pytest

from app.settings import ApiKey, Settings, SettingsError, read_settings
from tests.api.calls import BASE_URL, CODE, EVERY_CALL, UNKNOWN_ID, Api
from tests.api.conftest import MakeWeb

KEYS = {scope: f"{scope}-key-0123456789abcdef0123456789abcdef" for scope in ("read", "write", "admin")}
GUARDED = Settings(api_keys=tuple(ApiKey(scope, scope, secret) for scope, secret in KEYS.items()))
READS = [
    "/api/tasks",
    "/api/tasks/stats",
    f"/api/tasks/{UNKNOWN_ID}",
    "/api/scheduled-tasks",
    "/health",
    "/openapi.json",
]
OPEN = ["/health/live", "/health/ready", "/", "/docs", "/static/main.js", "/static/x/main.js"]


@pytest.mark.parametrize("path", [*READS, "/openapi.json", "/api/nothing", "/nothing"])
def test_without_a_key_nothing_is_told(make_web: MakeWeb, path: str) -> None:
    client = make_web(GUARDED).test_client()
    response = client.get(path, base_url=BASE_URL)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert response.content_type == "application/problem+json"


@pytest.mark.parametrize("path", OPEN)
def test_life_and_pages_need_no_key(make_web: MakeWeb, path: str) -> None:
    client = make_web(GUARDED).test_client()
    with client.get(path, base_url=BASE_URL) as response:
        assert response.status_code in (200, 503)


def test_readiness_tells_its_status_only(make_web: MakeWeb) -> None:
    client = make_web(GUARDED).test_client()
    assert list(client.get("/health/ready", base_url=BASE_URL).get_json()) == ["status"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer wrong"},
        {"Authorization": KEYS["admin"]},
        {"Authorization": f"Basic {KEYS['admin']}"},
        {"X-API-Key": ""},
        {"X-API-Key": KEYS["admin"] + "x"},
        {"X-API-Key": "\xe9" * 40},
    ],
)
def test_a_wrong_key_is_none(make_web: MakeWeb, headers: dict[str, str]) -> None:
    client = make_web(GUARDED).test_client()
    assert client.get("/api/tasks", base_url=BASE_URL, headers=headers).status_code == 401


@pytest.mark.parametrize("scope", list(KEYS))
@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
def test_each_scope_may_do_what_it_may(make_web: MakeWeb, scope: str, header: str) -> None:
    key = f"Bearer {KEYS[scope]}" if header == "Authorization" else KEYS[scope]
    api = Api(make_web(GUARDED), {header: key})
    assert api.get("/api/tasks").status_code == 200
    writes = 403 if scope == "read" else 201
    assert api.post("/api/tasks", CODE).status_code == writes
    assert api.delete(f"/api/tasks/{UNKNOWN_ID}").status_code == (403 if scope == "read" else 404)


def test_a_path_or_method_that_is_not_served_needs_no_admin(make_web: MakeWeb) -> None:
    web = make_web(GUARDED)
    for scope, status in (("read", (403, 403, 403)), ("write", (404, 405, 403)), ("admin", (404, 405, 405))):
        api = Api(web, {"X-API-Key": KEYS[scope]})
        got = [api.post(path, {}).status_code for path in ("/api/task", "/api/workers", "/api/channels")]
        assert got == list(status), scope


@pytest.mark.parametrize("host", ["localhost:5001", "127.0.0.1:5001", "[::1]:5001", "LOCALHOST", "localhost."])
def test_without_keys_names_of_this_machine_are_served(make_web: MakeWeb, host: str) -> None:
    client = make_web(Settings()).test_client()
    assert client.get("/api/tasks", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "[", "10.0.0.1"])
def test_a_name_that_was_rebound_is_not(make_web: MakeWeb, host: str) -> None:
    client = make_web(Settings()).test_client()
    response = client.get("/api/tasks", headers={"Host": host})
    assert response.status_code == 403
    assert response.content_type == "application/problem+json"
    assert response.get_json()["detail"].endswith("as long as there is no API key")  # a proxy in front needs one


def test_with_keys_any_name_is_served(make_web: MakeWeb) -> None:
    client = make_web(GUARDED).test_client()
    headers = {"Host": "celeriac.example", "X-API-Key": KEYS["read"]}
    assert client.get("/api/tasks", headers=headers).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", "CROSS-SITE", "same-origin, cross-site", "new-word", ""])
def test_a_page_of_another_site_changes_nothing(api: Api, site: str) -> None:
    response = api.post(f"/api/tasks/{UNKNOWN_ID}/stop", headers={"Sec-Fetch-Site": site})
    assert response.status_code == 403
    own = api.post(f"/api/tasks/{UNKNOWN_ID}/stop", headers={"Sec-Fetch-Site": "same-origin"})
    assert own.status_code == 404


SAME = {"Host": "localhost:5001", "Origin": "http://localhost:5001"}
CHANGES = [(method, path, body) for method, path, body in EVERY_CALL if method != "GET"]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES, ids=lambda value: value if isinstance(value, str) else "")
def test_no_call_that_changes_something_takes_another_origin(api: Api, method: str, path: str, body: object) -> None:
    response = api.call(method, path, json=body, headers={"Origin": "http://evil.example"})
    assert response.status_code == 403
    assert "Origin" in response.get_json()["detail"]
    assert api.call(method, path, json=body, headers=SAME).status_code != 403


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://localhost",
        "http://localhost:5002",
        "https://localhost:5001.evil.example",
        "http://[",
        "file://",
        "http://127.0.0.1:5001",
        "http://localhost:5001@evil.example",
        "http://localhost:99999",
        "http://evil.example@localhost:5001",
        "http://evil.example\\@localhost:5001",
        "http://localhost:5001/",
        "http://localhost:5001#",
        "ftp://localhost:5001",
    ],
)
def test_what_is_not_the_host_that_was_called_is_another_site(api: Api, origin: str) -> None:
    headers = {"Origin": origin}
    assert api.post(f"/api/tasks/{UNKNOWN_ID}/stop", headers=headers).status_code == 403
    assert api.get("/api/tasks", headers=headers).status_code == 200, "reading is guarded by the browser itself"


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:5001", "http://LOCALHOST:5001"),
        ("localhost", "http://localhost:80"),
        ("localhost", "https://localhost"),
        ("localhost:443", "https://localhost"),
        ("[::1]:5001", "http://[::1]:5001"),
    ],
)
def test_the_host_that_was_called_may_be_written_in_any_way(make_web: MakeWeb, host: str, origin: str) -> None:
    client = make_web(Settings()).test_client()
    response = client.post(f"/api/tasks/{UNKNOWN_ID}/stop", headers={"Host": host, "Origin": origin})
    assert response.status_code == 404


def test_a_listed_origin_may_behind_a_proxy_that_hides_the_host(make_web: MakeWeb) -> None:
    client = make_web(Settings(allowed_origins=("https://tasks.example",))).test_client()
    path = f"/api/tasks/{UNKNOWN_ID}/stop"
    for origin, status in (("https://tasks.example", 404), ("http://tasks.example", 403), ("https://x.example", 403)):
        assert client.post(path, headers={"Host": "127.0.0.1:5001", "Origin": origin}).status_code == status


@pytest.mark.parametrize("text", ["tasks.example", "https://", "https://a/b", "*", "https://a, ftp://b"])
def test_an_origin_that_is_none_stops_the_start(text: str) -> None:
    with pytest.raises(SettingsError, match="ALLOWED_ORIGINS must be a list of origins"):
        read_settings({"ALLOWED_ORIGINS": text})
