"""Channels, and what was told to them and to callbacks."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler

import pytest

from tests.browser.chromium import Chromium
from tests.browser.page import PROGRAM, finished, imported, many, open_page, texts, url_of
from tests.servers import HttpTarget
from tests.system import Started

NOBODY = "http://127.0.0.1:9/hook"  # port 9: nobody listens


def test_a_channel_is_added_tested_changed_and_deleted(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/channels"))
    browser.click("[data-key=add]")
    browser.fill("#channel-name", "ops")
    browser.fill("#channel-kind", "dingtalk")
    browser.wait_for("document.querySelector('#channel-chat_id').closest('[hidden]')")
    browser.fill("#channel-url", NOBODY)
    browser.fill("#channel-secret", "SEC-never-shown")
    browser.click(".create button[type=submit]")
    browser.wait_for_text("DingTalk", "[aria-label=Channels] .runs")
    browser.click("[aria-label='Send a test to ops']")
    browser.wait_for("location.hash.startsWith('#/notices/')")
    browser.wait_for_text("ops", "[aria-label='A notice']")
    browser.wait_for_text("refused", "[aria-label='A notice'] .attempts")
    browser.open(url_of(system, "/#/channels/ops"))
    browser.fill("#channel-language", "zh")
    browser.click(".create button[type=submit]")
    browser.wait_for("location.hash === '#/channels'")
    channel = system.get("/api/channels/ops")
    assert (channel["language"], channel["secret"]) == ("zh", "***")
    assert "SEC-never-shown" not in browser.evaluate("document.documentElement.outerHTML")
    browser.click("[aria-label='Delete ops']")
    browser.click("#confirm-yes")
    browser.wait_for("!document.querySelector('[aria-label=Channels]').innerText.includes('ops')")


def test_what_is_removed_from_a_channel_is_gone(browser: Chromium, system: Started) -> None:
    mail = {"kind": "email", "url": "smtp://127.0.0.1:9", "username": "robot", "secret": "x", "sender": "a@example.com"}
    assert system.call("PUT", "/api/channels/mail", {**mail, "to": ["b@example.com"]})[0] in (200, 201)
    browser.open(url_of(system, "/#/channels/mail"))
    browser.wait_for("document.querySelector('#channel-username')?.value === 'robot'")
    system.call("PATCH", "/api/channels/mail", {"to": ["c@example.com"]})  # somebody else
    browser.fill("#channel-username", "")
    browser.fill("#channel-sender", "")
    browser.click(".create button[type=submit]")
    browser.wait_for_text("is required", "#problem-sender")
    browser.complaints.clear()  # the browser itself notes an answer of 422
    browser.fill("#channel-sender", "a@example.com")
    browser.click(".create button[type=submit]")
    browser.wait_for("location.hash === '#/channels'")
    channel = system.get("/api/channels/mail")
    kept = (channel["sender"], channel["to"], channel["secret"])
    assert (channel["username"], *kept) == (None, "a@example.com", ["c@example.com"], "***")


def test_a_notice_that_is_on_its_way_is_shown_when_it_has_arrived(browser: Chromium, system: Started) -> None:
    """Which is no change of a task: no event tells the page."""
    may_answer = threading.Event()

    class Slow(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            may_answer.wait(60)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HttpTarget(Slow).serving() as target:
        assert system.call("PUT", "/api/channels/slow", {"kind": "webhook", "url": target.url})[0] == 201
        status, notice = system.call("POST", "/api/channels/slow/test")
        assert status == 202, notice
        browser.open(url_of(system, f"/#/notices/{notice['id']}"))
        browser.wait_for_text("Not attempted yet", "[aria-label='A notice']")
        looks = "performance.getEntriesByType('resource').filter(each => each.name.includes('/api/deliveries/')).length"
        browser.wait_for(f"{looks} >= 2")  # again once the stream of changes is open
        may_answer.set()
        browser.wait_for_text("delivered", "[aria-label='A notice'] .badge")
        browser.wait_for_text("delivered", "[aria-label='Notices'] .badge")


def test_a_wrong_channel_says_what_is_wrong(browser: Chromium, system: Started) -> None:
    assert system.call("PUT", "/api/channels/mine", {"kind": "webhook", "url": NOBODY})[0] == 201
    browser.open(url_of(system, "/#/channels/-/new"))
    browser.click(".create button[type=submit]")
    browser.wait_for_text("is required", "#problem-name")
    browser.fill("#channel-name", "mine")
    browser.fill("#channel-url", "http://127.0.0.1:9/other")
    browser.click(".create button[type=submit]")
    browser.wait_for_text("another channel", "#problem-name")
    browser.fill("#channel-name", "wrong")
    browser.fill("#channel-url", "no address")
    browser.click(".create button[type=submit]")
    browser.wait_for("document.querySelector('#problem-url').innerText")
    wrong = "[...document.querySelectorAll('.create [aria-invalid]')].map(each => each.name)"
    assert browser.evaluate(wrong) == ["url"], "the name is right now"
    assert browser.evaluate("document.activeElement.getAttribute('aria-describedby')") == "problem-url"
    browser.complaints.clear()  # the browser itself notes an answer of 422


def test_a_callback_and_its_tries_are_shown(browser: Chromium, system: Started) -> None:
    task = finished(system, system.post("/api/tasks", {"name": "told", "callback_url": NOBODY, **PROGRAM}))
    browser.open(url_of(system, f"/#/notices?task_id={task['id']}"))
    browser.wait_for_text(f"task.succeeded → {NOBODY}", "#view")
    browser.click("#view .runs a")
    browser.wait_for_text("refused", "[aria-label='A notice'] .attempts")
    browser.press(["Escape"])
    browser.wait_for("!document.querySelector('[aria-label=\"A notice\"]')")


def test_a_notice_far_down_the_list_is_shown_when_it_is_opened_and_gives_the_place_back(
    browser: Chromium, system: Started
) -> None:
    tasks = many(system, [{"name": f"told {index}", "callback_url": NOBODY, **PROGRAM} for index in range(40)])
    # Not just the last row: another test's notice may end at any time, and is gone from this list then.
    (notice,) = system.get(f"/api/deliveries?task_id={tasks[0]['id']}")["items"]
    open_page(browser, system, "/#/notices?status=pending")
    far = f"document.querySelector('.runs [data-key=\"{notice['id']}\"]')"
    browser.wait_for(f"document.querySelectorAll('.runs a').length >= 40 && {far}")
    browser.evaluate(f"{far}.scrollIntoView()")
    browser.evaluate(f"{far}.click()")
    browser.wait_for("document.activeElement.matches('[aria-label=\"A notice\"] h2')")
    is_seen = "(({top, bottom}) => top > 0 && bottom < innerHeight)(document.activeElement.getBoundingClientRect())"
    assert browser.evaluate(is_seen)
    assert browser.evaluate("document.querySelector('#filter-status').value") == "pending", "the list is still that"
    browser.press(["Escape"])
    browser.wait_for(f"document.activeElement === {far}")
    assert browser.evaluate(is_seen)
    assert browser.evaluate("location.hash") == "#/notices?status=pending"


def test_where_the_list_lacks_the_notice_that_is_closed_the_page_has_the_focus(
    browser: Chromium, system: Started
) -> None:
    task = finished(system, system.post("/api/tasks", {"name": "told", "callback_url": NOBODY, **PROGRAM}))
    (notice,) = system.get(f"/api/deliveries?task_id={task['id']}")["items"]
    open_page(browser, system, f"/#/notices/{notice['id']}?status=delivered")
    browser.evaluate("document.querySelector('[aria-label=\"A notice\"] h2').focus()")
    browser.press(["Escape"])
    browser.wait_for("!document.querySelector('[aria-label=\"A notice\"]')")
    browser.wait_for("document.activeElement.id === 'view'")


def test_a_schedule_shows_who_is_told_of_what(browser: Chromium, system: Started) -> None:
    channel = {"kind": "webhook", "url": NOBODY}
    assert system.call("PUT", "/api/channels/night", channel)[0] in (200, 201)
    alert = {"channels": ["night"], "on": ["failed", "recovered"], "after_failures": 3}
    body = {"name": "watched", "cron_expression": "0 3 * * *", "alert": alert, **PROGRAM}
    schedule = system.post("/api/scheduled-tasks", body)
    browser.open(url_of(system, f"/#/schedule/{schedule['id']}"))
    browser.wait_for_text("night: failed, recovered", "[aria-label='Alerts and callbacks']")
    assert "failures in a row: 3" in texts(browser, "[aria-label='Alerts and callbacks']")[0]
    browser.click("[data-key=edit]")
    browser.wait_for("document.querySelector('#input-alert').value.includes('night')")
    browser.fill("#input-alert", '{"channels": ["night"], "on": ["missed"]}')
    browser.click(".create button[type=submit]")
    browser.click("#confirm[open] #confirm-yes")
    browser.wait_for_text("night: missed", "[aria-label='Alerts and callbacks']")


def test_the_copy_of_a_watched_schedules_task_tells_the_same_channels(browser: Chromium, system: Started) -> None:
    """A task shows the whole rule of its schedule, and takes no more than the channels itself."""
    assert system.call("PUT", "/api/channels/night", {"kind": "webhook", "url": NOBODY})[0] in (200, 201)
    alert = {"channels": ["night"], "on": ["failed"], "after_failures": 3}
    body = {"name": "watched-by-rule", "every_seconds": 86_400, "alert": alert, **PROGRAM}
    schedule = system.post("/api/scheduled-tasks", body)
    status, task = system.call("POST", f"/api/scheduled-tasks/{schedule['id']}/run")
    assert (status, task["alert"]["after_failures"]) == (201, 3)
    finished(system, task)
    for fragment in (f"from={task['id']}", f"retry={task['id']}"):
        open_page(browser, system, f"/#/new?{fragment}")
        browser.wait_for("document.querySelector('#input-name').value === 'watched-by-rule'")
        browser.fill("#input-priority", "9")
        browser.click(".create button[type=submit]")
        browser.wait_for(f"location.hash.includes('open=') && !location.hash.includes({json.dumps(task['id'])})")
        newest = system.get("/api/tasks?name=watched-by-rule")["items"][0]
        assert system.get(f"/api/tasks/{newest['id']}")["alert"] == {"channels": ["night"]}
        finished(system, newest)
    copied = browser.evaluate(
        f"{imported('task-body.js')}.then(({{bodyOf}}) => bodyOf({json.dumps(system.get('/api/tasks/' + task['id']))}))"
    )
    assert copied["alert"] == {"channels": ["night"]}, "that is what is copied as a curl command"


@pytest.mark.parametrize(
    ("alert", "words"),
    [
        ({"channels": ["night"]}, "night: failed, missed, late, stopped, recovered"),
        ({"channels": []}, "names no channel, so nobody is told"),
    ],
)
def test_a_rule_is_shown_as_it_is_meant(
    browser: Chromium, system: Started, alert: dict[str, object], words: str
) -> None:
    assert system.call("PUT", "/api/channels/night", {"kind": "webhook", "url": NOBODY})[0] in (200, 201)
    body = {"name": "watched by default", "cron_expression": "0 3 * * *", "alert": alert, **PROGRAM}
    browser.open(url_of(system, f"/#/schedule/{system.post('/api/scheduled-tasks', body)['id']}"))
    browser.wait_for_text(words, "[aria-label='Alerts and callbacks']")
