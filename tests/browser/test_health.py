"""The header says how the work goes, and the page does not lie when the service is away."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import redis

from app.domain.form import FORM
from tests.browser.chromium import Chromium
from tests.browser.conftest import running
from tests.browser.page import PROGRAM, imported, texts, url_of
from tests.servers import throw_away_redis, used_memory_bytes
from tests.system import Started, descendants


def health(browser: Chromium) -> str:
    return str(browser.evaluate("document.querySelector('#health').className"))


def test_without_a_worker_the_header_is_red_and_a_queued_task_says_so(browser: Chromium, alone: Started) -> None:
    task = alone.post("/api/tasks", {"name": "nobody takes it", **PROGRAM})
    browser.open(url_of(alone, f"/#/tasks/{task['id']}"))
    browser.wait_for_text("No worker: code", "#health-words")
    assert health(browser) == "health bad"
    browser.wait_for_text("this task waits until", ".detail [role=alert]")
    browser.click("#health summary")
    browser.wait_for_text("Schedules do not fire", "#health-parts")
    browser.wait_for_text("No worker serves the queue", "#health-parts")
    browser.complaints.clear()  # the browser itself notes that /health answers 503


def test_the_panel_closes_by_escape_and_by_a_click_elsewhere(browser: Chromium, alone: Started) -> None:
    browser.open(url_of(alone))
    browser.wait_for("document.querySelector('#health.bad')")
    height = "document.querySelector('.bar').getBoundingClientRect().height"
    before = browser.evaluate(height)
    browser.click("#health summary")
    assert browser.evaluate(height) == before, "the page does not move"
    colours = "[document.body, document.querySelector('#health-parts dt')].map(each => getComputedStyle(each).color)"
    assert len(set(browser.evaluate(colours))) == 1, "a part that is well is not red because another is not"
    for close in (lambda: browser.press(["Escape"]), lambda: browser.click("#view")):
        browser.evaluate("document.querySelector('#health').open = true")
        close()
        browser.wait_for("!document.querySelector('#health').open")
    browser.complaints.clear()


VERDICT = """(async () => {{
    const {{ verdict }} = await {module};
    return verdict({report}, {stats}, {now});
}})()"""
WELL: dict[str, Any] = {
    "redis": {"status": "ok", "round_trip_ms": 0.2, "warnings": []},
    "workers": {"status": "ok", "queues": {"celeriac.code": 1, "celeriac.api": 2}},
    "beat": {"status": "ok"},
    "sandbox": {"status": "ok", "layers": {}},
}
NOW_MS = 1_795_426_200_000


def stats(
    succeeded: int = 0, failed: int = 0, wait_p95: float | None = None, oldest: str | None = None
) -> dict[str, Any]:
    minute = {"succeeded": succeeded, "failed": failed, "stopped": 0}
    quiet = {"succeeded": 0, "failed": 0, "stopped": 0}
    return {
        "last_hour": {"per_minute": [quiet] * 59 + [minute], "wait_ms": {"p95": wait_p95}},
        "oldest_queued_at": {"celeriac.code": oldest, "celeriac.api": None},
    }


def memory_mb(used: int) -> dict[str, int]:
    """Memory in use, of 100 MB."""
    return {"used_bytes": used * 1_000_000, "max_bytes": 100_000_000}


@pytest.mark.parametrize(
    ("report", "work", "level", "reasons"),
    [
        (WELL, stats(100, 0), "ok", []),
        (WELL, stats(4, 0, 900.0), "ok", []),
        (WELL, stats(77, 23), "bad", ["health.failing"]),
        (WELL, stats(90, 10), "warn", ["health.failing"]),
        (WELL, stats(0, 2), "ok", []),  # two of two: too few to judge
        (WELL, stats(100, 0, 12_000.0), "warn", ["health.wait"]),
        (WELL, stats(oldest="2026-11-23T09:20:00.000Z"), "bad", ["health.oldest"]),
        (WELL | {"beat": {"status": "down", "detail": "silent"}}, stats(), "bad", ["health.beat"]),
        (WELL | {"redis": {"status": "down", "detail": "gone"}}, None, "bad", ["health.redis"]),
        (WELL | {"redis": {**WELL["redis"], "memory": memory_mb(90)}}, stats(), "warn", ["health.memory"]),
        (WELL | {"redis": {"status": "down", "memory": memory_mb(97)}}, stats(), "bad", ["health.refuses"]),
        ({"redis": {"status": "ok"}, "data": {"status": "down", "detail": "newer"}}, None, "bad", ["health.data"]),
        (
            WELL | {"workers": {"status": "down", "queues": {"celeriac.code": 0, "celeriac.api": 1}}},
            stats(90, 10),
            "bad",
            ["health.noWorker", "health.failing"],
        ),
    ],
)
def test_the_verdict_names_the_worst_reason_first(
    browser: Chromium, alone: Started, report: dict[str, Any], work: Any, level: str, reasons: list[str]
) -> None:
    if browser.evaluate("location.origin") != url_of(alone, ""):
        browser.open(url_of(alone))
    script = VERDICT.format(module=imported("health.js"), report=json.dumps(report), stats=json.dumps(work), now=NOW_MS)
    found = browser.evaluate(script)
    assert (found["level"], [reason["id"] for reason in found["reasons"]]) == (level, reasons)
    browser.complaints.clear()


def test_while_the_service_is_away_all_is_grey_and_it_comes_back_by_itself(
    browser: Chromium, redis_program_path: Path
) -> None:
    with throw_away_redis(redis_program_path) as server:
        for system in running(server.url, "api", "/health/live"):
            system.post("/api/tasks", {"name": "seen before", **PROGRAM})
            browser.open(url_of(system, "/#/tasks"))
            browser.wait_for_text("seen before", ".list tbody")
        browser.wait_for_text("as of", "#away")
        assert browser.evaluate("getComputedStyle(document.querySelector('#view')).filter") == "grayscale(1)"
        events = "getComputedStyle(document.querySelector('.filters input')).pointerEvents"
        assert browser.evaluate(events) == "none"
        assert "seen before" in texts(browser, ".list tbody")[0], "what was read is still there"
        before = browser.evaluate("location.hash")
        browser.evaluate("document.querySelector('.list thead [type=checkbox]').click()")
        browser.evaluate("document.querySelector('.filters').requestSubmit()")
        assert browser.evaluate("location.hash") == before
        browser.wait_for_text("can't be reached", "#toast")
        for _ in running(server.url, "api", "/health/live", port=system.port):
            browser.wait_for("document.querySelector('#away').hidden")
            browser.leave()
    browser.complaints.clear()  # the browser itself notes refused connections, and 503


def test_a_service_that_hangs_is_away(browser: Chromium, alone: Started) -> None:
    browser.open(url_of(alone, "/#/tasks?name=nobody"))
    browser.wait_for_text("No task matches", ".list .empty")
    browser.evaluate("AbortSignal.real = AbortSignal.timeout")
    browser.evaluate("AbortSignal.timeout = () => AbortSignal.real(200)")  # instead of half a minute
    processes = [alone.process.pid, *(pid for pid, _ in descendants(alone.process.pid))]
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    try:
        browser.evaluate("location.hash = '#/scheduled'")
        browser.wait_for_text("can't be reached", "#away")
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGCONT)
    browser.evaluate("AbortSignal.timeout = AbortSignal.real")
    browser.wait_for("document.querySelector('#away').hidden")
    browser.wait_for_text("Nothing is scheduled", ".list .empty")
    browser.complaints.clear()  # the browser itself notes answers of 503


def test_a_proxy_that_does_not_reach_the_service_is_no_service(browser: Chromium, system: Started) -> None:
    task = system.post("/api/tasks", {"name": "behind a proxy", **PROGRAM})
    browser.open(url_of(system, f"/#/tasks/{task['id']}"))
    browser.wait_for_text("behind a proxy", ".detail h2")
    browser.evaluate(
        "window.real = window.fetch; window.fetch = async () => new Response('<html>Bad Gateway</html>',"
        " {status: 502, headers: {'Content-Type': 'text/html'}})"
    )
    browser.click("[data-key=duplicate]")  # a page that has to ask for something
    browser.wait_for_text("as of", "#away")
    assert health(browser) == "health bad"
    browser.evaluate("window.fetch = window.real")
    browser.wait_for("document.querySelector('#away').hidden")
    browser.wait_for("document.querySelector('#input-name').value === 'behind a proxy'")


def test_where_no_new_tasks_are_taken_others_can_be_deleted(browser: Chromium, redis_program_path: Path) -> None:
    with throw_away_redis(redis_program_path) as server, redis.Redis.from_url(server.url) as raw:
        for system in running(server.url, "api", "/health/live"):
            system.post("/api/tasks", {"name": "makes room", **PROGRAM})
            raw.setrange("ballast", 20_000_000, "x")
            raw.config_set("maxmemory", round(used_memory_bytes(raw) / 0.97))
            browser.open(url_of(system, "/#/tasks"))
            browser.wait_for_text("No new tasks", "#health-words")
            assert browser.evaluate("document.querySelector('#away').hidden")
            browser.click("#health summary")
            browser.wait_for_text("so new tasks are refused", "#health-parts")
            browser.click(".list tbody a")
            browser.click(".detail [data-key=delete]")
            browser.click("#confirm-yes")
            browser.wait_for_text("No tasks yet", ".list")
            browser.leave()
    browser.complaints.clear()  # the browser itself notes that /health answers 503


def test_while_the_data_has_another_form_all_is_grey(browser: Chromium, redis_program_path: Path) -> None:
    with throw_away_redis(redis_program_path) as server, redis.Redis.from_url(server.url) as raw:
        for system in running(server.url, "api", "/health/live"):
            system.post("/api/tasks", {"name": "seen before", **PROGRAM})
            browser.open(url_of(system, "/#/tasks"))
            browser.wait_for_text("seen before", ".list tbody")
            raw.set("celeriac:form", FORM + 1)
            browser.evaluate("location.hash = '#/tasks?name=seen'")
            browser.wait_for_text("does not work on the data", "#away")
            browser.wait_for_text("Data of another form", "#health-words")
            browser.click("#health summary")
            browser.wait_for_text("start the newer version again", "#health-parts")
            raw.set("celeriac:form", FORM)
            browser.wait_for("document.querySelector('#away').hidden")
            browser.wait_for_text("seen before", ".list tbody")
            browser.wait_for_text(f"form {FORM}", "#health-parts")
            browser.leave()
    browser.complaints.clear()  # the browser itself notes answers of 503


def test_while_redis_is_away_what_was_read_says_as_of_when(browser: Chromium, redis_program_path: Path) -> None:
    with throw_away_redis(redis_program_path) as server:
        for system in running(server.url, "api", "/health/live"):
            system.post("/api/tasks", {"name": "seen before", **PROGRAM})
            browser.open(url_of(system, "/#/tasks"))
            browser.wait_for_text("seen before", ".list tbody")
            server.send_signal(signal.SIGSTOP)
            try:
                browser.evaluate("location.hash = '#/tasks?name=seen'")
                browser.wait_for_text("Redis is down", "#away")
                assert browser.evaluate("getComputedStyle(document.querySelector('#view')).filter") == "grayscale(1)"
                assert "seen before" in texts(browser, ".list tbody")[0]
            finally:
                server.send_signal(signal.SIGCONT)
            browser.wait_for("document.querySelector('#away').hidden")
            browser.leave()
    browser.complaints.clear()  # the browser itself notes answers of 503
