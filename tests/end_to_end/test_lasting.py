"""An alert that started 34 minutes ago and ends at once, and what is measured before and after its end: every place."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from dev.sandbox.running import RunningSandbox
from tests.end_to_end.fake_prometheus import Prometheus, fake_prometheus
from tests.end_to_end.machines import Bridge, eventually, running_bridge, unhurried

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def prometheus() -> Iterator[Prometheus]:
    with fake_prometheus("answer", 0.42) as prometheus:
        yield prometheus


@pytest.fixture
def bridge(tmp_path: Path, sandbox: RunningSandbox, token: str, prometheus: Prometheus) -> Iterator[Bridge]:
    with running_bridge(tmp_path, sandbox, token, unhurried(tmp_path), PROMETHEUS_URL=prometheus.url) as bridge:
        yield bridge


def post(bridge: Bridge, token: str, severity: str, started: datetime, ended: datetime | None = None) -> None:
    name, status = f"Errors{severity}", "resolved" if ended else "firing"
    labels = {"alertname": name, "severity": severity, "service": "toxicity-api", "cause": "errors", "job": "api"}
    alert = {
        "status": status, "labels": labels, "annotations": {"summary": "Predictions fail"}, "generatorURL": "",
        "startsAt": started.isoformat(), "endsAt": ended.isoformat() if ended else "0001-01-01T00:00:00Z",
    }  # fmt: skip
    body = {
        "version": "4", "groupKey": name, "receiver": "bridge", "status": status, "groupLabels": {"alertname": name},
        "commonLabels": {}, "commonAnnotations": {}, "externalURL": "", "alerts": [alert],
    }  # fmt: skip
    url = f"{bridge.url}/webhook/alertmanager/prod"
    requests.post(url, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=60).raise_for_status()


def shown(bridge: Bridge, path: str) -> str:
    answer = requests.get(f"{bridge.url}{path}", timeout=60)
    answer.raise_for_status()
    return " ".join(answer.text.split())


def test_every_place_counts_from_the_alerts_start_and_says_what_is_of_after_the_end(
    bridge: Bridge, sandbox: RunningSandbox, token: str, prometheus: Prometheus
) -> None:
    started = datetime.now(UTC) - timedelta(minutes=34, seconds=5)
    for severity in ("critical", "warning", "info"):
        post(bridge, token, severity, started)
    eventually(lambda: sandbox.state["pagerduty"]["incidents"] and sandbox.state["mail"])
    trigger = sandbox.state["pagerduty"]["events"][0]
    assert trigger["event_action"] == "trigger"
    assert abs(datetime.fromisoformat(trigger["payload"]["timestamp"]) - started) < timedelta(seconds=1)
    eventually(lambda: all(bridge_measured(bridge, number) for number in (1, 2, 3)))
    prometheus.value = 0.0
    for severity in ("critical", "warning", "info"):
        post(bridge, token, severity, started, datetime.now(UTC))
    (mail,) = eventually(lambda: [each for each in sandbox.state["mail"] if "Resolved" in each["text"]])
    assert mail["text"].startswith("Resolved after 34 min") and "Lasted 34 min, until" in mail["text"]
    assert "Measured while it fired, at" in mail["text"] and "42 %" in mail["text"].partition("AFTER THE END")[0]
    assert "* Failed predictions: 0 %" in mail["text"].partition("AFTER THE END, MEASURED AT")[2]
    eventually(lambda: "after 34 min" in json.dumps(sandbox.state["slack"]))
    slack = json.dumps(sandbox.state["slack"])
    assert "Measured while it fired" in slack and "After the end, measured at" in slack
    eventually(lambda: bridge_measured(bridge, 2)["after_end"])
    found = requests.get(f"{bridge.url}/api/v1/incidents/2", timeout=60).json()
    assert found["duration_seconds"] // 60 == 34 and found["duration_exact"]
    assert found["measured"]["measured_at"] >= found["ended_at"] > found["measured"]["during"]["measured_at"]
    assert 0.42 in [fact["value"] for fact in found["measured"]["during"]["facts"]]
    page = shown(bridge, "/incidents/2")
    assert "fired for 34 min" in page
    before, _, after = page.partition("<h3>After the end</h3>")
    assert "While it fired" in before and "42 %" in before and "Measured after the end, at" in after
    assert "lasted 34 min" in shown(bridge, "/resolved")
    assert "lasted 34 min" in said(bridge, "list", "--all") and "lasted 34 min" in said(bridge, "show", "2")


def bridge_measured(bridge: Bridge, number: int) -> Any:
    return requests.get(f"{bridge.url}/api/v1/incidents/{number}", timeout=60).json()["measured"]


def said(bridge: Bridge, *arguments: str) -> str:
    command = [sys.executable, "-m", "bridge", "incidents", *arguments, "--database", bridge.database_url]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
