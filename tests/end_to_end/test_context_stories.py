"""A bad deployment, a drift, a pod that is gone, one that fails, an overload: what each page and message says of it.

From Alertmanager's webhook to the vendors' stand-ins, with facts from a real Prometheus and the shipped questions.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from dev.sandbox.running import RunningSandbox
from tests.clients.story import running_prometheus
from tests.end_to_end.machines import Bridge, eventually, running_bridge, unhurried


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_prometheus(tmp_path_factory.mktemp("story")) as url:
        yield url


@pytest.fixture
def patient(tmp_path: Path, sandbox: RunningSandbox, token: str, prometheus: str) -> Iterator[Bridge]:
    with running_bridge(tmp_path, sandbox, token, unhurried(tmp_path), PROMETHEUS_URL=prometheus) as bridge:
        yield bridge


#: story -> the alert's cause, the rule, what the details say, the end of the summary
STORIES = {
    "deploy": (
        "errors",
        "new_version_fails",
        ("100 % of the errors come from 1.1.0", "Failed predictions", "20 %"),
        "on 2 of 3 pods",
    ),
    "drift": ("confidence", "inputs_drifted", ("Drift of the confidence (PSI)", "the inputs have changed"), ""),
    "gone": ("model", "pods_missing", ("Pods with a model", "2 of 3"), "Pods with a model: 2 of 3"),
    "onepod": ("errors", "one_pod_fails", ("come from api-2", "Errors by pod"), "on 1 of 3 pods"),
    "overload": ("saturation", "overload", ("what is usual", "Requests in flight"), ""),
}


@pytest.mark.parametrize("story", STORIES)
def test_the_page_says_what_is_wrong_and_why(patient: Bridge, sandbox: RunningSandbox, token: str, story: str) -> None:
    cause, rule, said, heard = STORIES[story]
    fire(patient, token, story, cause)
    (page,) = eventually(lambda: sandbox.state["pagerduty"]["incidents"], 60)
    told = str(page["custom_details"])
    assert [] == [each for each in (rule, *said) if each not in told]
    assert heard in page["summary"]
    assert len(page["summary"]) <= 160
    incident = f"{patient.url}/incidents/1"  # what was learned is stored after the page has gone out
    eventually(lambda: all(each in requests.get(incident, timeout=60).text for each in (rule, *said)))


def fire(bridge: Bridge, token: str, namespace: str, cause: str) -> None:
    labels = {"alertname": "ModelInTrouble", "severity": "critical", "service": "toxicity-api", "cause": cause}
    labels |= {"namespace": namespace, "job": "toxicity-api"}
    alert: dict[str, Any] = {
        "status": "firing", "labels": labels, "annotations": {"summary": "The model is in trouble"},
        "startsAt": (datetime.now(UTC) - timedelta(minutes=1)).isoformat(), "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "", "fingerprint": "f1",
    }  # fmt: skip
    body = {
        "version": "4", "groupKey": '{}:{alertname="ModelInTrouble"}', "receiver": "bridge", "status": "firing",
        "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "", "alerts": [alert],
    }  # fmt: skip
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{bridge.url}/webhook/alertmanager/prod"
    eventually(lambda: requests.post(url, json=body, headers=headers, timeout=60).ok)  # as Alertmanager does
