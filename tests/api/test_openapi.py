"""The document: valid, complete, and made from the models that validate requests."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from openapi_spec_validator import validate

from app.api.openapi import document
from app.api.operations import OPERATIONS
from app.domain.bulk import BulkSpec
from app.domain.spec import PreviewSpec, ScheduleSpec, TaskSpec
from tests.api.calls import Api, path_of

#: Routes that are no calls: the files that the pages load.
FILES = {"/static/{name}", "/docs/static/{name}"}


def test_document_is_valid_openapi_3_1(api: Api) -> None:
    served = api.get("/openapi.json").get_json()
    validate(served)
    assert served["openapi"].startswith("3.1.")


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
    described = document()["components"]["schemas"][model.__name__]["properties"]
    assert list(described) == list(model.model_fields)
    assert all(schema.get("description") for schema in described.values())


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each.body], ids=lambda each: each.id)
def test_examples_are_taken_as_they_stand(api: Api, operation: Any) -> None:
    task_id = api.create(task_type="delayed", delay_seconds=60)["id"]
    if operation.id == "retryTask":
        api.post(f"/api/tasks/{task_id}/stop")
    path = operation.path.format(task_id=task_id, schedule_id=api.schedule()["id"], key="mine")
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
