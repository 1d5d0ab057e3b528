"""A real Prometheus scrapes a running service: every metric arrives, and the alerts and the dashboard find theirs."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import threading
import urllib.parse
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families as read_text

from app.domain.metrics import METRICS, MetricType
from tests.programs import require_program
from tests.servers import HttpTarget, LoggedProcess, throw_away_redis
from tests.system import ROOT, Started, free_port, needs_proc, wait_until

pytestmark = needs_proc

DEPLOY = ROOT / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
DASHBOARD = DEPLOY / "grafana" / "celeriac.json"
PROGRAMS = ("prometheus", "promtool")
#: Scrapes of a second each, after everything has happened once.
SCRAPES = 3
#: For a machine on which much else is being tested.
READY_SECONDS = 90

FINE = {"name": "fine", "function_code": "def f():\n    return 1", "function_name": "f", "tags": ["team:payments"]}
WRONG = {"name": "wrong", "function_code": "def f():\n    return 1 / 0", "function_name": "f", "max_retries": 1}
WRONG |= {"retry_delay": 0.1}


@pytest.fixture(scope="module")
def programs() -> None:
    """Prometheus and promtool, of one package."""
    for name in PROGRAMS:
        require_program([name], "prometheus", else_skip=True)


class Receiver(BaseHTTPRequestHandler):
    """Answers every call with 200."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def redis_of_module(redis_program_path: Path) -> Iterator[str]:
    with throw_away_redis(redis_program_path) as server:
        yield server.url


@pytest.fixture(scope="module")
def service(redis_of_module: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """API (two processes), workers and beat."""
    settings = {"REDIS_URL": redis_of_module, "METRICS_TAGS": "team", "API_PROCESSES": "2", "SHUTDOWN_GRACE": "1"}
    started = Started(tmp_path_factory.mktemp("service"), "all", **settings)
    try:
        started.wait_until_ready(seconds=READY_SECONDS)
        yield started
    finally:
        started.clean_up()


def text_of(port: int) -> str:
    """What /metrics returns."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert answer.status == 200, text
    return text


def counters(port: int) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample of counters and histograms, without those of Redis' own process."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in read_text(text_of(port))
        if family.type in ("counter", "histogram") and "redis" not in family.name
        for sample in family.samples
    }


class Prometheus:
    """A Prometheus that scrapes the service each second, with the alerts."""

    def __init__(self, folder: Path, target_port: int) -> None:
        config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(ALERTS)]
        config["scrape_configs"][0]["static_configs"] = [{"targets": [f"127.0.0.1:{target_port}"]}]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        self._port = free_port()
        options = {
            "config.file": folder / "prometheus.yml",
            "storage.tsdb.path": folder / "data",
            "web.listen-address": f"127.0.0.1:{self._port}",
        }
        command = ["prometheus", *(f"--{name}={value}" for name, value in options.items())]
        self.process = LoggedProcess(command, folder / "prometheus.log", folder, {})

    def get(self, path: str, **query: str) -> Any:
        """The data of a call of its API."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            connection.request("GET", f"/api/v1/{path}?{urllib.parse.urlencode(query)}")
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression: str, **when: str) -> list[dict[str, Any]]:
        """The series that an expression yields: now, or at a `time`."""
        found: list[dict[str, Any]] = self.get("query", query=expression, **when)["result"]
        return found

    def stored(self, expression: str) -> list[dict[str, Any]]:
        """The series at the last scrape that succeeded: after one that took more than its second there are none."""
        return self.query(expression, time=str(self._last_scrape()))

    def _last_scrape(self) -> float:
        """When that was, in seconds since 1970."""
        (found,) = self.query("max_over_time(timestamp(up == 1)[5m:1s])")
        return float(found["value"][1])

    def scrapes(self) -> int:
        """How often it has scraped successfully."""
        try:
            return sum(int(one["value"][1]) for one in self.query("sum(count_over_time((up == 1)[10m:1s]))"))
        except (OSError, ValueError):  # it is not up, or says so in words
            return 0


@pytest.fixture(scope="module")
def prometheus(programs: None, service: Started, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus, after it has seen the service do everything once, and several scrapes after that."""
    found = Prometheus(tmp_path_factory.mktemp("prometheus"), service.port)
    try:
        wait_until(found.scrapes, READY_SECONDS, f"a scrape; the log:\n{found.process.output}")
        with HttpTarget(Receiver).serving() as target:
            do_everything(service, target.url)
            before = found.scrapes()
            wait_until(lambda: found.scrapes() > before + SCRAPES, READY_SECONDS, "more scrapes")
        yield found
    finally:
        found.process.kill()


def do_everything(service: Started, url: str) -> None:
    """Tasks of each kind that succeed, fail and are stopped; firings, a callback, and refused requests."""
    made = [service.post("/api/tasks", body) for body in [FINE] * 20 + [WRONG]]
    call = {"name": "call", "api_url": url, "method": "POST", "data": {}, "callback_url": url}
    made.append(service.post("/api/tasks", call))
    every_second = {"name": "often", "every_seconds": 1, "function_code": FINE["function_code"], "function_name": "f"}
    schedule = service.post("/api/scheduled-tasks", every_second)
    later = service.post("/api/tasks", {**FINE, "task_type": "delayed", "delay_seconds": 600})
    service.call("POST", f"/api/tasks/{later['id']}/stop")
    service.call("GET", "/nowhere")
    for task in made:
        assert service.get(f"/api/tasks/{task['id']}?wait=20")["status"] in ("succeeded", "failed")
    fired = f"/api/tasks?scheduled_task_id={schedule['id']}&status=succeeded"
    wait_until(lambda: service.get(fired)["items"], READY_SECONDS, "a firing")
    wait_until(lambda: service.get("/api/deliveries?status=delivered")["items"], READY_SECONDS, "the callback")


def test_promtool_has_no_complaint_about_the_names(programs: None, prometheus: Prometheus, service: Started) -> None:
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text_of(service.port), capture_output=True, text=True, timeout=20
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_every_metric_arrives(prometheus: Prometheus) -> None:
    names = {one["metric"]["__name__"] for one in prometheus.stored('{__name__=~"celeriac_.*"}')}
    histograms = {metric.name for metric in METRICS if metric.type is MetricType.HISTOGRAM}
    expected = {metric.full_name for metric in METRICS} - histograms
    expected |= {f"{name}_{part}" for name in histograms for part in ("bucket", "count", "sum")}
    assert names == expected


def test_what_it_has_stored_is_what_was_done(prometheus: Prometheus) -> None:
    finished = 'sum by (outcome) (celeriac_tasks_finished_total{kind="code",task_type="immediate"})'
    found = {one["metric"]["outcome"]: float(one["value"][1]) for one in prometheus.stored(finished)}
    assert found == {"succeeded": 20, "failed": 1, "stopped": 0}
    (tagged,) = prometheus.stored('celeriac_tagged_tasks_finished_total{value="payments",outcome="succeeded"}')
    assert float(tagged["value"][1]) == 20
    (retried,) = prometheus.stored('celeriac_attempts_retried_total{kind="code"}')
    assert float(retried["value"][1]) == 1


def test_the_series_are_few(prometheus: Prometheus) -> None:
    (number,) = prometheus.stored('scrape_samples_scraped{job="celeriac"}')
    assert float(number["value"][1]) < 1_500


def panels() -> list[tuple[str, str]]:
    """(title, query) of every panel."""
    return [
        (panel["title"], target["expr"])
        for panel in json.loads(DASHBOARD.read_text())["panels"]
        for target in panel.get("targets", [])
    ]


def test_each_query_of_the_dashboard_finds_data(prometheus: Prometheus) -> None:
    queries = [(title, query.replace("$__rate_interval", "1m")) for title, query in panels()]
    assert [(title, query) for title, query in queries if not prometheus.stored(query)] == []


def test_the_dashboard_may_use_any_data_source() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    assert [one["name"] for one in dashboard["templating"]["list"]] == ["datasource"]
    sources = set(re.findall(r'"uid": "([^"]*)"', DASHBOARD.read_text())) - {dashboard["uid"]}
    assert sources == {"${datasource}"}
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))


def alerts() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
    return found


def test_each_alert_asks_for_series_that_exist(prometheus: Prometheus) -> None:
    names = {alert["alert"]: re.findall(r"\b(?:celeriac_\w+|up)(?=[{ )[])", alert["expr"]) for alert in alerts()}
    assert all(names.values()), names
    assert [(alert, name) for alert, found in names.items() for name in found if not prometheus.stored(name)] == []


def test_prometheus_evaluates_every_alert_and_none_of_the_critical_ones_fires(prometheus: Prometheus) -> None:
    (group,) = prometheus.get("rules")["groups"]
    assert {rule["name"] for rule in group["rules"]} == {alert["alert"] for alert in alerts()}
    assert {rule["health"] for rule in group["rules"]} == {"ok"}, group
    firing = {rule["name"] for rule in group["rules"] if rule["state"] == "firing"}
    assert firing == set()


@pytest.mark.parametrize(
    "words",
    [
        ("check", "config", "deploy/prometheus/prometheus.yml"),
        ("check", "rules", "deploy/prometheus/alerts.yml"),
        ("test", "rules", "deploy/prometheus/alerts_test.yml"),
    ],
    ids=" ".join,
)
def test_promtool_is_content_with_the_files(programs: None, words: tuple[str, ...]) -> None:
    checked = subprocess.run(["promtool", *words], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_each_alert_is_tested() -> None:
    tested = yaml.safe_load((DEPLOY / "prometheus" / "alerts_test.yml").read_text())["tests"]
    fired = {case["alertname"] for test in tested for case in test["alert_rule_test"] if case.get("exp_alerts")}
    assert fired == {alert["alert"] for alert in alerts()}


def test_another_process_continues_every_counter_and_leaves_its_own(
    prometheus: Prometheus, service: Started, redis_of_module: str, tmp_path: Path
) -> None:
    """Nothing is in the memory of a process, so a restart of all of them resets nothing."""
    before = counters(service.port)
    other = Started(tmp_path, "api", REDIS_URL=redis_of_module, METRICS_TAGS="team")
    try:
        other.wait_until_ready("/health/live", READY_SECONDS)
        after = counters(other.port)
        assert {key: number for key, number in before.items() if after.get(key, 0) < number} == {}
        threads = [threading.Thread(target=partial(other.call, "GET", "/nowhere")) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        other.end(signal.SIGTERM)
    finally:
        other.clean_up()
    nowhere = ("celeriac_http_requests_total", frozenset({("method", "GET"), ("route", "other"), ("status", "404")}))
    assert counters(service.port)[nowhere] == before[nowhere] + 10
