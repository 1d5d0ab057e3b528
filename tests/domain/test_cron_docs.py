"""docs/cron.md says what happens: its examples are accepted, what it calls refused is refused, its zones are real."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.domain.cron import Cron, CronError, load_zone, zone_names
from app.domain.cron.hashed import resolve
from app.domain.cron.text import ALIASES
from app.domain.cron.zone_hints import near_names

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "cron.md").read_text()
NOW = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
#: Five or six words between backticks, of which the first can begin an expression.
EXPRESSIONS = re.findall(r"`([0-9*?H@][^`\s]*(?: [^`\s]+){4,5})`", PAGE)
NEVER = "0 0 30 2 *"


def section(title: str) -> str:
    match = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert match, title
    return match[1]


@pytest.mark.parametrize("expression", sorted(set(EXPRESSIONS) - {NEVER}))
def test_every_expression_on_the_page_is_accepted(expression: str) -> None:
    assert Cron.parse(expression, "Europe/Berlin", now=NOW, hash_id="sch_1").describe()


def test_the_search_finds_the_expressions() -> None:
    assert {"*/15 * * * *", "0 0 12 * * ?", "H H(0-5) * * *", "* 30 2 * * *", NEVER} <= set(EXPRESSIONS)
    assert len(EXPRESSIONS) > 30


def test_every_alias_is_on_the_page_as_what_it_is() -> None:
    written: dict[str, str] = {}
    for names, expression in re.findall(r"^\| (`@[^|]*) \| `([^`]+)` \|", PAGE, re.MULTILINE):
        written |= dict.fromkeys(re.findall(r"@\w+", names), expression)
    assert written == ALIASES


@pytest.mark.parametrize(
    ("form", "expression"),
    [
        ("L-3", "0 0 L-3 * *"),
        ("LW", "0 0 LW * *"),
        ("15W", "0 0 15W * *"),
        ("a year", "0 0 12 1 1 ? 2027"),
        ("R", "R * * * *"),
        ("@every 90m", "@every 90m"),
        ("@reboot", "@reboot"),
        ("TZ=…", "TZ=UTC 0 9 * * *"),
        ("1-0", "1-0 * * * *"),
        ("*/90", "*/90 * * * *"),
        ("0 0 30 2 *", NEVER),
    ],
)
def test_every_form_in_the_table_of_refusals_is_refused(form: str, expression: str) -> None:
    assert form in section("What is refused")
    with pytest.raises(CronError):
        Cron.parse(expression, "UTC", now=NOW, hash_id="sch_1")


def test_the_examples_of_h_are_those_of_one_id() -> None:
    rows = re.findall(r"^\| `(H[^`]*)` \| (?:.*: )?([\d, ]+) \|", section("H: a number of the schedule's own"), re.M)
    assert [form for form, _ in rows] == ["H", "H(0-29)", "H/15", "H(30-59)/10"]
    ids = [f"sch_{number}" for number in range(1_000)]
    resolved = ({form: resolve(f"{form} * * * *", own).split()[1] for form, _ in rows} for own in ids)
    assert {form: numbers.replace(" ", "") for form, numbers in rows} in resolved


def test_the_hints_on_the_page_are_those_that_are_given() -> None:
    rows = [row for row in section("Time zones").splitlines() if "did you mean" in row]
    assert len(rows) == 3
    for row in rows:
        written, answer = (re.findall(r"`([^`]+)`", cell) for cell in row.split("|")[1:3])
        for name in written:
            assert near_names(name, zone_names())[: len(answer)] == answer


def test_etc_has_the_opposite_sign() -> None:
    assert "`Etc/GMT-8` is eight hours *ahead* of UTC" in PAGE
    assert NOW.astimezone(load_zone("Etc/GMT-8")).hour == NOW.hour + 8
