"""What the console's JavaScript repeats of the service: kinds, fields, choices, defaults. No copy may lag behind."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, get_args

import pytest

from app.domain.alerts.rule import ALL_ON, ScheduleAlert
from app.domain.bulk import MAX_IDS, BulkStatus
from app.domain.channels import CHANNEL_KINDS
from app.domain.channels.notice import Language, Notice, NoticeType, message_of
from app.domain.channels.spec import ChannelFields
from app.domain.deliveries import DeliveryStatus
from app.domain.fields import HIDDEN
from app.domain.kinds.api_checks import METHODS
from app.domain.spec import ScheduleSpec, TaskSpec
from app.domain.status import FINISHED, Kind, ScheduleStatus, Status, TaskType
from app.settings import SCOPES
from app.store.firings import OUTCOMES
from app.usecases.admission import FULL_MEMORY_SHARE
from app.usecases.service_watch import MEMORY_LIMIT
from app.usecases.timing import TIMES

STATIC = Path(__file__).resolve().parent.parent / "app" / "console" / "static"
FIELD = re.compile(r'^  \{ name: "(\w+)",(.*) \},$', re.MULTILINE)
#: name -> what the form says of it, as it is written. The form has each field once, for tasks and for schedules.
FORM = dict(FIELD.findall((STATIC / "fields.js").read_text()))
FIELDS = {**TaskSpec.model_fields, **ScheduleSpec.model_fields}
#: Placeholders that show a default.
DEFAULTS = ("timeout", "max_retries", "retry_delay", "retry_max_delay", "priority", "callback_on", "retry_on")


def strings(file: str, before: str) -> list[str]:
    """The strings of the list that follows `before`, which must be in the file once."""
    found = re.findall(re.escape(before) + r"\[([^\]]*)\]", (STATIC / file).read_text())
    assert len(found) == 1, (file, before)
    return re.findall(r'"([^"]*)"', found[0])


LISTS = [
    ("new.js", "const KINDS = ", Kind),
    ("new.js", "const TYPES = ", TaskType),
    ("tasks.js", "const TYPES = ", TaskType),
    ("tasks.js", "const STATUSES = ", Status),
    ("overview.js", "const STATUSES = ", Status),
    ("schedules.js", 't("field.status"), choices: ', ScheduleStatus),
    ("schedules.js", 't("field.last_outcome"), choices: ', FINISHED),
    ("notices.js", "const STATUSES = ", DeliveryStatus),
    ("task.js", "export const FINISHED = new Set(", FINISHED),
    ("schedule.js", "const ALL_ON = ", ALL_ON),
    ("schedule.js", "const limits = alert && ", ScheduleAlert.model_fields.keys() - {"channels", "on"}),
    ("new.js", "const FIRING = ", TIMES),
    ("permission.js", "const RANKS = ", SCOPES),
    ("fields.js", "const METHODS = ", METHODS),
    ("channels.js", 'name: "language" }, ', get_args(Language)),
]


@pytest.mark.parametrize(("file", "before", "values"), LISTS, ids=[f"{file} {before}" for file, before, _ in LISTS])
def test_a_list_has_all_values(file: str, before: str, values: Any) -> None:
    assert sorted(strings(file, before)) == sorted(values)


def test_the_form_has_each_field_of_tasks_and_schedules_and_no_other() -> None:
    assert FORM.keys() == FIELDS.keys() - {"task_type"}


@pytest.mark.parametrize("name", [name for name, words in FORM.items() if "choices: [" in words])
def test_a_field_offers_every_choice(name: str) -> None:
    choices = re.findall(r'"([^"]*)"', FORM[name].partition("choices: [")[2].partition("]")[0])
    assert sorted(choices) == sorted(get_args(FIELDS[name].annotation))


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_placeholder_is_the_default(name: str) -> None:
    default = FIELDS[name].get_default(call_default_factory=True, validated_data={})
    text = ", ".join(map(str, default)) if isinstance(default, list) else str(default)
    assert f'placeholder: "{text}"' in FORM[name]


def test_the_form_of_channels_has_each_kind_with_its_fields() -> None:
    table = re.search(r"const KINDS = \{(.*?)\};", (STATIC / "channels.js").read_text(), re.DOTALL)
    assert table
    listed = {kind: set(re.findall(r'"(\w+)"', names)) for kind, names in re.findall(r"(\w+): \[(.*?)\]", table[1])}
    common = ChannelFields.model_fields.keys()
    expected = {kind: row.fields.model_fields.keys() - common for kind, row in CHANNEL_KINDS.items()}
    expected["telegram"] -= {"url"}  # its default, the server of the Bot API, is what nearly everybody needs
    assert listed == expected
    assert set(strings("channels.js", "const FIELDS = ")) == set().union(*listed.values())


def test_the_form_of_channels_keeps_what_the_service_hides() -> None:
    assert f'\nconst KEEP = "{HIDDEN}";' in (STATIC / "channels.js").read_text()


def test_a_copy_of_a_task_or_schedule_has_all_its_fields() -> None:
    tables = re.findall(r'^const [A-Z]+ = "(.*)"\.split\(" "\);', (STATIC / "task-body.js").read_text(), re.MULTILINE)
    listed = " ".join(tables).split()
    assert sorted(listed) == sorted(FIELDS.keys() - {"task_type", "delay_seconds", "run_at"})


def test_the_header_and_the_service_speak_of_the_same_memory() -> None:
    (limits,) = re.findall(r"^const MEMORY = \{ (.*?) \};", (STATIC / "health.js").read_text(), re.MULTILINE)
    assert limits == f"warn: {MEMORY_LIMIT:g}, bad: {FULL_MEMORY_SHARE:g}"


def test_as_many_rows_can_be_ticked_as_a_bulk_takes_ids() -> None:
    assert f"\nconst MOST = {MAX_IDS}; " in (STATIC / "selection.js").read_text()


WORDS: dict[str, Collection[str]] = {
    "kind": {*Kind},
    "type": {*TaskType},
    "status": {*Status, *ScheduleStatus, *DeliveryStatus, *BulkStatus},
    "outcome": OUTCOMES,
    "channel": CHANNEL_KINDS,
    "talks": get_args(Language),
    "alert": ALL_ON,
    "catch_up": get_args(FIELDS["catch_up"].annotation),
    "overlap": get_args(FIELDS["overlap"].annotation),
    "on_worker_lost": get_args(FIELDS["on_worker_lost"].annotation),
    "scope": SCOPES,
}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_value_has_a_word(language: str) -> None:
    known = re.findall(r'^  "([\w.-]+)": ', (STATIC / f"texts-{language}.js").read_text(), re.MULTILINE)
    assert {f"{group}.{value}" for group, values in WORDS.items() for value in values} - {*known} == set()


@pytest.mark.parametrize("language", get_args(Language))
def test_the_console_says_why_a_firing_was_missed_as_notices_do(language: Language) -> None:
    why = message_of(Notice(NoticeType.MISSED, "a schedule", 0, reason="missed"), language, "").detail
    assert f'"outcome.why.missed": "{why}"' in (STATIC / f"texts-{language}.js").read_text()
