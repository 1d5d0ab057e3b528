"""What runs, what waits, and what comes next."""

from __future__ import annotations

from tests.browser.chromium import Chromium
from tests.browser.page import ENDLESS, PROGRAM, finished, go_to, imported, texts, url_of
from tests.system import Started, wait_until


def test_workers_queues_running_and_waiting_tasks(browser: Chromium, system: Started) -> None:
    running = system.post("/api/tasks", {"name": "runs long", **ENDLESS})
    for name, seconds in (("an hour", 3600), ("half an hour", 1800)):
        system.post("/api/tasks", {"name": name, "task_type": "delayed", "delay_seconds": seconds, **PROGRAM})
    browser.open(url_of(system, "/#/work"))
    browser.wait_for_text("runs long", "[aria-label='Running now']")
    browser.wait_for_text("half an hour", "[aria-label='Waiting, next due first']")
    waiting = [line.split("\n")[0] for line in texts(browser, "[aria-label='Waiting, next due first'] a")]
    assert waiting.index("half an hour") < waiting.index("an hour")
    mine = "[...document.querySelectorAll('.worker')].some(({innerText: text}) => ['code@', '1 of', 'Sandbox: all']"
    browser.wait_for(f"{mine}.every(part => text.includes(part)))")  # a worker tells it every two seconds
    browser.wait_for_text("1 worker", "[aria-label=Queues] table")
    browser.look(390, 800)
    right = "document.querySelector('[aria-label=Queues] tbody td:nth-child(2)').getBoundingClientRect().right"
    assert browser.evaluate(f"{right} <= innerWidth"), "who serves a queue is seen on a phone"
    assert system.call("POST", f"/api/tasks/{running['id']}/stop")[0] == 200


def test_a_task_that_begins_or_ends_is_shown_when_its_worker_tells(browser: Chromium, system: Started) -> None:
    """It tells up to two seconds after the change, when the page has looked already, and nothing else may change."""

    def told_at() -> object:
        return [worker["seen_at"] for worker in system.get("/api/workers")["items"] if worker["concurrency"] == 4]

    browser.open(url_of(system, "/#/work"))
    browser.wait_for_text("of 4 slots", "[aria-label='Workers']")
    before = told_at()
    wait_until(lambda: told_at() != before, 30, "what the worker tells next")
    task = system.post("/api/tasks", {"name": "begins and ends", **ENDLESS})
    browser.wait_for_text("begins and ends", "[aria-label='Running now']")
    system.call("POST", f"/api/tasks/{task['id']}/stop")
    browser.wait_for("!document.querySelector(\"[aria-label='Running now']\").innerText.includes('begins and ends')")


def pause_all_schedules(system: Started) -> None:
    status, bulk = system.call(
        "POST", "/api/bulk", {"of": "scheduled-tasks", "action": "pause", "filter": {"status": "active"}}
    )
    assert status == 202
    assert system.get(f"/api/bulk/{bulk['id']}?wait=30")["status"] == "completed"


def test_the_overview_shows_counts_failures_the_last_hour_and_what_is_next(browser: Chromium, system: Started) -> None:
    failing = {"function_code": "def main():\n    return {}['key']", "function_name": "main"}
    finished(system, system.post("/api/tasks", {"name": "fails at once", **failing}))
    pause_all_schedules(system)  # which of them fires next depends on the time of day
    soon = system.post("/api/scheduled-tasks", {"name": "fires soon", "every_seconds": 120, **PROGRAM})
    browser.open(url_of(system))
    browser.wait_for("document.querySelectorAll('#counts a').length === 6")
    browser.wait_for_text("fails at once", "[aria-label='Latest failures']")
    browser.wait_for_text("KeyError", "[aria-label='Failures of the last day']")
    browser.wait_for("document.querySelector('#chart svg').getAttribute('aria-label').includes('failed')")
    browser.wait_for_text("fires soon", "[aria-label='Next firings']")
    browser.wait_for("document.querySelectorAll('.mark.failed').length > 0")
    assert figures(browser) == ["Last hour", "Recent runs and expected firings"]
    go_to(browser, f"#/schedule/{soon['id']}")
    assert figures(browser) == ["Recent runs and expected firings"]
    assert system.call("POST", f"/api/scheduled-tasks/{soon['id']}/pause")[0] == 200


def figures(browser: Chromium) -> list[str]:
    """What a screen reader calls the figures: Chromium makes no name of a caption."""
    nodes = browser.send("Accessibility.getFullAXTree")["nodes"]
    return [node["name"]["value"] for node in nodes if node.get("role", {}).get("value") == "figure"]


def test_the_axis_of_the_chart_has_room_for_its_numbers(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system))
    browser.wait_for("document.querySelector('#chart svg')")
    script = (
        imported("chart.js")
        + """.then(({ chart }) => {
        const minutes = Array.from({length: 60}, (_, index) => (
            {at: new Date(index * 60000).toISOString(), succeeded: 123456, failed: 5, stopped: 0}));
        const svg = chart(minutes, 600);
        document.querySelector('#chart').replaceChildren(svg);
        const left = svg.getBoundingClientRect().left;
        return [...svg.querySelectorAll('text')].every(each => each.getBoundingClientRect().left >= left - 0.5);
    })"""
    )
    assert browser.evaluate(script)
