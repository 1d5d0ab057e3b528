"""What was accepted is there once, has ended as it had to, and stays so."""

from __future__ import annotations

import json
from collections.abc import Iterator

from app.domain.status import Status
from app.store.record import Task
from app.store.tasks import MAX_LOSSES
from tests.system.chaos.evidence import Evidence
from tests.system.chaos.findings import Finding
from tests.system.chaos.ledger import Entry
from tests.system.chaos.plan import CHANGED, Ending, Order, Then

WORKER_LOST = "WorkerLostError"


def accepted(evidence: Evidence) -> Iterator[Finding]:
    """Every order against the records of its name."""
    for entry in evidence.ledger.entries:
        found = evidence.by_name.get(entry.order.name, [])
        yield from _is_there_once(entry, found)
        for task in found:
            yield from _ends_as_it_should(entry, task)
            yield from _is_as_it_was(entry, task)


def _is_there_once(entry: Entry, found: list[Task]) -> Iterator[Finding]:
    name, ids = entry.order.name, sorted(task.id for task in found)
    may_be_gone = Then.DELETE in (entry.done, entry.unsure)
    if len(found) > 1:
        yield Finding("each order is one task", f"{name} is {len(found)} tasks: {ids}", ids[0])
    if entry.is_refused and found:
        yield Finding("a refusal creates nothing", f"{name}: 'nothing was changed', and there is a task", ids[0])
    if entry.order.is_keyed and entry.task_id is None:
        yield Finding("who repeats is answered", f"{name} was asked for again and again, and never answered")
    if entry.task_id is not None and entry.task_id not in ids and not may_be_gone:
        yield Finding("what was accepted is there", f"{name} was accepted as {entry.task_id}, and is gone")
    if entry.done is Then.DELETE and found:
        yield Finding("what was deleted is gone", f"{name} was deleted, and is there", ids[0])


def _ends_as_it_should(entry: Entry, task: Task) -> Iterator[Finding]:
    if not task.status.finished:
        yield Finding("nothing is stuck", f"{task.name} is {task.status}", task.id)
        return
    if entry.done is Then.STOP:
        if task.status is not Status.STOPPED:
            yield Finding("stopped is stopped", f"{task.name} was stopped, and {task.status}", task.id)
        return
    if entry.done is Then.CHANGE and list(task.spec["tags"]) != CHANGED["tags"]:
        yield Finding("changed is changed", f"{task.name} was changed, and has the tags {task.spec['tags']}", task.id)
    if task.status is Status.STOPPED and entry.unsure not in (Then.STOP, Then.DELETE):
        yield Finding("nobody stops what nobody stopped", f"{task.name} is stopped", task.id)
    if task.status is Status.SUCCEEDED:
        yield from _has_succeeded(entry.order, task)
    if task.status is Status.FAILED:
        yield from _has_failed(entry.order, task)


def _has_succeeded(order: Order, task: Task) -> Iterator[Finding]:
    result = json.loads(task.result_json or "null")
    if order.ending is not Ending.SUCCEEDED:
        yield Finding("results are right", f"{task.name} had to fail, and succeeded", task.id)
    elif "api_url" in order.body:
        if result is None or result["status_code"] != 200:
            yield Finding("results are right", f"{task.name} has the result {result}", task.id)
    elif result != task.name:
        yield Finding("results are right", f"{task.name} returned {result!r}", task.id)
    elif order.body["function_name"] == "work" and task.stdout != f"begins {task.name}\nends {task.name}\n":
        yield Finding("results are right", f"{task.name} printed {task.stdout!r}", task.id)


def _has_failed(order: Order, task: Task) -> Iterator[Finding]:
    error = task.error or {}
    losses = sum((attempt["error"] or {}).get("type") == WORKER_LOST for attempt in task.attempts)
    if error.get("type") == WORKER_LOST:
        if losses + 1 < MAX_LOSSES:
            yield Finding("three workers' lives", f"{task.name} failed after {losses + 1} losses", task.id)
        return
    expected = "HTTPStatusError" if "api_url" in order.body else "ValueError"
    if order.ending is not Ending.FAILED or error.get("type") != expected:
        yield Finding("results are right", f"{task.name} failed: {error}", task.id)
        return
    retries = task.spec["max_retries"]
    if "api_url" not in order.body and not retries < task.attempt <= retries + 1 + losses:
        sentence = f"{task.name} failed at attempt {task.attempt} of {retries + 1}, {losses} lost"
        yield Finding("retries are made", sentence, task.id)


def _is_as_it_was(entry: Entry, task: Task) -> Iterator[Finding]:
    if entry.final is None:
        return
    before = (entry.final["status"], entry.final["attempt"], entry.final["error"])
    if before != (task.status, task.attempt, task.error):
        sentence = f"{task.name} was {before}, and is {(str(task.status), task.attempt, task.error)}"
        yield Finding("a finished task never changes", sentence, task.id)
