"""Keys: asked for once, and what they may do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.chromium import Chromium
from tests.browser.conftest import running
from tests.browser.page import PROGRAM, texts, url_of
from tests.system import Started

WRITER, READER = "writer-key-0123456789abcdef0123456789", "reader-key-0123456789abcdef0123456789"


@pytest.fixture(scope="module")
def guarded(own_redis: str) -> Iterator[Started]:
    """An API that wants a key, on the Redis of the others."""
    yield from running(own_redis, "api", "/health/live", API_KEYS=f"ops:write:{WRITER},eyes:read:{READER}")


def enter(browser: Chromium, key: str) -> None:
    browser.wait_for("document.querySelector('#ask-key')?.open")
    browser.fill("#ask-key-value", key)
    browser.click("#ask-key button")


@pytest.fixture(autouse=True)
def signed_out(browser: Chromium, guarded: Started) -> Iterator[None]:
    yield
    browser.evaluate("sessionStorage.clear()")
    browser.complaints.clear()  # the browser itself notes answers of 401 and 503


def test_it_asks_for_a_key_once(browser: Chromium, guarded: Started) -> None:
    browser.open(url_of(guarded))
    enter(browser, "wrong")
    browser.wait_for_text("not known here", "#ask-key-problem")
    enter(browser, WRITER)
    browser.wait_for("document.querySelectorAll('#counts a').length === 6 && !document.querySelector('#ask-key').open")
    browser.open(url_of(guarded, "/docs"))
    browser.wait_for("document.querySelectorAll('.opblock').length > 10")
    browser.open(url_of(guarded, "/#/scheduled"))
    browser.wait_for("document.querySelector('.list') && !document.querySelector('#ask-key').open")


def test_it_tells_who_i_am_and_signs_out(browser: Chromium, guarded: Started) -> None:
    browser.open(url_of(guarded))
    enter(browser, READER)
    browser.wait_for("document.querySelectorAll('#counts a').length === 6")
    browser.click("#menu-button")
    browser.wait_for_text("Key “eyes”: read", "dialog.sheet")
    browser.click("#sign-out")
    browser.wait_for("document.querySelector('#ask-key')?.open")


def test_a_key_that_may_only_read_sees_no_button_that_would_fail(
    browser: Chromium, guarded: Started, system: Started
) -> None:
    task = system.post("/api/tasks", {"name": "looked at", **PROGRAM})
    schedule = system.post("/api/scheduled-tasks", {"name": "looked at", "cron_expression": "0 3 * * *", **PROGRAM})
    browser.open(url_of(guarded, f"/#/tasks/{task['id']}"))
    enter(browser, READER)
    browser.wait_for_text("looked at", ".detail h2")
    browser.wait_for_text("Copy as curl", ".detail")
    browser.evaluate("navigator.clipboard.writeText = async text => { window.copied = text; }")
    browser.click("[data-key=curl]")
    browser.wait_for("window.copied")
    assert READER not in browser.evaluate("window.copied")
    assert 'Authorization: Bearer $CELERIAC_KEY"' in browser.evaluate("window.copied")
    assert not {"Retry", "Stop", "Delete", "Duplicate"} & set(texts(browser, "#view button, #view a"))
    assert browser.evaluate("document.querySelectorAll('.list [type=checkbox]').length") == 0
    browser.open(url_of(guarded, f"/#/new?from={task['id']}"))
    browser.wait_for_text("may only read", "#view")
    assert browser.evaluate("document.querySelectorAll('#view form, #view button').length") == 0
    browser.open(url_of(guarded, f"/#/schedule/{schedule['id']}"))
    browser.wait_for_text("looked at", "h1")
    assert texts(browser, ".panel-head button") == ["Copy as curl"]
    assert browser.evaluate("document.querySelector('[href^=\"#/audit\"]')") is None
    browser.open(url_of(guarded, "/#/audit"))
    browser.wait_for_text("told to keys of scope admin", "#view")
    browser.press(["/"])
    browser.wait_for_text("Failures", ".found")
    assert not any("New task" in text for text in texts(browser, ".found a"))
    browser.press(["Escape"])
    assert browser.evaluate("getComputedStyle(document.querySelector('.bar [data-page=new]')).display") == "none"


def test_another_key_may_do_what_it_may_do(browser: Chromium, guarded: Started) -> None:
    browser.open(url_of(guarded, "/#/tasks"))
    enter(browser, READER)
    browser.wait_for("document.querySelector('.list tbody') && !document.querySelector('#ask-key').open")
    assert browser.evaluate("document.querySelectorAll('.list thead [type=checkbox]').length") == 0
    browser.evaluate("sessionStorage.setItem('celeriac.key', 'revoked meanwhile')")
    browser.evaluate("location.hash = '#/tasks?status=failed'")
    enter(browser, WRITER)
    browser.wait_for("document.querySelector('.list thead [type=checkbox]')")
    assert browser.evaluate("getComputedStyle(document.querySelector('.bar [data-page=new]')).display") != "none"
    browser.click("#menu-button")
    browser.wait_for_text("Key “ops”: write", "dialog.sheet")


def test_a_page_that_is_gone_to_before_the_key_is_known_lets_do_what_the_key_may_do(
    browser: Chromium, guarded: Started
) -> None:
    browser.open(url_of(guarded))
    browser.wait_for("document.querySelector('#ask-key')?.open")
    browser.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # as back from where the key was copied
    browser.evaluate("""new Promise(gone => {
        addEventListener('hashchange', () => setTimeout(gone), {once: true});
        location.hash = '#/tasks';
    })""")
    enter(browser, WRITER)
    browser.wait_for("document.querySelector('.list thead [type=checkbox]')")
    assert not any("TypeError" in complaint for complaint in browser.complaints)


def test_a_tab_that_was_busy_tells_its_key_when_it_was_asked_for_already(browser: Chromium, guarded: Started) -> None:
    browser.open(url_of(guarded))
    enter(browser, WRITER)
    browser.wait_for("document.querySelectorAll('#counts a').length === 6")
    browser.evaluate("""(() => {
        const real = BroadcastChannel.prototype.postMessage;
        BroadcastChannel.prototype.postMessage = function answer(message) {
            if (localStorage.getItem('is asked')) real.call(this, message);
            else setTimeout(() => answer.call(this, message), 50);
        };
    })()""")
    with browser.another_tab():
        browser.open(url_of(guarded, "/#/tasks"))
        browser.wait_for("document.querySelector('#ask-key')?.open")
        browser.evaluate("localStorage.setItem('is asked', 'yes')")
        browser.wait_for("document.querySelector('.list thead') && !document.querySelector('#ask-key').open")
        assert browser.evaluate("sessionStorage.getItem('celeriac.key')") == WRITER


def test_another_tab_needs_no_key_and_signs_out_with_this_one(browser: Chromium, guarded: Started) -> None:
    browser.open(url_of(guarded))
    enter(browser, WRITER)
    browser.wait_for("document.querySelectorAll('#counts a').length === 6")
    with browser.another_tab():
        browser.open(url_of(guarded, "/#/tasks"))
        browser.wait_for("document.querySelector('.list thead') && !document.querySelector('#ask-key').open")
        browser.click("#menu-button")
        browser.click("#sign-out")
        browser.wait_for("document.querySelector('#ask-key')?.open")
    browser.wait_for("document.querySelector('#ask-key')?.open")


def test_a_tab_with_the_docs_signs_out_with_the_console(browser: Chromium, guarded: Started) -> None:
    browser.open(url_of(guarded, "/docs"))
    browser.wait_for("!document.querySelector('#key-form').hidden")
    browser.fill("#key", WRITER)
    browser.click("#key-form button")
    browser.wait_for("document.querySelectorAll('.opblock').length > 10")
    with browser.another_tab():
        browser.open(url_of(guarded))
        enter(browser, WRITER)
        browser.click("#menu-button")
        browser.click("#sign-out")
        browser.wait_for("document.querySelector('#ask-key')?.open")
    browser.wait_for("!document.querySelector('#key-form').hidden && !document.querySelector('.opblock')")
    assert browser.evaluate("sessionStorage.length") == 0


#: The answer to the next request comes when the page shows the document by another.
LATE_ANSWER = """
    const send = fetch;
    window.fetch = async (...request) => {
        window.fetch = send;
        const answer = await send(...request);
        while (!document.querySelector('.opblock')) await new Promise(later => setTimeout(later, 20));
        window.isAnswered = true;
        return answer;
    };
"""


def test_the_docs_keep_a_key_that_is_entered_before_another_is_refused(browser: Chromium, guarded: Started) -> None:
    browser.open(url_of(guarded, "/docs"))
    browser.wait_for("!document.querySelector('#key-form').hidden")
    browser.evaluate(LATE_ANSWER)
    for key in ("wrong", WRITER):
        browser.fill("#key", key)
        browser.click("#key-form button")
    browser.wait_for("window.isAnswered")
    browser.wait_for("document.querySelectorAll('.opblock').length > 10")
    assert browser.evaluate("sessionStorage.getItem('celeriac.key')") == WRITER
    assert browser.evaluate("document.querySelector('#key-form').hidden")
