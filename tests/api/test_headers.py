"""Headers of every answer: request id, security, CORS, ETag, gzip; HEAD and OPTIONS."""

from __future__ import annotations

import gzip
import logging
from typing import Any

import pytest

from app import logs
from app.api import head_limits
from app.api.compression import MIN_BYTES
from app.api.web import HEADERS
from app.settings import ApiKey, Settings, SettingsError, read_settings
from tests.api.calls import BASE_URL, CODE, UNKNOWN_ID, Api, PlayedWorker
from tests.api.conftest import MakeWeb

KEY = "write-key-0123456789abcdef0123456789abcdef"
PAGE = "https://tasks.example"
#: (method, path, body): answers of every sort.
SORTS: list[tuple[str, str, Any]] = [
    ("GET", "/api/tasks", None),
    ("POST", "/api/tasks", CODE),
    ("POST", "/api/tasks", {}),
    ("GET", f"/api/tasks/{UNKNOWN_ID}", None),
    ("GET", "/nothing", None),
    ("PUT", "/api/tasks", {}),
    ("OPTIONS", "/api/tasks", None),
    ("HEAD", "/api/tasks", None),
    ("GET", "/", None),
    ("GET", "/docs", None),
    ("GET", "/static/main.js", None),
    ("GET", "/openapi.json", None),
    ("GET", "/health", None),
]


@pytest.mark.parametrize(("method", "path", "body"), SORTS)
def test_every_answer_has_the_security_headers_and_a_request_id(api: Api, method: str, path: str, body: Any) -> None:
    client = api.web.test_client()
    response = client.open(path, method=method, base_url=BASE_URL, json=body)
    assert HEADERS.items() <= dict(response.headers).items()
    assert len(response.headers["X-Request-Id"]) == 32
    assert "Cache-Control" in response.headers
    assert "Access-Control-Allow-Origin" not in response.headers


# --- request ids -----------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["a", "7c9e6679-7425-40de-944b-e07fc1f90ae7", "Root=1-67891233:abc/d", "x" * 128])
def test_a_harmless_request_id_is_taken(api: Api, given: str) -> None:
    response = api.get("/api/nothing", headers={"X-Request-Id": given})
    assert response.headers["X-Request-Id"] == given
    assert response.get_json()["request_id"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a\x7fb", "é", 'a"b', "<script>", "a;b"])
def test_any_other_request_id_is_replaced(api: Api, given: str) -> None:
    response = api.get("/api/nothing", headers={"X-Request-Id": given})
    assert len(response.headers["X-Request-Id"]) == 32
    assert response.get_json()["request_id"] == response.headers["X-Request-Id"]


def test_lines_of_the_log_have_the_request_id_and_those_outside_of_requests_have_none(api: Api) -> None:
    seen: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(logs.TextFormatter().format(record))  # type: ignore[method-assign]

    def say() -> None:
        logging.getLogger("celeriac.test").warning("inside")

    api.web.before_request_funcs.setdefault(None, []).append(say)
    logging.getLogger("celeriac.test").addHandler(handler)
    try:
        api.get("/api/tasks", headers={"X-Request-Id": "mine"})
        logging.getLogger("celeriac.test").warning("outside")
    finally:
        logging.getLogger("celeriac.test").removeHandler(handler)
    inside, outside = seen
    assert inside.endswith("inside request_id=mine")
    assert outside.endswith("outside")


# --- CORS ------------------------------------------------------------------------------------------


@pytest.fixture
def shared(make_web: MakeWeb) -> Any:
    """A client of an application whose API the page PAGE may call, with a key."""
    settings = Settings(api_keys=(ApiKey("w", "write", KEY),), cors_origins=(PAGE,))
    return make_web(settings).test_client()


def test_a_listed_page_may_ask_first_without_a_key(shared: Any) -> None:
    headers = {"Origin": PAGE, "Access-Control-Request-Method": "PATCH"}
    response = shared.options(f"/api/tasks/{UNKNOWN_ID}", base_url=BASE_URL, headers=headers)
    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Origin"] == PAGE
    assert response.headers["Access-Control-Allow-Methods"] == "DELETE, GET, HEAD, OPTIONS, PATCH"
    assert "Idempotency-Key" in response.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize(("key", "status"), [(KEY, 201), ("", 401)])
def test_a_listed_page_may_read_what_it_is_answered_refusals_too(shared: Any, key: str, status: int) -> None:
    headers = {"Origin": PAGE, "X-API-Key": key, "Sec-Fetch-Site": "cross-site"}
    response = shared.post("/api/tasks", base_url=BASE_URL, json=CODE, headers=headers)
    assert response.status_code == status
    assert response.headers["Access-Control-Allow-Origin"] == PAGE
    assert "X-Request-Id" in response.headers["Access-Control-Expose-Headers"]
    assert "Origin" in response.headers["Vary"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"{PAGE}.evil.example", "http://tasks.example"])
def test_any_other_page_may_not(shared: Any, origin: str) -> None:
    headers = {"Origin": origin, "Access-Control-Request-Method": "GET", "X-API-Key": KEY}
    response = shared.options("/api/tasks", base_url=BASE_URL, headers=headers)
    assert not [name for name, _ in response.headers if name.startswith("Access-Control")]
    assert "Origin" in response.headers["Vary"]


def test_origins_are_checked_at_start() -> None:
    assert read_settings({"CORS_ORIGINS": f"{PAGE}, http://localhost:3000"}).cors_origins[0] == PAGE
    with pytest.raises(SettingsError, match="CORS_ORIGINS"):
        read_settings({"CORS_ORIGINS": "*"})


# --- HEAD and OPTIONS ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/tasks", "/health/live", "/openapi.json", "/", "/docs", "/api/tasks/stats"])
def test_head_is_get_without_its_body(api: Api, path: str) -> None:
    client = api.web.test_client()
    for headers in ({}, {"Accept-Encoding": "gzip"}):
        got = client.get(path, base_url=BASE_URL, headers=headers)
        head = client.head(path, base_url=BASE_URL, headers=headers)
        differ = {"X-Request-Id", "Content-Length"} if path == "/api/tasks/stats" else {"X-Request-Id"}
        assert head.status_code == got.status_code
        assert head.data == b""
        assert {item for item in head.headers if item[0] not in differ} == {
            item for item in got.headers if item[0] not in differ
        }


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/api/tasks", "GET, HEAD, OPTIONS, POST"),
        ("/api/tasks/", "GET, HEAD, OPTIONS, POST"),
        ("/api/tasks/stats", "GET, HEAD, OPTIONS"),
        (f"/api/tasks/{UNKNOWN_ID}", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        (f"/api/tasks/{UNKNOWN_ID}/stop", "OPTIONS, POST"),
        ("/api/scheduled-tasks/by-key/mine", "OPTIONS, PUT"),
    ],
)
def test_options_tells_the_methods_and_has_no_body(api: Api, path: str, allow: str) -> None:
    response = api.web.test_client().options(path, base_url=BASE_URL)
    assert (response.status_code, response.data, response.headers["Allow"]) == (204, b"", allow)
    assert "Content-Type" not in response.headers


def test_options_of_an_unknown_path_is_404(api: Api) -> None:
    assert api.call("OPTIONS", "/api/nothing").status_code == 404


# --- ETag ------------------------------------------------------------------------------------------


def test_a_task_that_has_not_changed_is_304(api: Api, worker: PlayedWorker) -> None:
    path = f"/api/tasks/{api.create()['id']}"
    first = api.get(path)
    etag = first.headers["ETag"]
    assert first.headers["Cache-Control"] == "private, no-cache"
    for given in (etag, f'"x", {etag}', etag.removeprefix("W/"), "*"):
        same = api.get(path, headers={"If-None-Match": given})
        assert (same.status_code, same.data, same.headers["ETag"]) == (304, b"", etag)
        assert "Content-Type" not in same.headers
    worker.succeed(path.rsplit("/", 1)[1])
    changed = api.get(path, headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != etag


@pytest.mark.parametrize("given", ['"other"', "", "nonsense", 'W/"', "," * 1000])
def test_any_other_etag_gets_the_task(api: Api, given: str) -> None:
    path = f"/api/tasks/{api.create()['id']}"
    assert api.get(path, headers={"If-None-Match": given}).status_code == 200
    assert api.get(path, headers={"If-Match": '"other"'}).status_code == 200


# --- gzip ------------------------------------------------------------------------------------------


def test_a_large_answer_is_compressed_for_those_who_accept_it(api: Api) -> None:
    path = f"/api/tasks/{api.create(args=['x' * MIN_BYTES])['id']}"
    plain = api.get(path)
    client = api.web.test_client()
    packed = client.get(path, base_url=BASE_URL, headers={"Accept-Encoding": "br, gzip;q=0.5"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.data) == int(packed.headers["Content-Length"]) < len(plain.data)
    assert gzip.decompress(packed.data) == plain.data
    assert packed.headers["ETag"] == plain.headers["ETag"]
    assert "Content-Encoding" not in plain.headers
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize("accepts", ["", "identity", "br", "gzip;q=0", "*;q=0"])
def test_it_is_not_for_those_who_do_not(api: Api, accepts: str) -> None:
    response = api.get("/openapi.json", headers={"Accept-Encoding": accepts})
    assert "Content-Encoding" not in response.headers


def test_a_small_answer_is_not_compressed(api: Api) -> None:
    response = api.get("/health/live", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in response.headers


# --- size of the head ------------------------------------------------------------------------------


def test_a_head_that_is_too_large_is_refused(api: Api) -> None:
    assert api.get("/api/tasks?cursor=" + "x" * head_limits.MAX_URL_BYTES).status_code == 414
    assert api.get("/api/tasks", headers={"X-Long": "x" * head_limits.MAX_HEADERS_BYTES}).status_code == 431
