"""A console on a service with many tasks reads as little as one with few."""

from __future__ import annotations

import pytest

from tests.browser.chromium import Chromium
from tests.browser.page import PROGRAM, ROWS, go_to, open_page, texts, url_of
from tests.conftest import is_long_run
from tests.system import Started

BATCH = 1_000
BATCHES, LONG_BATCHES = 2, 100
MAX_LIST_BYTES = 60_000
LISTED = 200  # schedules on one page of the API, at most
CALLS = "performance.getEntriesByType('resource').filter(each => each.name.includes('/api/tasks?'))"


@pytest.fixture(scope="module")
def number(alone: Started, pytestconfig: pytest.Config) -> int:
    """How many queued tasks the service has: 2,000, or 100,000 in a long run (`--minutes 2` or more)."""
    batches = LONG_BATCHES if is_long_run(pytestconfig) else BATCHES
    for batch in range(batches):
        tasks = [{"name": f"many {batch * BATCH + index}", "tags": ["many"], **PROGRAM} for index in range(BATCH)]
        status, answer = alone.call("POST", "/api/tasks/batch", {"tasks": tasks})
        assert status == 201, answer
    return batches * BATCH


def test_the_first_list_reads_one_page(browser: Chromium, alone: Started, number: int) -> None:
    browser.open(url_of(alone, "/#/tasks?tag=many"))
    browser.wait_for(f"{ROWS} === 50")
    assert f"many {number - 1}" in texts(browser, ".list tbody tr")[0]
    assert browser.evaluate(f"{CALLS}.length") <= 2  # again once the stream of changes is open
    assert browser.evaluate(f"Math.max(...{CALLS}.map(each => each.decodedBodySize))") < MAX_LIST_BYTES
    browser.complaints.clear()  # the browser itself notes that /health answers 503


def test_pages_are_turned_and_the_whole_is_selected(browser: Chromium, alone: Started, number: int) -> None:
    browser.open(url_of(alone, "/#/tasks?tag=many"))
    browser.wait_for(f"{ROWS} === 50")
    browser.click("[data-key=older]")
    browser.wait_for_text(f"many {number - 51}", ".list tbody tr:first-child")
    browser.click(".list thead [type=checkbox]")
    browser.click("[data-key=select-whole]")
    browser.wait_for_text(f"All {number:,} that match", ".selected")
    browser.click("[data-key=older]")
    browser.wait_for_text(f"many {number - 101}", ".list tbody tr:first-child")
    browser.click(".list tbody tr:first-child [type=checkbox]")
    assert "49 selected" in texts(browser, ".selected")[0], "the others that are seen to be ticked"
    assert browser.evaluate("document.querySelectorAll('.list tbody :checked').length") == 49
    browser.click(".list thead [type=checkbox]")
    browser.click(".list thead [type=checkbox]")
    assert browser.evaluate("document.querySelector('.selected').hidden"), "none is left on a page that is not seen"
    browser.complaints.clear()


def test_an_order_that_leaves_rows_out_does_not_offer_all_that_match(browser: Chromium, alone: Started) -> None:
    """No filter names what such a list has: an action on all that match would reach rows that were never shown."""
    for name in ("queued", "stopped"):
        alone.post("/api/tasks", {"name": name, "tags": ["ordered"], **PROGRAM})
        schedule = alone.post(
            "/api/scheduled-tasks", {"name": name, "tags": ["ordered"], "every_seconds": 864_000, **PROGRAM}
        )
    alone.call("POST", f"/api/scheduled-tasks/{schedule['id']}/pause")
    newest = alone.get("/api/tasks?tag=ordered")["items"][0]
    alone.call("POST", f"/api/tasks/{newest['id']}/stop")
    for path, narrowed, names in [
        ("#/tasks?tag=ordered", "sort=finished", "status=stopped"),
        ("#/scheduled?tag=ordered", "sort=next_run", "status=active"),
    ]:
        open_page(browser, alone, f"/{path}")
        browser.wait_for(f"{ROWS} === 2")
        browser.click(".list thead [type=checkbox]")
        browser.click("[data-key=select-whole]")
        browser.wait_for_text("All 2 that match", ".selected")
        go_to(browser, f"{path}&{narrowed}")
        browser.wait_for(f"{ROWS} === 1")
        assert browser.evaluate("document.querySelector('.selected').hidden"), "what was selected is out of sight"
        browser.click(".list thead [type=checkbox]")
        assert browser.evaluate("document.querySelector('[data-key=select-whole]').hidden")
        assert "1 selected" in texts(browser, ".selected")[0]
        go_to(browser, f"{path}&{narrowed}&{names}")
        browser.click(".list thead [type=checkbox]")
        browser.click("[data-key=select-whole]")
        browser.wait_for_text("All 1 that match", ".selected")
    browser.complaints.clear()


def test_the_nearest_firing_is_shown_however_many_schedules_are_newer(browser: Chromium, alone: Started) -> None:
    alone.post("/api/scheduled-tasks", {"name": "nearest", "every_seconds": 600, **PROGRAM})
    for index in range(LISTED):
        alone.post("/api/scheduled-tasks", {"name": f"later {index}", "every_seconds": 86_400, **PROGRAM})
    open_page(browser, alone, "/")
    assert "nearest" in texts(browser, "[aria-label='Next firings'] li")[0]
    go_to(browser, "#/scheduled")
    assert "nearest" not in texts(browser, ".list tbody .c-name")
    browser.evaluate("(document.querySelector('#filter-sort').value = 'next_run')")
    browser.evaluate("document.querySelector('#filter-sort').dispatchEvent(new Event('change', {bubbles: true}))")
    browser.wait_for("document.querySelector('.list tbody .c-name').innerText.includes('nearest')")
    assert texts(browser, ".pager button") == ["Earlier", "Later"], "a later firing is no older one"
    browser.complaints.clear()
