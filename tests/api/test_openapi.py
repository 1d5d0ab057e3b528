"""The document: valid, complete, and made from the models that validate requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from graphlib import TopologicalSorter
from typing import Any

import pytest
from flask import Flask
from jsonschema_rs import Draft202012Validator

from app.api.openapi import as_file, document
from app.api.operations import CHANNEL_EXAMPLES, OPERATIONS
from app.api.request_schemas import body_names
from app.domain.bulk import BulkSpec
from app.domain.kinds import KINDS
from app.domain.spec import PreviewSpec, ScheduleSpec, TaskSpec
from tests.api.calls import CALL, CODE, Api, path_of
from tests.servers import ROOT

#: Routes that are no calls: the files that the pages load.
FILES = {"/static/{name}", "/static/{edition}/{name}", "/docs/static/{name}"}


def test_document_is_valid_openapi_3_1_by_two_validators(api: Api) -> None:
    from openapi_pydantic import OpenAPI  # here, as every process of a whole run would import them
    from openapi_spec_validator import validate

    served = api.get("/openapi.json").get_json()
    validate(served)
    read = OpenAPI.model_validate(served)
    assert read.openapi.startswith("3.1.")
    assert read.paths is not None
    assert len(read.paths) == len(served["paths"])


def test_the_copy_in_the_repository_is_what_the_service_writes(api: Api) -> None:
    copy = (ROOT / "docs" / "openapi.json").read_text()
    assert copy == as_file(), "run: python -m app.api.openapi > docs/openapi.json"
    assert json.loads(copy) == api.get("/openapi.json").get_json()


def test_references_are_to_parts_of_the_document_that_do_not_hold_themselves(api: Api) -> None:
    """`docs.js` follows no others."""

    def references(part: Any) -> Iterator[str]:
        if isinstance(part, dict):
            yield from [part["$ref"]] if "$ref" in part else []
        for each in part.values() if isinstance(part, dict) else part if isinstance(part, list) else []:
            yield from references(each)

    served = api.get("/openapi.json").get_json()
    parts = {
        f"#/components/{group}/{name}": set(references(part))
        for group, found in served["components"].items()
        for name, part in found.items()
    }
    assert set(references(served)) <= parts.keys()
    TopologicalSorter(parts).prepare()  # raises CycleError


def test_every_route_is_in_the_document_and_the_other_way_round(web: Flask) -> None:
    routes = {
        (method, path_of(rule.rule))
        for rule in web.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if path_of(rule.rule) not in FILES
    }
    described = {(method.upper(), path) for path, methods in document()["paths"].items() for method in methods}
    assert routes == described


@pytest.mark.parametrize("model", [TaskSpec, ScheduleSpec, PreviewSpec, BulkSpec])
def test_requests_are_described_by_the_models_that_validate_them(model: type[Any]) -> None:
    schemas = document()["components"]["schemas"]
    described = [schemas[name]["properties"] for name in body_names(model.__name__)]
    assert {name for properties in described for name in properties} >= set(model.model_fields)
    assert all(schema.get("description") for properties in described for schema in properties.values())


@pytest.mark.parametrize("row", list(KINDS.values()), ids=lambda row: str(row.kind))
def test_each_kind_has_a_schema_of_its_own(row: Any) -> None:
    schema = document()["components"]["schemas"][f"{row.noun}TaskSpec"]
    foreign = {name for other in KINDS.values() if other is not row for name in other.own_fields}
    assert set(schema["properties"]) == set(TaskSpec.model_fields) - foreign
    assert schema["required"] == ["name", row.marker, *row.required]
    assert "oneOf" not in schema  # generators would give up its type


CRON = {"cron_expression": "@daily"}
SOON = {"task_type": "delayed", "delay_seconds": 1}
TASKS, SCHEDULES, PREVIEW = "/api/tasks", "/api/scheduled-tasks", "/api/cron/preview"


def _bodies() -> Iterator[Any]:
    """(path, body, whether it is valid): rules between fields, and bounds that are easily forgotten."""
    yield from (
        (TASKS, CODE, True),
        (TASKS, CALL, True),
        (TASKS, {**CODE, "api_url": None, "headers": None}, True),
        (TASKS, {**CALL, "function_code": None}, True),
        (TASKS, {**CODE, "unknown": None}, False),
        (TASKS, {**CODE, "method": "GET"}, False),
        (TASKS, {**CODE, **CALL}, False),
        (TASKS, {"name": "x"}, False),
        (TASKS, {**CODE, "name": None}, False),
        (TASKS, {**CODE, "function_name": None}, False),
        (TASKS, {**CODE, "priority": None, "timeout": None}, True),
        (TASKS, {**CODE, "priority": 5.0}, True),
        (TASKS, {**CODE, "priority": 5.5}, False),
        (TASKS, {**CODE, "priority": True}, False),
        (TASKS, {**CALL, "expected_status": 204.0}, True),
        (TASKS, {**CALL, "expected_status": ["2xx", 404]}, True),
        (TASKS, {**CALL, "expected_status": "2yy"}, False),
        (TASKS, {**CALL, "expected_status": True}, False),
        (TASKS, {**CALL, "headers": {"X A": "1"}}, False),
        (TASKS, {**CALL, "headers": {"X": "a\nb"}}, False),
        (TASKS, {**CALL, "api_url": "ftp://x.test/"}, False),
        (TASKS, {**CODE, **SOON}, True),
        (TASKS, {**CODE, **SOON, "run_at": None}, True),
        (TASKS, {**CODE, "task_type": "delayed"}, False),
        (TASKS, {**CODE, **SOON, "run_at": "2026-11-23T08:30:00Z"}, False),
        (TASKS, {**CODE, "delay_seconds": 1}, False),
        (TASKS, {**CODE, "task_type": None, "delay_seconds": None}, True),
        (TASKS, {**CODE, **CRON}, False),
        (TASKS, {**CODE, **CRON, "task_type": "scheduled"}, True),
        (TASKS, {**CALL, "every_seconds": 5, "task_type": "scheduled"}, True),
        (SCHEDULES, {**CODE, **CRON}, True),
        (SCHEDULES, {**CODE, **CRON, "every_seconds": None, "task_type": None}, True),
        (SCHEDULES, {**CODE, **CRON, "every_seconds": 5}, False),
        (SCHEDULES, CODE, False),
        (SCHEDULES, {**CODE, **CRON, "task_type": "immediate"}, False),
        (SCHEDULES, {**CODE, **CRON, **CALL}, False),
        (PREVIEW, CRON, True),
        (PREVIEW, {"every_seconds": 5, "count": None}, True),
        (PREVIEW, {"count": 5}, False),
        (PREVIEW, {**CRON, "unknown": None}, False),
    )


@pytest.mark.parametrize(("path", "body", "is_valid"), list(_bodies()))
def test_schema_and_service_agree(api: Api, path: str, body: dict[str, Any], is_valid: bool) -> None:
    schema = document()["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    validator = Draft202012Validator({**schema, "components": document()["components"]})
    assert validator.is_valid(body) is is_valid
    assert (api.post(path, body).status_code != 422) is is_valid


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each.body], ids=lambda each: each.id)
def test_examples_are_taken_as_they_stand(api: Api, operation: Any) -> None:
    task_id = api.create(task_type="delayed", delay_seconds=60)["id"]
    if operation.id == "changeChannel":
        api.put("/api/channels/ops", CHANNEL_EXAMPLES["DingTalk, signed"])
    if operation.id == "retryTask":
        api.post(f"/api/tasks/{task_id}/stop")
    path = operation.path.format(task_id=task_id, schedule_id=api.schedule()["id"], key="mine", name="ops")
    assert operation.examples
    for example in operation.examples.values():
        response = api.call(operation.method, path, json=example)
        assert response.status_code in operation.answers, response.text


def test_every_call_describes_its_errors() -> None:
    for operation in OPERATIONS:
        assert operation.is_open == (401 not in operation.problems), operation.id
        if "{task_id}" in operation.path or "{schedule_id}" in operation.path:
            assert 404 in operation.problems, operation.id
        if operation.body:
            assert {400, 413, 415, 422} <= set(operation.problems), operation.id


def test_operation_ids_are_unique() -> None:
    ids = [operation.id for operation in OPERATIONS]
    assert len(set(ids)) == len(ids)
