"""The examples of docs/alerts.md, in both languages, are valid, and there is one for every kind of channel."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from app.api.channels import channel_json
from app.domain.alerts.rule import ALL_ON, ScheduleAlert
from app.domain.channels import CHANNEL_KINDS
from app.domain.channels.notice import NoticeType
from app.domain.channels.parse import parse_channel, read_channels
from app.domain.spec import parsed
from app.usecases.channels import Channel

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
PAGES = pytest.mark.parametrize("page", [DOCS / "alerts.md", DOCS / "alerts.zh-CN.md"], ids=lambda page: page.name)


def blocks(page: Path, language: str) -> list[str]:
    """The contents of the blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def examples(page: Path) -> list[dict[str, Any]]:
    """The JSON examples."""
    return [json.loads(text) for text in blocks(page, "json")]


@PAGES
def test_there_is_a_valid_example_of_every_kind(page: Path) -> None:
    channels = [parse_channel(example) for example in examples(page) if "kind" in example]
    assert {channel.kind for channel in channels} == CHANNEL_KINDS.keys() - {"lark"}
    assert "lark" in page.read_text()


@PAGES
def test_rules_and_files_are_valid(page: Path) -> None:
    (rule,) = (example for example in examples(page) if "channels" in example)
    parsed(ScheduleAlert, rule)
    files = blocks(page, "toml")
    assert files
    assert all(read_channels(text) for text in files)
    for on in ALL_ON:
        assert f"\n| `{on}` |" in page.read_text()


@PAGES
def test_it_names_what_a_response_has_and_a_body_may_not(page: Path) -> None:
    fields = parse_channel({"kind": "slack", "url": "https://hooks.slack.com/services/T/B/X"})
    read = channel_json(Channel("ops", fields, is_from_file=False, created_ms=1, updated_ms=1))
    (line,) = (line for line in page.read_text().splitlines() if "`https://hooks.slack.com/***`" in line)
    assert read.keys() - type(fields).model_fields.keys() <= set(re.findall(r"`(\w+)`", line))


@PAGES
def test_a_webhooks_types_are_all_there(page: Path) -> None:
    (line,) = (line for line in page.read_text().splitlines() if '{"type": "alert.failed"' in line)
    assert {str(each) for each in NoticeType} <= set(re.findall(r"`(\w+)`", line))


def test_both_pages_have_the_same_sections() -> None:
    english, chinese = (
        re.findall(r"^(#+) ", (DOCS / name).read_text(), re.MULTILINE) for name in ("alerts.md", "alerts.zh-CN.md")
    )
    assert english == chinese
