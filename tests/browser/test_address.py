"""The address and the content are one."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest

from tests.browser.chromium import Chromium
from tests.browser.page import FAILING, PROGRAM, ROWS, SHOWN, go_to, many, open_page, texts, url_of
from tests.system import Started


@pytest.fixture(scope="module", autouse=True)
def tasks(system: Started) -> None:
    many(
        system,
        [{"name": f"paged {index}", "tags": ["few"] if index < 3 else ["many"], **PROGRAM} for index in range(60)],
    )
    many(system, [{"name": "paged and failed", **FAILING}])


def shown(browser: Chromium) -> str:
    """What decides whether address and content belong together."""
    return str(browser.evaluate("document.querySelector('#filter-name').value"))


def test_filters_pages_and_the_open_task_are_in_the_address(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/tasks"))
    browser.fill("#filter-name", "paged")
    browser.wait_for(f"{ROWS} === 50 && location.hash.includes('name=paged') && !document.querySelector('[aria-busy]')")
    browser.click("[data-key=older]")
    browser.wait_for(f"{ROWS} === 11 && location.hash.includes('pages=')")
    browser.click(".list tbody a[data-key]")
    browser.wait_for("document.querySelector('.detail h2').innerText && location.hash.includes('open=')")
    address, content = browser.evaluate("location.href"), texts(browser, ".list tbody .c-name")
    browser.open(address)  # a reload, a bookmark, a link that somebody sent
    browser.wait_for(f"{ROWS} === 11 && document.querySelector('.detail h2').innerText")
    assert (shown(browser), texts(browser, ".list tbody .c-name")) == ("paged", content)


def test_back_and_forward_go_through_what_was_shown(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/tasks?name=paged"))
    browser.wait_for(f"{ROWS} === 50")
    browser.click("[data-key=older]")
    browser.wait_for(f"{ROWS} === 11")
    browser.back()
    browser.wait_for(f"{ROWS} === 50")
    browser.forward()
    browser.wait_for(f"{ROWS} === 11")
    browser.click("[data-key=newer]")
    browser.wait_for(f"{ROWS} === 50 && !location.hash.includes('pages')")


@pytest.mark.parametrize(
    "leave",
    [
        "document.querySelector('#pages [data-page=scheduled]').click()",
        "document.querySelector('.brand').click()",
        "location.hash = '#/tasks?status=failed'",
        "history.back()",
    ],
)
def test_what_was_being_typed_does_not_follow_to_another_page(browser: Chromium, system: Started, leave: str) -> None:
    browser.open(url_of(system, "/#/failures"))
    browser.wait_for("document.querySelector('.tabs a')")
    browser.evaluate("location.hash = '#/tasks'")
    browser.wait_for(f"{ROWS} === 50")
    browser.evaluate("document.querySelector('#filter-name').focus()")
    browser.type("paged and")
    browser.evaluate(leave)
    browser.wait_for("!location.hash.includes('name=') && location.hash !== '#/tasks'")
    after = browser.evaluate("location.hash")
    browser.evaluate("new Promise(resolve => setTimeout(resolve, 500))")  # longer than the pause while typing
    assert browser.evaluate("location.hash") == after
    if after.startswith("#/tasks"):
        assert shown(browser) == "", "the form shows what the address says"


def test_what_was_being_typed_does_not_follow_when_its_time_comes_with_the_new_address(
    browser: Chromium, system: Started
) -> None:
    """Here the pause while typing ends between the new address and the event that tells of it."""
    browser.open(url_of(system, "/#/tasks"))
    browser.wait_for(f"{ROWS} === 50")
    browser.evaluate("""(() => {
        const field = document.querySelector('#filter-name');
        field.value = 'paged and';
        field.dispatchEvent(new Event('input', {bubbles: true}));
        const began = performance.now();
        setTimeout(() => { while (performance.now() < began + 500); }, 100); // then the next and the page's are due
        setTimeout(() => { location.hash = '#/tasks?status=failed'; }, 200);
        addEventListener('hashchange', () => { window.isTold = true; }, {once: true});
    })()""")
    browser.wait_for(f"window.isTold && {ROWS} > 0 && !document.querySelector('[aria-busy]')")
    assert browser.evaluate("location.hash") == "#/tasks?status=failed"
    assert shown(browser) == "", "the form shows what the address says"


def test_a_filter_is_one_step_of_the_history(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/failures"))
    browser.wait_for("document.querySelector('.tabs a')")
    browser.evaluate("location.hash = '#/tasks'")
    browser.fill("#filter-name", "paged and failed")
    browser.wait_for(f"{ROWS} === 1")
    browser.back()
    browser.wait_for("location.hash === '#/failures' && document.querySelector('.tabs a')")
    browser.forward()
    browser.wait_for(f"{ROWS} === 1")
    assert shown(browser) == "paged and failed"


def test_filters_narrow_the_list_and_clear_together(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/tasks?name=paged"))
    browser.fill("#filter-tag", "few")
    browser.wait_for(f"{ROWS} === 3")
    browser.click(".filters button[type=reset]")
    browser.wait_for(f"{ROWS} === 50 && location.hash === '#/tasks'")


def test_a_task_that_is_opened_keeps_the_filters(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/tasks?name=paged"))
    browser.wait_for(f"{ROWS} === 50")
    browser.click("[data-key=older]")
    browser.wait_for(f"{ROWS} === 11")
    browser.fill("#filter-tag", "few")  # rows that were shown before are shown again
    browser.wait_for(f"{ROWS} === 3")
    browser.click(".list tbody a[data-key]")
    browser.wait_for("document.querySelector('.detail')")
    assert browser.evaluate("location.hash").startswith("#/tasks?name=paged&tag=few&open=")
    assert browser.evaluate(ROWS) == 3


def test_a_range_of_time_is_a_filter(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/tasks?name=paged&since=1h"))
    browser.wait_for(f"{ROWS} === 50")
    browser.fill("#filter-since", "range")
    browser.wait_for("!document.querySelector('#filter-to').closest('[hidden]')")
    assert browser.evaluate("document.querySelector('#filter-to').clientWidth") > 220, "the time is seen as well"
    browser.fill("#filter-to", "2020-01-01T00:00:00")
    browser.wait_for_text("No task matches", ".list .empty")


def test_a_range_of_time_that_is_none_is_refused(browser: Chromium, system: Started) -> None:
    open_page(browser, system, "/#/tasks?name=paged&since=1h")
    for wrong in ("since=zzz", "since=range&from=zzz", "since=range&to=zzz"):
        go_to(browser, f"#/tasks?name=paged&{wrong}")
        assert browser.evaluate(ROWS) == 0, "all tasks would be taken for those of the range"
        assert "RFC 3339" in texts(browser, ".list .empty")[0]
    go_to(browser, "#/tasks?name=paged&since=3h")  # one that the form does not offer
    assert browser.evaluate(ROWS) == 50
    browser.complaints.clear()  # the browser itself notes answers of 422


def test_a_link_to_a_range_of_time_shows_the_same_in_another_zone(browser: Chromium, system: Started) -> None:
    try:
        browser.send("Emulation.setTimezoneOverride", timezoneId="Asia/Tokyo")
        browser.open(url_of(system, "/#/tasks?since=range"))
        browser.fill("#filter-from", "2030-01-01T09:00:00")
        browser.wait_for("location.hash.includes('from=2030-01-01T00%3A00%3A00.000Z')")
        link = browser.evaluate("location.href")
        browser.send("Emulation.setTimezoneOverride", timezoneId="America/New_York")
        browser.open(link)
        browser.wait_for("document.querySelector('#filter-from')?.value.startsWith('2029-12-31T19:00')")
        assert browser.evaluate("location.href") == link
    finally:
        browser.send("Emulation.setTimezoneOverride", timezoneId="")


def test_a_link_to_the_second_of_two_equal_hours_keeps_it(browser: Chromium, system: Started) -> None:
    """02:30 comes twice there, in summer time and an hour later in winter time."""
    try:
        browser.send("Emulation.setTimezoneOverride", timezoneId="Europe/Berlin")
        open_page(browser, system, "/#/tasks?since=range&from=2026-10-25T01%3A30%3A00.000Z")
        assert browser.evaluate("document.querySelector('#filter-from').value").startswith("2026-10-25T02:30")
        browser.fill("#filter-tag", "few")
        browser.wait_for("location.hash.includes('tag=few')")
        assert "from=2026-10-25T01%3A30%3A00.000Z" in browser.evaluate("location.hash")
        browser.fill("#filter-from", "2026-10-25T03:30:00")
        browser.wait_for("location.hash.includes('from=2026-10-25T02%3A30%3A00.000Z')")
    finally:
        browser.send("Emulation.setTimezoneOverride", timezoneId="")


def test_an_address_of_nothing_says_so(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/tasks/0198f3c2-5c1e-7a3b-9f21-3d0c8e6b1a42"))
    browser.wait_for_text("This task does not exist", ".detail")
    browser.open(url_of(system, "/#/schedule/0198f3c2-5c1e-7a3b-9f21-3d0c8e6b1a42"))
    browser.wait_for_text("This schedule does not exist")
    assert browser.evaluate("document.querySelectorAll('#view .panel').length") == 1, "no empty panels of it"
    browser.open(url_of(system, "/#/new?schedule=0198f3c2-5c1e-7a3b-9f21-3d0c8e6b1a42"))
    browser.wait_for_text("This schedule does not exist")
    browser.open(url_of(system, "/#/new?from=0198f3c2-5c1e-7a3b-9f21-3d0c8e6b1a42"))
    browser.wait_for_text("This task does not exist")
    assert not browser.evaluate("document.querySelector('form.create')"), "no form that can't be filled in"
    browser.open(url_of(system, "/#/bulks/0198f3c2-5c1e-7a3b-9f21-3d0c8e6b1a42"))
    browser.wait_for_text("This bulk action does not exist")
    browser.open(url_of(system, "/#/channels/gone"))  # as the list of changes links to it
    browser.wait_for_text("This channel does not exist")
    for nonsense in ("nonsense/%", "constructor"):
        browser.open(url_of(system, f"/#/{nonsense}"))
        browser.wait_for("document.querySelectorAll('#counts a').length === 6")
    browser.complaints.clear()  # the browser itself notes answers of 404


def test_a_page_that_is_refused_for_the_moment_is_read_again(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/tasks?name=paged"))
    browser.wait_for(f"{ROWS} === 50")
    browser.evaluate("""(() => {
        const real = window.fetch;
        window.fetch = async (path, options) => {
            if (!path.startsWith('/api/tasks?')) return real(path, options);
            window.fetch = real;
            const problem = JSON.stringify({status: 429, detail: 'Too many calls.'});
            return new Response(problem, {status: 429, headers: {'Content-Type': 'application/problem+json'}});
        };
    })()""")
    browser.evaluate("location.hash = '#/tasks?name=paged&tag=few'")
    browser.wait_for_text("Too many calls", "#toast")
    browser.wait_for(f"{ROWS} === 3")


@pytest.mark.parametrize(
    ("list_path", "place", "shown"),
    [
        ("/tasks?name=paged", ".list", f"{ROWS} === 50"),
        ("/scheduled?name=nobody", ".list", f"{ROWS} === 0"),
        ("/notices?channel=nobody", "ul.runs", "document.querySelector('ul.runs').innerText.includes('No notices')"),
        ("/schedule/{id}?", "ul.firings", "document.querySelector('ul.firings').innerText.includes('not fired yet')"),
    ],
)
def test_a_page_that_can_not_be_read_says_so_and_leads_back(
    browser: Chromium, system: Started, list_path: str, place: str, shown: str
) -> None:
    if "{id}" in list_path:
        yearly = {"name": "never fired", "task_type": "scheduled", "cron_expression": "0 0 29 2 *", **PROGRAM}
        list_path = list_path.format(id=system.post("/api/scheduled-tasks", yearly)["id"])
    first = f"#{list_path}".removesuffix("?")
    wrong = f"#{list_path}{'' if list_path.endswith('?') else '&'}pages=nonsense"

    def leads_back() -> None:
        browser.wait_for_text("cursor", place)
        assert browser.evaluate(ROWS) == 0, "no rows of another address"
        browser.click(".pager [data-key=newer]")
        browser.wait_for(f"location.hash === {json.dumps(first)} && {shown} && {SHOWN}")

    browser.open(url_of(system, f"/{wrong}"))  # an old bookmark, or half of a link
    leads_back()
    browser.evaluate(f"location.hash = {json.dumps(wrong)}")  # from a list that is there
    leads_back()
    browser.complaints.clear()  # the browser itself notes answers of 400


def test_a_filter_is_typed_at_any_pace(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/tasks"))
    browser.wait_for(f"{ROWS} === 50")
    browser.evaluate("document.querySelector('#filter-name').focus()")
    browser.type("paged ")
    browser.wait_for("location.hash === '#/tasks?name=paged'")  # a pause in the middle of two words
    browser.type("and failed")
    browser.wait_for(f"{ROWS} === 1")
    assert shown(browser) == "paged and failed"


def test_what_an_input_method_puts_together_is_no_filter_yet(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/tasks"))
    browser.wait_for(f"{ROWS} === 50")
    browser.evaluate("document.querySelector('#filter-name').focus()")
    browser.send("Input.imeSetComposition", text="bao", selectionStart=3, selectionEnd=3)
    browser.evaluate("new Promise(resolve => setTimeout(resolve, 500))")  # longer than the pause while typing
    assert browser.evaluate("location.hash") == "#/tasks"
    browser.type("报")
    browser.wait_for(f"location.hash === '#/tasks?{urlencode({'name': '报'})}'")


def test_a_list_that_is_not_there_yet_says_so_and_has_no_pages(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/failures"))
    browser.wait_for("document.querySelector('.tabs a')")
    browser.evaluate(
        "window.real = window.fetch; window.answers = [];"
        "window.fetch = (path, options) => new Promise(resolve => answers.push(() => resolve(real(path, options))))"
    )
    browser.evaluate("location.hash = '#/tasks?name=paged'")
    browser.wait_for_text("Loading", ".list .empty")
    assert browser.evaluate("document.querySelector('.pager').hidden")
    browser.evaluate("window.fetch = window.real; answers.forEach(answer => answer())")
    browser.wait_for(f"{ROWS} === 50 && document.querySelector('.list .empty').hidden")


def test_rows_of_the_address_before_are_marked_while_an_answer_is_slow(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/tasks?name=paged"))
    browser.wait_for(f"{ROWS} === 50")
    browser.evaluate(
        "window.real = window.fetch; window.answers = [];"
        "window.fetch = (path, options) => (path.startsWith('/api/tasks?')"
        " ? new Promise(resolve => answers.push(() => resolve(real(path, options)))) : real(path, options))"
    )
    browser.fill("#filter-tag", "few")
    browser.wait_for("document.querySelector('.list[aria-busy]') && document.querySelector('#view[aria-busy]')")
    browser.click("[data-key=older]")  # which would be a page of the rows before
    browser.click(".list tbody a[data-key]")
    browser.wait_for("document.querySelector('.detail [data-key=retry]')")  # which does not wait for the list
    browser.evaluate("window.fetch = window.real; answers.forEach(answer => answer())")
    browser.wait_for(f"{ROWS} === 3 && !document.querySelector('[aria-busy]')")
    assert not browser.evaluate("location.hash.includes('pages=')")
