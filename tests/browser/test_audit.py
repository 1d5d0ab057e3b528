"""The page of changes, as an administrator reads it."""

from __future__ import annotations

from tests.browser.chromium import Chromium
from tests.browser.page import go_to, open_page, texts
from tests.browser.test_schedules import scheduled
from tests.system import Started

CHANGES = "document.querySelectorAll('.list tbody tr').length"


def test_a_schedule_leads_to_who_changed_it(browser: Chromium, system: Started) -> None:
    schedule = scheduled(system, "changed by somebody")
    system.call("POST", f"/api/scheduled-tasks/{schedule['id']}/pause", None)
    system.call("PUT", "/api/scheduled-tasks/by-key/elsewhere", {**schedule_body(), "name": "of a file"})
    open_page(browser, system, f"/#/schedule/{schedule['id']}")
    browser.click(f"[data-key='changes-{schedule['id']}']")
    browser.wait_for(f"location.hash.startsWith('#/audit') && {CHANGES} === 2")
    assert [text.split(" by ")[0] for text in texts(browser, ".list tbody .c-name")] == [
        f"POST /api/scheduled-tasks/{{schedule_id}}/pause {schedule['id']}",
        f"POST /api/scheduled-tasks {schedule['id']}",
    ]
    assert texts(browser, ".list tbody .c-last") == ["local", "local"]
    browser.click(".list tbody .c-name a")
    browser.wait_for_text("changed by somebody", "h1")


def test_a_schedule_of_a_file_leads_to_who_put_it(browser: Chromium, system: Started) -> None:
    status, schedule = system.call("PUT", "/api/scheduled-tasks/by-key/of-a-file", schedule_body())
    assert status == 201
    open_page(browser, system, f"/#/schedule/{schedule['id']}")
    browser.click("[data-key='changes-of-a-file']")
    browser.wait_for(f"{CHANGES} === 1")
    assert texts(browser, ".list tbody .c-name") == ["PUT /api/scheduled-tasks/by-key/{key} of-a-file"]
    assert browser.evaluate("document.querySelector('.list tbody .c-name a')") is None, "a key is no address"


def test_the_menu_leads_to_all_changes_which_filters_narrow(browser: Chromium, system: Started) -> None:
    scheduled(system, "one of many")
    open_page(browser, system, "/#/tasks")
    browser.click("#menu-button")
    browser.click(".sheet a[href='#/audit']")
    browser.wait_for(f"document.title.startsWith('Changes') && {CHANGES} > 0")
    go_to(browser, "#/audit?who=nobody")
    browser.wait_for_text("No change matches.", ".list .empty")


def test_pages_lead_on_and_back(browser: Chromium, system: Started) -> None:
    schedule = scheduled(system, "changed often")
    for number in range(101):
        system.call("PATCH", f"/api/scheduled-tasks/{schedule['id']}", {"name": f"changed often, {number}"})
    open_page(browser, system, f"/#/audit?target_id={schedule['id']}")
    browser.wait_for(f"{CHANGES} === 50")
    for key, page, rows in (("older", 2, 50), ("older", 3, 2), ("newer", 2, 50), ("newer", 1, 50)):
        browser.click(f"[data-key={key}]")
        browser.wait_for(f"document.querySelector('.pager').innerText.includes('Page {page}') && {CHANGES} === {rows}")
    assert not browser.evaluate("location.hash.includes('pages=')")


def schedule_body() -> dict[str, str]:
    return {
        "name": "of a file",
        "cron_expression": "0 3 * * *",
        "function_code": "def main(): pass",
        "function_name": "main",
    }
