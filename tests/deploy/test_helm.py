"""The chart in deploy/helm: rendered by Helm's own library, and held to Kubernetes' schemas and to our code."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.domain.kinds import QUEUES
from app.domain.metrics import QUEUE_DEPTH
from app.launch import alive
from app.settings import Settings, read_settings
from app.version import VERSION
from start import ROLES, WORKER_END_SECONDS
from tests.deploy.conftest import missing
from tests.deploy.image import ROOT, USER, stages

CHART = ROOT / "deploy" / "helm" / "celeriac"
REDIS = {"redis": {"existingSecret": "redis-url"}}
AUTOSCALING = {"autoscaling": {"enabled": True, "maxReplicas": 40}}
VALUES: dict[str, dict[str, Any]] = {
    "least": REDIS,
    "most": {
        **REDIS,
        "existingSecret": "celeriac",
        "imagePullSecrets": [{"name": "registry"}],
        "settings": {"MAX_QUEUED_TASKS": 2_000_000, "LEASE_SECONDS": 2.5, "TRUSTED_PROXIES": "10.0.0.0/8"},
        "api": {"podAnnotations": {"prometheus.io/scrape": "true"}, "settings": {"API_THREADS": 64}},
        "workers": {
            "code": {**AUTOSCALING, "shutdownGraceSeconds": 600, "settings": {"SANDBOX_MEMORY_BYTES": 134_217_728}},
            "api": AUTOSCALING,
        },
        "ingress": {"enabled": True, "className": "nginx", "host": "tasks.example", "tlsSecret": "tls"},
        "nodeSelector": {"kubernetes.io/arch": "amd64"},
        "tolerations": [{"key": "tasks", "operator": "Exists"}],
    },
    "one of each": {
        **REDIS,
        "api": {"replicas": 1},
        "beat": {"replicas": 1},
        "workers": {"code": {"replicas": 1}, "api": {"replicas": 0}},
    },
}
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no Redis": ({}, "existingSecret"),
    "a word too much": ({**REDIS, "replicas": 2}, "replicas"),
    "a key in plain sight": ({**REDIS, "settings": {"API_KEYS": "me:admin:x"}}, "API_KEYS"),
    "another port than that of the probes": ({**REDIS, "settings": {"PORT": 8080}}, "PORT"),
    # `off` and `on` without quotes, which the process would get as false and true
    "off for all": ({**REDIS, "settings": {"RATE_LIMIT": False}}, "/settings/RATE_LIMIT"),
    "on for the API": ({**REDIS, "api": {"settings": {"TRACING": True}}}, "/api/settings/TRACING"),
    "an ingress for nobody": ({**REDIS, "ingress": {"enabled": True}}, "ingress.host"),
}


@pytest.fixture(scope="module")
def rendered() -> dict[str, Any]:
    """What Helm makes of VALUES and WRONG: see render_chart.py. Its YAML is read once, as that takes a while."""
    if importlib.util.find_spec("helm_python") is None:
        missing("there is no helm-python-sdk: it comes with requirements-dev.txt on Linux on x86-64")
    asked = VALUES | {name: values for name, (values, _) in WRONG.items()}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("render_chart.py"))],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    for each in found.values():
        files = each.pop("manifests", {})
        each["notes"] = files.get("celeriac/templates/NOTES.txt", "")
        each["objects"] = [read for path, text in files.items() if path.endswith(".yaml") for read in _read(text)]
    return found


def _read(text: str) -> Iterator[Any]:
    return filter(None, yaml.safe_load_all(text))


def objects(rendered: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects that Kubernetes is given for these values."""
    assert "error" not in rendered[name], rendered[name]
    found: list[dict[str, Any]] = rendered[name]["objects"]
    return found


def of_kind(rendered: dict[str, Any], name: str, kind: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each["spec"] for each in objects(rendered, name) if each["kind"] == kind}


def pods(rendered: dict[str, Any], name: str) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Each Deployment's name, the spec of its pods and that of their one container."""
    for deployment, spec in of_kind(rendered, name, "Deployment").items():
        pod = spec["template"]["spec"]
        (container,) = pod["containers"]
        yield deployment, pod, container


def plain_environment(container: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container["env"] if "value" in each}


def test_helms_lint_finds_nothing(rendered: dict[str, Any]) -> None:
    lint = rendered["lint"]
    assert lint["errors"] == []
    assert [each["error"] for each in lint["messages"] if each["error"] != "icon is recommended"] == []


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("version", ["1.27", "1.37"])
def test_kubernetes_takes_what_is_rendered(rendered: dict[str, Any], name: str, version: str) -> None:
    import kubernetes_validate

    for each in objects(rendered, name):
        kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize("name", WRONG)
def test_wrong_values_are_refused_in_words(rendered: dict[str, Any], name: str) -> None:
    assert WRONG[name][1] in rendered[name]["error"]


def test_the_first_key_is_made_where_a_pod_runs_without_one(rendered: dict[str, Any]) -> None:
    commands = {name: container["command"] for name, _, container in pods(rendered, "least")}
    texts = (rendered["least"]["notes"], (CHART / "values.yaml").read_text())
    named = [re.findall(r"exec deploy/(\S+) -- python start.py keys create", text) for text in texts]
    assert named == [["celeriac-beat"]] * 2
    assert commands["celeriac-beat"] == ["python", "start.py", "beat"]  # the API would end: it needs a key


def test_there_is_a_deployment_for_each_role_and_queue(rendered: dict[str, Any]) -> None:
    found = {name: container["command"] for name, _, container in pods(rendered, "least")}
    assert found.pop("celeriac-api") == ["python", "start.py", "api"]
    assert found.pop("celeriac-beat") == ["python", "start.py", "beat"]
    queues = {name: command[command.index("-Q") + 1] for name, command in found.items()}
    assert queues == {f"celeriac-worker-{kind}": queue for kind, queue in QUEUES.items()}
    assert {"api", "beat"} <= set(ROLES)


@pytest.mark.parametrize("name", VALUES)
def test_pods_are_locked_down(rendered: dict[str, Any], name: str) -> None:
    for _, pod, container in pods(rendered, name):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == USER
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]
        assert "limits" in container["resources"]


@pytest.mark.parametrize("name", VALUES)
def test_settings_are_ours_and_can_be_read(rendered: dict[str, Any], name: str) -> None:
    ours = {field.name.upper() for field in dataclasses.fields(Settings)}
    for _, _, container in pods(rendered, name):
        assert {each["name"] for each in container["env"]} <= ours
        settings = read_settings(plain_environment(container))
        assert not settings.loopback_only, "by it a worker knows that private addresses are not to be reached"


def test_numbers_arrive_as_they_were_written(rendered: dict[str, Any]) -> None:
    found = {name: plain_environment(container) for name, _, container in pods(rendered, "most")}
    assert found["celeriac-worker-code"]["SANDBOX_MEMORY_BYTES"] == "134217728"
    assert found["celeriac-beat"]["MAX_QUEUED_TASKS"] == "2000000"
    assert found["celeriac-beat"]["LEASE_SECONDS"] == "2.5"
    assert found["celeriac-api"]["API_THREADS"] == "64"
    assert "API_THREADS" not in found["celeriac-beat"]


@pytest.mark.parametrize("name", VALUES)
def test_secrets_come_from_secrets_alone(rendered: dict[str, Any], name: str) -> None:
    assert not [each for each in objects(rendered, name) if each["kind"] in ("Secret", "ConfigMap")]
    for _, _, container in pods(rendered, name):
        (redis,) = [each for each in container["env"] if each["name"] == "REDIS_URL"]
        assert redis["valueFrom"] == {"secretKeyRef": {"name": "redis-url", "key": "REDIS_URL"}}
        others = [each["secretRef"]["name"] for each in container.get("envFrom", [])]
        assert others == (["celeriac"] if name == "most" else [])


@pytest.mark.parametrize("name", VALUES)
def test_a_worker_has_its_grace_before_it_is_killed(rendered: dict[str, Any], name: str) -> None:
    for deployment, pod, container in pods(rendered, name):
        if "worker" in deployment:
            grace = read_settings(plain_environment(container)).shutdown_grace
            assert pod["terminationGracePeriodSeconds"] >= grace + WORKER_END_SECONDS


def test_probes_ask_what_exists(rendered: dict[str, Any]) -> None:
    for deployment, _, container in pods(rendered, "least"):
        probes = {kind: container[f"{kind}Probe"] for kind in ("liveness", "readiness")}
        if deployment == "celeriac-api":
            assert {probe["httpGet"]["path"] for probe in probes.values()} == {"/health/live"}
            assert container["ports"][0]["containerPort"] == read_settings({}).port
            continue
        ready, living = probes["readiness"]["exec"]["command"], probes["liveness"]["exec"]["command"]
        assert ready[:3] == ["python", "-m", "app.launch.alive"]
        assert ready[3] in alive.ROLES
        assert living == [*ready, alive.IGNORE_REDIS]


def test_workers_are_scaled_by_the_depth_of_their_queue(rendered: dict[str, Any]) -> None:
    assert of_kind(rendered, "least", "HorizontalPodAutoscaler") == {}
    scalers = of_kind(rendered, "most", "HorizontalPodAutoscaler")
    deployments = of_kind(rendered, "most", "Deployment")
    assert set(scalers) == {f"celeriac-worker-{kind}" for kind in QUEUES}
    for kind, queue in QUEUES.items():
        spec = scalers[f"celeriac-worker-{kind}"]
        (metric,) = spec["metrics"]
        assert metric["external"]["metric"]["name"] == QUEUE_DEPTH.full_name
        assert metric["external"]["metric"]["selector"] == {"matchLabels": {"queue": queue}}
        assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 40)
        assert "replicas" not in deployments[spec["scaleTargetRef"]["name"]], "or each upgrade would undo the scaling"


def test_a_budget_lets_one_pod_of_several_go_and_a_single_one_too(rendered: dict[str, Any]) -> None:
    budgets = of_kind(rendered, "least", "PodDisruptionBudget")
    assert set(budgets) == set(of_kind(rendered, "least", "Deployment"))
    assert {spec["maxUnavailable"] for spec in budgets.values()} == {1}
    assert of_kind(rendered, "one of each", "PodDisruptionBudget") == {}


def test_the_ingress_leads_to_the_service(rendered: dict[str, Any]) -> None:
    assert of_kind(rendered, "least", "Ingress") == {}
    (ingress,) = of_kind(rendered, "most", "Ingress").values()
    (path,) = ingress["rules"][0]["http"]["paths"]
    service = of_kind(rendered, "most", "Service")[path["backend"]["service"]["name"]]
    api = of_kind(rendered, "most", "Deployment")["celeriac-api"]
    assert service["selector"].items() <= api["template"]["metadata"]["labels"].items()
    assert ingress["tls"] == [{"hosts": ["tasks.example"], "secretName": "tls"}]


def test_the_chart_is_of_this_version_and_of_this_image() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (VERSION, VERSION)
    (user,) = [each.rest for each in stages((ROOT / "Dockerfile").read_text())[-1] if each.word == "USER"]
    assert user == f"{USER}:{USER}"
