"""A page while Prometheus hangs, answers nonsense or is not there: it comes, and says what is not known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from dev.sandbox.running import RunningSandbox
from tests.end_to_end.fake_prometheus import Prometheus, fake_prometheus
from tests.end_to_end.machines import Bridge, eventually, running_bridge

ALERT = {
    "status": "firing",
    "labels": {
        "alertname": "ErrorsHigh",
        "severity": "critical",
        "service": "toxicity-api",
        "cause": "errors",
        "job": "api",
    },
    "annotations": {"summary": "7 % of predictions fail"},
    "startsAt": "2026-11-23T12:00:00Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "",
    "fingerprint": "f1",
}
WEBHOOK = {
    "version": "4", "groupKey": "{}:{alertname=\"ErrorsHigh\"}", "receiver": "bridge", "status": "firing",
    "groupLabels": {"alertname": "ErrorsHigh"}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "",
    "alerts": [ALERT],
}  # fmt: skip


@pytest.fixture
def prometheus() -> Iterator[Prometheus]:
    with fake_prometheus("hang", 0.073, pod="a", version="v2", error_type="timeout") as prometheus:
        yield prometheus


@pytest.fixture
def asking(tmp_path: Path, sandbox: RunningSandbox, token: str, prometheus: Prometheus) -> Iterator[Bridge]:
    with running_bridge(tmp_path, sandbox, token, PROMETHEUS_URL=prometheus.url) as bridge:
        yield bridge


def fire(bridge: Bridge, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{bridge.url}/webhook/alertmanager/prod"
    requests.post(url, json=WEBHOOK, headers=headers, timeout=60).raise_for_status()


def details(sandbox: RunningSandbox) -> dict[str, Any]:
    (page,) = eventually(lambda: sandbox.state["pagerduty"]["incidents"])
    assert page["pages"] == 1
    return dict(page["custom_details"])


@pytest.mark.parametrize("mode", ["hang", "nonsense", "error", "gone"])
def test_the_page_comes_and_says_what_is_not_known(
    asking: Bridge, sandbox: RunningSandbox, token: str, prometheus: Prometheus, mode: str
) -> None:
    prometheus.mode = mode
    if mode == "gone":
        prometheus.server.shutdown()
        prometheus.server.server_close()
    before = prometheus.asked  # at its start the bridge asks for the addresses of golden texts
    fire(asking, token)
    shown = details(sandbox)
    assert (prometheus.asked > before) == (mode != "gone")
    assert "facts" not in shown
    assert "Failed predictions" in str(shown["not_known"])
    assert "does not answer" in str(shown["not_known"])


def test_what_was_not_known_is_shown_when_prometheus_answers(
    asking: Bridge, sandbox: RunningSandbox, token: str, prometheus: Prometheus
) -> None:
    fire(asking, token)
    assert "not_known" in details(sandbox)
    prometheus.mode = "answer"
    known = "Known now: Failed predictions 7.3 %"
    page = eventually(lambda: known in (text := requests.get(f"{asking.url}/incidents/1", timeout=60).text) and text)
    assert "<h2>Context</h2>" in page
    (incident,) = eventually(lambda: [each for each in sandbox.state["pagerduty"]["incidents"] if len(each["log"]) > 1])
    assert (incident["log"][-1]["action"], incident["pages"]) == ("trigger", 1)
