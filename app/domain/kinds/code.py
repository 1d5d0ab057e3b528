"""Code tasks: a Python program, and the function in it to call."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field

from app.domain.checks import MAX_ARGS_BYTES, Code, Fields, Identifier, finite_problems
from app.domain.errors import Problem
from app.domain.fields import IN_BODY, SHARED_IN_BODY, fresh, in_record
from app.domain.kinds.kind import KindSpec
from app.domain.status import Kind


class CodeFields(Fields):
    """The fields of code tasks."""

    function_code: Annotated[Code | None, SHARED_IN_BODY] = Field(
        None, description="Code: Python source code of at most 256 KiB."
    )
    function_name: Annotated[Identifier | None, in_record("fn")] = Field(
        None, description="Code: the name of the function to call."
    )
    args: Annotated[list[Any], IN_BODY] = fresh(
        list, description="Code: positional arguments. Together with kwargs at most 256 KiB."
    )
    kwargs: Annotated[dict[str, Any], IN_BODY] = fresh(dict, description="Code: keyword arguments.")


def _problems(fields: Mapping[str, Any]) -> list[Problem]:
    given = [name for name in ("args", "kwargs") if fields.get(name)]
    return [*_size_problems(fields, given), *finite_problems(fields, *given)]


def _size_problems(fields: Mapping[str, Any], given: Iterable[str]) -> list[Problem]:
    size = sum(_size(fields[name]) for name in given)
    if size <= MAX_ARGS_BYTES:
        return []
    message = f"args and kwargs together must have at most {MAX_ARGS_BYTES} bytes as JSON"
    return [Problem(name, message) for name in given]


def _size(value: Any) -> int:
    """The bytes of a value as compact JSON in UTF-8: what a client counts, whatever the language of its texts."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))


CODE = KindSpec(
    kind=Kind.CODE,
    label="code",
    noun="Code",
    fields=CodeFields,
    marker="function_code",
    required=("function_name",),
    queue="celeriac.code",
    concurrency_setting="code_concurrency",
    executor="tasks.executors.code:make_executor",
    problems=_problems,
    result=Any,
    result_description="The return value of the function, as JSON.",
    example={
        "name": "sum",
        "function_code": "def main(a, b):\n    return a + b",
        "function_name": "main",
        "args": [1, 2],
    },
)
