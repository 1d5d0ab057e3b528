"""The list of failures says why, and a look at a task keeps your place."""

from __future__ import annotations

import json

import pytest

from tests.browser.chromium import Chromium
from tests.browser.page import FAILING, PROGRAM, ROWS, finished, many, open_task, texts, url_of
from tests.system import Started


@pytest.fixture(scope="module", autouse=True)
def tasks(system: Started) -> None:
    failing = [{"name": f"triage {index}", **FAILING, "args": [index]} for index in range(40)]
    refused = {"name": "triage call", "api_url": "http://127.0.0.1:9/orders", "method": "POST", "data": {}}
    many(system, [*failing, refused])


LIST = "/#/tasks?status=failed&name=triage"


def test_a_row_says_why_it_failed_and_what_was_called(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, LIST))
    browser.wait_for(f"{ROWS} === 41")
    rows = texts(browser, ".list tbody .c-name")
    assert any("triage 7" in row and "ValueError" in row and "no row 7" in row and "line 2" in row for row in rows)
    assert any("POST http://127.0.0.1:9/orders" in row and "ConnectionError" in row for row in rows)


def test_failures_come_in_the_order_in_which_they_finished(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, LIST))
    browser.wait_for(f"{ROWS} === 41")
    names = [row.split("\n")[0].strip() for row in texts(browser, ".list tbody .c-name")]
    expected = [
        item["name"] for item in system.get("/api/tasks?status=failed&name=triage*&sort=finished&limit=50")["items"]
    ]
    assert names == expected


def test_a_task_opens_beside_the_list_and_closing_it_gives_the_place_back(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, LIST))
    browser.wait_for(f"{ROWS} === 41")
    browser.evaluate("scrollTo(0, 900)")
    row = ".list tbody tr:nth-child(20) a"
    browser.evaluate(f"document.querySelector({json.dumps(row)}).focus({{preventScroll: true}})")
    top = f"Math.round(document.querySelector({json.dumps(row)}).getBoundingClientRect().top)"
    before = browser.evaluate(top)
    name = browser.evaluate(f"document.querySelector({json.dumps(row)}).innerText")
    browser.press(["Enter"])
    browser.wait_for_text(name, ".detail h2")
    assert abs(browser.evaluate(top) - before) <= 2, "the row stays where it was"
    browser.press(["Escape"])
    browser.wait_for("!document.querySelector('.detail') && !location.hash.includes('open')")
    assert abs(browser.evaluate(top) - before) <= 2
    assert browser.evaluate("document.activeElement.innerText") == name


def test_j_and_k_go_through_the_list(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, LIST))
    browser.wait_for(f"{ROWS} === 41")
    names = texts(browser, ".list tbody .c-name a")
    for key, name in (("j", names[0]), ("j", names[1]), ("j", names[2]), ("k", names[1])):
        browser.press([key])
        browser.wait_for_text(name, ".detail h2")
        browser.wait_for_text(name, ".list tr.chosen")
    browser.back()  # the tasks that were looked at are no steps of the history
    browser.wait_for("!location.hash.includes('open')")


def test_an_open_task_has_the_focus_and_its_actions_come_next(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, LIST))
    browser.wait_for(f"{ROWS} === 41")
    names = texts(browser, ".list tbody .c-name a")
    browser.evaluate("document.querySelector('.list tbody a').focus()")
    browser.press(["Enter"])
    browser.wait_for("document.activeElement.matches('.detail h2') && location.hash.includes('open=')")
    browser.wait_for("document.querySelector('.detail [data-key=retry]')")
    keys = []
    for _ in range(4):
        browser.press(["Tab"])
        keys.append(browser.evaluate("document.activeElement.dataset.key"))
    assert keys == ["previous", "next", "close", "retry"]
    browser.press(["j"])
    browser.wait_for_text(names[1], ".detail h2")
    browser.wait_for(f"document.title === {json.dumps(names[1] + ' · Celeriac')}")  # tabs can be told apart
    browser.press(["Escape"])
    browser.wait_for("!document.querySelector('.detail') && document.title === 'Tasks · Celeriac'")
    assert browser.evaluate("document.activeElement.innerText") == names[1], "the row that was looked at last"


def test_escape_empties_a_filter_before_it_closes_the_task(browser: Chromium, system: Started) -> None:
    task = finished(system, system.post("/api/tasks", {"name": "stays open", **PROGRAM}))
    open_task(browser, system, task)
    browser.evaluate("document.querySelector('#filter-name').focus()")
    browser.type("stays")
    browser.wait_for("location.hash.includes('name=stays')")
    browser.press(["Escape"])
    browser.wait_for("!location.hash.includes('name=')")
    assert browser.evaluate("document.activeElement.id") == "filter-name"
    assert browser.evaluate("location.hash").endswith(f"open={task['id']}")
    browser.press(["Escape"])
    browser.wait_for("!document.querySelector('.detail')")


def test_on_a_phone_closing_a_task_gives_the_place_back(browser: Chromium, system: Started) -> None:
    browser.look(390, 800)
    browser.open(url_of(system, LIST))
    browser.wait_for(f"{ROWS} === 41")
    row = "document.querySelector('.list tbody tr:nth-child(30) a')"
    browser.evaluate(f"scrollTo(0, 0); {row}.scrollIntoView({{block: 'center'}})")
    before = browser.evaluate("Math.round(scrollY)")
    assert before > 1000
    browser.evaluate(f"{row}.click()")
    browser.wait_for("document.querySelector('.detail .failure')")
    assert browser.evaluate("document.querySelector('.detail h2').getBoundingClientRect().top < 200")
    browser.press(["Escape"])
    browser.wait_for("!document.querySelector('.detail')")
    assert abs(browser.evaluate("scrollY") - before) <= 2
    assert browser.evaluate(f"document.activeElement === {row}")


def test_back_and_reload_show_the_place_in_the_list(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, LIST))
    browser.wait_for(f"{ROWS} === 41")
    browser.evaluate("scrollTo(0, 700)")
    browser.wait_for("history.state?.top === 700")
    browser.evaluate("location.hash = '#/new'")
    browser.wait_for("document.querySelector('.create') && scrollY === 0")
    browser.back()
    browser.wait_for(f"{ROWS} === 41 && scrollY === 700")
    browser.evaluate("location.hash = '#/tasks?status=failed&name=triage&kind=code'")
    browser.wait_for("scrollY === 0 && !document.querySelector('[aria-busy]')")  # another list begins at its top
    browser.back()
    browser.wait_for(f"{ROWS} === 41 && scrollY === 700")
    browser.evaluate("window.before = true; location.reload()")
    browser.wait_for(f"!window.before && {ROWS} === 41 && scrollY === 700")


def test_back_shows_the_place_of_a_list_that_was_left_right_after_a_scroll(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, LIST))
    browser.wait_for(f"{ROWS} === 41")
    browser.evaluate("""addEventListener("scroll", () => document.querySelector("[data-page=scheduled]").click(),
        {once: true}); scrollTo(0, 700)""")
    browser.wait_for("document.body.dataset.page === 'scheduled' && scrollY === 0")
    browser.back()
    browser.wait_for(f"{ROWS} === 41 && scrollY === 700")


def test_a_list_that_follows_at_once_begins_at_its_top(browser: Chromium, system: Started) -> None:
    """The page notes how far it is scrolled later: here, between the new address and the event that tells of it."""
    browser.open(url_of(system, LIST))
    browser.wait_for(f"{ROWS} === 41")
    browser.evaluate("""addEventListener("scroll", () => {
        const began = performance.now();
        setTimeout(() => { while (performance.now() < began + 300); }, 100); // then the next and the page's are due
        setTimeout(() => { location.hash = "#/tasks?status=failed&name=triage&kind=code"; }, 150);
    }, {capture: true, once: true}); scrollTo(0, 700)""")
    browser.wait_for(f"location.hash.includes('kind') && {ROWS} === 40 && !document.querySelector('[aria-busy]')")
    assert browser.evaluate("[scrollY, history.state?.top ?? 0]") == [0, 0]


def test_a_task_that_is_opened_from_another_page_has_the_focus(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system))
    browser.wait_for("document.querySelector('.failed-row a')")
    browser.evaluate("document.querySelector('.failed-row a').focus()")
    browser.press(["Enter"])
    browser.wait_for("document.activeElement.matches('.detail h2')")
    browser.wait_for("document.querySelector('.detail [data-key=duplicate]')")
    browser.evaluate("document.querySelector('.detail [data-key=duplicate]').focus()")
    browser.press(["Enter"])
    browser.wait_for("document.activeElement.id === 'view'")


@pytest.mark.parametrize("width", [390, 1440])
def test_new_rows_wait_while_a_task_is_open(browser: Chromium, system: Started, width: int) -> None:
    browser.look(width, 800)
    browser.open(url_of(system, "/#/tasks?name=triage"))
    browser.wait_for(f"{ROWS} > 40")
    before = texts(browser, ".list tbody .c-name a")
    browser.press(["j"])
    browser.wait_for("document.activeElement.matches('.detail h2')")
    finished(system, system.post("/api/tasks", {"name": f"triage meanwhile {width}", **PROGRAM}))
    browser.wait_for("document.querySelector('.news').textContent.includes('1 new')")
    browser.press(["Escape"])
    browser.wait_for("!document.querySelector('.detail')")
    assert texts(browser, ".list tbody .c-name a") == before
    assert browser.evaluate("document.activeElement.innerText") == before[0]


def test_new_rows_wait_while_somebody_reads(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, LIST))
    browser.wait_for(f"{ROWS} === 41")
    browser.point_at(".list tbody tr:nth-child(3)")
    before = texts(browser, ".list tbody .c-name a")
    finished(system, system.post("/api/tasks", {"name": "triage late", **FAILING}))
    browser.wait_for_text("1 new", ".news")
    assert texts(browser, ".list tbody .c-name a") == before
    browser.click(".news")
    browser.wait_for_text("triage late", ".list tbody tr:first-child")
    browser.point_at("")


def test_new_rows_are_shown_from_their_top(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, LIST))
    browser.wait_for(f"{ROWS} > 40")
    browser.evaluate("scrollTo(0, 1200)")
    many(system, [{"name": f"triage of a dozen {index}", **FAILING} for index in range(12)])
    browser.wait_for_text("12 new", ".news")
    assert browser.evaluate("scrollY") == 1200
    browser.click(".news")
    browser.wait_for_text("triage of a dozen", ".list tbody tr:first-child")
    top = "document.querySelector('.list tbody tr').getBoundingClientRect().top"
    assert browser.evaluate(f"{top} > 60 && {top} < 300")
    assert browser.evaluate("document.activeElement.matches('.list .scroll')")


def test_more_new_rows_than_a_page_has_are_not_counted_short(browser: Chromium, system: Started) -> None:
    many(system, [{"name": f"crowd {index}", **PROGRAM} for index in range(50)])
    browser.open(url_of(system, "/#/tasks?name=crowd"))
    browser.wait_for(f"{ROWS} === 50")
    browser.evaluate("scrollTo(0, 600)")
    many(system, [{"name": f"crowd again {index}", **PROGRAM} for index in range(60)])
    browser.wait_for_text("50 or more new", ".news")


def test_a_selected_text_holds_the_list(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/tasks?name=triage"))
    browser.wait_for(f"{ROWS} > 40")
    browser.evaluate("getSelection().selectAllChildren(document.querySelector('.list tbody tr:nth-child(2) .c-name'))")
    finished(system, system.post("/api/tasks", {"name": "triage again", **PROGRAM}))
    browser.wait_for_text("1 new", ".news")
    assert "triage" in browser.evaluate("getSelection().toString()")


def test_without_a_reader_new_rows_come_by_themselves(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/tasks?name=by+itself"))
    browser.wait_for_text("No task matches", ".list .empty")
    system.post("/api/tasks", {"name": "by itself", **PROGRAM})
    browser.wait_for_text("succeeded", ".list tbody tr")


def test_failures_are_grouped_and_a_group_leads_to_its_tasks(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/failures?since=1h"))
    browser.wait_for_text("no row <n>", ".groups")
    group = next(text for text in texts(browser, ".group") if "no row <n>" in text)
    assert "ValueError" in group
    assert "counted since the first" in group, "the number is not that of the range"
    assert "example 1" in group
    browser.evaluate(
        "[...document.querySelectorAll('.group-name')].find(each => each.innerText.includes('no row')).click()"
    )
    browser.wait_for(f"{ROWS} >= 40 && location.hash.includes('fingerprint=')")
    browser.wait_for_text("one group of failures", ".note")
