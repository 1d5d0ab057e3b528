"""Schemas of request bodies, in the form from which client generators make typed models.

Each kind of task has a schema of its own, and a body is one of them. Rules between fields are `if`, `then` and `else`,
which validators check and generators ignore. (A `oneOf` beside `properties` makes generators give up the type.)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.domain.bulk import ACTIONS, Of
from app.domain.channels import CHANNEL_KINDS, CHANNEL_MODELS
from app.domain.kinds import KINDS, KindSpec
from app.domain.spec import DELAY_FIELDS, WHEN_FIELDS

Json = dict[str, Any]

_REF = "#/components/schemas/"
_NULL: Json = {"type": "null"}
_GIVEN: Json = {"not": _NULL}


def body_names(model: str) -> list[str]:
    """The names of the schemas of a body that operations.py calls by this name."""
    forms = {"TaskSpec": ("{}TaskSpec", "Scheduled{}TaskSpec"), "ScheduleSpec": ("{}ScheduleSpec",)}
    return [form.format(row.noun) for form in forms.get(model, ()) for row in KINDS.values()] or [model]


def request_schemas(models: Json) -> Json:
    """The schemas of all request bodies, made of the schemas of the models that validate them."""
    task, schedule, preview = models["TaskSpec"], models["ScheduleSpec"], models["PreviewSpec"]
    return {
        **{name: schema for row in KINDS.values() for name, schema in _of_kind(row, task, schedule)},
        "TaskChange": _change_of(task),
        "ScheduleChange": _change_of(schedule),
        "PreviewSpec": {**_with_nulls(preview), **_exactly_one(*WHEN_FIELDS)},
        "BatchSpec": _batch(models["BatchSpec"]),
        **{model.__name__: _with_nulls(models[model.__name__]) for model in CHANNEL_MODELS},
        "ChannelChange": _channel_change([models[model.__name__] for model in CHANNEL_MODELS]),
        "BulkSpec": {**_with_nulls(models["BulkSpec"]), **_exactly_one("filter", "ids"), **_BULK_RULES},
    }


def _batch(batch: Json) -> Json:
    """A batch holds immediate and delayed tasks of every kind."""
    tasks = {
        **batch["properties"]["tasks"],
        "items": {"oneOf": [{"$ref": f"{_REF}{row.noun}TaskSpec"} for row in KINDS.values()]},
    }
    return _with_nulls({**batch, "properties": {**batch["properties"], "tasks": tasks}})


def _channel_change(channels: list[Json]) -> Json:
    """Any subset of the fields of a channel of any kind."""
    properties: Json = {}
    for channel in channels:
        properties |= {name: _or_null(_without_default(schema)) for name, schema in channel["properties"].items()}
    properties["kind"] = _or_null({"type": "string", "enum": list(CHANNEL_KINDS)})
    properties |= {name: _or_null({"type": "string"}) for name in ("url", "secret")}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _of_kind(row: KindSpec, task: Json, schedule: Json) -> Iterator[tuple[str, Json]]:
    """(name, schema) of everything that creates a task of one kind."""
    with_timing = _for_kind(schedule, row) | _exactly_one(*WHEN_FIELDS)
    yield (
        f"{row.noun}TaskSpec",
        {**_for_kind(task, row), **_DELAY_RULE, "description": f"An immediate or delayed {row.label} task."},
    )
    yield f"{row.noun}ScheduleSpec", {**with_timing, "description": f"A scheduled {row.label} task."}
    yield (
        f"Scheduled{row.noun}TaskSpec",
        {
            **_required(with_timing, "task_type"),
            "description": f"A scheduled {row.label} task, created by POST /api/tasks: `task_type` is required.",
        },
    )


def _for_kind(spec: Json, row: KindSpec) -> Json:
    """A spec with the fields of one kind. Those of other kinds may be null, like everything that is left out."""
    foreign = sorted({name for other in KINDS.values() for name in other.own_fields} - set(row.own_fields))
    own = {name: _without_prefix(schema, row) for name, schema in spec["properties"].items() if name not in foreign}
    nulls = {"patternProperties": {f"^({'|'.join(foreign)})$": _NULL}} if foreign else {}
    shaped = {key: value for key, value in spec.items() if key != "title"}
    return _required(_with_nulls({**shaped, **nulls, "properties": own}), row.marker, *row.required)


def _without_prefix(schema: Json, row: KindSpec) -> Json:
    """A field's schema; its description need not say again which kind it is for.

    Defaults that say nothing (null, `{}`) are left out: openapi-python-client can't generate an object by default.
    """
    text = schema["description"].removeprefix(f"{row.label[:1].upper()}{row.label[1:]}: ")
    kept = {key: value for key, value in schema.items() if key != "default" or value not in (None, {})}
    return {**kept, "description": text[:1].upper() + text[1:]}


def _required(spec: Json, *names: str) -> Json:
    """A spec in which these fields are required and can't be null."""
    properties = {name: _not_null(schema) if name in names else schema for name, schema in spec["properties"].items()}
    return {**spec, "properties": properties, "required": list(dict.fromkeys((*spec.get("required", ()), *names)))}


def _not_null(schema: Json) -> Json:
    choices = [choice for choice in schema.get("anyOf", ()) if choice != _NULL]
    outside = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    return {**outside, **choices[0]} if len(choices) == 1 else {**outside, **({"anyOf": choices} if choices else {})}


def _change_of(spec: Json) -> Json:
    """Any subset of the fields of a spec; null resets a field to its default, if it has one."""
    properties = {
        name: schema if name in spec["required"] else _or_null(_without_default(schema))
        for name, schema in spec["properties"].items()
    }
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _without_default(schema: Json) -> Json:
    return {key: value for key, value in schema.items() if key != "default"}


def _with_nulls(spec: Json) -> Json:
    """A request in which null means "omitted": every optional field may be null."""
    required = spec.get("required", ())
    properties = {name: schema if name in required else _or_null(schema) for name, schema in spec["properties"].items()}
    return {**spec, "properties": properties}


def _or_null(schema: Json) -> Json:
    """A schema that permits null. Description and default stay on the outer level, where tools look for them."""
    outside: Json = {name: schema[name] for name in ("title", "description", "default") if name in schema}
    inside = {name: value for name, value in schema.items() if name not in outside}
    choices = inside.get("anyOf", [inside])
    if not inside or _NULL in choices:
        return schema
    return {**outside, "anyOf": [*choices, _NULL]}


# --- rules between fields --------------------------------------------------------------------------


def _has(name: str) -> Json:
    return {"required": [name], "properties": {name: _GIVEN}}


def _lacks(*names: str) -> Json:
    return {"properties": dict.fromkeys(names, _NULL)}


def _exactly_one(one: str, other: str) -> Json:
    """One of two fields is given, and the other is null or left out."""
    return {"if": _has(one), "then": _lacks(other), "else": _has(other)}


#: `delay_seconds` or `run_at` with task_type delayed; neither with immediate.
_DELAY_RULE: Json = {
    "if": {"required": ["task_type"], "properties": {"task_type": {"const": "delayed"}}},
    "then": _exactly_one(*DELAY_FIELDS),
    "else": _lacks(*DELAY_FIELDS),
}

#: Which action goes with which `of`; `changes` only with retry.
_BULK_RULES: Json = {
    "dependentSchemas": {
        "action": {
            "if": {"required": ["of"], "properties": {"of": {"const": str(Of.SCHEDULED_TASKS)}}},
            "then": {"properties": {"action": {"enum": list(ACTIONS[Of.SCHEDULED_TASKS])}}},
            "else": {"properties": {"action": {"enum": list(ACTIONS[Of.TASKS])}}},
        },
        "changes": {"if": _has("changes"), "then": {"properties": {"action": {"const": "retry"}}}},
    }
}
