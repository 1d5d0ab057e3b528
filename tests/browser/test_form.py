"""The form: problems beside their fields, the editor, drafts."""

from __future__ import annotations

import json

from tests.browser.chromium import Chromium
from tests.browser.page import PROGRAM, open_task, texts, url_of
from tests.system import Started

CODE = "#input-function_code"


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


def test_problems_stand_beside_their_fields_and_lines(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/new"))
    browser.fill("[name=function_code]", "def main():\n    return 1 +")
    browser.fill("[name=priority]", "12")
    browser.click(".create button[type=submit]")
    browser.wait_for_text("is required", "#problem-name")
    assert texts(browser, "#problem-function_code")[0].startswith("line 2, column")
    assert "less than or equal to 9" in texts(browser, "#problem-priority")[0]
    assert texts(browser, ".editor-numbers .bad") == ["2"]
    assert browser.evaluate("document.activeElement.name") == "name"
    assert browser.evaluate("document.activeElement.getAttribute('aria-describedby')") == "problem-name"
    browser.complaints.clear()  # the browser itself notes an answer of 422


def test_a_time_or_a_number_that_is_not_whole_is_not_left_out(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/new"))
    browser.fill("[name=name]", "half a time")
    browser.click("[name=task_type][value=scheduled]")
    browser.click(".create summary")
    for name, typed in (("end_at", "12242030"), ("timeout", "1e")):
        browser.evaluate(f"document.querySelector('#input-{name}').focus()")
        browser.press(list(typed))
    browser.click(".create button[type=submit]")
    browser.wait_for_text("is not a whole time", "#problem-end_at")
    browser.wait_for_text("is not a number", "#problem-timeout")
    assert system.get("/api/scheduled-tasks?name=half*")["items"] == []


def test_an_api_task_for_later(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/new"))
    browser.fill("[name=name]", "call later")
    browser.click("[name=kind][value=api]")
    browser.click("[name=task_type][value=delayed]")
    browser.fill("[name=api_url]", "http://127.0.0.1:9/hook")
    browser.fill("[name=headers]", "X-Answer: 42\nAuthorization: Bearer secret")
    browser.fill("[name=params]", "a=1\na=2\nconstructor=3\n__proto__=4")
    browser.fill("[name=expected_body]", '{"contains": "ok"}')
    browser.fill("[name=follow_redirects]", "false")
    browser.fill("[name=retry_on]", "503, 5xx")
    browser.fill("[name=delay_seconds]", "3600")
    browser.click(".create button[type=submit]")
    browser.wait_for_text("waiting", ".detail .badge")
    [found] = system.get("/api/tasks?name=call%20later")["items"]
    task = system.get(f"/api/tasks/{found['id']}")
    assert (task["kind"], task["task_type"], list(task["headers"])) == ("api", "delayed", ["X-Answer", "Authorization"])
    assert (task["params"], task["expected_body"], task["follow_redirects"]) == (
        {"a": ["1", "2"], "constructor": "3", "__proto__": "4"},
        {"contains": "ok"},
        False,
    )
    assert task["retry_on"] == [503, "5xx"]


def test_the_editor_indents_matches_brackets_and_sends(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/new"))
    browser.fill("[name=name]", "typed")
    browser.fill("[name=args]", "")
    browser.fill(CODE, "")
    browser.evaluate(f"document.querySelector('{CODE}').focus()")
    browser.type("def main():")
    browser.press(["Enter"])
    browser.type("if True:")
    browser.press(["Enter"])
    browser.type("return (1 + 2)")
    assert (
        browser.evaluate(f"document.querySelector('{CODE}').value")
        == "def main():\n    if True:\n        return (1 + 2)"
    )
    browser.wait_for(
        "[...document.querySelectorAll('.editor-layer mark')].map(each => each.textContent).join('') === '()'"
    )
    browser.press(["Tab"])
    assert browser.evaluate(f"document.querySelector('{CODE}').value").endswith("(1 + 2)  ")
    browser.press(["Enter"], modifiers=2)
    browser.wait_for_text("succeeded", ".detail .badge")


def test_lines_that_are_marked_are_indented_and_back(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/new"))
    browser.fill(CODE, "a = 1\nb = 2\n")
    browser.evaluate(f"document.querySelector('{CODE}').setSelectionRange(0, 11)")
    browser.press(["Tab"])
    assert browser.evaluate(f"document.querySelector('{CODE}').value") == "    a = 1\n    b = 2\n"
    browser.press(["Tab"], modifiers=8)
    assert browser.evaluate(f"document.querySelector('{CODE}').value") == "a = 1\nb = 2\n"


def test_a_long_program_scrolls_with_its_numbers(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/new"))
    browser.fill(CODE, "\n".join(f"x{line} = {line}" for line in range(400)))
    assert browser.evaluate("document.querySelector('.editor').getBoundingClientRect().height") <= 640
    browser.evaluate(f"document.querySelector('{CODE}').scrollTop = 4000")
    browser.wait_for(
        f"document.querySelector('.editor-numbers').scrollTop === document.querySelector('{CODE}').scrollTop"
    )
    assert browser.evaluate(f"document.querySelector('{CODE}').scrollTop") == 4000


def test_escape_then_tab_leaves_the_editor(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/new"))
    browser.wait_for(f"document.querySelector('{CODE}')")
    browser.evaluate(f"document.querySelector('{CODE}').focus()")
    browser.press(["Escape", "Tab"])
    assert browser.evaluate("document.activeElement.id") == "input-function_name"


def test_what_is_sent_again_as_no_answer_came_is_created_once(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/new"))
    browser.fill("[name=name]", "sent-twice")
    browser.evaluate("""(() => {
        const real = window.fetch;
        window.fetch = async (path, options) => {
            const response = await real(path, options);
            if (options.method !== 'POST') return response;
            window.fetch = real;
            throw new TypeError('the connection was cut');
        };
    })()""")
    browser.click(".create button[type=submit]")
    browser.wait_for_text("can't be reached", ".create .failure")
    browser.wait_for("document.querySelector('#away').hidden")
    browser.click(".create button[type=submit]")
    browser.wait_for_text("sent-twice", ".detail h2")
    assert len(system.get("/api/tasks?name=sent-twice")["items"]) == 1
    browser.click("[data-key=duplicate]")
    browser.wait_for("document.querySelector('#input-name')?.value === 'sent-twice'")
    browser.click(".create button[type=submit]")
    browser.wait_for_text("sent-twice", ".detail h2")
    assert len(system.get("/api/tasks?name=sent-twice")["items"]) == 2, "the same again is another one"


def test_a_refusal_before_the_key_is_looked_at_makes_no_second_one(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/new"))
    browser.fill("[name=name]", "sent-three-times")
    browser.evaluate("""(() => {
        const real = window.fetch;
        const headers = {'Content-Type': 'application/problem+json'};
        const refused = status => new Response(JSON.stringify({detail: `Refused: ${status}`}), {status, headers});
        const answers = [
            async (path, options) => { await real(path, options); throw new TypeError('the connection was cut'); },
            async () => refused(429),
            async () => refused(403),
        ];
        window.fetch = (path, options) => ((options.method === 'POST' && answers.shift()) || real)(path, options);
    })()""")
    for words in ("can't be reached", "Refused: 429", "Refused: 403"):
        browser.click(".create button[type=submit]")
        browser.wait_for_text(words, ".create .failure")
        browser.wait_for("document.querySelector('#away').hidden")
    browser.click(".create button[type=submit]")
    browser.wait_for_text("sent-three-times", ".detail h2")
    assert len(system.get("/api/tasks?name=sent-three-times")["items"]) == 1


def test_a_draft_survives_leaving_and_is_gone_once_it_is_sent(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/new"))
    browser.fill("[name=name]", "kept for later")
    browser.fill("[name=args]", "")
    browser.fill(CODE, PROGRAM["function_code"])
    browser.wait_for("sessionStorage.getItem('celeriac.draft..')?.includes('kept for later')")
    browser.evaluate("location.hash = '#/tasks'")
    browser.wait_for("document.querySelector('.list')")
    browser.open(url_of(system, "/#/new"))
    browser.wait_for("document.querySelector('#input-name')?.value === 'kept for later'")
    assert browser.evaluate(f"document.querySelector('{CODE}').value") == PROGRAM["function_code"]
    browser.click(".create button[type=submit]")
    browser.wait_for_text("kept for later", ".detail h2")
    browser.open(url_of(system, "/#/new"))
    browser.wait_for("document.querySelector('#input-name')?.value === ''")


def test_a_draft_has_what_was_typed_just_before_leaving(browser: Chromium, system: Started) -> None:
    leave = ("document.querySelector('.brand').click()", f"location.href = {json.dumps(url_of(system, '/docs'))}")
    for number, way in enumerate(leave):
        browser.open(url_of(system, "/#/new"))
        browser.wait_for("document.activeElement && document.querySelector('#input-name')")
        field = "document.querySelector('#input-name')"
        event = "dispatchEvent(new Event('input', {bubbles: true}))"
        browser.evaluate(f"{field}.value = 'left in a hurry {number}'; {field}.{event}; setTimeout(() => {{ {way} }})")
        browser.wait_for("!document.querySelector('#input-name')")
        browser.open(url_of(system, "/#/new"))
        browser.wait_for(f"document.querySelector('#input-name')?.value === 'left in a hurry {number}'")
        browser.click("[data-key=forget]")
        assert browser.evaluate("sessionStorage.length") == 0


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
    browser.wait_for("document.querySelectorAll('.detail > div > .attempts li').length === 2")
    assert texts(browser, ".program .failed-line") == ["    return 1 / 0"]
