"""/metrics: the format, who may read it, and what it counts."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import redis
from flask import Flask
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from app.api import export
from app.api.context import EXTENSION, Context, compose
from app.api.large_bodies import LargeBodies
from app.domain.errors import Unavailable
from app.domain.metrics import METRICS
from app.domain.quota import Action, Quota
from app.settings import ApiKey, Settings, SettingsError, read_settings
from app.store import bulk
from app.store.store import Store
from app.usecases.totals import TotalsUpkeep
from sandbox import Sandbox
from tests.api.calls import BASE_URL, CALL, CODE, EVERY_MINUTE, UNKNOWN_ID, Api, PlayedWorker
from tests.api.conftest import MakeWeb, web_of, web_on
from tests.conftest import VirtualClock
from tests.servers import RedisServer

KEY = "reader-key-0123456789abcdef0123456789abcdef"
READER = ApiKey("prometheus", "read", KEY)
#: Those of a service in which nothing has happened yet.
WITHOUT_SAMPLES = {
    "celeriac_tagged_tasks_finished_total",
    "celeriac_http_requests_total",
    "celeriac_http_request_duration_seconds",
}
OF_WORKERS = {metric.full_name for metric in METRICS if "worker" in metric.labels}

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples_of(api: Api) -> Samples:
    """Every sample, by its name and labels."""
    answer = api.get("/metrics")
    assert answer.status_code == 200
    families = read_text(answer.text)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    """One sample; 0 for one that is missing."""
    return samples.get((f"celeriac_{name}", frozenset(labels.items())), 0.0)


# --- the format -----------------------------------------------------------------------------------


def test_it_is_the_text_format_that_prometheus_expects(api: Api) -> None:
    answer = api.get("/metrics", headers={"Accept": "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"})
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.text.startswith("# HELP celeriac_up ")


def test_openmetrics_is_sent_to_those_who_accept_it(api: Api) -> None:
    api.create()
    answer = api.get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"})
    assert answer.content_type.startswith("application/openmetrics-text; version=1.0.0; charset=utf-8")
    families = {family.name: family.type for family in read_openmetrics(answer.text)}
    assert families["celeriac_tasks_finished"] == "counter"


def test_a_new_service_has_every_metric_but_those_of_workers_and_requests(api: Api) -> None:
    types = dict(line.split()[2:] for line in api.get("/metrics").text.splitlines() if line.startswith("# TYPE"))
    expected = {metric.full_name: str(metric.type) for metric in METRICS}
    missing = WITHOUT_SAMPLES | OF_WORKERS | {"celeriac_beat_tick_age_seconds"}
    assert types == {name: type_ for name, type_ in expected.items() if name not in missing}


def test_histograms_are_cumulative(api: Api, worker: PlayedWorker) -> None:
    worker.succeed(api.create()["id"])
    buckets = [
        (float(dict(labels)["le"]), number)
        for (name, labels), number in samples_of(api).items()
        if name == "celeriac_attempt_duration_seconds_bucket" and {("kind", "code"), ("outcome", "succeeded")} <= labels
    ]
    buckets.sort()
    assert buckets[-1] == (math.inf, 1)
    assert all(before <= after for (_, before), (_, after) in pairwise(buckets))
    assert dict(buckets)[0.002] == 0, "it took 3.1 ms"
    assert dict(buckets)[0.005] == 1


# --- who may read it ------------------------------------------------------------------------------


def test_where_keys_are_needed_it_needs_one_that_may_read(make_web: MakeWeb) -> None:
    web = make_web(Settings(api_keys=(READER,)))
    assert Api(web).get("/metrics").status_code == 401
    assert Api(web, {"Authorization": f"Bearer {KEY}"}).get("/metrics").status_code == 200


def test_it_may_be_opened_to_everybody(make_web: MakeWeb) -> None:
    web = make_web(Settings(api_keys=(READER,), metrics_access="open"))
    assert Api(web).get("/metrics").status_code == 200
    assert Api(web).get("/api/tasks").status_code == 401


def test_no_rate_limit_counts_it(make_web: MakeWeb) -> None:
    settings = Settings(api_keys=(READER,), rate_limit={Action.READ: Quota(1, 60)})
    api = Api(make_web(settings), {"X-API-Key": KEY})
    assert api.get("/api/tasks").status_code == 200
    answers = [api.get("/metrics") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert "RateLimit" not in answers[0].headers
    assert api.get("/api/tasks").status_code == 429


@pytest.mark.parametrize("keys", [(), (READER,)])
def test_without_redis_it_says_so_to_any_caller(
    clock: VirtualClock, sandbox: Sandbox, keys: tuple[ApiKey, ...]
) -> None:
    store = Store.at("redis://127.0.0.1:1/0")  # port 1: nobody listens
    samples = samples_of(Api(web_of(Settings(api_keys=keys), store, sandbox, clock), {"X-API-Key": KEY}))
    store.close()
    assert {name for name, _ in samples} == {"celeriac_up", "celeriac_build_info"}
    assert value(samples, "up") == 0


@pytest.mark.parametrize("text", ["team:payments", "a b", "x" * 33, "a,b,c,d,e,f"])
def test_a_wrong_name_of_a_tag_prevents_the_start(text: str) -> None:
    with pytest.raises(SettingsError, match="METRICS_TAGS must be a list of"):
        read_settings({"METRICS_TAGS": text})


# --- tasks ------------------------------------------------------------------------------------------


def test_tasks_are_counted_from_their_creation_to_their_end(api: Api, worker: PlayedWorker) -> None:
    worker.succeed(api.create()["id"])
    worker.fail(api.create()["id"])
    api.create(**CALL, delay_seconds=60, task_type="delayed")
    api.delete(f"/api/tasks/{api.create()['id']}")
    samples = samples_of(api)
    of_code = {"kind": "code", "task_type": "immediate"}
    assert value(samples, "tasks_created_total", **of_code) == 3
    assert value(samples, "tasks_created_total", kind="api", task_type="delayed") == 1
    assert value(samples, "tasks_finished_total", outcome="succeeded", **of_code) == 1
    assert value(samples, "tasks_finished_total", outcome="failed", **of_code) == 1
    assert value(samples, "tasks", status="waiting", kind="api", task_type="delayed") == 1
    assert value(samples, "attempt_duration_seconds_sum", kind="code", outcome="failed") == 0.0031


def test_a_task_that_is_changed_into_another_kind_was_created_once(api: Api) -> None:
    task = api.create(task_type="delayed", delay_seconds=60)
    changed = api.patch(f"/api/tasks/{task['id']}", {**CALL, "function_code": None, "function_name": None})
    assert (changed.status_code, changed.json["kind"]) == (200, "api")
    samples = samples_of(api)
    assert value(samples, "tasks_created_total", kind="code", task_type="delayed") == 1
    assert value(samples, "tasks_created_total", kind="api", task_type="delayed") == 0
    assert value(samples, "tasks", status="waiting", kind="api", task_type="delayed") == 1


def test_no_counter_of_tasks_ever_falls(api: Api, worker: PlayedWorker, store: Store, clock: VirtualClock) -> None:
    def counters() -> Samples:
        return {key: number for key, number in samples_of(api).items() if "tasks" in key[0] and "_total" in key[0]}

    waiting = api.create(task_type="delayed", delay_seconds=600)
    acts: list[Callable[[], Any]] = [
        lambda: worker.succeed(api.create()["id"]),
        lambda: api.patch(f"/api/tasks/{waiting['id']}", {"api_url": "http://target.test/", "function_code": None}),
        lambda: api.patch(f"/api/tasks/{waiting['id']}", {"delay_seconds": 900}),
        lambda: api.delete(f"/api/tasks/{waiting['id']}"),
        lambda: store.totals.fold(clock.advance(60_000) // 60_000),
        lambda: [store.tasks.delete(task["id"]) for task in api.get("/api/tasks").get_json()["items"]],
    ]
    before = counters()
    for act in acts:
        act()
        after = counters()
        assert {key: number for key, number in before.items() if after[key] < number} == {}
        before = after


def test_queues_tell_their_depth_and_the_age_of_their_oldest_task(api: Api, clock: VirtualClock) -> None:
    api.create(priority=1)
    clock.advance(90_000)
    api.create(priority=9)
    samples = samples_of(api)
    assert value(samples, "queue_depth", queue="celeriac.code") == 2
    assert value(samples, "queue_oldest_age_seconds", queue="celeriac.code") == 90
    assert value(samples, "queue_oldest_age_seconds", queue="celeriac.api") == 0


def test_a_tag_that_is_asked_for_becomes_labels(
    make_web: MakeWeb, worker: PlayedWorker, store: Store, clock: VirtualClock
) -> None:
    settings = Settings(metrics_tags=("team",))
    TotalsUpkeep(store.totals, settings.metrics_tags).add_up(clock())  # beat does this
    api = Api(make_web(settings))
    worker.succeed(api.create(tags=['team:a"b\\c', "other:1"])["id"])
    labels = {"tag": "team", "value": 'a"b\\c', "kind": "code", "outcome": "succeeded"}
    assert value(samples_of(api), "tagged_tasks_finished_total", **labels) == 1


def test_workers_and_beats_tell_how_they_are(api: Api, store: Store, clock: VirtualClock) -> None:
    facts = {
        "queues": ["celeriac.code"],
        "running": [],
        "running_count": 3,
        "concurrency": 8,
        "consuming": True,
        "started_at": "2026-11-23T08:00:00.000Z",
        "sandbox": {"seccomp": "on", "landlock": "the kernel is too old"},
        "spare_children": 16,
    }
    store.liveness.worker_alive("code@a", facts, clock())
    store.liveness.beat_ticked("beat@a", clock())
    clock.advance(2_000)
    samples = samples_of(api)
    assert value(samples, "worker_heartbeat_age_seconds", worker="code@a") == 2
    assert value(samples, "worker_running", worker="code@a") == 3
    assert value(samples, "worker_slots", worker="code@a") == 8
    assert value(samples, "worker_start_time_seconds", worker="code@a") == 1_795_420_800
    assert value(samples, "sandbox_layer_active", worker="code@a", layer="seccomp") == 1
    assert samples["celeriac_sandbox_layer_active", frozenset({("worker", "code@a"), ("layer", "landlock")})] == 0
    assert value(samples, "sandbox_spare_children", worker="code@a") == 16
    assert value(samples, "queue_workers", queue="celeriac.code") == 1
    assert (value(samples, "beats"), value(samples, "beat_tick_age_seconds")) == (1, 2)


def test_the_lag_of_beat_is_that_of_the_firing_it_owes_longest(api: Api, clock: VirtualClock) -> None:
    api.schedule(**EVERY_MINUTE)
    clock.advance(75_000)
    assert value(samples_of(api), "beat_lag_seconds") == 15


def test_a_scrape_costs_the_same_however_many_tasks_there_are(
    api: Api, worker: PlayedWorker, raw_redis: redis.Redis
) -> None:
    def commands() -> int:
        """How many commands Redis executes for a scrape, in scripts too."""
        api.get("/metrics")  # adds the requests that were made before
        before = int(raw_redis.info("stats")["total_commands_processed"])
        api.get("/metrics")
        return int(raw_redis.info("stats")["total_commands_processed"]) - before

    worker.succeed(api.create()["id"])
    api.create()
    few = commands()
    for _ in range(20):
        worker.succeed(api.create()["id"])
        api.create()
    assert commands() == few
    assert few < 250


# --- requests ---------------------------------------------------------------------------------------


def test_requests_are_counted_by_route_and_status(api: Api) -> None:
    task = api.create()
    for task_id in (task["id"], UNKNOWN_ID, UNKNOWN_ID):
        api.get(f"/api/tasks/{task_id}")
    api.post("/api/tasks", {"name": "x"})
    samples = samples_of(api)
    one = {"method": "GET", "route": "/api/tasks/{task_id}"}
    assert value(samples, "http_requests_total", status="200", **one) == 1
    assert value(samples, "http_requests_total", status="404", **one) == 2
    assert value(samples, "http_requests_total", method="POST", route="/api/tasks", status="422") == 1
    assert value(samples, "http_requests_refused_total", reason="not-found") == 2
    assert value(samples, "http_requests_refused_total", reason="invalid") == 1
    assert value(samples, "http_request_duration_seconds_count", **one) == 3
    assert 0 < value(samples, "http_request_duration_seconds_sum", **one) < 60


def test_what_is_refused_while_new_tasks_are_taken_is_counted_as_busy(
    store: Store, sandbox: Sandbox, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the alert that no task is taken would fire for an export too many."""
    monkeypatch.setattr(export, "_places", threading.Semaphore(0))
    monkeypatch.setattr(bulk, "MOST_RUNNING", 0)
    settings = Settings(max_event_streams=0, max_body_bytes=1_000, max_queued_tasks=2)
    context = compose(settings, store, sandbox.check, clock)
    api = Api(web_on(replace(context, large_bodies=LargeBodies(0, 0.0))))
    task_id = api.create()["id"]
    for answer in (
        api.get("/api/tasks/export"),
        api.get("/api/events"),
        api.get(f"/api/tasks/{task_id}/events"),
        api.post("/api/tasks/batch", {"tasks": [{**CODE, "args": ["x" * 1_000]}]}),
        api.post("/api/bulk", {"action": "stop", "ids": [task_id]}),
    ):
        assert (answer.status_code, answer.get_json()["type"]) == (503, "urn:celeriac:problem:full")
    assert api.create()
    samples = samples_of(api)
    assert value(samples, "http_requests_refused_total", reason="busy") == 5
    assert value(samples, "http_requests_refused_total", reason="full") == 0
    assert api.post("/api/tasks", CODE).status_code == 503
    samples = samples_of(api)
    assert value(samples, "http_requests_refused_total", reason="busy") == 5
    assert value(samples, "http_requests_refused_total", reason="full") == 1


def test_paths_and_methods_that_do_not_exist_have_one_label_each(web: Flask) -> None:
    client = web.test_client()
    for number in range(5):
        client.get(f"/wp-admin/{number}", base_url=BASE_URL)
        client.open("/api/tasks", method=f"BREW{number}", base_url=BASE_URL)
    samples = samples_of(Api(web))
    assert value(samples, "http_requests_total", method="GET", route="other", status="404") == 5
    methods = {dict(labels)["method"] for name, labels in samples if name == "celeriac_http_requests_total"}
    assert methods == {"GET", "other"}


def test_a_request_that_waits_for_a_task_is_counted_and_not_timed(api: Api) -> None:
    api.post("/api/tasks", CODE, headers={"Prefer": "wait=0.01"})
    samples = samples_of(api)
    assert value(samples, "http_requests_total", method="POST", route="/api/tasks", status="201") == 1
    assert value(samples, "http_request_duration_seconds_count", method="POST", route="/api/tasks") == 0


@pytest.mark.parametrize(
    ("path", "is_timed"),
    [
        ("/api/tasks?status=waiting", 1),
        ("/api/tasks?tag=await", 1),
        ("/api/tasks/{task_id}?wait=0.01", 0),
        ("/api/tasks/{task_id}?unknown=1&wait=0.01", 0),
    ],
)
def test_only_the_parameter_wait_says_that_a_request_waits(api: Api, path: str, is_timed: int) -> None:
    answer = api.get(path.format(task_id=api.create()["id"]))
    samples = samples_of(api)
    labels = {"method": "GET", "route": path.partition("?")[0]}
    assert value(samples, "http_requests_total", status=str(answer.status_code), **labels) == 1
    assert value(samples, "http_request_duration_seconds_count", **labels) == is_timed


def test_the_requests_of_all_processes_add_up_and_survive_them(make_web: MakeWeb) -> None:
    for _ in range(2):
        api = Api(make_web(Settings()))
        api.create()
        counts_of(api).close()  # as the process does at its end
    samples = samples_of(Api(make_web(Settings())))
    assert value(samples, "http_requests_total", method="POST", route="/api/tasks", status="201") == 2


def counts_of(api: Api) -> Any:
    found: Context = api.web.extensions[EXTENSION]
    return found.request_counts


@pytest.fixture
def hanging(own_server: RedisServer, sandbox: Sandbox, clock: VirtualClock) -> Iterator[Api]:
    """An API whose Redis the test may stop."""
    store = Store.at(own_server.url)
    yield Api(web_of(Settings(), store, sandbox, clock))
    store.close()


def test_while_redis_hangs_requests_are_kept_and_later_counted_once(hanging: Api, own_server: RedisServer) -> None:
    hanging.create()
    own_server.send_signal(signal.SIGSTOP)
    with pytest.raises(Unavailable):
        counts_of(hanging).flush()  # Redis executes it when it goes on
    hanging.get("/health/live")
    own_server.send_signal(signal.SIGCONT)
    samples = samples_of(hanging)
    assert value(samples, "http_requests_total", method="POST", route="/api/tasks", status="201") == 1
    samples = samples_of(hanging)
    assert value(samples, "http_requests_total", method="GET", route="/health/live", status="200") == 1
