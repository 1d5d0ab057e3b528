"""A page that nobody touches costs next to nothing."""

from __future__ import annotations

from tests.browser.chromium import Chromium
from tests.browser.page import PROGRAM, finished, imported, open_page, texts, url_of
from tests.system import Started

WATCHED_SECONDS = 10.0
BYTES_A_MINUTE = 5 * 1024


def test_an_idle_page_reads_little_and_computes_little(browser: Chromium, alone: Started) -> None:
    browser.open(url_of(alone, "/#/tasks?name=nobody"))
    browser.wait_for_text("No task matches", ".list .empty")
    browser.wait_for("document.querySelector('#health').classList.length === 2")
    # The list is read again once the stream of changes is open: from then on nothing is missed.
    lists = "performance.getEntriesByType('resource').filter(each => each.name.includes('/api/tasks?')).length"
    browser.wait_for(f"{lists} === 2")
    browser.send("Performance.enable", timeDomain="threadTicks")  # not what passes while others compute
    browser.evaluate("performance.clearResourceTimings()")
    browser.send("HeapProfiler.collectGarbage")  # else it may come in the window: that of the pages of other tests
    before = cpu_seconds(browser)
    with browser.counting_bytes():
        browser.evaluate(f"new Promise(resolve => setTimeout(resolve, {WATCHED_SECONDS * 1000}))")
    browser.complaints.clear()  # the browser itself notes that /health answers 503
    # Health and figures are read once a minute, so one such look in this window is a whole minute's.
    assert browser.evaluate("performance.getEntriesByType('resource').length") <= 2
    assert browser.received_bytes < BYTES_A_MINUTE
    computed = cpu_seconds(browser) - before
    assert 0 < computed < 0.01 * WATCHED_SECONDS


def test_a_page_that_is_opened_again_loads_no_file_again(browser: Chromium, alone: Started) -> None:
    open_page(browser, alone, "/#/tasks")
    open_page(browser, alone, "/#/tasks")
    files = "performance.getEntriesByType('resource').filter(each => each.name.includes('/static/'))"
    assert browser.evaluate(f"{files}.length") > 40
    # A file that the browser has, and only asks about, costs an answer without a body.
    assert browser.evaluate(f"{files}.filter(each => each.transferSize > 0).map(each => each.name)") == []
    browser.complaints.clear()  # the browser itself notes that /health answers 503


def test_a_view_that_is_open_all_day_keeps_nothing_of_its_timers(browser: Chromium, alone: Started) -> None:
    open_page(browser, alone, "/#/tasks")
    browser.evaluate(f"{imported('scope.js')}.then(({{ Scope }}) => {{ window.life = new Scope(); }})")
    before = listeners(browser)
    browser.evaluate("for (const _ of Array(100)) life.later(0, () => {}); new Promise(done => life.later(1, done))")
    assert listeners(browser) < before + 50
    browser.evaluate("window.late = []; life.later(0, () => late.push('act')); life.later(0, () => late.push('act'))()")
    browser.evaluate("new Promise(done => setTimeout(done, 1))")
    assert browser.evaluate("late") == ["act"], "one of the two was cancelled"
    browser.evaluate("life.later(0, () => late.push('after the end')); life.end()")
    browser.evaluate("new Promise(done => setTimeout(done, 1))")
    assert browser.evaluate("late") == ["act"]
    browser.complaints.clear()  # the browser itself notes that /health answers 503


def test_a_running_task_looks_alive_and_costs_no_animation(browser: Chromium, alone: Started) -> None:
    """An animation, also one in steps, has all processes of the browser at work 60 times a second."""
    open_page(browser, alone, "/#/tasks")
    browser.evaluate(f"{imported('format.js')}.then(({{ badge }}) => document.body.append(badge('running')))")
    opacity = "getComputedStyle(document.querySelector('body > .badge.running .shape')).opacity"
    animations = "document.querySelector('body > .badge').getAnimations({subtree: true}).length"
    preferring_motion(browser, "no-preference")
    for seen in ("0.3", "1", "0.3"):
        browser.wait_for(f"{opacity} === '{seen}'")
        assert browser.evaluate(animations) == 0
    preferring_motion(browser, "reduce")
    two_ticks = """new Promise(resolve => {
        let ticks = 0;
        const seen = new Set();
        new MutationObserver(() => { seen.add(%s); if ((ticks += 1) === 2) resolve([...seen]); })
            .observe(document.body, {attributes: true, attributeFilter: ['class']});
    })"""
    assert browser.evaluate(two_ticks % opacity) == ["1"]
    browser.complaints.clear()  # the browser itself notes that /health answers 503


def preferring_motion(browser: Chromium, motion: str) -> None:
    """`reduce` or `no-preference`; the next test begins with `reduce`."""
    browser.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": motion}])


def cpu_seconds(browser: Chromium) -> float:
    """Processor time of the page's main thread."""
    metrics = browser.send("Performance.getMetrics")["metrics"]
    return float(next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration"))


def test_a_hidden_page_follows_nothing_and_catches_up_when_it_is_seen(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/tasks?name=while+hidden"))
    browser.wait_for_text("No task matches", ".list .empty")
    # Counted when they begin: one that has begun before may end only now.
    browser.evaluate("""(() => {
        const real = window.fetch;
        window.begun = 0;
        window.fetch = (path, options) => {
            if (path.startsWith('/api/tasks?')) window.begun += 1;
            return real(path, options);
        };
    })()""")
    hide(browser)
    finished(system, system.post("/api/tasks", {"name": "while hidden", **PROGRAM}))
    browser.evaluate("new Promise(resolve => setTimeout(resolve, 2000))")  # a change is followed within 1.5 s
    assert browser.evaluate("begun") == 0
    show(browser)
    browser.wait_for_text("while hidden", ".list tbody")


def test_a_hidden_page_follows_no_output_and_goes_on_where_it_was_when_it_is_seen(
    browser: Chromium, system: Started
) -> None:
    """Else six tabs in the background take all connections that a browser has to one origin by HTTP/1.1."""
    code = "import time\ndef main():\n    for i in range(600):\n        print(f'line {i}.')\n        time.sleep(0.1)\n"
    browser.open(url_of(system, "/#/failures"))
    browser.wait_for("document.querySelector('.tabs a')")
    browser.evaluate("""(() => {
        const real = window.fetch;
        window.streams = [];
        window.fetch = (path, options) => {
            const { signal, headers } = options;
            if (/tasks.*events$/.test(path)) streams.push({signal, after: headers['Last-Event-ID'] ?? ''});
            return real(path, options);
        };
    })()""")
    body = {"name": "prints unseen", "function_code": code, "function_name": "main", "timeout": 120}
    task = system.post("/api/tasks", body)
    browser.evaluate(f"location.hash = '#/tasks/{task['id']}'")
    browser.wait_for_text("line 1.", ".output")
    hide(browser)
    assert browser.evaluate("streams.map(each => each.signal.aborted)") == [True]
    shown = len(texts(browser, ".output")[0].splitlines())
    show(browser)
    browser.wait_for_text(f"line {shown + 5}.", ".output")
    assert browser.evaluate("streams.map(each => each.after !== '')") == [False, True]
    assert texts(browser, ".output")[0].count("line 1.") == 1
    assert system.call("POST", f"/api/tasks/{task['id']}/stop")[0] == 200


def hide(browser: Chromium) -> None:
    """As if another tab was looked at."""
    browser.evaluate("""(() => {
        Object.defineProperty(document, 'hidden', {configurable: true, get: () => true});
        document.dispatchEvent(new Event('visibilitychange'));
    })()""")


def show(browser: Chromium) -> None:
    """As if this tab was looked at again."""
    browser.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")


def listeners(browser: Chromium) -> int:
    """How many listeners the page has that can't be collected."""
    browser.send("HeapProfiler.collectGarbage")
    return int(browser.send("Memory.getDOMCounters")["jsEventListeners"])
