"""/ and /docs: pages that work offline under a strict policy, and nothing else of the disk."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from app import console
from app.api import docs
from tests.api.calls import BASE_URL, Api

FOLDERS = [Path(console.__file__).parent / "static", Path(docs.__file__).parent / "docs_static"]
PAGES = ["/", "/docs"]
FILES = [path for folder in FOLDERS for path in sorted(folder.iterdir())]


def loaded_by(html: str) -> list[str]:
    """What a page loads by itself."""
    return re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="([^"]+)"', html)


@pytest.mark.parametrize("path", PAGES)
def test_pages_have_a_policy_that_allows_nothing_inline(api: Api, path: str) -> None:
    response = api.get(path)
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response.content_type == "text/html; charset=utf-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", PAGES)
def test_all_that_a_page_loads_is_served_here(api: Api, path: str) -> None:
    found = loaded_by(api.get(path).text)
    assert len(found) >= 3
    for url in found:
        assert url.startswith("/")
        response = api.web.test_client().get(url, base_url=BASE_URL)
        assert response.status_code == 200, url
        assert response.data


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix == ".js"], ids=lambda path: path.name)
def test_every_module_imports_only_what_is_there(path: Path) -> None:
    for name in re.findall(r'^import .* from "\./([^"]+)"', path.read_text(), re.MULTILINE):
        assert (path.parent / name).is_file(), name


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.suffix in (".js", ".html")], ids=lambda path: path.name
)
def test_nothing_makes_html_of_data_and_nothing_is_inline(path: Path) -> None:
    text = path.read_text()
    for banned in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        'style="',
        "onclick=",
        "https://cdn",
    ):
        assert banned not in text, banned
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert "<style" not in text


def test_own_files_are_asked_for_again_and_told_when_unchanged(api: Api) -> None:
    client = api.web.test_client()
    first = client.get("/static/main.js", base_url=BASE_URL)
    assert (first.headers["Cache-Control"], first.mimetype) == ("no-cache", "text/javascript")
    again = client.get("/static/main.js", base_url=BASE_URL, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_files_of_the_console_are_kept_under_an_address_that_changes_with_them(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(FOLDERS[0], tmp_path / "static"))
    monkeypatch.setattr(console, "_FOLDER", folder)
    client = api.web.test_client()

    def addresses() -> list[str]:
        found = loaded_by(client.get("/", base_url=BASE_URL).text)
        assert len(found) >= 3
        return found

    before = addresses()
    for url in before:
        assert client.get(url, base_url=BASE_URL).headers["Cache-Control"] == "public, max-age=31536000, immutable"
    module = folder / "format.js"  # the page itself does not name it
    module.write_text(module.read_text() + "// changed")
    assert not set(addresses()) & set(before)
    for url in before:  # what the page from before still asks for is there, and not kept
        late = client.get(url, base_url=BASE_URL)
        assert (late.status_code, late.headers["Cache-Control"]) == (200, "no-cache")


def test_swagger_ui_may_be_kept_for_a_week(api: Api) -> None:
    response = api.web.test_client().get("/docs/static/swagger-ui-bundle.js", base_url=BASE_URL)
    assert response.headers["Cache-Control"] == "public, max-age=604800"
    assert b"SwaggerUIBundle" in response.data


@pytest.mark.parametrize(
    "path",
    [
        "/static/nothing.js",
        "/static/console.html",
        "/static/__init__.py",
        "/static/..%2f__init__.py",
        "/static/%2e%2e/__init__.py",
        "/static/../web.py",
        "/static/x/console.html",
        "/static/x/..%2f__init__.py",
        "/static/x/y/main.js",
        "/static/",
        "/docs/static/swagger-editor.js",
        "/docs/static/..%2fdocs.py",
        "/docs/static//etc/passwd",
        "/docs/static/%00",
    ],
)
def test_no_other_file_is_served(api: Api, path: str) -> None:
    response = api.web.test_client().get(path, base_url=BASE_URL)
    assert response.status_code == 404
    assert response.content_type == "application/problem+json"
