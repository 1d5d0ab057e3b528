"""POST /api/cron/preview: the words, the firings and the refusals, as a caller sees them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.calls import Api


def preview(api: Api, **body: Any) -> dict[str, Any]:
    response = api.post("/api/cron/preview", body)
    assert response.status_code == 200, response.get_json()
    found: dict[str, Any] = response.get_json()
    return found


def errors(api: Api, **body: Any) -> list[dict[str, str]]:
    response = api.post("/api/cron/preview", body)
    assert response.status_code == 422, response.get_json()
    found: list[dict[str, str]] = response.get_json()["errors"]
    return found


def test_an_uneven_step_is_described_as_it_fires(api: Api) -> None:
    answer = preview(api, cron_expression="*/50 * * * *", count=4)
    assert answer["description"] == "At 0 and 50 minutes past the hour"
    assert [run[11:16] for run in answer["next_runs"]] == ["08:50", "09:00", "09:50", "10:00"]


def test_a_question_mark_is_a_star(api: Api) -> None:
    answer = preview(api, cron_expression="0 0 12 * * ?", count=2)
    assert answer["description"] == "At 12:00"
    assert answer["next_runs"] == ["2026-11-23T12:00:00.000Z", "2026-11-24T12:00:00.000Z"]


@pytest.mark.parametrize(
    ("expression", "beginning"),
    [
        ("0 0 L-1 * *", "day of month: 'L-1' is not supported (only L)"),
        ("0 0 15W * *", "day of month: '15W' is not supported (the nearest weekday)"),
        ("0 0 LW * *", "day of month: 'LW' is not supported (the last weekday)"),
        ("0 0 12 * * ? 2027", "a year ('2027', the last field) is not supported"),
        ("R 0 * * *", "minute: 'R' (a random time) is not supported"),
    ],
)
def test_an_unsupported_form_is_refused_by_its_own_name(api: Api, expression: str, beginning: str) -> None:
    (error,) = errors(api, cron_expression=expression)
    assert error["field"] == "cron_expression"
    assert error["message"].startswith(beginning)
    assert "; " in error["message"].removeprefix(beginning)  # and what to write instead


def test_a_wrong_zone_is_shown_as_it_was_written_with_the_nearest_real_ones(api: Api) -> None:
    (error,) = errors(api, cron_expression="0 9 * * *", timezone="北京时间")
    assert error == {
        "field": "timezone",
        "message": "'北京时间' is not an IANA timezone; did you mean 'Asia/Shanghai'?",
    }
