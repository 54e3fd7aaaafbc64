"""The commands, environment and files of compose.yaml, run by the real programs of this machine."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests

from dev.stack.binaries import find
from docker.start import make_secrets
from tests.alertmanager.real_alertmanager import dedup_checks
from tests.docker.compose_reading import ROOT, Stack
from tests.docker.native_stack import QUICK_PAIR, NativeStack, answers
from tests.end_to_end.machines import end, eventually, fire


@pytest.fixture
def native(tmp_path: Path) -> Iterator[NativeStack]:
    """The services of `docker compose up`, without the model and Grafana."""
    stack = NativeStack(tmp_path)
    output = stack.run_once("secrets")
    assert output.splitlines() == [f"{name}: made up" for name in make_secrets.PLACES]
    with contextlib.ExitStack() as running:
        start = running.enter_context
        start(stack.running("sandbox", lambda: stack.health("sandbox") == 0))
        start(stack.running("bridge", lambda: stack.health("bridge") == 0))
        for name in ("alertmanager-1", "alertmanager-2"):
            ready = partial(answers, f"{stack.url(name, 9093)}/-/ready")
            start(stack.running(name, ready, *QUICK_PAIR))
        start(stack.running("prometheus", lambda: answers(f"{stack.url('prometheus', 9090)}/-/ready")))
        yield stack


def sandbox_state(native: NativeStack) -> dict[str, Any]:
    return dict(requests.get(f"{native.url('sandbox', 9911)}/state", timeout=60).json())


def prometheus_data(native: NativeStack, path: str) -> Any:
    return requests.get(f"{native.url('prometheus', 9090)}/api/v1/{path}", timeout=60).json()["data"]


def login(native: NativeStack) -> tuple[str, str]:
    return "admin", (native.secrets / "bridge" / "bridge_admin_password").read_text()


def test_an_alert_sent_to_one_of_the_pair_arrives_once(native: NativeStack) -> None:
    eventually(lambda: len(prometheus_data(native, "alertmanagers")["activeAlertmanagers"]) == 2)
    fire(native.url("alertmanager-2", 9093), "MLErrorRateCritical", "critical", namespace="ml", job="toxicity-api")
    (page,) = eventually(lambda: sandbox_state(native)["pagerduty"]["incidents"])
    assert (page["status"], page["pages"]) == ("triggered", 1)
    # the Watchdog, from Prometheus through the pair
    eventually(lambda: answers(f"{native.url('bridge', 9119)}/-/watchdog"))
    end(native.url("alertmanager-2", 9093), "MLErrorRateCritical", "critical", namespace="ml", job="toxicity-api")
    eventually(lambda: sandbox_state(native)["pagerduty"]["incidents"][0]["status"] == "resolved")
    pair = [native.url(name, 9093) for name in ("alertmanager-1", "alertmanager-2")]
    checks = [dedup_checks(url) for url in pair]
    eventually(lambda: all(dedup_checks(url) >= count + 2 for url, count in zip(pair, checks, strict=True)))
    assert [each["pages"] for each in sandbox_state(native)["pagerduty"]["incidents"]] == [1]
    incidents = requests.get(
        f"{native.url('bridge', 9119)}/api/v1/incidents?limit=1000", timeout=60, auth=login(native)
    )
    assert len(incidents.json()["incidents"]) == 1
    for name in ("sandbox", "bridge", "alertmanager-1", "alertmanager-2", "prometheus"):
        assert native.health(name) == 0, name
    jobs = {target["labels"]["job"]: target["health"] for target in prometheus_data(native, "targets")["activeTargets"]}
    assert {job: health for job, health in jobs.items() if job != "toxicity-api"} == {
        "alert-bridge": "up",
        "alertmanager": "up",
        "prometheus": "up",
    }


def webhook() -> dict[str, Any]:
    alert = {
        "status": "firing",
        "labels": {"alertname": "ErrorsHigh", "severity": "critical"},
        "annotations": {"summary": "it is wrong"},
        "startsAt": "2026-03-01T12:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": "0" * 16,
    }
    common = {"version": "4", "groupKey": "one", "status": "firing", "receiver": "bridge", "externalURL": "http://a"}
    return {**common, "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "alerts": [alert]}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_separate_web_and_worker_share_postgresql_and_metrics(tmp_path: Path, database_url: str) -> None:
    native = NativeStack(tmp_path, Stack(profiles=("sandbox", "postgres")), database=database_url)
    native.run_once("secrets")
    bridge = native.url("bridge-web", 9119)
    with contextlib.ExitStack() as running:
        start = running.enter_context
        start(native.running("sandbox", lambda: native.health("sandbox") == 0))
        start(native.running("bridge-web", lambda: answers(f"{bridge}/-/healthy")))
        start(native.running("bridge-worker", lambda: native.health("bridge-worker") == 0))
        token = (native.secrets / "alertmanager" / "alertmanager_token").read_text()
        url, headers = f"{bridge}/webhook/alertmanager/prod", {"Authorization": f"Bearer {token}"}
        requests.post(url, json=webhook(), headers=headers, timeout=60).raise_for_status()
        eventually(lambda: sandbox_state(native)["pagerduty"]["incidents"])
        sent = r'bridge_delivery_attempts_total{channel="pagerduty-ml",result="ok"} [1-9]'  # the worker counts this
        eventually(lambda: re.search(sent, requests.get(f"{bridge}/metrics", timeout=60).text))


def test_a_health_check_fails_without_a_listening_service(tmp_path: Path) -> None:
    native = NativeStack(tmp_path)
    assert [
        name
        for name in ("sandbox", "bridge", "alertmanager-1", "prometheus", "toxicity-api-0")
        if native.health(name) == 0
    ] == []


def test_the_command_on_the_page_makes_the_alertmanager_file_for_real_vendors(tmp_path: Path) -> None:
    shipped = (ROOT / "docker" / "alertmanager" / "alertmanager.yml").read_text()
    (command,) = re.findall(r"^ +(sed (?:.*\\\n)*.*)$", (ROOT / "docs" / "docker.md").read_text(), re.MULTILINE)
    (tmp_path / "alertmanager").mkdir()
    (tmp_path / "alertmanager" / "alertmanager.yml").write_text(shipped)
    subprocess.run(["sh", "-ec", command], cwd=tmp_path, check=True)
    written = tmp_path / "alertmanager" / "vendors.yml"
    assert "sandbox" not in "".join(row for row in written.read_text().splitlines() if not row.lstrip().startswith("#"))
    assert "url: https://events.pagerduty.com/v2/enqueue" in written.read_text()
    subprocess.run([find("amtool"), "check-config", written], check=True, capture_output=True)
