"""The examples of docs/api-tasks.md, run: what is sent and what comes back is what the page says."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.domain.outcome import Outcome
from app.version import VERSION
from tasks.executors.api import ApiExecutor
from tasks.http import AddressPolicy, HttpClient
from tasks.http.resolver import Endpoint
from tests.certificates import Certificates
from tests.http.attempts import attempt_of
from tests.http.target import Target, answering

PAGE = (Path(__file__).resolve().parents[2] / "docs/api-tasks.md").read_text()
BLOCK = re.compile(r"^```(?:json|http) (\w+)\n(.*?)\n```$", re.DOTALL | re.MULTILINE)


@dataclass
class Example:
    """A task, and what the page says of it."""

    task: str
    sent: str | None = None
    answers: list[str] = field(default_factory=list)
    result: str | None = None
    error: str | None = None


def examples() -> Iterator[Example]:
    example: Example | None = None
    for kind, text in BLOCK.findall(PAGE):
        if kind == "task":
            if example is not None:
                yield example
            example = Example(text)
        elif example is not None and kind == "answer":
            example.answers.append(text)
        else:
            setattr(example, kind, text)
    assert example is not None
    yield example


EXAMPLES = list(examples())


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) >= 5
    assert sum(example.sent is not None for example in EXAMPLES) >= 2


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.task[:50])
def test_an_example_is_true(example: Example, certificates: Certificates) -> None:
    spec = json.loads(example.task)
    tls = certificates.server("api") if spec["api_url"].startswith("https") else None
    with Target(answering(*map(on_the_wire, example.answers)), tls=tls) as target:
        outcome = executed(spec, target.port, certificates.ca)
    if example.sent is not None:
        assert target.received[0].head + b"\r\n\r\n" + target.received[0].body == on_the_wire(example.sent)
    if example.result is not None:
        result = json.loads(outcome.result_json or b"null")
        assert result.pop("elapsed_ms") > 0
        assert result == json.loads(example.result)
    failure = None if outcome.failure is None else outcome.failure.as_json()
    assert failure == json.loads(example.error or "null")


def on_the_wire(text: str) -> bytes:
    """With the line ends of HTTP in the head; without one after the body."""
    head, _, body = (text + "\n").partition("\n\n")
    return (
        head.replace("\n", "\r\n").replace("0.1.0", VERSION).encode() + b"\r\n\r\n" + body.removesuffix("\n").encode()
    )


def executed(spec: dict[str, Any], port: int, ca_bundle: str) -> Outcome:
    def here(host: str, _: int) -> list[Endpoint]:
        return [(socket.AF_INET, ("127.0.0.1", port))]

    client = HttpClient(AddressPolicy(allow_private=True), ca_bundle=ca_bundle, resolve=here)
    executor = ApiExecutor(client)
    outcome = executor.execute(attempt_of(**spec), executor.new_cancel())
    client.close()
    return outcome
