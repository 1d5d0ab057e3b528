"""What a collector gets of a running service: an API of two processes, and Celery's workers."""

from __future__ import annotations

import http.server
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Wire

from tests.servers import CeleryProcess, HttpTarget, throw_away_redis
from tests.system import Started, needs_proc
from tests.tracing.collector import Collector, Sent

pytestmark = needs_proc

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00"
CODE = {"name": "sum", "function_name": "main", "function_code": "def main():\n    return 1"}


@dataclass
class Target:
    """The target of API tasks, and the headers that it was called with, by path."""

    url: str = ""
    seen: dict[str, list[dict[str, str]]] = field(default_factory=dict)


@dataclass(frozen=True)
class System:
    """A running service with tracing on."""

    api: Started
    worker: CeleryProcess
    collector: Collector
    target: Target

    def run(self, task: dict[str, Any], **headers: str) -> dict[str, Any]:
        """Create a task, and wait for its end."""
        status, done = self.api.call("POST", "/api/tasks", task, Prefer="wait=10", **headers)
        assert status == 201, done
        return dict(done)

    def request_of(self, task_id: str) -> Sent:
        """The span of the request that created a task."""
        (span,) = self.collector.wait_for(1, lambda span: span.values.get("celeriac.task_id") == task_id)
        return span


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    target = Target()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            target.seen.setdefault(path, []).append({name.lower(): value for name, value in self.headers.items()})
            status = {"/fails": 503, "/moved": 302}.get(path, 200)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            if status == 302:
                self.send_header("Location", "/there")
            if status == 503:  # otherwise the pause before a retry may be too short for the task to wait
                self.send_header("Retry-After", "1")
            self.end_headers()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with HttpTarget(Handler).serving() as server:
        target.url = server.url
        yield target


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, redis_program_path: Path, target: Target) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("tracing")
    with throw_away_redis(redis_program_path) as server, Collector.serving() as collector:
        settings = {
            "TRACING": "on",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        api = Started(folder / "api", "api", REDIS_URL=server.url, API_PROCESSES="2", **settings)
        worker = CeleryProcess(folder / "worker", server.url, "worker", "-n", "traced@test", **settings)
        try:
            api.wait_until_ready("/health/live")
            worker.wait_for("worker ready")
            yield System(api, worker, collector, target)
        finally:
            api.clean_up()
            worker.kill()


def test_from_the_request_through_the_attempt_to_the_target(system: System) -> None:
    task = {"name": "call", "api_url": f"{system.target.url}/first?secret=1"}
    done = system.run(task, traceparent=SAMPLED, tracestate="vendor=1")
    assert done["status"] == "succeeded", done
    request = system.request_of(done["id"])
    assert (request.service, request.name, request.kind) == ("celeriac-api", "POST /api/tasks", Wire.SPAN_KIND_SERVER)
    assert (request.trace_id, request.parent_id, request.state) == (TRACE, SPAN, "vendor=1")
    assert request.values["http.response.status_code"] == 201
    (attempt,) = system.collector.of_task(done["id"])
    assert (attempt.service, attempt.name, attempt.kind) == ("celeriac-worker", "attempt api", Wire.SPAN_KIND_CONSUMER)
    assert attempt.links == [(TRACE, request.span_id)]
    assert (attempt.parent_id, attempt.is_failed) == ("", False)
    assert attempt.trace_id != TRACE
    assert attempt.values["celeriac.task.status"] == "succeeded"
    assert attempt.values["messaging.destination.name"] == "celeriac.api"
    (headers,) = system.target.seen["/first"]
    assert headers["traceparent"] == f"00-{attempt.trace_id}-{attempt.span_id}-03"  # sampled, and the id is random
    (call,) = system.collector.below(attempt, 1)
    port = int(system.target.url.rpartition(":")[2])
    assert (call.name, call.kind, call.trace_id) == ("GET", Wire.SPAN_KIND_CLIENT, attempt.trace_id)
    assert call.values == {
        "http.request.method": "GET",
        "url.full": f"{system.target.url}/first",
        "server.address": "127.0.0.1",
        "server.port": port,
        "http.response.status_code": 200,
    }
    assert [step.name for step in system.collector.below(call, 3)] == ["http dial", "http send", "http receive"]


def test_a_program_is_compiled_once_and_run_each_time(system: System) -> None:
    program = {**CODE, "function_code": "def main():\n    return 'only here'"}
    names = []
    for _ in range(2):
        (attempt,) = system.collector.of_task(system.run(program)["id"])
        names.append([step.name for step in system.collector.below(attempt, 1 + (not names))])
    assert names == [["sandbox compile", "sandbox run"], ["sandbox run"]]


def test_a_failed_program_says_where_and_why(system: System) -> None:
    done = system.run({**CODE, "function_code": "def main():\n    raise ValueError('secret')"})
    (attempt,) = system.collector.of_task(done["id"])
    *_, run = system.collector.below(attempt, 2)
    for span in (attempt, run):
        assert (span.is_failed, span.values["error.type"]) == (True, "ValueError")
    assert "secret" not in repr((attempt, run))


def test_retries_are_spans_of_their_own_linked_alike(system: System) -> None:
    retries = {"max_retries": 2, "retry_delay": 0.1, "retry_max_delay": 0.1}
    done = system.run({"name": "fails", "api_url": f"{system.target.url}/fails", **retries})
    assert (done["status"], done["attempt"]) == ("failed", 3)
    request = system.request_of(done["id"])
    attempts = system.collector.of_task(done["id"], 3)
    assert [each.links for each in attempts] == [[(request.trace_id, request.span_id)]] * 3
    assert len({each.trace_id for each in attempts}) == 3
    assert [each.values["celeriac.task.status"] for each in attempts] == ["waiting", "waiting", "failed"]
    sent = [headers["traceparent"] for headers in system.target.seen["/fails"]]
    assert sent == [f"00-{each.trace_id}-{each.span_id}-03" for each in attempts]
    assert all(each.values["error.type"] == "HTTPStatusError" for each in attempts)


def test_each_request_of_a_redirect_has_a_span(system: System) -> None:
    done = system.run({"name": "moved", "api_url": f"{system.target.url}/moved"})
    (attempt,) = system.collector.of_task(done["id"])
    first, second = system.collector.below(attempt, 2)
    assert [span.values["http.response.status_code"] for span in (first, second)] == [302, 200]
    assert second.values["http.request.resend_count"] == 1
    assert first.ended_ns <= second.began_ns


def test_a_call_that_is_not_answered_fails_in_its_step(system: System) -> None:
    done = system.run({"name": "closed", "api_url": "http://127.0.0.1:9/"})
    (attempt,) = system.collector.of_task(done["id"])
    (call,) = system.collector.below(attempt, 1)
    (step,) = system.collector.below(call, 1)
    assert (step.name, step.values["error.type"]) == ("http dial", "ConnectionError")
    assert call.is_failed
    assert attempt.is_failed


def test_what_its_caller_does_not_record_is_not_recorded(system: System) -> None:
    task = {"name": "quiet", "api_url": f"{system.target.url}/quiet"}
    quiet = system.run(task, traceparent=UNSAMPLED)
    assert quiet["status"] == "succeeded"
    system.collector.of_task(system.run(CODE)["id"])  # whatever was to come of the first has come as well
    assert not [span for span in system.collector.spans if quiet["id"] in repr(span)]
    (headers,) = system.target.seen["/quiet"]
    assert headers["traceparent"].endswith("-02")


def test_a_task_may_set_the_header_itself(system: System) -> None:
    own = {"Traceparent": SAMPLED}
    system.run({"name": "own", "api_url": f"{system.target.url}/own", "headers": own})
    (headers,) = system.target.seen["/own"]
    assert headers["traceparent"] == SAMPLED
    assert "tracestate" not in headers


@pytest.mark.parametrize("parent", ["00-" + "0" * 32 + f"-{SPAN}-01", "x" * 5000, f"{SAMPLED}, {SAMPLED}"])
def test_a_hostile_header_begins_a_trace_of_its_own(system: System, parent: str) -> None:
    done = system.run(CODE, traceparent=parent, tracestate="=" * 600)
    request = system.request_of(done["id"])
    assert (request.parent_id, request.state) == ("", "")
    (attempt,) = system.collector.of_task(done["id"])
    assert attempt.links == [(request.trace_id, request.span_id)]
    assert "tracestate" not in system.api.output


def test_a_batch_links_its_tasks_to_its_request(system: System) -> None:
    batch = system.api.call("POST", "/api/tasks/batch", {"tasks": [CODE, CODE]}, traceparent=SAMPLED)[1]
    attempts = [system.collector.of_task(task["id"])[0] for task in batch["items"]]
    (link,) = {link for attempt in attempts for link in attempt.links}
    (request,) = system.collector.wait_for(1, lambda span: (span.trace_id, span.span_id) == link)
    assert request.name == "POST /api/tasks/batch"


def test_a_change_keeps_the_link_to_the_creation(system: System) -> None:
    later = {**CODE, "task_type": "delayed", "delay_seconds": 600}
    task = system.api.call("POST", "/api/tasks", later, traceparent=SAMPLED)[1]
    system.api.call("PATCH", f"/api/tasks/{task['id']}", {"delay_seconds": 0.05})
    (attempt,) = system.collector.of_task(task["id"])
    created = system.collector.wait_for(1, lambda span: (TRACE, span.span_id) in attempt.links)
    assert [span.values["http.request.method"] for span in created] == ["POST"]


def test_a_schedule_s_tasks_have_no_link_except_those_that_a_request_fires(system: System) -> None:
    schedule = {**CODE, "task_type": "scheduled", "cron_expression": "0 0 1 1 *"}
    made = system.api.call("POST", "/api/scheduled-tasks", schedule, traceparent=SAMPLED)[1]
    fired = system.api.call("POST", f"/api/scheduled-tasks/{made['id']}/run")[1]
    (attempt,) = system.collector.of_task(fired["id"])
    assert attempt.values["celeriac.schedule.id"] == made["id"]
    (request,) = system.collector.wait_for(1, lambda span: (span.trace_id, span.span_id) in attempt.links)
    assert request.values["http.route"] == "/api/scheduled-tasks/<schedule_id>/run"


def test_a_callback_has_a_span_with_a_link_and_names_it_to_its_receiver(system: System) -> None:
    done = system.run({**CODE, "callback_url": f"{system.target.url}/told?secret=1"}, traceparent=SAMPLED)
    (callback,) = system.collector.wait_for(1, lambda span: span.values.get("celeriac.task.id") == done["id"])
    request = system.request_of(done["id"])
    assert (callback.name, callback.kind, callback.links) == (
        "callback",
        Wire.SPAN_KIND_CLIENT,
        [(request.trace_id, request.span_id)],
    )
    assert callback.values["http.response.status_code"] == 200
    assert callback.values["url.full"] == f"{system.target.url}/told"
    (headers,) = system.target.seen["/told"]
    assert headers["traceparent"] == f"00-{callback.trace_id}-{callback.span_id}-03"


def test_only_requests_under_api_are_traced(system: System) -> None:
    system.api.call("GET", "/health/live", None, traceparent=SAMPLED)
    done = system.run(CODE)
    system.collector.of_task(done["id"])
    assert not [span for span in system.collector.spans if span.values.get("url.path", "").startswith("/health")]
