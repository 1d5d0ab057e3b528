"""What a task is made of: every bound of the contract, its exact message, and all wrong fields at once."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.checks import MAX_ARGS_BYTES, MAX_CODE_BYTES
from app.domain.errors import InvalidSpec, Problem
from app.domain.spec import (
    MAX_DELAY_SECONDS,
    ScheduleSpec,
    TaskSpec,
    is_schedule,
    kept_fields,
    parse_preview,
    parse_schedule,
    parse_task,
)
from app.domain.status import Kind

NOON_MS = 1_795_422_600_000  # 2026-11-23T08:30:00Z
CODE: dict[str, Any] = {"name": "n", "function_code": "def f(): pass", "function_name": "f"}
API: dict[str, Any] = {"name": "n", "api_url": "http://example.com/"}
DELAYED = {**CODE, "task_type": "delayed"}
CRON = {**CODE, "cron_expression": "* * * * *"}


def no_rules(_: dict[str, Any]) -> list[Problem]:
    return []


def task(raw: Any) -> TaskSpec:
    return parse_task(raw, NOON_MS, no_rules)


def schedule(raw: Any) -> ScheduleSpec:
    return parse_schedule(raw, no_rules)


def problems(parse: Any, raw: Any) -> dict[str, str]:
    """field -> message of what is wrong with `raw`."""
    with pytest.raises(InvalidSpec) as caught:
        parse(raw)
    found = {problem.field: problem.message for problem in caught.value.problems}
    assert len(found) == len(caught.value.problems), "a field is named twice"
    return found


def test_a_code_task_gets_the_contracts_defaults() -> None:
    spec = task(CODE)
    assert spec.kind is Kind.CODE
    assert (spec.task_type, spec.args, spec.kwargs) == ("immediate", [], {})
    assert (spec.timeout, spec.max_retries, spec.retry_delay, spec.retry_max_delay) == (30, 0, 5, 3600)
    assert (spec.priority, spec.tags, spec.due_ms(NOON_MS)) == (5, [], NOON_MS)


def test_an_api_task_gets_the_contracts_defaults() -> None:
    spec = task(API)
    assert spec.kind is Kind.API
    assert (spec.method, spec.headers, spec.params, spec.data) == ("GET", {}, {}, None)
    assert (spec.expected_status, spec.retry_on) == (["2xx"], ["408", "425", "429", "5xx"])


def test_null_counts_as_left_out() -> None:
    assert task({**CODE, "api_url": None, "delay_seconds": None, "timeout": None}) == task(CODE)
    assert task({**CODE, **dict.fromkeys(ScheduleSpec.model_fields.keys() - CODE.keys())}) == task(CODE)
    assert schedule({**CRON, **dict.fromkeys(TaskSpec.model_fields.keys() - CRON.keys())}) == schedule(CRON)


# (what a code task is given, the field that is named, the message)
WRONG_IN_CODE = [
    ({"name": None}, "name", "is required"),
    ({"name": ""}, "name", "string should have at least 1 character"),
    ({"name": "x" * 201}, "name", "string should have at most 200 characters"),
    ({"name": 5}, "name", "should be a string"),
    ({"tittle": "typo"}, "tittle", "is not a field"),
    ({"tittle": None}, "tittle", "is not a field"),
    ({"cron": "* * * * *"}, "cron", "is not a field: did you mean cron_expression?"),
    ({"maxRetries": 3}, "maxRetries", "is not a field: did you mean max_retries?"),
    ({"every_seconds": 60}, "every_seconds", "is for scheduled tasks only: set task_type to scheduled"),
    ({"cron_expression": "* * * * *"}, "cron_expression", "is for scheduled tasks only: set task_type to scheduled"),
    (
        {"task_type": "scheduled", "delay_seconds": None},
        "task_type",
        "can't change to scheduled: create a scheduled task instead",
    ),
    ({"task_type": "later"}, "task_type", "should be 'immediate', 'delayed' or 'scheduled'"),
    ({"function_code": ""}, "function_code", "string should have at least 1 character"),
    ({"function_code": "é" * (MAX_CODE_BYTES // 2 + 1)}, "function_code", "must have at most 262144 bytes"),
    ({"function_code": 1}, "function_code", "should be a string"),
    ({"function_name": None}, "function_name", "is required with function_code"),
    ({"function_name": ""}, "function_name", "string should have at least 1 character"),
    ({"function_name": "not a name"}, "function_name", "is not a valid function name"),
    ({"args": {}}, "args", "should be an array"),
    ({"kwargs": []}, "kwargs", "should be an object"),
    (
        {"args": ["x" * MAX_ARGS_BYTES]},
        "args",
        "args and kwargs together must have at most 262144 bytes as JSON",
    ),
    (
        {"args": [], "kwargs": {"k": "é" * (MAX_ARGS_BYTES // 2 - 3)}},
        "kwargs",
        "args and kwargs together must have at most 262144 bytes as JSON",
    ),
    ({"timeout": 0.09}, "timeout", "should be greater than or equal to 0.1"),
    ({"timeout": 3600.1}, "timeout", "should be less than or equal to 3600"),
    ({"timeout": float("nan")}, "timeout", "should be a finite number"),
    ({"timeout": "30"}, "timeout", "should be a number"),
    ({"timeout": True}, "timeout", "should be a number"),
    ({"timeout": 10**400}, "timeout", "should be a number"),
    ({"expires_in": 0}, "expires_in", "should be greater than or equal to 0.1"),
    ({"expires_in": 315_360_001}, "expires_in", "should be less than or equal to 315360000"),
    ({"expires_in": "5"}, "expires_in", "should be a number"),
    ({"max_retries": -1}, "max_retries", "should be greater than or equal to 0"),
    ({"max_retries": 101}, "max_retries", "should be less than or equal to 100"),
    ({"max_retries": 1.5}, "max_retries", "should be a whole number"),
    ({"max_retries": True}, "max_retries", "should be a whole number"),
    ({"retry_delay": -1}, "retry_delay", "should be greater than or equal to 0"),
    ({"retry_delay": 86_401}, "retry_delay", "should be less than or equal to 86400"),
    ({"retry_max_delay": float("inf")}, "retry_max_delay", "should be a finite number"),
    ({"priority": -1}, "priority", "should be greater than or equal to 0"),
    ({"priority": 10}, "priority", "should be less than or equal to 9"),
    ({"tags": ["t"] * 21}, "tags", "array should have at most 20 items"),
    ({"tags": ["ok", ""]}, "tags[1]", "string should have at least 1 character"),
    ({"tags": ["t" * 65]}, "tags[0]", "string should have at most 64 characters"),
    ({"tags": [7]}, "tags[0]", "should be a string"),
    ({"tags": "t"}, "tags", "should be an array"),
    ({"alert": ["ops"]}, "alert", "should be an object"),
    ({"args": [[1, {"a": "{{secret:KEY}}"}]]}, "args", "holds {{secret:NAME}}, which is not yet implemented"),
    ({"kwargs": {"a": "x{{secret:A.b-c_1}}"}}, "kwargs", "holds {{secret:NAME}}, which is not yet implemented"),
    ({"method": "GET"}, "method", "is for API tasks only"),
    ({"headers": {}}, "headers", "is for API tasks only"),
    ({"params": {}}, "params", "is for API tasks only"),
    ({"data": {}}, "data", "is for API tasks only"),
    ({"expected_status": [200]}, "expected_status", "is for API tasks only"),
    ({"retry_on": [500]}, "retry_on", "is for API tasks only"),
    ({"delay_seconds": 5}, "delay_seconds", "is for delayed tasks only: set task_type to delayed"),
    ({"run_at": "2026-11-24T00:00:00Z"}, "run_at", "is for delayed tasks only: set task_type to delayed"),
]

WRONG_IN_API = [
    ({"api_url": ""}, "api_url", "string should have at least 1 character"),
    ({"api_url": "ftp://example.com"}, "api_url", "must start with http:// or https://"),
    ({"api_url": 5}, "api_url", "should be a string"),
    (
        {"method": "TRACE"},
        "method",
        "should be 'GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD' or 'OPTIONS'",
    ),
    ({"headers": {"a b": "c"}}, "headers", "'a b' is not a valid header name"),
    ({"headers": {"": "c"}}, "headers", "'' is not a valid header name"),
    ({"headers": {"X": "a\r\nY: b"}}, "headers", "the value of X contains a line break or another control character"),
    ({"headers": {"X": "a\x1bb"}}, "headers", "the value of X contains a line break or another control character"),
    ({"headers": {"X": None}}, "headers.X", "should be a string, a number or a boolean"),
    ({"headers": {"X": [1]}}, "headers.X", "should be a string, a number or a boolean"),
    ({"headers": {"X": float("inf")}}, "headers", "must be a finite number"),
    ({"headers": {"Host": "a b"}}, "headers", "the value of Host must be a host, or host:port"),
    (
        {"headers": {"Content-Type": "text/plain", "content-type": "text/html"}},
        "headers",
        "'Content-Type' and 'content-type' are the same header: give one of them",
    ),
    ({"url": "http://x/"}, "url", "is not a field: did you mean api_url?"),
    ({"body": {"a": 1}}, "body", "is not a field: did you mean data?"),
    (
        {"headers": {"Content-Type": 5}, "data": {"a": 1}},
        "data",
        "must be a string to be sent as 5: only JSON and forms are made of objects",
    ),
    ({"headers": ["X"]}, "headers", "should be an object"),
    ({"params": {"p": None}}, "params.p", "should be a string, a number, a boolean, or an array of them"),
    ({"params": {"p": {"a": 1}}}, "params.p", "should be a string, a number, a boolean, or an array of them"),
    ({"params": {"p": float("nan")}}, "params", "the value of p must be a finite number"),
    ({"follow_redirects": "no"}, "follow_redirects", "should be true or false"),
    (
        {"headers": {"Authorization": "Bearer {{secret:KEY}}"}},
        "headers",
        "holds {{secret:NAME}}, which is not yet implemented",
    ),
    ({"params": {"a": ["{{secret:KEY}}"]}}, "params", "holds {{secret:NAME}}, which is not yet implemented"),
    ({"data": "a={{secret:KEY}}"}, "data", "holds {{secret:NAME}}, which is not yet implemented"),
    ({"expected_body": {}}, "expected_body", 'must be {"contains": "text"} or {"json": {"/pointer": value}}'),
    ({"expected_body": {"has": "x"}}, "expected_body", 'must be {"contains": "text"} or {"json": {"/pointer": value}}'),
    ({"expected_body": {"contains": ""}}, "expected_body", "contains must be a string of 1 to 10000 characters"),
    (
        {"expected_body": {"json": {"code": 0}}},
        "expected_body",
        "'code' is not a JSON pointer: it must begin with /",
    ),
    (
        {"headers": {"Content-Type": "multipart/form-data"}, "data": {"a": "1"}},
        "data",
        "must be a string to be sent as multipart/form-data: only JSON and forms are made of objects",
    ),
    (
        {"headers": {"content-type": "text/plain; charset=x-none"}, "data": "a"},
        "data",
        "can't be encoded: 'x-none' is not a known charset",
    ),
    (
        {"headers": {"Content-Type": "application/x-www-form-urlencoded"}, "data": [1]},
        "data",
        "must be an object or a string to be sent as a form",
    ),
    ({"expected_status": []}, "expected_status", "array should have at least 1 item"),
    (
        {"expected_status": {"a": 1}},
        "expected_status",
        "should be a status code, a range like 2xx, or an array of them",
    ),
    ({"expected_status": True}, "expected_status", "should be a status code, a range like 2xx, or an array of them"),
    ({"expected_status": [99]}, "expected_status[0]", "should be greater than or equal to 100"),
    ({"retry_on": ["2xx", 1000]}, "retry_on[1]", "should be less than or equal to 999"),
    ({"retry_on": 500}, "retry_on", "should be an array"),
    (
        {"expected_status": [True]},
        "expected_status[0]",
        "should be a status code, a range like 2xx, or an array of them",
    ),
    (
        {"expected_status": ["10xx"]},
        "expected_status",
        "'10xx' is neither a status code nor a range like 2xx or 200-204",
    ),
    (
        {"expected_status": ["two hundred"]},
        "expected_status",
        "'two hundred' is neither a status code nor a range like 2xx or 200-204",
    ),
    ({"retry_on": ["300-200"]}, "retry_on", "'300-200' is an empty range"),
    ({"args": []}, "args", "is for code tasks only"),
    ({"kwargs": {}}, "kwargs", "is for code tasks only"),
    ({"function_name": "f"}, "function_name", "is for code tasks only"),
]

WRONG_DELAYS = [
    ({}, "delay_seconds", "is required with task_type delayed, or run_at"),
    ({"delay_seconds": 0}, "delay_seconds", "should be greater than 0"),
    ({"delay_seconds": -1}, "delay_seconds", "should be greater than 0"),
    ({"delay_seconds": float("nan")}, "delay_seconds", "should be a finite number"),
    ({"delay_seconds": float("inf")}, "delay_seconds", "should be a finite number"),
    ({"delay_seconds": MAX_DELAY_SECONDS + 1}, "delay_seconds", "should be less than or equal to 315360000"),
    ({"delay_seconds": "5"}, "delay_seconds", "should be a number"),
    ({"run_at": 5}, "run_at", "should be a string"),
    (
        {"run_at": "2026-11-24T00:00:00"},  # no offset
        "run_at",
        "must be an RFC 3339 time with an offset, like 2026-11-23T08:30:00Z",
    ),
    ({"run_at": "2026-02-30T00:00:00Z"}, "run_at", "is not a valid date and time"),
    ({"run_at": "2036-11-24T00:00:00Z"}, "run_at", "must be within the next ten years"),
]

WRONG_TABLE = [
    *((CODE, *row) for row in WRONG_IN_CODE),
    *((API, *row) for row in WRONG_IN_API),
    *((DELAYED, *row) for row in WRONG_DELAYS),
]


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({"method": "post"}, {"method": "POST"}),
        ({"headers": {"X-N": 1.5, "X-B": True}}, {"headers": {"X-N": "1.5", "X-B": "true"}}),
        ({"params": {"id": [1, "2"], "all": False}}, {"params": {"id": [1, "2"], "all": False}}),
        ({"expected_status": 201}, {"expected_status": [201]}),
        ({"expected_status": "3xx"}, {"expected_status": ["3xx"]}),
        ({"expected_status": [999]}, {"expected_status": [999]}),
        ({"retry_on": []}, {"retry_on": []}),
        ({"expected_body": {"json": {"": [], "/a~1b": None}}}, {"expected_body": {"json": {"": [], "/a~1b": None}}}),
    ],
)
def test_an_api_task_may_be_written_as_people_write_it(change: dict[str, Any], kept: dict[str, Any]) -> None:
    assert {name: kept_fields(task({**API, **change}))[name] for name in kept} == kept


@pytest.mark.parametrize(("base", "change", "field", "message"), WRONG_TABLE)
def test_one_wrong_field_is_the_only_one_named(
    base: dict[str, Any], change: dict[str, Any], field: str, message: str
) -> None:
    assert problems(task, {**base, **change}) == {field: message}


def test_both_kinds_at_once_name_both_fields() -> None:
    message = "a task has either function_code or api_url, not both"
    assert problems(task, {**CODE, **API}) == {"function_code": message, "api_url": message}


def test_neither_kind_says_what_is_missing() -> None:
    assert problems(task, {"name": "n"}) == {"function_code": "is required, or api_url"}


def test_both_delays_at_once_name_both_fields() -> None:
    message = "give delay_seconds or run_at, not both"
    raw = {**DELAYED, "delay_seconds": 5, "run_at": "2026-11-24T00:00:00Z"}
    assert problems(task, raw) == {"delay_seconds": message, "run_at": message}


@pytest.mark.parametrize("raw", [None, [], [CODE], "text", 5, True])
def test_what_is_no_object_is_refused_as_a_whole(raw: Any) -> None:
    assert problems(task, raw) == {"": "must be a JSON object"}


def test_every_wrong_field_is_named_at_once() -> None:
    raw = {
        "name": "",
        "typo": 1,
        "function_code": "x",
        "api_url": "gopher://",
        "delay_seconds": 5,
        "timeout": 0,
        "max_retries": -1,
        "priority": 99,
        "tags": [""],
    }
    named = problems(lambda body: parse_task(body, NOON_MS, lambda _: [Problem("more", "found outside")]), raw)
    assert named.keys() == {*(raw.keys() - {"tags"}), "tags[0]", "more"}


def test_a_problem_from_outside_wins_over_the_models_own_for_the_same_field() -> None:
    raw = {**CODE, "function_code": ""}
    found = problems(lambda body: parse_task(body, NOON_MS, lambda _: [Problem("function_code", "better")]), raw)
    assert found == {"function_code": "better"}


@pytest.mark.parametrize(
    "change",
    [
        {"name": "x" * 200},
        {"timeout": 0.1},
        {"timeout": 3600},
        {"max_retries": 100, "retry_delay": 0, "retry_max_delay": 86_400},
        {"priority": 0},
        {"priority": 9},
        {"tags": ["t" * 64] * 20},
        {"function_code": "é" * (MAX_CODE_BYTES // 2)},
        {"args": ["x" * (MAX_ARGS_BYTES - 11)], "kwargs": {"k": 1}},
        {"args": [0] * (MAX_ARGS_BYTES // 2 - 1)},
        {"args": ["é" * (MAX_ARGS_BYTES // 2 - 2)]},
        {"task_type": "delayed", "delay_seconds": MAX_DELAY_SECONDS},
        {"task_type": "delayed", "delay_seconds": 0.001},
    ],
)
def test_the_bounds_themselves_are_allowed(change: dict[str, Any]) -> None:
    spec = task({**CODE, **change})
    assert {name: getattr(spec, name) for name in change} == change


def test_the_patterns_of_an_api_task_may_be_numbers_words_and_ranges() -> None:
    patterns = ["2xx", 404, "404", "200-204"]
    assert task({**API, "expected_status": patterns}).expected_status == patterns


@pytest.mark.parametrize("data", ["text", "", 0, False, [1], {"a": None}])
def test_data_may_be_any_json(data: Any) -> None:
    spec = task({**API, "data": data})
    assert spec.data == data


@pytest.mark.parametrize(
    ("change", "due_ms"),
    [
        ({"delay_seconds": 2.5}, NOON_MS + 2_500),
        ({"delay_seconds": 1}, NOON_MS + 1_000),
        ({"run_at": "2026-11-23T10:30:01+01:00"}, NOON_MS + 3_601_000),
        ({"run_at": "2026-11-23T08:29:59Z"}, NOON_MS),  # in the past means now
        ({"run_at": "0001-01-01T00:00:00+14:00"}, NOON_MS),
    ],
)
def test_a_delayed_task_is_due_when_it_says_and_never_before_now(change: dict[str, Any], due_ms: int) -> None:
    assert task({**DELAYED, **change}).due_ms(NOON_MS) == due_ms


# --- scheduled tasks and the preview -----------------------------------------------------------------


def test_task_type_scheduled_sends_a_body_to_the_scheduled_tasks() -> None:
    assert is_schedule({"task_type": "scheduled"})
    assert not is_schedule({"task_type": "delayed"})
    assert not is_schedule({})
    assert not is_schedule(["scheduled"])


def test_a_scheduled_task_may_leave_out_its_type_and_zone() -> None:
    spec = schedule(CRON)
    assert (spec.task_type, spec.cron_expression, spec.timezone) == ("scheduled", "* * * * *", None)


def test_blanks_around_an_expression_are_not_kept() -> None:
    assert schedule({**CRON, "cron_expression": " 0 9 * * 1-5\n"}).cron_expression == "0 9 * * 1-5"


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"cron_expression": None}, "cron_expression", "is required, or every_seconds"),
        ({"cron_expression": ""}, "cron_expression", "string should have at least 1 character"),
        ({"cron_expression": "*" * 201}, "cron_expression", "string should have at most 200 characters"),
        ({"cron_expression": 5}, "cron_expression", "should be a string"),
        ({"timezone": "z" * 65}, "timezone", "string should have at most 64 characters"),
        ({"task_type": "immediate"}, "task_type", "should be 'scheduled'"),
        ({"delay_seconds": 5}, "delay_seconds", "is for delayed tasks only: use start_at"),
        ({"run_at": "2026-11-24T00:00:00Z"}, "run_at", "is for delayed tasks only: use start_at"),
        ({"method": "GET"}, "method", "is for API tasks only"),
        ({"start_at": "2026-11-24"}, "start_at", "must be an RFC 3339 time with an offset, like 2026-11-23T08:30:00Z"),
        ({"max_runs": 0}, "max_runs", "should be greater than or equal to 1"),
        ({"overlap": "queue"}, "overlap", "should be 'allow', 'skip' or 'stop_previous'"),
        ({"catch_up": "some"}, "catch_up", "should be 'none', 'latest' or 'all'"),
        ({"jitter_seconds": -1}, "jitter_seconds", "should be greater than or equal to 0"),
        ({"cron_expression": None, "every_seconds": 0}, "every_seconds", "should be greater than or equal to 1"),
        (
            {"cron_expression": None, "every_seconds": 31_536_001},
            "every_seconds",
            "should be less than or equal to 31536000",
        ),
        ({"cron_expression": None, "every_seconds": 1.5}, "every_seconds", "should be a whole number"),
        ({"cron_expression": None, "every_seconds": True}, "every_seconds", "should be a whole number"),
    ],
)
def test_one_wrong_field_of_a_scheduled_task(change: dict[str, Any], field: str, message: str) -> None:
    assert problems(schedule, {**CRON, **change}) == {field: message}


def test_a_schedule_has_an_expression_or_an_interval() -> None:
    both = "give cron_expression or every_seconds, not both"
    assert problems(schedule, {**CRON, "every_seconds": 60}) == {"cron_expression": both, "every_seconds": both}
    assert schedule({**CODE, "every_seconds": 60}).every_seconds == 60


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"cron_expression": None}, "cron_expression", "is required, or every_seconds"),
        ({"count": 0}, "count", "should be greater than or equal to 1"),
        ({"count": 101}, "count", "should be less than or equal to 100"),
        ({"name": "n"}, "name", "is not a field"),
    ],
)
def test_one_wrong_field_of_a_preview(change: dict[str, Any], field: str, message: str) -> None:
    raw = {"cron_expression": "* * * * *", **change}
    assert problems(lambda body: parse_preview(body, no_rules), raw) == {field: message}


# --- whatever comes in --------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=()), max_size=8)  # lone surrogates too
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.just(10**400)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))
FIELDS = sorted({*TaskSpec.model_fields, *ScheduleSpec.model_fields})
BODIES = st.dictionaries(st.sampled_from(FIELDS) | TEXT, JSON, max_size=8)
BASES = st.sampled_from([{}, CODE, API, DELAYED, CRON])


@given(base=BASES, body=BODIES | JSON, parse=st.sampled_from([task, schedule]))
def test_whatever_comes_in_is_a_spec_or_an_invalid_spec(base: dict[str, Any], body: Any, parse: Any) -> None:
    raw = {**base, **body} if isinstance(body, dict) else body
    with contextlib.suppress(InvalidSpec):
        spec = parse(raw)
        assert parse(spec.model_dump(exclude_unset=True)) == spec
