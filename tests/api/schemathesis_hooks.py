"""What JSON Schema can't say, for schemathesis: values of our formats, and rules between the parts of a request.

`SCHEMATHESIS_HOOKS` names this module. Almost only requests that are meant to be valid are adjusted.
"""

from __future__ import annotations

import gc
import itertools
import os
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis.specs.openapi.coverage import _operation as coverage

from app.domain.spec import CommonFields

# What is imported by now stays, and hypothesis leaves few circles: most of the collector's time went to looking through
# everything for them.
gc.freeze()
gc.set_threshold(700, 10, 1_000)

_NOW = datetime.now(UTC)
_RUN = uuid.uuid4().hex
_NUMBERS = itertools.count()
#: The id of a delivery that exists.
DELIVERY_ID = os.environ.get("DELIVERY_ID")
#: Of the cases of coverage, this many of each operation whose body is meant to be valid, as many whose body is meant to
#: be wrong, and as many of those that differ in something else; 0: all.
SAMPLE = int(os.environ.get("COVERAGE_SAMPLE", "0"))
_seen: Counter[str] = Counter()
#: Of a batch with more tasks than this, such as the most that is permitted, none runs: to be accepted is enough.
MOST_THAT_RUN = 20
WAIT_SECONDS = 86_400


def _in_days(days: int) -> str:
    return (_NOW + timedelta(days=days)).isoformat(timespec="seconds")


FORMATS: dict[str, list[str]] = {
    "python": [
        "def main(*args, **kwargs):\n    return 1",
        "def main(*a, **c):\n    print(a)\n    return [len(a), 2.5]",
    ],
    "python-identifier": ["main"],
    "cron": ["* * * * *", "0 3 * * 1-5", "*/5 0 3 * * *", "@daily", "H H * * *"],
    "time-zone": ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"],
    "http-url": ["http://127.0.0.1:9/", "http://127.0.0.1:9/a?b=c#d", "HTTP://[::1]:9/x"],
    "mail-url": ["smtps://127.0.0.1:9", "smtp://mail.example"],
    "email": ["ops@mail.example", "a.b+c@mail.example"],
    "whsec": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    "telegram-token": ["123456:ABC-DEF_ghijklmnop"],
    "printable": ["celeriac", "p ä ss"],
    "chat-id": ["-1001234567890", "@channel"],
    "status-codes": ["2xx", "404", "200-204", "5XX"],
    "date-time": [_in_days(1), _in_days(30), _in_days(300).replace("+00:00", "Z")],
}
for name, values in FORMATS.items():
    schemathesis.openapi.format(name, st.sampled_from(values))


def _bodies_of(body: Any) -> list[dict[str, Any]]:
    """The specs in a body: itself, or those of a batch."""
    if not isinstance(body, dict):
        return []
    tasks = body.get("tasks")
    return [body, *(task for task in tasks if isinstance(task, dict))] if isinstance(tasks, list) else [body]


@schemathesis.hook
def filter_query(context: Any, query: Any) -> bool:
    """Leave out empty values: the document permits them (`allowEmptyValue`), and schemathesis does not know that."""
    return not any(value in ("", [""]) for value in (query or {}).values())


if SAMPLE:
    # schemathesis has no option for this, and to make thousands of bodies takes longer than all else in a short run.
    _body_cases = coverage._body_cases

    def _some_bodies(run: coverage.CoverageRun) -> Iterator[Any]:
        for mode in run.generation_modes:
            yield from itertools.islice(_body_cases(replace(run, generation_modes=[mode])), SAMPLE)

    coverage._body_cases = _some_bodies


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """In a short run, take a sample of the many cases that the phase of coverage makes of each operation."""
    if not SAMPLE or case.meta is None or case.meta.phase.name.value != "coverage":
        return True
    _seen[case.operation.label] += 1
    return _seen[case.operation.label] <= 3 * SAMPLE


@schemathesis.hook
def map_case(context: Any, case: Any) -> Any:
    """Adjust a request that is meant to be valid, and keep every request from waiting."""
    if "wait" in (case.query or {}) and not str(case.query["wait"]).startswith("-"):
        case.query["wait"] = min(case.query["wait"], 0.05) if isinstance(case.query["wait"], float | int) else "0"
    if case.operation.path == "/api/tasks/export" and case.method.upper() == "GET" and case.query is not None:
        case.query.setdefault("tag", "none-has-it")  # or each of a hundred exports would be of all tasks so far
    for body in _bodies_of(case.body):
        if isinstance(body.get("alert"), dict) and isinstance(body["alert"].get("channels"), list):
            body["alert"]["channels"] = []  # there are no channels of these names
    if "Prefer" in (case.headers or {}):  # a task that is due in a year would hold the response
        case.headers["Prefer"] = "wait=0"
    if case.meta is None or not case.meta.generation.mode.is_positive:
        if (
            case.operation.path == "/api/tasks/batch"
            and isinstance(case.body, dict)
            and case.body.get("atomic") is False
        ):
            case.body = {**case.body, "atomic": True}  # or a wrong task would be told in a 200
        return case
    if "delivery_id" in (case.path_parameters or {}) and DELIVERY_ID:  # no operation creates one
        case.path_parameters["delivery_id"] = DELIVERY_ID
    query = case.query or {}
    if case.operation.path == "/api/scheduled-tasks" and ("." in str(query.get("cursor"))) != (
        query.get("sort") == "next_run"
    ):
        query.pop("cursor", None)  # it is of a page in the other order
    if isinstance(case.body, dict):
        case.body = _adjusted(case.operation, case.body)
    headers = case.headers or {}
    if "Idempotency-Key" in headers:  # a key that was used before would give an earlier answer
        headers["Idempotency-Key"] = f"{_RUN}-{next(_NUMBERS)}"
    return case


def _adjusted(operation: Any, body: dict[str, Any]) -> dict[str, Any]:
    if operation.path == "/api/tasks/batch":
        tasks = [_spec(task) for task in body["tasks"]]
        if len(tasks) > MOST_THAT_RUN:
            tasks = [task | {"delay_seconds": WAIT_SECONDS} if "delay_seconds" in task else task for task in tasks]
        return {**body, "tasks": tasks}
    if operation.path == "/api/bulk":  # the tasks of other requests should stay
        filters = {"filter": {"tag": "x"}} if body.get("filter") is not None else {}
        return {**body, **filters, "changes": None}
    if operation.path.endswith("/retry"):
        return {}
    body = _spec(body)
    if operation.method.lower() != "patch":
        return body
    # What a change of the other fields means depends on the task that is changed.
    return {name: value for name, value in body.items() if name in CommonFields.model_fields}


def _spec(body: dict[str, Any]) -> dict[str, Any]:
    body = dict(body)
    if isinstance(body.get("cron_expression"), str) and body["cron_expression"] not in FORMATS["cron"]:
        body["cron_expression"] = FORMATS["cron"][0]  # schemathesis tries the bounds of its length
    if isinstance(body.get("function_code"), str):  # the arguments must fit the function
        body |= {"function_code": FORMATS["python"][0], "function_name": "main"}
    for name in ("api_url", "callback_url"):
        if isinstance(body.get(name), str) and body[name] not in FORMATS["http-url"]:
            body[name] = FORMATS["http-url"][0]  # or of a pattern
    if body.get("end_at") is not None:
        body["end_at"] = _in_days(3_000)  # there must be a firing between start_at and end_at
    return body
