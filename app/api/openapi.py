"""The OpenAPI 3.1 document, built from the table of operations and the request and response models.

`python -m app.api.openapi > docs/openapi.json` writes the copy in the repository.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from app.api import request_ids, responses
from app.api.operations import OPERATIONS, Answer, Operation
from app.api.problems import FURTHER_PROBLEMS, PROBLEMS, RETRY_AFTER_SECONDS
from app.api.request_schemas import body_names, request_schemas
from app.domain.batch import BatchSpec
from app.domain.bulk import BulkSpec
from app.domain.channels import CHANNEL_MODELS
from app.domain.spec import PreviewSpec, ScheduleSpec, TaskSpec
from app.domain.status import Kind
from app.version import VERSION

Json = dict[str, Any]

_SCHEMAS = "#/components/schemas/"
_REQUESTS: tuple[type[BaseModel], ...] = (
    TaskSpec,
    ScheduleSpec,
    PreviewSpec,
    BatchSpec,
    BulkSpec,
    *CHANNEL_MODELS,
)
_RESPONSES: tuple[type[BaseModel], ...] = (
    *responses.TASKS.values(),
    responses.TaskPage,
    responses.Batch,
    responses.BatchOutcome,
    responses.ErrorGroups,
    responses.Upcoming,
    *responses.SCHEDULED_TASKS.values(),
    responses.ScheduledTaskPage,
    responses.FiringPage,
    responses.StatusEvent,
    responses.OutputPiece,
    responses.Reset,
    responses.Preview,
    responses.AuditPage,
    responses.Channel,
    responses.ChannelList,
    responses.Bulk,
    responses.BulkList,
    responses.BulkCount,
    responses.Delivery,
    responses.DeliveryPage,
    responses.Callback,
    responses.Stats,
    responses.Health,
    responses.Workers,
    responses.WhoAmI,
    responses.Readiness,
    responses.Problem,
)
_HEADERS: Json = {
    "Cache-Control": {"description": "No cache may keep the response.", "schema": {"type": "string"}},
    "ETag": {"description": "Identifies this state of the resource: see If-None-Match.", "schema": {"type": "string"}},
    "Idempotency-Replayed": {
        "description": "Nothing was created: this is the response to an earlier request with the same key.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Link": {
        "description": 'The next page: `<path>; rel="next"` (RFC 8288). Missing at the end of the list.',
        "schema": {"type": "string"},
    },
    "Location": {"description": "Path of the created resource.", "schema": {"type": "string"}},
    "Preference-Applied": {
        "description": "`wait=N`, if the request asked for it and it was granted.",
        "schema": {"type": "string"},
    },
    "RateLimit": {
        "description": '`"read";r=1999;t=1`: the calls that are left, and the seconds until all are available again.',
        "schema": {"type": "string"},
    },
    "RateLimit-Policy": {
        "description": '`"read";q=2000;w=10`: the calls that are allowed, and in how many seconds.',
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds to wait before the next request.",
        "schema": {"type": "integer", "example": RETRY_AFTER_SECONDS},
    },
    "X-Accel-Buffering": {
        "description": "`no`: a proxy must pass each event on at once.",
        "schema": {"type": "string", "enum": ["no"]},
    },
    "X-Request-Id": {
        "description": "The id of the request: the caller's own, or a new one. The log has it too.",
        "schema": {"type": "string", "maxLength": request_ids.MAX_LENGTH},
    },
    "WWW-Authenticate": {"description": "How to send an API key.", "schema": {"type": "string"}},
}
_QUOTA_HEADERS = ("RateLimit-Policy", "RateLimit")  # sent only if there is a quota
_PROBLEM_HEADERS = {
    401: ("WWW-Authenticate",),
    429: ("Retry-After", *_QUOTA_HEADERS),
    503: ("Retry-After",),
}
_SECURITY: list[Json] = [{"bearer": []}, {"key": []}, {}]  # the last: no key is needed if none is configured
_DESCRIPTION = """\
Run code or call a URL: now, later or on a schedule.

Bodies are JSON in UTF-8. Times are RFC 3339 in UTC with milliseconds. Durations are in seconds unless the field name
says otherwise. Errors are `application/problem+json` (RFC 9457) and list every invalid field. Unknown fields and
parameters are rejected. If API keys are configured, every request needs one: `read` keys may GET, `write` keys may
also change tasks and scheduled tasks, `admin` keys may do everything. If a rate limit applies, responses have
`RateLimit-Policy` and `RateLimit`."""


@cache
def document() -> Json:
    """The complete document. It depends only on the code. Callers share the cached result and must not modify it."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Celeriac",
            "version": VERSION,
            "summary": "Tasks: code and HTTP calls, immediate, delayed and scheduled.",
            "description": _DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "This service"}],
        "tags": [{"name": name} for name in ("Tasks", "Scheduled tasks", "Bulks", "Deliveries", "Channels", "Service")],
        "security": _SECURITY,
        "paths": _paths(),
        "webhooks": {"taskFinished": {"post": _callback()}},
        "components": {
            "schemas": _schemas(),
            "responses": {_problem_name(status): _problem(status) for status in PROBLEMS},
            "headers": _HEADERS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "Authorization: Bearer <key>"},
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def _paths() -> Json:
    paths: Json = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return paths


def _callback() -> Json:
    """What is sent to the `callback_url` of a task."""
    headers = {
        "webhook-id": "Identifies the event; the same for every try.",
        "webhook-timestamp": "The time of this try, in seconds since 1970.",
        "webhook-signature": "A signature `v1,…` for each secret of `CALLBACK_SECRETS`, separated by spaces.",
    }
    schema = {"$ref": f"{_SCHEMAS}Callback"}
    return {
        "operationId": "taskFinished",
        "tags": ["Deliveries"],
        "summary": "A task with a callback_url has finished",
        "description": "Signed as Standard Webhooks has it. A response of 2xx ends the tries, and so do 3xx and 410.",
        "parameters": [
            {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}
            for name, text in headers.items()
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {"2XX": {"description": "Received."}},
    }


def _operation(operation: Operation) -> Json:
    described: Json = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "responses": {
            **{str(status): _answer(answer, operation.is_open) for status, answer in operation.answers.items()},
            **{str(status): _problem_of(operation, status) for status in sorted(operation.problems)},
        },
    }
    if operation.description:
        described["description"] = operation.description
    if operation.parameters:
        described["parameters"] = list(operation.parameters)
    if operation.body:
        described["requestBody"] = _body(operation)
    if operation.is_open:
        described["security"] = []
    return described


def _problem_of(operation: Operation, status: int) -> Json:
    assert status not in operation.answers, f"{operation.id}: {status} is already declared as an answer"
    return {"$ref": f"#/components/responses/{_problem_name(status)}"}


def _body(operation: Operation) -> Json:
    schemas = [{"$ref": _SCHEMAS + name} for model in operation.body for name in body_names(model)]
    examples = {name: {"value": value} for name, value in operation.examples.items()}
    schema = schemas[0] if len(schemas) == 1 else {"oneOf": schemas}
    return {"required": operation.needs_body, "content": {"application/json": {"schema": schema, "examples": examples}}}


def _answer(answer: Answer, is_open: bool) -> Json:
    described: Json = {"description": answer.description}
    if answer.model is not None:
        described["content"] = {answer.media_type: {"schema": {"$ref": _SCHEMAS + answer.model}}}
    elif answer.media_type != "application/json":
        described["content"] = {answer.media_type: {"schema": {"type": "string"}}}
    quota = () if is_open else _QUOTA_HEADERS
    described["headers"] = {name: _header(name) for name in (*answer.headers, *quota, request_ids.HEADER)}
    return described


def _header(name: str) -> Json:
    return {"$ref": f"#/components/headers/{name}"}


def _problem_name(status: int) -> str:
    return f"Problem{status}"


def _problem(status: int) -> Json:
    slug, title = PROBLEMS[status]
    example = {
        "type": f"urn:celeriac:problem:{slug}",
        "title": title,
        "status": status,
        "detail": "1 field is invalid" if status == 422 else title,
        "instance": "/api/tasks",
        "errors": [{"field": "name", "message": "is required"}] if status == 422 else [],
        "request_id": "2f1c7a0b9d3e4c58a6b1f0e2d4c39587",
    }
    further = [f"or {other[1]} (`{slug}`)" for slug, other in FURTHER_PROBLEMS.items() if other[0] == status]
    described: Json = {
        "description": "; ".join([title, *further]) + ".",
        "content": {"application/problem+json": {"schema": {"$ref": f"{_SCHEMAS}Problem"}, "example": example}},
    }
    described["headers"] = {name: _header(name) for name in (*_PROBLEM_HEADERS.get(status, ()), request_ids.HEADER)}
    return described


def _schemas() -> Json:
    requests: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "validation") for model in _REQUESTS]
    answers: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "serialization") for model in _RESPONSES]
    _, definitions = models_json_schema([*requests, *answers], ref_template=_SCHEMAS + "{model}")
    schemas: Json = definitions["$defs"]
    schemas |= request_schemas({model.__name__: schemas.pop(model.__name__) for model in _REQUESTS})
    return schemas | {
        "Task": _one_of(responses.TASKS),
        "ScheduledTask": _one_of(responses.SCHEDULED_TASKS),
        "TaskOrScheduledTask": {"anyOf": [{"$ref": f"{_SCHEMAS}Task"}, {"$ref": f"{_SCHEMAS}ScheduledTask"}]},
        "OpenAPI": {"type": "object", "description": "An OpenAPI 3.1 document.", "required": ["openapi"]},
    }


def _one_of(models: Mapping[Kind, type[BaseModel]]) -> Json:
    mapping = {str(kind): _SCHEMAS + model.__name__ for kind, model in models.items()}
    return {
        "oneOf": [{"$ref": reference} for reference in mapping.values()],
        "discriminator": {"propertyName": "kind", "mapping": mapping},
    }


def as_file() -> str:
    """The document as docs/openapi.json has it."""
    return json.dumps(document(), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    sys.stdout.write(as_file())
