"""The console and the docs, as a person uses them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.browser.chromium import Chromium
from tests.browser.conftest import KEY
from tests.system import Started

PROGRAM = {"function_code": "def main():\n    print('hello')\n    return {'seven': 7}", "function_name": "main"}
ENDLESS = {"function_code": "def main():\n    while True:\n        pass", "function_name": "main", "timeout": 60}


def url_of(system: Started, path: str = "/") -> str:
    return f"http://127.0.0.1:{system.port}{path}"


def open_task(browser: Chromium, system: Started, task: dict[str, Any]) -> None:
    browser.open(url_of(system, f"/#/tasks/{task['id']}"))
    browser.wait_for_text(task["name"], ".detail h2")


def texts(browser: Chromium, selector: str) -> list[str]:
    found = browser.evaluate(f"[...document.querySelectorAll({json.dumps(selector)})].map(each => each.innerText)")
    return [str(text) for text in found]


def test_it_shows_the_health_the_counts_and_the_last_hour(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system))
    browser.wait_for_text("All is well", "#health-words")
    browser.wait_for("document.querySelectorAll('#counts a').length === 6")
    browser.wait_for("document.querySelector('#chart svg').getAttribute('aria-label').includes('succeeded')")
    browser.click("#health summary")
    browser.wait_for_text("Redis", "#health-parts")


def test_a_code_task_from_the_form_to_its_result(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/new"))
    browser.fill("[name=name]", "from the form")
    browser.fill("[name=function_code]", PROGRAM["function_code"])
    browser.fill("[name=args]", "")
    browser.click(".create button[type=submit]")
    browser.wait_for_text("from the form", ".detail h2")
    browser.wait_for_text("succeeded", ".detail .badge")
    assert json.loads(texts(browser, ".detail pre[aria-label=Result]")[0]) == {"seven": 7}
    assert texts(browser, ".detail pre[aria-label=Output]") == ["hello\n"]


def test_problems_stand_beside_their_fields(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/new"))
    browser.fill("[name=function_code]", "def main(:")
    browser.fill("[name=priority]", "12")
    browser.click(".create button[type=submit]")
    browser.wait_for_text("is required", "#problem-name")
    assert texts(browser, "#problem-function_code")[0].startswith("line 1, column 10: SyntaxError")
    assert "less than or equal to 9" in texts(browser, "#problem-priority")[0]
    assert browser.evaluate("document.activeElement.name") == "name"
    assert browser.evaluate("document.activeElement.getAttribute('aria-describedby')") == "problem-name"
    browser.complaints.clear()  # the browser itself notes an answer of 422


def test_an_api_task_for_later(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/new"))
    browser.fill("[name=name]", "call later")
    browser.click("[name=kind][value=api]")
    browser.click("[name=task_type][value=delayed]")
    browser.fill("[name=api_url]", "http://127.0.0.1:9/hook")
    browser.fill("[name=headers]", "X-Answer: 42\nAuthorization: Bearer secret")
    browser.fill("[name=delay_seconds]", "3600")
    browser.click(".create button[type=submit]")
    browser.wait_for_text("waiting", ".detail .badge")
    [found] = system.get("/api/tasks?name=call%20later")["items"]
    task = system.get(f"/api/tasks/{found['id']}")
    assert (task["kind"], task["task_type"], list(task["headers"])) == ("api", "delayed", ["X-Answer", "Authorization"])


def test_filters_live_in_the_address_and_narrow_the_list(browser: Chromium, system: Started) -> None:
    for index in range(30):
        system.post("/api/tasks", {"name": f"filtered {index}", "tags": ["few"] if index < 2 else [], **PROGRAM})
    browser.open(url_of(system, "/#/tasks"))
    browser.fill("#filter-name", "filtered")
    browser.wait_for("document.querySelectorAll('tbody tr').length === 25")
    browser.wait_for("location.hash.includes('name=filtered')")
    browser.click(".pager button:last-child")
    browser.wait_for("document.querySelectorAll('tbody tr').length === 5")
    browser.fill("#filter-tag", "few")
    browser.wait_for("document.querySelectorAll('tbody tr').length === 2")
    browser.click(".filters button[type=reset]")
    browser.wait_for("document.querySelectorAll('tbody tr').length === 25 && location.hash === '#/tasks'")


def test_a_running_task_is_stopped_and_deleted_after_a_question(browser: Chromium, system: Started) -> None:
    task = system.post("/api/tasks", {"name": "endless", **ENDLESS})
    open_task(browser, system, task)
    browser.wait_for_text("running", ".detail .badge")
    browser.click("[data-key=stop]")
    browser.wait_for("document.querySelector('#confirm').open")
    browser.click("#confirm-no")
    assert system.get(f"/api/tasks/{task['id']}")["status"] == "running"
    browser.click("[data-key=stop]")
    browser.click("#confirm-yes")
    browser.wait_for_text("stopped", ".detail .badge")
    browser.click("[data-key=delete]")
    browser.click("#confirm-yes")
    browser.wait_for("location.hash === '#/tasks' && !document.querySelector('.detail')")
    assert system.call("GET", f"/api/tasks/{task['id']}")[0] == 404


def test_a_failed_task_says_where(browser: Chromium, system: Started) -> None:
    program = {
        "function_code": "def main():\n    return 1 / 0",
        "function_name": "main",
        "max_retries": 1,
        "retry_delay": 0,
    }
    open_task(browser, system, system.post("/api/tasks", {"name": "fails", **program}))
    browser.wait_for_text("ZeroDivisionError", ".failure h3")
    browser.wait_for_text("division by zero (line 2)", ".failure")
    browser.wait_for("document.querySelectorAll('.attempts li').length === 2")


def test_scheduled_tasks_are_created_paused_run_and_deleted(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/new"))
    browser.fill("[name=name]", "every night")
    browser.click("[name=task_type][value=scheduled]")
    browser.fill("[name=cron_expression]", "0 3 * * *")
    browser.wait_for("document.querySelectorAll('.preview span').length === 3")
    browser.click(".create button[type=submit]")
    browser.wait_for("location.hash === '#/scheduled'")
    browser.click("[aria-label='Pause every night']")
    browser.wait_for_text("paused", "tbody .badge")
    browser.click("[aria-label='Resume every night']")
    browser.wait_for_text("active", "tbody .badge")
    browser.click("[aria-label='Run now: every night']")
    browser.wait_for_text("every night", ".detail h2")
    browser.open(url_of(system, "/#/scheduled"))
    browser.click("[aria-label='Delete every night']")
    browser.click("#confirm-yes")
    browser.wait_for("!document.querySelector('[aria-label=\"Delete every night\"]')")


def test_what_a_task_says_is_text_and_nothing_else(browser: Chromium, system: Started) -> None:
    attack = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    program = {
        "function_code": f"def main():\n    print({attack!r})\n    raise ValueError({attack!r})",
        "function_name": "main",
    }
    task = system.post("/api/tasks", {"name": attack, "tags": ["<b>tag</b>"], **program})
    open_task(browser, system, task)
    browser.wait_for_text(attack, ".failure")
    browser.wait_for_text(attack, ".list tbody")
    assert browser.evaluate("document.querySelectorAll('main img, main script, main b > b').length") == 0


def test_a_string_can_not_become_html_at_all(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system))
    browser.wait_for_text("All is well", "#health-words")
    refused = (
        "(() => { try { document.body.innerHTML = '<i>x</i>'; return ''; } catch (error) { return error.name; } })()"
    )
    assert browser.evaluate(refused) == "TypeError"
    browser.complaints.clear()  # that was ours


def test_it_asks_for_a_key_once(browser: Chromium, guarded: Started) -> None:
    browser.open(url_of(guarded))
    browser.wait_for("document.querySelector('#ask-key').open")
    browser.fill("#ask-key-value", "wrong")
    browser.click("#ask-key button")
    browser.wait_for_text("not known here", "#ask-key-problem")
    browser.fill("#ask-key-value", KEY)
    browser.click("#ask-key button")
    browser.wait_for("document.querySelectorAll('#counts a').length === 6 && !document.querySelector('#ask-key').open")
    browser.open(url_of(guarded, "/docs"))
    browser.wait_for("document.querySelectorAll('.opblock').length > 10")
    browser.open(url_of(guarded, "/#/scheduled"))
    browser.wait_for("document.querySelectorAll('#counts a').length === 6 && !document.querySelector('#ask-key').open")
    browser.complaints.clear()  # the browser itself notes answers of 401 and 503


def test_the_docs_describe_every_call_without_the_internet(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/docs"))
    calls = sum(len(methods) for methods in system.get("/openapi.json")["paths"].values())
    browser.wait_for(f"document.querySelectorAll('.opblock').length === {calls}")
    browser.click("#operations-Tasks-createTask .opblock-summary-control")
    browser.wait_for_text("function_code", "#operations-Tasks-createTask")
    loaded = browser.evaluate("performance.getEntriesByType('resource').map(each => new URL(each.name).origin)")
    assert set(loaded) == {url_of(system, "")}


@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (375, "dark"), (1440, "light")])
def test_nothing_is_wider_than_the_window(browser: Chromium, system: Started, width: int, scheme: str) -> None:
    task = system.post("/api/tasks", {"name": "w" * 200, "tags": ["t" * 64] * 3, **PROGRAM})
    system.call(
        "PUT", "/api/scheduled-tasks/by-key/wide", {"name": "w" * 200, "cron_expression": "0 3 * * *", **PROGRAM}
    )
    browser.look(width, 800, scheme)
    for path in ("/#/tasks", f"/#/tasks/{task['id']}", "/#/scheduled", "/#/new", "/docs"):
        browser.open(url_of(system, path))
        browser.wait_for("document.querySelector('tbody tr, .create, .opblock')")
        assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_it_can_be_used_by_keyboard_and_every_control_has_a_name(browser: Chromium, system: Started) -> None:
    for path in ("/#/tasks", "/#/scheduled", "/#/new"):
        browser.open(url_of(system, path))
        browser.wait_for("document.querySelector('.list, .create')")
        nameless = (
            "[...document.querySelectorAll('input, select, textarea, button, a')].filter(each =>"
            " !(each.labels?.length || each.getAttribute('aria-label') || each.textContent.trim()"
            " || each.id === 'confirm-yes')).map(each => each.outerHTML)"
        )
        assert browser.evaluate(nameless) == []
    browser.open(url_of(system, "/#/tasks"))
    browser.wait_for("document.querySelector('tbody tr')")
    browser.press(["Tab"])
    assert browser.evaluate("document.activeElement.className") == "skip"
    browser.press(["Enter"])
    assert browser.evaluate("document.activeElement.id") == "view"
    browser.evaluate("document.querySelector('tbody a').focus()")
    browser.press(["Enter"])
    browser.wait_for("document.querySelector('.detail h2')")
