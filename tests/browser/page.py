"""What tests of the console have in common: addresses, texts, tasks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.browser.chromium import Chromium
from tests.system import Started

PROGRAM = {"function_code": "def main():\n    print('hello')\n    return {'seven': 7}", "function_name": "main"}
ENDLESS = {"function_code": "import time\ndef main():\n    time.sleep(90)", "function_name": "main", "timeout": 60}
FAILING = {"function_code": "def main(row=1):\n    raise ValueError(f'no row {row}')", "function_name": "main"}
#: The console shows what it has read for its address.
SHOWN = "document.querySelector('#view:not([aria-busy]) > *')"
ROWS = "document.querySelectorAll('.list tbody tr').length"


def url_of(system: Started, path: str = "/") -> str:
    """The address of a page."""
    return f"http://127.0.0.1:{system.port}{path}"


def imported(name: str) -> str:
    """JavaScript: the promise of a module of the console, the one that the page itself uses."""
    return f"import(new URL({json.dumps(name)}, document.querySelector('script[type=module]').src))"


def texts(browser: Chromium, selector: str) -> list[str]:
    """What the elements show."""
    found = browser.evaluate(f"[...document.querySelectorAll({json.dumps(selector)})].map(each => each.innerText)")
    return [str(text) for text in found]


def open_page(browser: Chromium, system: Started, path: str) -> None:
    """Open a page of the console and wait until it shows what it has read."""
    browser.open(url_of(system, path))
    browser.wait_for(SHOWN)


def go_to(browser: Chromium, fragment: str) -> None:
    """Go to another page of the console that is open, as by a link, and wait until it shows what it has read."""
    browser.evaluate(
        "new Promise(gone => {"
        "  addEventListener('hashchange', () => setTimeout(gone), {once: true});"  # after the console's own listener
        f"  location.hash = {json.dumps(fragment)};"
        "})"
    )
    browser.wait_for(SHOWN)


def open_task(browser: Chromium, system: Started, task: dict[str, Any]) -> None:
    """Open the page of a task by its short link."""
    browser.open(url_of(system, f"/#/tasks/{task['id']}"))
    browser.wait_for_text(task["name"], ".detail h2")


def finished(system: Started, task: dict[str, Any]) -> dict[str, Any]:
    """The task, once it has finished."""

    for _ in range(2):
        found = system.get(f"/api/tasks/{task['id']}?wait=10")
        if found["status"] in ("succeeded", "failed", "stopped"):
            return dict(found)
    pytest.fail(f"not within 20 s: the end of {task['name']}")


def many(system: Started, tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Create tasks in one call, and wait until all have finished."""
    status, answer = system.call("POST", "/api/tasks/batch", {"tasks": tasks})
    assert status == 201, answer
    for task in answer["items"]:
        finished(system, task)
    return list(answer["items"])
