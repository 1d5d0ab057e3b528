"""Schedules: the list, a page for each, and their editor."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from tests.browser.chromium import Chromium
from tests.browser.page import FAILING, PROGRAM, imported, open_page, texts, url_of
from tests.system import Started, wait_until


def scheduled(system: Started, name: str, **fields: Any) -> dict[str, Any]:
    body = {"name": name, "cron_expression": "0 3 * * *", "timezone": "Europe/Berlin", **PROGRAM, **fields}
    return dict(system.post("/api/scheduled-tasks", body))


def run(system: Started, schedule: dict[str, Any]) -> None:
    before = system.get(f"/api/scheduled-tasks/{schedule['id']}")
    system.post(f"/api/scheduled-tasks/{schedule['id']}/run", None)

    def has_ended() -> bool:
        now = system.get(f"/api/scheduled-tasks/{schedule['id']}")
        return now["succeeded_count"] + now["failed_count"] > before["succeeded_count"] + before["failed_count"]

    wait_until(has_ended, 20, "the end of the run")


def test_they_are_created_paused_run_and_deleted(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/new"))
    browser.fill("[name=name]", "every night")
    browser.click("[name=task_type][value=scheduled]")
    browser.fill("[name=cron_expression]", "0 3 * * *")
    browser.wait_for("document.querySelectorAll('.preview .fires').length === 5")
    browser.fill("[name=args]", '["x"]')
    browser.click(".create button[type=submit]")
    browser.wait_for("location.hash.startsWith('#/schedule/')")
    browser.wait_for_text("every night", "h1")
    browser.wait_for("document.title === 'every night · Celeriac'")
    browser.open(url_of(system, "/#/scheduled?name=every+night"))
    browser.click("[aria-label='Pause every night']")
    browser.wait_for_text("paused", ".list tbody .badge")
    browser.click("[aria-label='Resume every night']")
    browser.wait_for_text("active", ".list tbody .badge")
    browser.click("[aria-label='Run now: every night']")
    browser.wait_for_text("every night", ".detail h2")
    browser.open(url_of(system, "/#/scheduled?name=every+night"))
    browser.click("[aria-label='Delete every night']")
    browser.click("#confirm-yes")
    browser.wait_for_text("No schedule matches", ".list .empty")


def test_those_that_fail_are_found(browser: Chromium, system: Started) -> None:
    for name, program in (("ends well", PROGRAM), ("ends badly", FAILING)):
        run(system, scheduled(system, name, **program))
    scheduled(system, "ends not yet")
    browser.open(url_of(system, "/#/scheduled?name=ends"))
    browser.wait_for("document.querySelectorAll('.list tbody tr').length === 3")
    browser.fill("[name=last_outcome]", "failed")
    browser.wait_for("location.hash.includes('last_outcome=failed')")
    browser.wait_for("document.querySelectorAll('.list tbody tr').length === 1")
    assert "ends badly" in texts(browser, ".list tbody tr")[0]


def test_what_was_done_by_keyboard_is_shown_at_once(browser: Chromium, system: Started) -> None:
    for name in ("by key one", "by key two"):
        scheduled(system, name)
    browser.open(url_of(system, "/#/scheduled?name=by+key&status=active"))
    browser.wait_for("document.querySelectorAll('.list tbody tr').length === 2")
    browser.evaluate("document.querySelector('[aria-label=\"Pause by key one\"]').focus()")
    browser.press(["Enter"])
    browser.wait_for("document.querySelectorAll('.list tbody tr').length === 1")
    assert browser.evaluate("document.activeElement.className") == "scroll", "the rows, as the one in focus is gone"
    browser.press(["Tab"] * 6)
    browser.press(["Enter"])
    browser.wait_for("document.querySelector('#confirm').open")
    browser.press(["Tab", "Enter"])
    browser.wait_for_text("No schedule matches", ".list .empty")
    assert not browser.evaluate("!document.querySelector('.news').hidden")


def test_who_pauses_by_keyboard_can_resume_at_once(browser: Chromium, system: Started) -> None:
    schedule = scheduled(system, "on and off")
    for path, place in ((f"schedule/{schedule['id']}", ".panel-head"), ("scheduled?name=on+and+off", ".list tbody")):
        browser.open(url_of(system, f"/#/{path}"))
        browser.wait_for_text("active", f"{place} .badge")
        browser.evaluate(f"document.querySelector('{place} [data-key$=turn]').focus()")
        for status in ("paused", "active"):
            browser.press(["Enter"])
            browser.wait_for_text(status, f"{place} .badge")


def test_an_answer_that_comes_late_does_not_undo_what_was_shown_since(browser: Chromium, system: Started) -> None:
    scheduled(system, "overtaken")
    browser.open(url_of(system, "/#/scheduled?name=overtaken"))
    browser.wait_for_text("active", ".list tbody .badge")
    browser.evaluate("""(() => {
        const real = window.fetch;
        const isHeld = new Promise(resolve => { window.release = resolve; });
        window.fetch = async (path, options) => {
            if (!path.startsWith('/api/scheduled-tasks?') || window.isBegun) return real(path, options);
            window.isBegun = true;
            const response = await real(path, options);
            const text = await response.text();
            window.isRead = true;
            await isHeld;
            return new Response(text, {status: response.status, headers: response.headers});
        };
        document.dispatchEvent(new Event('visibilitychange')); // then the page looks again
    })()""")
    browser.wait_for("window.isRead")
    browser.click("[aria-label='Pause overtaken']")
    browser.wait_for_text("paused", ".list tbody .badge")
    browser.evaluate("release()")
    browser.evaluate("fetch('/health').then(response => response.text())")  # which takes longer than to read the answer
    assert "paused" in texts(browser, ".list tbody .badge")[0]


def test_one_that_fails_says_so_and_comes_first(browser: Chromium, system: Started) -> None:
    broken = scheduled(system, "outcome broken", **FAILING)
    sound = scheduled(system, "outcome sound")
    for _ in range(2):
        run(system, broken)
    run(system, sound)
    browser.open(url_of(system, "/#/scheduled?name=outcome"))
    browser.wait_for("document.querySelectorAll('.list tbody tr').length === 2")
    rows = texts(browser, ".list tbody tr")
    assert "outcome broken" in rows[0]
    assert "failed" in rows[0]
    assert "2 in a row" in rows[0]
    assert "0% success" in rows[0]
    assert "outcome sound" in rows[1]
    assert "succeeded" in rows[1]
    assert "100% success" in rows[1]


def test_its_page_shows_what_it_did_and_will_do(browser: Chromium, system: Started) -> None:
    schedule = scheduled(system, "a page", **FAILING)
    run(system, schedule)
    browser.open(url_of(system, f"/#/schedule/{schedule['id']}"))
    browser.wait_for("document.querySelectorAll('.next-runs li').length === 10")
    first = texts(browser, ".next-runs li")[0]
    assert "GMT" in first or "CET" in first or "CEST" in first, first
    assert "your time:" in first, "the viewer's zone is another"
    browser.wait_for_text("ValueError", "[aria-label='Its tasks']")
    browser.wait_for("document.querySelectorAll('.mark.failed').length === 1")
    browser.wait_for_text("It has not fired yet", "[aria-label=Firings]")  # a run by hand is no firing
    browser.click("[data-key=all-runs]")
    browser.wait_for_text("Only the tasks of one schedule", ".note")
    browser.wait_for("document.querySelectorAll('.list tbody tr').length === 1")


def test_on_a_phone_its_facts_and_its_timeline_can_be_read(browser: Chromium, system: Started) -> None:
    schedule = system.post("/api/scheduled-tasks", {"name": "by thumb", "cron_expression": "0 3 * * *", **PROGRAM})
    browser.look(360, 740)
    open_page(browser, system, f"/#/schedule/{schedule['id']}")
    browser.wait_for("document.querySelector('.chart .now')")
    widths = "[...document.querySelectorAll('.facts dd')].map(each => each.clientWidth)"
    assert min(browser.evaluate(widths)) > 120, "the names leave room"
    overlaps = """(() => {
        const boxes = [...document.querySelectorAll('.chart text')].map(each => each.getBoundingClientRect());
        return boxes.some((one, index) => boxes.slice(index + 1).some(other =>
            one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom));
    })()"""
    assert not browser.evaluate(overlaps)


def test_the_next_ten_of_one_that_fires_every_so_many_seconds(browser: Chromium, system: Started) -> None:
    rule = {"name": "every hour or so", "every_seconds": 3700, "start_at": "2030-01-01T00:00:00Z", **PROGRAM}
    schedule = system.post("/api/scheduled-tasks", rule)
    browser.open(url_of(system, f"/#/schedule/{schedule['id']}"))
    browser.wait_for("document.querySelectorAll('.next-runs li').length === 10")
    script = "[...document.querySelectorAll('.next-runs time')].map(each => Date.parse(each.dateTime))"
    times = browser.evaluate(script)
    assert {later - earlier for earlier, later in pairwise(times)} == {3_700_000}
    browser.wait_for_text("every 3,700 s", ".facts")  # "1 h 1 min" would be another interval
    browser.wait_for_text("It has not run yet", "[aria-label='Its tasks']")
    browser.wait_for("document.querySelectorAll('.mark.expected').length > 0")  # though it is far away


def test_a_change_shows_what_differs_before_it_is_saved(browser: Chromium, system: Started) -> None:
    schedule = scheduled(system, "changed by hand", catch_up="none", max_runs=500)
    browser.open(url_of(system, f"/#/schedule/{schedule['id']}"))
    browser.click("[data-key=edit]")
    browser.wait_for("document.querySelector('#input-cron_expression').value === '0 3 * * *'")
    assert browser.evaluate("document.querySelector('#input-catch_up').value") == "none"
    browser.fill("#input-cron_expression", "30 4 * * *")
    browser.fill("#input-max_runs", "")
    browser.fill("#input-name", "changed by two hands")
    browser.click(".create button[type=submit]")
    browser.wait_for("document.querySelector('#confirm').open")
    rows = texts(browser, ".difference tbody tr")
    assert any("0 3 * * *" in row and "30 4 * * *" in row for row in rows)
    assert any("500" in row and "null" in row for row in rows)
    assert len(rows) == 3
    browser.wait_for_text("04:30", "#confirm-text")
    browser.click("#confirm-yes")
    browser.wait_for("location.hash.startsWith('#/schedule/')")
    changed = system.get(f"/api/scheduled-tasks/{schedule['id']}")
    assert (changed["cron_expression"], changed["max_runs"], changed["catch_up"]) == ("30 4 * * *", None, "none")
    assert changed["name"] == "changed by two hands"


def test_one_that_somebody_else_pauses_is_shown_paused(browser: Chromium, system: Started) -> None:
    schedule = scheduled(system, "paused elsewhere")
    browser.open(url_of(system, f"/#/schedule/{schedule['id']}"))
    reads = f"performance.getEntriesByType('resource').filter(each => each.name.endsWith('{schedule['id']}')).length"
    browser.wait_for(f"{reads} >= 2")  # once more when the stream of changes was open
    browser.evaluate("""(() => {
        const real = window.setTimeout;
        window.setTimeout = (act, ms, ...words) => real(act, ms === 60000 ? 300 : ms, ...words);
        document.dispatchEvent(new Event('visibilitychange')); // then the page looks, and waits for the next time
    })()""")
    browser.wait_for(f"{reads} >= 3")
    assert texts(browser, ".panel-head .badge") == ["●\nactive"]
    system.call("POST", f"/api/scheduled-tasks/{schedule['id']}/pause")
    browser.wait_for_text("paused", ".panel-head .badge")


def test_what_somebody_else_changes_meanwhile_is_shown_and_stays(browser: Chromium, system: Started) -> None:
    schedule = scheduled(system, "edited by two", priority=3)
    path = f"/api/scheduled-tasks/{schedule['id']}"
    form = url_of(system, f"/#/new?schedule={schedule['id']}")
    browser.open(form)
    browser.wait_for("document.querySelector('#input-cron_expression')?.value === '0 3 * * *'")
    browser.fill("#input-cron_expression", "0 4 * * *")
    browser.wait_for("sessionStorage.length === 1")
    system.call("PATCH", path, {"cron_expression": "0 5 * * *", "priority": 7})
    browser.click(".create button[type=submit]")
    browser.wait_for_text("Somebody has changed this", "#confirm-text")
    assert [row.split("\t")[1:] for row in texts(browser, ".difference tbody tr")] == [["0 5 * * *", "0 4 * * *"]]
    browser.click("#confirm-no")
    system.call("PATCH", path, {"priority": 8})
    browser.open(form)  # which takes up the draft
    browser.wait_for("document.querySelector('#input-priority')?.value === '8'")
    assert browser.evaluate("document.querySelector('#input-cron_expression').value") == "0 4 * * *"
    browser.click(".create button[type=submit]")
    browser.click("#confirm[open] #confirm-yes")
    browser.wait_for("location.hash.startsWith('#/schedule/')")
    changed = system.get(path)
    assert (changed["cron_expression"], changed["priority"]) == ("0 4 * * *", 8)


def test_fields_that_nobody_touched_are_no_changes(browser: Chromium, system: Started) -> None:
    call = {"api_url": "http://127.0.0.1:9/x", "params": {"page": 1, "deep": True}, "tags": ["a, b"], "method": "GET"}
    body = {"name": "left alone", "every_seconds": 3600, "start_at": "2030-01-01T00:00:00.250Z", **call}
    schedule = system.post("/api/scheduled-tasks", body)
    browser.open(url_of(system, f"/#/new?schedule={schedule['id']}"))
    browser.wait_for("document.querySelector('#input-params')?.value")
    browser.click(".create button[type=submit]")
    browser.wait_for_text("Nothing has changed", "#toast")
    browser.fill("#input-max_runs", "5")
    browser.click(".create button[type=submit]")
    browser.wait_for("document.querySelector('#confirm').open")
    assert len(texts(browser, ".difference tbody tr")) == 1
    browser.click("#confirm-yes")
    browser.wait_for("location.hash.startsWith('#/schedule/')")
    changed = system.get(f"/api/scheduled-tasks/{schedule['id']}")
    kept = ("params", "tags", "start_at", "every_seconds")
    assert {name: changed[name] for name in kept} == {name: schedule[name] for name in kept}


def test_seconds_take_the_place_of_the_expression_that_a_new_form_suggests(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/new"))
    browser.fill("[name=name]", "by seconds")
    browser.click("[name=task_type][value=scheduled]")
    browser.fill("[name=every_seconds]", "3600")
    browser.click(".create button[type=submit]")
    browser.wait_for_text("by seconds", "h1")
    [made] = system.get("/api/scheduled-tasks?name=by+seconds")["items"]
    assert (made["every_seconds"], made["cron_expression"]) == (3600, None)


def test_the_timeline_begins_where_tasks_and_firings_are_known(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/scheduled"))
    script = (
        imported("schedule.js")
        + """.then(({ known }) => {
        const at = minute => new Date(Date.UTC(2030, 0, 1, 0, minute)).toISOString();
        const tasks = [50, 40, 30, 20, 10].map(minute => ({created_at: at(minute)}));
        const firings = [[50, 'created'], [45, 'missed'], [40, 'created'], [35, 'missed']]
            .map(([minute, outcome]) => ({at: at(minute), outcome}));
        const shown = ({marks, gaps}) => [marks.length, gaps.length];
        const both = (one, other) =>
            shown(known({items: tasks, next_cursor: one}, {items: firings, next_cursor: other}));
        return [both(null, null), both(null, 'more'), both('more', null)];
    })"""
    )
    assert browser.evaluate(script) == [[5, 2], [2, 2], [5, 2]]


def test_hours_that_a_clock_change_touches_are_marked(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/new"))
    browser.click("[name=task_type][value=scheduled]")
    browser.fill("[name=timezone]", "Europe/Berlin")
    browser.fill("[name=cron_expression]", "30 2 28 3 *")  # in the gap of the spring of 2027
    browser.wait_for_text("skips hours", ".preview")
    browser.fill("[name=cron_expression]", "30 2 28 6 *")
    browser.wait_for_text("Jun 28", ".preview")
    assert all(re.search(r"GMT\+2 · your time: .* (UTC|GMT[+-][\d:]+)$", row) for row in texts(browser, ".preview li"))


def test_the_firings_before_it_is_saved_are_those_that_will_be(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/new"))
    browser.click("[name=task_type][value=scheduled]")
    assert browser.evaluate("document.querySelector('#input-timezone').placeholder") == "", "no zone is the default"
    zone = browser.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone")
    assert f"your time zone, {zone}" in browser.evaluate("document.querySelector('#help-start_at').textContent")
    browser.fill("[name=cron_expression]", "0 3 * * *")
    browser.fill("[name=start_at]", "2040-01-01T00:30:00")
    browser.wait_for_text("It fires from Sun, Jan 1, 2040", ".preview")
    browser.fill("[name=every_seconds]", "3600")
    browser.wait_for_text("2040", ".preview li")
    assert re.search(r"Jan 1, 2040, (12:30|00:30|24:30)", texts(browser, ".preview li")[0])
    browser.fill("[name=every_seconds]", "")
    browser.fill("[name=start_at]", "")
    browser.fill("[name=cron_expression]", "H 3 * * *")
    browser.wait_for_text("numbers of the schedule's own", ".preview")
    schedule = scheduled(system, "paused and changed")
    system.call("POST", f"/api/scheduled-tasks/{schedule['id']}/pause")
    browser.open(url_of(system, f"/#/new?schedule={schedule['id']}"))
    browser.wait_for("document.querySelector('#input-cron_expression')?.value === '0 3 * * *'")
    browser.fill("#input-cron_expression", "0 4 * * *")
    browser.click(".create button[type=submit]")
    browser.wait_for("document.querySelector('#confirm').open")
    assert "Next firings" not in texts(browser, "#confirm-text")[0], "while it is paused, there are none"


def test_a_wrong_expression_says_what_is_wrong_while_it_is_typed(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/new"))
    browser.click("[name=task_type][value=scheduled]")
    browser.fill("[name=cron_expression]", "61 * * * *")
    browser.wait_for("document.querySelector('.preview .bad')")
    browser.complaints.clear()  # the browser itself notes an answer of 422
