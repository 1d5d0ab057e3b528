"""Languages, colours, sizes, keyboard, screen readers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest

from tests.browser.chromium import Chromium
from tests.browser.page import FAILING, PROGRAM, go_to, imported, many, open_page, texts, url_of
from tests.system import Started

STATIC = Path(__file__).resolve().parent.parent.parent / "app" / "console" / "static"
NAMES = ("tasks", "failures", "scheduled", "work", "bulks", "notices", "channels", "audit", "new", "")
PAGES = tuple(f"#/{name}" for name in NAMES)


@pytest.fixture(scope="module", autouse=True)
def something_to_see(system: Started) -> None:
    """A task of each status in which it can stay, two of which have long names, and a schedule."""
    seen = {"tags": ["seen"]}
    many(
        system,
        [{"name": "w" * 200, "tags": ["t" * 64, "u" * 64, "seen"], **PROGRAM}, {"name": "broken", **seen, **FAILING}],
    )
    for name in ("waiting", "stopped"):
        task = system.post(
            "/api/tasks", {"name": name, **seen, "task_type": "delayed", "delay_seconds": 3600, **PROGRAM}
        )
    assert system.call("POST", f"/api/tasks/{task['id']}/stop")[0] == 200
    system.call(
        "PUT", "/api/scheduled-tasks/by-key/wide", {"name": "w" * 200, "cron_expression": "0 3 * * *", **PROGRAM}
    )


@pytest.fixture(autouse=True)
def english(chromium: Chromium) -> Iterator[None]:
    yield
    chromium.speak("en-US")


def table(browser: Chromium, system: Started, language: str) -> dict[str, object]:
    browser.open(url_of(system))
    return dict(browser.evaluate(f"{imported(f'texts-{language}.js')}.then(module => module.{language})"))


def test_no_text_is_missing_in_either_language(browser: Chromium, system: Started) -> None:
    english, chinese = (table(browser, system, language) for language in ("en", "zh"))
    assert english.keys() == chinese.keys()
    named = re.compile(r"\{(\w+)\}")
    for name, text in english.items():
        forms = text if isinstance(text, list) else [text]
        wanted = set(named.findall(" ".join(map(str, forms)))) - {"count"}
        assert set(named.findall(str(chinese[name]))) - {"count"} == wanted, name
    sources = "".join(path.read_text() for path in STATIC.glob("*.js") if not path.name.startswith("texts-"))
    sources += (STATIC / "console.html").read_text()
    used = set(re.findall(r"""\bt\("([\w.]+)"|data-(?:text|label)="([\w.]+)\"""", sources))
    missing = {name for pair in used for name in pair if name} - english.keys()
    assert missing == set()
    literal = set(re.findall(r"[\w]+(?:\.[\w-]+)+|\b[a-z]\w*\b", sources))
    prefixes = (
        tuple(re.findall(r"`([\w.]+\.)\$\{", sources))
        + tuple(f"{group}." for group in re.findall(r"""word\("([\w.]+)\"""", sources))
        + ("channel.", "talks.", "type.", "kind.", "choose.", "catch_up.", "overlap.", "on_worker_lost.")
    )
    unused = {
        name
        for name in english
        if name not in literal and not name.startswith(prefixes) and not name.endswith(".short")
    }
    assert unused == set()


def test_the_form_has_every_field_of_tasks_and_schedules(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/new"))
    browser.wait_for("document.querySelector('.create')")
    shown = set(browser.evaluate("[...document.querySelectorAll('.create [name]')].map(each => each.name)")) | {"kind"}
    schemas = system.get("/openapi.json")["components"]["schemas"]
    specs = ("CodeTaskSpec", "ApiTaskSpec", "ScheduledCodeTaskSpec", "ScheduledApiTaskSpec")
    wanted = {name for spec in specs for name in schemas[spec]["properties"]}
    assert wanted - shown == set()


FITS = "document.documentElement.scrollWidth <= innerWidth"
CONTRAST = """(() => {
    const luminance = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(Number).map(part => part / 255)
        .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
    const ratio = (one, other) => {
        const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
        return (light + 0.05) / (dark + 0.05);
    };
    const probe = document.createElement('i');
    document.body.append(probe);
    const colour = name => { probe.style.color = `var(--${name})`; return getComputedStyle(probe).color; };
    const pairs = [['edge', 'panel'], ['edge', 'ground'], ['accent', 'panel'], ['accent', 'ground']];
    return pairs.map(([line, back]) => [line, back, ratio(colour(line), colour(back))]);
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_borders_of_fields_and_the_focus_can_be_seen(browser: Chromium, system: Started, scheme: str) -> None:
    browser.look(1440, 900, scheme)
    browser.open(url_of(system))
    found = browser.evaluate(CONTRAST)
    assert len(found) == 4
    assert [each for each in found if not each[2] >= 3] == []


def test_the_page_speaks_the_language_of_the_browser_or_the_chosen_one(browser: Chromium, system: Started) -> None:
    browser.speak("zh-CN")
    browser.open(url_of(system, "/#/tasks"))
    browser.wait_for_text("任务", "#pages")
    browser.wait_for_text("失败", ".list tbody")
    assert browser.evaluate("document.documentElement.lang") == "zh-CN"
    browser.click("#menu-button")
    browser.click("[name=language][value=en]")
    browser.wait_for_text("Tasks", "#pages")
    browser.evaluate("localStorage.clear()")


def test_no_text_of_the_page_is_left_in_english(browser: Chromium, system: Started) -> None:
    english, chinese = (table(browser, system, language) for language in ("en", "zh"))
    own = {
        text for name, text in english.items() if isinstance(text, str) and "{" not in text and text != chinese[name]
    }
    own -= set(map(str, chinese.values()))
    browser.speak("zh-CN")
    open_page(browser, system, "/")
    for page in PAGES:
        go_to(browser, page)
        lines = {line.strip() for line in browser.evaluate("document.body.innerText").splitlines()}
        assert lines & own == set(), page


#: On a dark page, only what depends on colours is another.
AXE = {
    "light": {"resultTypes": ["violations"]},
    "dark": {"resultTypes": ["violations"], "runOnly": ["color-contrast", "link-in-text-block"]},
}
SEEN = "#/tasks?tag=seen"  # a row of each sort instead of the 50 latest


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Chromium, system: Started, scheme: str) -> None:
    axe = files("axe_core_python").joinpath("axe.min.js").read_text()
    failed = system.get("/api/tasks?status=failed&tag=seen")["items"][0]["id"]
    schedule = system.get("/api/scheduled-tasks?limit=1")["items"][0]["id"]
    browser.look(1440, 1000, scheme)
    open_page(browser, system, "/")
    browser.wait_for("!document.querySelector('#health-words:empty')")
    browser.evaluate(axe)
    assert PAGES[0] == "#/tasks"
    for page in (SEEN, *PAGES[1:], f"{SEEN}&open={failed}", f"#/schedule/{schedule}"):
        go_to(browser, page)
        found = browser.evaluate(
            f"axe.run(document, {json.dumps(AXE[scheme])}).then(found => found.violations.map(each =>"
            " [each.id, each.nodes.slice(0, 3).map(node => node.html.slice(0, 160) + ' ' + node.failureSummary)]))"
        )
        assert found == [], page


@pytest.mark.parametrize(
    ("width", "scheme"), [(320, "light"), (375, "dark"), (768, "light"), (1024, "light"), (1440, "light")]
)
def test_nothing_is_wider_than_the_window(browser: Chromium, system: Started, width: int, scheme: str) -> None:
    failed = system.get("/api/tasks?status=failed&limit=1")["items"][0]["id"]
    schedule = system.get("/api/scheduled-tasks?limit=1")["items"][0]["id"]
    browser.look(width, 800, scheme)
    open_page(browser, system, "/")
    browser.wait_for("document.querySelector('#health').classList.length !== 1")
    for page in (*PAGES, f"#/tasks?open={failed}", f"#/schedule/{schedule}"):
        go_to(browser, page)
        assert browser.evaluate(FITS), page
        outside = (
            "[...document.querySelectorAll('#counts a, .bar a, .bar button, .bar summary')].filter(each =>"
            " !each.closest('#pages') && each.offsetParent && each.scrollWidth > each.clientWidth + 1"
            " && getComputedStyle(each).overflow === 'visible').map(each => each.innerText)"
        )
        assert browser.evaluate(outside) == [], page


def test_the_docs_are_not_wider_than_the_window(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/docs"))
    browser.wait_for("document.querySelector('.opblock')")
    for width in (1440, 1024, 768, 375, 320):
        browser.look(width, 800)
        assert browser.evaluate(FITS), width


def test_the_first_failure_is_on_the_first_screen_of_a_phone(browser: Chromium, system: Started) -> None:
    browser.look(375, 667)
    browser.open(url_of(system))
    browser.wait_for("document.querySelector('.failed-row a')")
    browser.wait_for("document.querySelectorAll('#counts a').length === 6")
    assert browser.evaluate("document.querySelector('.failed-row .bad').getBoundingClientRect().bottom <= innerHeight")


def test_the_bar_of_a_phone_shows_the_page_that_is_open(browser: Chromium, system: Started) -> None:
    browser.look(360, 667)
    for page in ("notices", "tasks"):
        browser.open(url_of(system, f"/#/{page}"))
        browser.wait_for(f"document.querySelector('#pages [data-page={page}][aria-current=page]')")
        browser.wait_for(
            """(() => { const link = document.querySelector('#pages [aria-current=page]');
                const [around, own] = [link.parentElement, link].map((element) => element.getBoundingClientRect());
                return own.left >= around.left && own.right <= around.right; })()"""
        )
    assert browser.evaluate("document.querySelector('#pages').scrollWidth") > 360


def test_filters_are_folded_away_on_a_phone_until_they_are_used(browser: Chromium, system: Started) -> None:
    browser.look(375, 667)
    browser.open(url_of(system, "/#/tasks"))
    browser.wait_for("document.querySelector('.list tbody tr')")
    assert browser.evaluate("document.querySelector('.list tbody tr').getBoundingClientRect().top < 220")
    visible = "document.querySelector('#filter-name').offsetParent !== null"
    assert not browser.evaluate(visible)
    browser.click(".filters .fold")
    assert browser.evaluate(visible)
    browser.fill("#filter-name", "broken")
    browser.wait_for("location.hash === '#/tasks?name=broken'")
    browser.open(browser.evaluate("location.href"))
    browser.wait_for(f"document.querySelector('.list tbody tr') && {visible}")  # what narrows the list is seen


def test_the_colours_can_be_chosen(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system))
    light = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    browser.click("#menu-button")
    browser.click("[name=scheme][value=dark]")
    dark = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert light != dark
    browser.open(url_of(system))
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == dark
    browser.evaluate("localStorage.clear()")


def test_it_can_be_used_by_keyboard_and_every_control_has_a_name(browser: Chromium, system: Started) -> None:
    open_page(browser, system, "/")
    for page in PAGES:
        go_to(browser, page)
        nameless = (
            "[...document.querySelectorAll('input, select, textarea, button, a')].filter(each =>"
            " !(each.labels?.length || each.getAttribute('aria-label') || each.textContent.trim()"
            " || each.hidden || each.id === 'confirm-yes')).map(each => each.outerHTML)"
        )
        assert browser.evaluate(nameless) == []
    browser.look(340, 800)  # where there is no room for the words of the bar
    heard = browser.send("Accessibility.getFullAXTree")["nodes"]
    controls = [node for node in heard if node.get("role", {}).get("value") in ("button", "link")]
    assert len(controls) > 10
    assert all(node["name"]["value"] for node in controls), controls
    browser.look(1440, 900)
    browser.open(url_of(system, "/#/tasks"))
    browser.wait_for("document.querySelector('.list tbody tr')")
    browser.press(["Tab"])
    assert browser.evaluate("document.activeElement.className") == "skip"
    browser.press(["Enter"])
    assert browser.evaluate("document.activeElement.id") == "view"


def test_question_mark_shows_the_keys_and_letters_go_to_pages(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system))
    browser.wait_for("document.querySelectorAll('#counts a').length === 6")
    browser.press(["?"])
    browser.wait_for_text("Next and previous task", "dialog.sheet")
    browser.press(["Escape"])
    browser.wait_for("!document.querySelector('dialog.sheet')")
    for key, page in (("s", "scheduled"), ("f", "failures"), ("w", "work"), ("t", "tasks")):
        browser.press(["g", key])
        browser.wait_for(f"location.hash === {json.dumps('#/' + page)}")
    browser.press(["n"])
    browser.wait_for("location.hash === '#/new'")


def test_it_finds_pages_tasks_and_schedules(browser: Chromium, system: Started) -> None:
    task = system.get("/api/tasks?status=failed&limit=1")["items"][0]
    browser.open(url_of(system))
    browser.wait_for("document.querySelectorAll('#counts a').length === 6")
    browser.press(["/"])
    browser.wait_for("document.activeElement.id === 'find'")
    browser.type(task["name"])
    browser.wait_for_text(task["name"], ".found")
    browser.press(["Escape"])
    browser.press(["k"], modifiers=2)
    browser.wait_for("document.activeElement.id === 'find'")
    browser.type(task["id"])
    browser.wait_for("document.querySelectorAll('.found a').length === 1")
    browser.press(["Enter"])
    browser.wait_for(f"location.hash.includes({json.dumps(task['id'])})")
    browser.press(["/"])
    browser.wait_for("document.activeElement.id === 'find'")
    browser.type("Bulk")
    browser.wait_for("document.querySelector('.found a')?.innerText.includes('Bulk')")
    browser.press(["ArrowDown", "ArrowUp", "Enter"])
    browser.wait_for("location.hash === '#/bulks'")
    browser.complaints.clear()  # an id is looked for among schedules as well: 404


def test_a_name_that_comes_again_and_again_does_not_hide_others(browser: Chromium, system: Started) -> None:
    many(system, [{"name": "seek the rare one", **PROGRAM}])
    many(system, [{"name": "seek each minute", **PROGRAM} for _ in range(12)])
    browser.open(url_of(system))
    browser.wait_for("document.querySelectorAll('#counts a').length === 6")
    browser.press(["/"])
    browser.wait_for("document.activeElement.id === 'find'")
    browser.type("seek")
    browser.wait_for_text("rare one", ".found")
    assert len(texts(browser, ".found a")) == 3
    browser.press(["ArrowUp", "ArrowDown", "ArrowDown", "ArrowDown", "Enter"])
    browser.wait_for(
        "location.hash === '#/tasks?name=seek' && document.querySelectorAll('.list tbody tr').length === 13"
    )


def test_enter_finds_what_was_typed_and_not_what_was_shown_before(browser: Chromium, system: Started) -> None:
    task = system.post("/api/tasks", {"name": "typed in a hurry", **PROGRAM})
    browser.open(url_of(system))
    browser.wait_for("document.querySelectorAll('#counts a').length === 6")
    browser.press(["/"])
    browser.wait_for("document.activeElement.id === 'find' && document.querySelector('.found a')")
    browser.type("typed in a hurry")
    browser.press(["Enter"])  # before the results are there
    browser.wait_for(f"location.hash.includes({json.dumps(task['id'])})")


def test_times_are_relative_and_exact_when_pointed_at(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system, "/#/tasks"))
    browser.wait_for("document.querySelector('.list time')")
    title, text = browser.evaluate("(({title, innerText}) => [title, innerText])(document.querySelector('.list time'))")
    assert re.search(r"20\d\d.*(UTC|GMT)\S*\n20\d\d-\d\d-\d\dT[\d:]+\.\d{3}Z$", title), title
    assert not re.search(r"20\d\d", text)


def test_a_machine_whose_clock_is_wrong_shows_the_ages_that_the_service_knows(
    browser: Chromium, system: Started
) -> None:
    system.post("/api/tasks", {"name": "by another clock", **PROGRAM})
    open_page(browser, system, "/#/work")
    for minutes in (20, -20):  # more than any other test beside this one takes
        browser.evaluate(f"(real => {{ Date.now = () => real() + {minutes} * 60000; }})(window.real ??= Date.now)")
        go_to(browser, "#/failures")  # its answers tell the time
        go_to(browser, "#/tasks?since=15m&name=by+another+clock")
        [row] = texts(browser, ".list tbody .c-time")
        assert re.fullmatch(r"now|(in )?\d+s( ago)?|[1-4]m ago", row), row
        off = browser.evaluate(f"{imported('clock.js')}.then(({{ now }}) => now() - real())")
        assert abs(off) < 60_000
    others = [path.name for path in STATIC.glob("*.js") if re.search(r"Date\.now|new Date\(\)", path.read_text())]
    assert others == ["clock.js"]


def test_exact_times_are_in_the_zone_of_the_viewer_and_say_so(browser: Chromium, system: Started) -> None:
    task = system.get("/api/tasks?status=failed&limit=1")["items"][0]
    browser.send("Emulation.setTimezoneOverride", timezoneId="Asia/Kolkata")
    try:
        browser.open(url_of(system, f"/#/tasks/{task['id']}"))
        browser.wait_for_text("times in Asia/", ".detail")
        find = "[...document.querySelectorAll('.facts time')][0]"
        text, title = browser.evaluate(f"[{find}.innerText, {find}.title]")
    finally:
        browser.send("Emulation.setTimezoneOverride", timezoneId="")
    local = datetime.fromisoformat(task["created_at"]) + timedelta(hours=5, minutes=30)
    assert f"{local.strftime('%M:%S')}.{local.microsecond // 1000:03}" in text
    assert "GMT+5:30" in title
    assert title.endswith(task["created_at"])


def test_a_string_can_not_become_html_at_all(browser: Chromium, system: Started) -> None:
    browser.open(url_of(system))
    refused = (
        "(() => { try { document.body.innerHTML = '<i>x</i>'; return ''; } catch (error) { return error.name; } })()"
    )
    assert browser.evaluate(refused) == "TypeError"
    browser.complaints.clear()  # that was ours


def test_the_docs_describe_every_call_without_the_internet(browser: Chromium, system: Started) -> None:
    browser.look(1440, 900, "dark")
    browser.open(url_of(system, "/docs"))
    document = system.get("/openapi.json")
    calls = sum(len(methods) for part in ("paths", "webhooks") for methods in document[part].values())
    browser.wait_for(f"document.querySelectorAll('.opblock').length === {calls}")
    browser.click("#operations-Tasks-createTask .opblock-summary-control")
    browser.wait_for_text("function_code", "#operations-Tasks-createTask")
    referred_to = document["components"]["responses"]["Problem413"]["description"]
    browser.wait_for_text(referred_to, "#operations-Tasks-createTask .responses-wrapper")
    loaded = browser.evaluate(
        "performance.getEntriesByType('resource').map(each => new URL(each.name))"
        ".filter(each => each.protocol !== 'data:').map(each => each.origin)"
    )
    assert set(loaded) == {url_of(system, "")}
    dark = browser.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert sum(dark[:3]) < 200, "the page is dark where the system is"
    assert texts(browser, "h1, h2")
