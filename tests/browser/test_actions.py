"""What can be done with tasks: one, some, or all that match."""

from __future__ import annotations

import json
import shlex
from typing import Any

from tests.browser.chromium import Chromium
from tests.browser.page import ENDLESS, FAILING, PROGRAM, ROWS, finished, many, open_page, open_task, texts, url_of
from tests.system import Started


def listed(system: Started, name: str) -> list[Any]:
    return list(system.get(f"/api/tasks?name={name}&limit=200")["items"])


def test_a_failed_task_runs_again(browser: Chromium, system: Started) -> None:
    task = finished(system, system.post("/api/tasks", {"name": "retried", **FAILING}))
    open_task(browser, system, task)
    browser.click("[data-key=retry]")
    browser.wait_for(f"location.hash.includes('open=') && !location.hash.includes({json.dumps(task['id'])})")
    assert [each["retry_of"] for each in listed(system, "retried")] == [task["id"], None]


def test_who_has_gone_elsewhere_meanwhile_is_left_there(browser: Chromium, system: Started) -> None:
    task = finished(system, system.post("/api/tasks", {"name": "retried slowly", **FAILING}))
    open_task(browser, system, task)
    browser.evaluate("""(() => {
        const real = window.fetch;
        const isHeld = new Promise(resolve => { window.release = resolve; });
        window.fetch = async (path, options) => {
            const response = await real(path, options);
            if (path.endsWith('/retry')) await isHeld;
            return response;
        };
    })()""")
    browser.click("[data-key=retry]")
    browser.evaluate("location.hash = '#/scheduled'")
    browser.wait_for_text("Fires", ".list thead")
    browser.evaluate("release()")
    browser.wait_for_text("Started again", "#toast")
    assert browser.evaluate("location.hash") == "#/scheduled"


def test_a_double_click_is_one_action(browser: Chromium, system: Started) -> None:
    task = finished(system, system.post("/api/tasks", {"name": "clicked twice", **FAILING}))
    open_task(browser, system, task)
    browser.wait_for("document.querySelector('[data-key=retry]')")
    browser.evaluate("(button => { button.click(); button.click(); })(document.querySelector('[data-key=retry]'))")
    browser.wait_for(f"location.hash.includes('open=') && !location.hash.includes({json.dumps(task['id'])})")
    browser.wait_for_text("failed", ".detail .badge")
    assert len(listed(system, "clicked%20twice")) == 2


def test_it_is_edited_and_runs_again(browser: Chromium, system: Started) -> None:
    task = finished(system, system.post("/api/tasks", {"name": "edited", **FAILING, "tags": ["keep"], "timeout": 7}))
    open_task(browser, system, task)
    browser.click("[data-key=edit]")
    browser.wait_for("document.querySelector('#input-name').value === 'edited'")
    assert browser.evaluate("document.querySelector('#input-function_code').value") == FAILING["function_code"]
    assert browser.evaluate("document.querySelector('#input-timeout').value") == "7"
    browser.fill("#input-function_code", "def main(row=1):\n    return row + 1")
    browser.click(".create button[type=submit]")
    browser.wait_for_text("succeeded", ".detail .badge")
    again = listed(system, "edited")[0]
    whole = system.get(f"/api/tasks/{again['id']}")
    assert (whole["retry_of"], whole["result"], whole["tags"], whole["timeout"]) == (task["id"], 2, ["keep"], 7)


def test_that_no_status_is_retried_can_be_read_and_changed(browser: Chromium, system: Started) -> None:
    body = {"name": "no status", "api_url": "http://127.0.0.1:9/x", "task_type": "delayed", "delay_seconds": 3600}
    task = system.post("/api/tasks", {**body, "retry_on": []})
    open_task(browser, system, task)
    for shown, typed, kept in (("none", "", ["408", "425", "429", "5xx"]), ("408, 425, 429, 5xx", "none", [])):
        browser.click("[data-key=change]")
        browser.wait_for("document.querySelector('#input-name')?.value === 'no status'")
        assert browser.evaluate("document.querySelector('#input-retry_on').value") == shown
        browser.fill("#input-retry_on", typed)
        browser.click(".create button[type=submit]")
        browser.wait_for("!!document.querySelector('.detail [data-key=change]')")
        assert system.get(f"/api/tasks/{task['id']}")["retry_on"] == kept


def test_it_is_duplicated(browser: Chromium, system: Started) -> None:
    body = {"name": "double", "api_url": "http://127.0.0.1:9/x", "method": "PUT", "headers": {"X-A": "1"}, "data": "5"}
    task = finished(system, system.post("/api/tasks", body))
    open_task(browser, system, task)
    browser.click("[data-key=duplicate]")
    browser.wait_for("document.querySelector('#input-api_url').value")
    browser.click(".create button[type=submit]")
    browser.wait_for_text("give the value itself")  # the service does not tell the values of headers
    browser.complaints.clear()  # the browser itself notes answers of 422
    browser.fill("#input-headers", "X-A: 1")
    browser.click(".create button[type=submit]")
    browser.wait_for(f"location.hash.includes('open=') && !location.hash.includes({json.dumps(task['id'])})")
    copy = system.get(f"/api/tasks/{listed(system, 'double')[0]['id']}")
    shared = ("api_url", "method", "data", "kind", "timeout")
    assert {name: copy[name] for name in shared} == {name: task[name] for name in shared}
    assert (copy["retry_of"], list(copy["headers"])) == (None, ["X-A"])


def test_integers_keep_all_their_digits(browser: Chromium, system: Started) -> None:
    program = {"function_code": "def main(number):\n    return number", "function_name": "main"}
    long, longer = 1234567890123456789, 98765432109876543210
    task = finished(system, system.post("/api/tasks", {"name": "long-numbers", **program, "args": [long]}))
    open_task(browser, system, task)
    browser.wait_for_text(str(long), ".detail pre[aria-label=Result]")
    browser.wait_for("document.querySelector('.detail [data-key=spec]').textContent.includes('1234567890123456789')")
    browser.click("[data-key=duplicate]")
    browser.wait_for("document.querySelector('#input-args').value.includes('1234567890123456789')")
    browser.fill("#input-args", json.dumps([longer]))
    browser.click(".create button[type=submit]")
    browser.wait_for_text(str(longer), ".detail pre[aria-label=Result]")
    assert finished(system, listed(system, "long-numbers")[0])["result"] == longer


def test_the_form_of_a_task_that_waits_no_longer_says_so(browser: Chromium, system: Started) -> None:
    task = system.post("/api/tasks", {"name": "too late", "task_type": "delayed", "delay_seconds": 3600, **PROGRAM})
    open_page(browser, system, f"/#/new?change={task['id']}")
    browser.fill("#input-priority", "9")
    assert not browser.evaluate("document.querySelector('.create button[type=submit]').disabled")
    assert system.call("POST", f"/api/tasks/{task['id']}/stop")[0] == 200
    browser.wait_for_text("this one is stopped by now", ".create")
    assert browser.evaluate("document.querySelector('.create button[type=submit]').disabled")
    assert browser.evaluate("document.querySelector('#input-priority').value") == "9", "it can be copied"
    browser.open(url_of(system, f"/#/new?change={task['id']}"))
    browser.wait_for_text("this one is stopped by now", ".create .note")  # beside the draft
    browser.evaluate("sessionStorage.clear()")
    browser.open(url_of(system, f"/#/new?change={task['id']}"))
    browser.wait_for_text("this one is stopped by now", "#view h1")
    assert not browser.evaluate("document.querySelector('.create')"), "there is nothing to fill in"
    browser.click("#view h1 a")
    browser.wait_for_text("too late", ".detail h2")


def test_a_waiting_task_is_changed(browser: Chromium, system: Started) -> None:
    body = {"name": "later on", "task_type": "delayed", "delay_seconds": 3600, **PROGRAM}
    task = system.post("/api/tasks", body)
    open_task(browser, system, task)
    browser.click("[data-key=change]")
    browser.wait_for("document.querySelector('#input-name').value === 'later on'")
    browser.click(".create button[type=submit]")
    browser.wait_for_text("Nothing has changed", "#toast")
    browser.fill("#input-priority", "9")
    browser.fill("#input-tags", "urgent, mine")
    browser.click(".create button[type=submit]")
    browser.wait_for_text("urgent", ".detail")
    changed = system.get(f"/api/tasks/{task['id']}")
    assert (changed["priority"], changed["tags"], changed["due_at"]) == (9, ["urgent", "mine"], task["due_at"])


def test_it_is_copied_as_a_command(browser: Chromium, system: Started) -> None:
    task = finished(system, system.post("/api/tasks", {"name": "it's copied", **PROGRAM}))
    browser.open(url_of(system))
    browser.evaluate("navigator.clipboard.writeText = async text => { window.copied = text; }")
    browser.evaluate(f"location.hash = '#/tasks/{task['id']}'")
    browser.click("[data-key=curl]")
    browser.wait_for("window.copied")
    command = browser.evaluate("window.copied")
    assert command.startswith(f"curl -X POST http://127.0.0.1:{system.port}/api/tasks ")
    assert "it'\\''s copied" in command
    assert "Authorization" not in command
    browser.evaluate("navigator.clipboard.writeText = async () => { throw new Error('not without TLS'); }")
    browser.click("[data-key=curl]")
    browser.wait_for("document.activeElement.matches('dialog textarea')")
    assert browser.evaluate("getSelection().toString()") == command


def test_a_copy_has_an_empty_body_and_an_empty_list_of_retried_statuses(browser: Chromium, system: Started) -> None:
    """The defaults are no body, and some statuses."""
    empty = {"data": {}, "retry_on": []}
    task = {
        "name": "empty",
        "task_type": "delayed",
        "delay_seconds": 3600,
        "method": "POST",
        "api_url": "http://127.0.0.1:9/",
    }
    created = system.post("/api/tasks", {**task, **empty})
    browser.open(url_of(system))
    browser.evaluate("navigator.clipboard.writeText = async text => { window.copied = text; }")
    browser.evaluate(f"location.hash = '#/tasks/{created['id']}'")
    browser.click("[data-key=curl]")
    browser.wait_for("window.copied")
    body = json.loads(shlex.split(browser.evaluate("window.copied"))[-1])
    assert {name: body.get(name) for name in empty} == empty
    browser.open(url_of(system, f"/#/new?from={created['id']}"))
    browser.wait_for("document.querySelector('#input-name')?.value === 'empty'")
    shown = browser.evaluate("[...document.querySelectorAll('#input-data, #input-retry_on')].map(each => each.value)")
    assert shown == ["{}", "none"]


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
    browser.wait_for("!document.querySelector('.detail')")
    assert system.call("GET", f"/api/tasks/{task['id']}")[0] == 404


def test_a_task_that_was_deleted_leaves_the_list_at_once(browser: Chromium, system: Started) -> None:
    _, chosen = many(system, [{"name": f"leaves {number}", **PROGRAM} for number in (1, 2)])
    browser.open(url_of(system, f"/#/tasks?name=leaves&open={chosen['id']}"))
    browser.wait_for("document.querySelectorAll('.list tbody tr').length === 2")
    browser.point_at(".list tbody tr")  # somebody reads the list
    browser.click(".detail [data-key=delete]")
    browser.click("#confirm-yes")
    browser.wait_for("document.querySelectorAll('.list tbody tr').length === 1")
    browser.wait_for("document.activeElement.className === 'scroll'")
    browser.point_at("")


def test_the_focus_stays_with_a_task_whose_buttons_change(browser: Chromium, system: Started) -> None:
    task = system.post("/api/tasks", {"name": "ends by itself", **ENDLESS})
    open_task(browser, system, task)
    browser.wait_for("!!document.querySelector('.detail [data-key=stop]')")
    browser.evaluate("document.querySelector('.detail [data-key=stop]').focus()")
    system.call("POST", f"/api/tasks/{task['id']}/stop")
    browser.wait_for_text("Retry", ".detail .actions")
    assert browser.evaluate("document.activeElement.tagName") == "H2"


def test_a_task_that_somebody_else_has_deleted_is_gone_when_it_is_acted_on(browser: Chromium, system: Started) -> None:
    task = finished(system, system.post("/api/tasks", {"name": "deleted elsewhere", **PROGRAM}))
    open_task(browser, system, task)
    browser.wait_for("document.querySelector('.detail [data-key=retry]')")
    remove = f"fetch('/api/tasks/{task['id']}', {{method: 'DELETE'}}).then(response => response.status)"
    assert browser.evaluate(remove) == 204
    browser.click("[data-key=retry]")
    browser.wait_for_text("This task does not exist", ".detail")
    assert texts(browser, ".detail .actions button") == []
    browser.complaints.clear()  # the browser itself notes answers of 404


def test_a_question_ends_with_the_page_that_it_was_asked_on(browser: Chromium, system: Started) -> None:
    task = finished(system, system.post("/api/tasks", {"name": "asked about", **PROGRAM}))
    browser.open(url_of(system, "/#/tasks?name=asked+about"))
    browser.click(".list tbody a[data-key]")
    browser.click("[data-key=delete]")
    browser.wait_for("document.querySelector('#confirm').open")
    browser.back()
    browser.wait_for("!document.querySelector('.detail') && !document.querySelector('#confirm').open")
    assert system.call("GET", f"/api/tasks/{task['id']}")[0] == 200
    browser.press(["?"])
    browser.wait_for("document.querySelector('dialog.sheet')")
    browser.forward()
    browser.wait_for_text("asked about", ".detail h2")
    browser.wait_for("!document.querySelector('dialog.sheet')")


def test_ticked_rows_are_deleted_by_a_bulk_that_tells_the_number_first(browser: Chromium, system: Started) -> None:
    many(system, [{"name": f"ticked {index}", **PROGRAM} for index in range(4)])
    browser.open(url_of(system, "/#/tasks?name=ticked"))
    browser.wait_for(f"{ROWS} === 4")
    for row in (1, 2):
        browser.click(f".list tbody tr:nth-child({row}) [data-select]")
    browser.wait_for_text("2 selected", ".selected")
    browser.click("[data-key=bulk-delete]")
    browser.wait_for_text("Delete 2 tasks for good?", "#confirm-title")
    browser.click("#confirm-yes")
    browser.wait_for_text("2 of 2 done", "#view")
    assert len(listed(system, "ticked*")) == 2


def test_all_that_match_are_retried_across_pages(browser: Chromium, system: Started) -> None:
    many(system, [{"name": f"across {index}", **PROGRAM} for index in range(55)])
    browser.open(url_of(system, "/#/tasks?name=across"))
    browser.wait_for(f"{ROWS} === 50")
    browser.click(".list thead [type=checkbox]")
    browser.click("[data-key=select-whole]")
    browser.wait_for_text("All 55 that match", ".selected")
    browser.click("[data-key=bulk-retry]")
    browser.wait_for_text("Retry 55 tasks?", "#confirm-title")
    browser.click("#confirm-yes")
    browser.wait_for_text("55 of 55 done", "#view")
    assert len(listed(system, "across*")) == 110


def test_on_a_phone_the_page_and_all_that_match_are_selected(browser: Chromium, system: Started) -> None:
    many(system, [{"name": f"by thumb {index}", **PROGRAM} for index in range(2)])
    browser.look(360, 740)
    browser.open(url_of(system, "/#/tasks?name=by+thumb"))
    browser.wait_for(f"{ROWS} === 2")
    assert texts(browser, ".list thead label") == ["Select all on this page"]
    assert browser.evaluate("document.querySelector('.list thead label').checkVisibility()")
    browser.click(".list thead label")
    browser.wait_for_text("2 selected", ".selected")
    browser.click("[data-key=select-whole]")
    browser.wait_for_text("All 2 that match", ".selected")
    browser.fill("#filter-name", "by no thumb")
    browser.wait_for(f"{ROWS} === 0")
    assert not browser.evaluate("document.querySelector('.list thead label').checkVisibility()")


def test_another_filter_ends_a_selection_and_a_turned_page_does_not(browser: Chromium, system: Started) -> None:
    many(system, [{"name": f"chosen {index}", "tags": ["odd"][: index % 2], **PROGRAM} for index in range(52)])
    browser.open(url_of(system, "/#/tasks?name=chosen"))
    browser.wait_for(f"{ROWS} === 50")
    browser.click(".list tbody tr:nth-child(2) [data-select]")
    browser.click("[data-key=older]")
    browser.wait_for(f"{ROWS} === 2")
    browser.wait_for_text("1 selected", ".selected")
    browser.click("[data-key=newer]")
    browser.wait_for(f"{ROWS} === 50")
    assert browser.evaluate("document.querySelectorAll('[data-select]:checked').length") == 1
    browser.click(".list thead [type=checkbox]")
    browser.click("[data-key=select-whole]")
    browser.wait_for_text("All 52 that match", ".selected")
    browser.fill("#filter-tag", "odd")
    browser.wait_for(f"{ROWS} === 26")
    assert browser.evaluate("document.querySelector('.selected').hidden"), "rows out of sight are not acted on"
    assert browser.evaluate("document.querySelectorAll('[data-select]:checked').length") == 0


def test_all_that_match_are_not_selected_any_more_where_the_filter_changed_meanwhile(
    browser: Chromium, system: Started
) -> None:
    many(system, [{"name": f"picked {index}", "tags": ["odd"][: index % 2], **PROGRAM} for index in range(2)])
    browser.open(url_of(system, "/#/tasks?name=picked"))
    browser.wait_for(f"{ROWS} === 2")
    browser.click(".list thead [type=checkbox]")
    hold_bulks(browser)
    browser.click("[data-key=select-whole]")
    browser.fill("#filter-tag", "odd")
    browser.wait_for(f"{ROWS} === 1")
    release_bulks(browser)
    assert browser.evaluate("document.querySelector('.selected').hidden")


def hold_bulks(browser: Chromium) -> None:
    """Hold back the answers about bulks until `release_bulks`. `bulks` is what was asked for: [action, dry_run]."""
    browser.evaluate("""(() => {
        const real = window.fetch;
        const isHeld = new Promise(resolve => { window.release = resolve; });
        window.bulks = [];
        window.held = 0;
        window.fetch = async (path, options) => {
            if (path !== '/api/bulk' || options.method !== 'POST') return real(path, options);
            const { action, dry_run } = JSON.parse(options.body);
            bulks.push([action, dry_run ?? false]);
            const response = await real(path, options);
            const text = await response.text();
            held += 1;
            await isHeld;
            return new Response(text, {status: response.status, headers: response.headers});
        };
    })()""")


def release_bulks(browser: Chromium) -> None:
    """Give the answers that were held back, and wait until the page has read them."""
    browser.wait_for("held > 0 && held === bulks.length")
    browser.evaluate("release()")
    browser.evaluate("fetch('/health').then(response => response.text())")  # which takes longer than to read them


def test_of_two_bulks_pressed_in_a_row_only_the_one_that_is_asked_about_is_done(
    browser: Chromium, system: Started
) -> None:
    many(system, [{"name": f"pressed {index}", **PROGRAM} for index in range(2)])
    browser.open(url_of(system, "/#/tasks?name=pressed"))
    browser.wait_for(f"{ROWS} === 2")
    browser.click(".list tbody tr [data-select]")
    hold_bulks(browser)
    browser.click("[data-key=bulk-retry]")
    browser.click("[data-key=bulk-delete]")
    release_bulks(browser)
    browser.wait_for_text("Retry 1 task?", "#confirm-title")
    browser.click("#confirm-yes")
    browser.wait_for_text("1 of 1 done", "#view")
    assert browser.evaluate("bulks") == [["retry", True], ["retry", False]]


def test_a_question_stays_when_the_answer_for_another_one_is_late(browser: Chromium, system: Started) -> None:
    many(system, [{"name": f"late bulk {index}", **PROGRAM} for index in range(2)])
    browser.open(url_of(system, "/#/tasks?name=late+bulk"))
    browser.wait_for(f"{ROWS} === 2")
    browser.click(".list tbody tr [data-select]")
    hold_bulks(browser)
    browser.click("[data-key=bulk-retry]")
    browser.click(".list tbody a[data-key]")
    browser.click(".detail [data-key=delete]")
    browser.wait_for_text("Delete this task?", "#confirm-title")
    release_bulks(browser)
    assert texts(browser, "#confirm-title") == ["Delete this task?"]
    browser.click("#confirm-yes")
    browser.wait_for(f"{ROWS} === 1")
    assert browser.evaluate("bulks") == [["retry", True]]


def test_nothing_is_asked_about_what_is_not_selected_any_more(browser: Chromium, system: Started) -> None:
    many(system, [{"name": f"unticked {index}", **PROGRAM} for index in range(2)])
    browser.open(url_of(system, "/#/tasks?name=unticked"))
    browser.wait_for(f"{ROWS} === 2")
    browser.click(".list thead [type=checkbox]")
    hold_bulks(browser)
    browser.click("[data-key=bulk-delete]")
    browser.click(".list tbody tr [data-select]")
    release_bulks(browser)
    assert not browser.evaluate("document.querySelector('#confirm').open")
    browser.click("[data-key=bulk-delete]")
    browser.wait_for_text("Delete 1 task for good?", "#confirm-title")
    browser.click("#confirm-no")


def test_a_bulk_over_the_last_hour_that_is_sent_again_as_no_answer_came_is_done_once(
    browser: Chromium, system: Started
) -> None:
    many(system, [{"name": f"of the hour {index}", **PROGRAM} for index in range(2)])
    browser.open(url_of(system, "/#/tasks?name=of+the+hour&since=1h"))
    browser.wait_for(f"{ROWS} === 2")
    browser.click(".list thead [type=checkbox]")
    browser.click("[data-key=select-whole]")
    browser.wait_for_text("All 2 that match", ".selected")
    browser.evaluate("""(() => {
        const real = window.fetch;
        window.fetch = async (path, options) => {
            const response = await real(path, options);
            if (path !== '/api/bulk' || JSON.parse(options.body).dry_run) return response;
            window.fetch = real;
            throw new TypeError('the connection was cut');
        };
    })()""")
    browser.click("[data-key=bulk-retry]")
    browser.wait_for("document.querySelector('#confirm').open")
    browser.click("#confirm-yes")
    browser.wait_for_text("can't be reached", "#toast")
    browser.wait_for("document.querySelector('#away').hidden")
    browser.click("[data-key=bulk-retry]")
    browser.wait_for("document.querySelector('#confirm').open")
    browser.click("#confirm-yes")
    browser.wait_for_text("2 of 2 done", "#view")
    bulks = [bulk for bulk in system.get("/api/bulk")["items"] if (bulk["filter"] or {}).get("name") == "*of the hour*"]
    assert len(bulks) == 1


def test_a_name_neither_turns_what_follows_it_nor_hides(browser: Chromium, system: Started) -> None:
    turned = "turned \u202egnp.exe"
    many(
        system,
        [{"name": turned, "tags": ["after"], **PROGRAM}, {"name": "\u200b\u200b", "tags": ["unseen"], **PROGRAM}],
    )
    browser.open(url_of(system, "/#/tasks?name=turned"))
    browser.wait_for(f"{ROWS} === 1")
    box = "document.querySelector('.list tbody {}').getBoundingClientRect()"
    assert browser.evaluate(f"{box.format('.tag')}.left >= {box.format('.c-name a')}.right")
    browser.click(".list tbody a[data-key]")
    browser.click("[data-key=delete]")
    browser.wait_for_text(f"“\u2068{turned}\u2069” and its result", "#confirm-text")
    browser.click("#confirm-no")
    browser.open(url_of(system, "/#/tasks?tag=unseen"))
    [task] = system.get("/api/tasks?tag=unseen")["items"]
    browser.wait_for_text(task["id"], ".list tbody a")


def test_what_a_task_says_is_text_and_nothing_else(browser: Chromium, system: Started) -> None:
    attack = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    program = {
        "function_code": f"def main():\n    print({attack!r})\n    raise ValueError({attack!r})",
        "function_name": "main",
    }
    task = finished(system, system.post("/api/tasks", {"name": attack, "tags": ["<b>tag</b>"], **program}))
    open_task(browser, system, task)
    browser.wait_for_text(attack, ".failure")
    browser.wait_for_text(attack, ".output")
    browser.wait_for_text(attack, ".list tbody")
    for page in ("#/", "#/failures"):
        browser.open(url_of(system, f"/{page}"))
        browser.wait_for_text("<img src=x", "#view")
    assert browser.evaluate("document.querySelectorAll('main img, main script, main b > b').length") == 0


def test_a_url_of_a_task_is_no_link(browser: Chromium, system: Started) -> None:
    task = finished(system, system.post("/api/tasks", {"name": "a call", "api_url": "http://127.0.0.1:9/x"}))
    open_task(browser, system, task)
    hrefs = browser.evaluate("[...document.querySelectorAll('#view a')].map(each => each.getAttribute('href'))")
    assert hrefs
    assert all(href.startswith(("#/", "/docs")) for href in hrefs), hrefs


def test_the_output_is_followed_searched_and_kept(browser: Chromium, system: Started) -> None:
    code = "import time\ndef main():\n    for i in range(60):\n        print('line', i)\n        time.sleep(0.05)\n"
    task = system.post("/api/tasks", {"name": "prints", "function_code": code, "function_name": "main"})
    open_task(browser, system, task)
    browser.wait_for_text("line 5", ".output")
    browser.wait_for_text("succeeded", ".detail .badge")
    browser.wait_for_text("line 59", ".output")
    browser.fill(".output-bar input", "line 1")
    browser.wait_for_text("11 matches", ".output-bar")
    assert texts(browser, ".output")[0].count("\n") == 60


def test_what_is_found_in_the_output_is_marked_where_it_is(browser: Chromium, system: Started) -> None:
    program = {"function_code": "def main():\n    print('İİİ (Ziel) ziel')", "function_name": "main"}
    open_task(browser, system, finished(system, system.post("/api/tasks", {"name": "searched", **program})))
    browser.wait_for("document.querySelector('.output')?.textContent.includes('ziel')")
    browser.fill(".output-bar input", "ziel")
    marked = browser.evaluate("[...CSS.highlights.get('found')].map(String)")
    assert marked == ["Ziel", "ziel"]
    browser.fill(".output-bar input", "(Z")
    browser.wait_for_text("1 match", ".output-bar")


def test_output_that_arrives_late_by_the_stream_is_not_shown_twice(browser: Chromium, system: Started) -> None:
    """Here the page holds what the task has printed, until it has read the whole task."""
    code = "import time\ndef main():\n    print('only once')\n    time.sleep(90)"
    browser.open(url_of(system, "/#/failures"))
    browser.wait_for("document.querySelector('.tabs a')")
    browser.evaluate("""(() => {
        const real = window.fetch;
        window.heard = [];
        const isHeld = new Promise(resolve => { window.release = resolve; });
        const hold = new TransformStream({
            async transform(chunk, controller) {
                const text = new TextDecoder().decode(chunk);
                if (text.includes('event: stdout')) {
                    heard.push('output');
                    await isHeld;
                }
                controller.enqueue(chunk);
            },
            flush() {
                heard.push('end');
            },
        });
        window.fetch = async (path, options) => {
            const response = await real(path, options);
            if (!/tasks.*events$/.test(path)) return response;
            return new Response(response.body.pipeThrough(hold), {status: response.status, headers: response.headers});
        };
    })()""")
    task = system.post("/api/tasks", {"name": "prints late", **ENDLESS, "function_code": code})
    browser.evaluate(f"location.hash = '#/tasks/{task['id']}'")
    browser.wait_for("heard.includes('output')")
    assert system.call("POST", f"/api/tasks/{task['id']}/stop")[0] == 200
    browser.wait_for_text("stopped", ".detail .badge")
    assert texts(browser, ".output") == ["only once\n"]
    browser.evaluate("release()")
    browser.wait_for("heard.includes('end')")
    browser.evaluate("new Promise(resolve => setTimeout(resolve))")  # the page has read what it was given
    assert texts(browser, ".output") == ["only once\n"]


def test_output_whose_stream_ends_before_its_task_goes_on(browser: Chromium, system: Started) -> None:
    """The service ends each stream after a quarter of an hour. Here the page ends the first one after some output."""
    code = "import time\ndef main():\n    for i in range(600):\n        print(f'line {i}.')\n        time.sleep(0.1)\n"
    browser.open(url_of(system, "/#/failures"))
    browser.wait_for("document.querySelector('.tabs a')")
    browser.evaluate("""(() => {
        const real = window.fetch;
        window.resumed = [];
        const end = new TransformStream({
            transform(chunk, controller) {
                controller.enqueue(chunk);
                if (new TextDecoder().decode(chunk).includes('event: stdout')) controller.terminate();
            },
        });
        window.fetch = async (path, options) => {
            const response = await real(path, options);
            if (!/tasks.*events$/.test(path)) return response;
            resumed.push(options.headers['Last-Event-ID'] ?? '');
            if (resumed.length > 1) return response;
            return new Response(response.body.pipeThrough(end), {status: response.status, headers: response.headers});
        };
    })()""")
    body = {"name": "prints for long", "function_code": code, "function_name": "main", "timeout": 120}
    task = system.post("/api/tasks", body)
    browser.evaluate(f"location.hash = '#/tasks/{task['id']}'")
    browser.wait_for_text("line 25.", ".output")
    first, *others = browser.evaluate("resumed")
    assert first == ""
    assert all(others), "it goes on after the last event"
    assert texts(browser, ".output")[0].count("line 1.") == 1
    assert system.call("POST", f"/api/tasks/{task['id']}/stop")[0] == 200


def test_the_place_in_a_search_stays_while_more_is_printed(browser: Chromium, system: Started) -> None:
    code = "import time\ndef main():\n    while True:\n        print('a line')\n        time.sleep(0.1)\n"
    body = {"name": "prints on", "function_code": code, "function_name": "main", "timeout": 120}
    task = system.post("/api/tasks", body)
    open_task(browser, system, task)
    lines = "document.querySelector('.output')?.innerText.split('\\n').length"
    browser.wait_for(f"{lines} > 3")
    browser.fill(".output-bar input", "line")
    browser.press(["Enter", "Enter"])
    browser.wait_for_text("2 of ", ".output-bar")
    before = browser.evaluate(lines)
    browser.wait_for(f"{lines} > {before} + 3")
    browser.wait_for_text("2 of ", ".output-bar")
    browser.press(["Enter"])
    browser.wait_for_text("3 of ", ".output-bar")
    assert system.call("POST", f"/api/tasks/{task['id']}/stop")[0] == 200


def test_a_bulk_is_aborted(browser: Chromium, alone: Started) -> None:
    status, task = alone.call("POST", "/api/tasks", {"name": "kept", **PROGRAM})
    assert status == 201
    status, bulk = alone.call("POST", "/api/bulk", {"action": "delete", "ids": [task["id"]]})
    assert status == 202  # nothing carries it out: this service has no beat
    browser.open(url_of(alone, f"/#/bulks/{bulk['id']}"))
    browser.wait_for_text("0 of 1 done", "#view")
    browser.click("[data-key=abort]")
    browser.wait_for_text("aborted", "#view .badge")
    assert alone.get(f"/api/bulk/{bulk['id']}")["status"] == "aborted"
    assert alone.get(f"/api/tasks/{task['id']}")["status"] == "queued"
    browser.complaints.clear()  # the browser itself notes that /health answers 503
