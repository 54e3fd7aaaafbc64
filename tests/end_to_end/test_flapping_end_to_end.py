"""The real bridge and an alert that comes and goes: the on-call is paged once, and notified once that it is over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from dev.sandbox.running import RunningSandbox
from tests.end_to_end.machines import ROOT, Bridge, eventually, running_bridge

SHIPPED = "flapping: {turns: 4, within: 1h, calm: 10m}"
QUICK = "flapping: {turns: 2, within: 1h, calm: 20s}"


@pytest.fixture
def bridge(tmp_path: Path, sandbox: RunningSandbox, token: str) -> Iterator[Bridge]:
    """The shipped routes, sooner sure that something flaps."""
    text = (ROOT / "routes.yaml").read_text()
    assert SHIPPED in text
    config = tmp_path / "routes.yaml"
    config.write_text(text.replace(SHIPPED, QUICK))
    with running_bridge(tmp_path, sandbox, token, config) as started:
        yield started


def post(bridge: Bridge, token: str, begun: datetime, ended: datetime | None = None) -> None:
    labels, status = {"alertname": "ErrorsHigh", "severity": "critical"}, "resolved" if ended else "firing"
    times = {"startsAt": begun.isoformat(), "endsAt": (ended.isoformat() if ended else "0001-01-01T00:00:00Z")}
    alert = {"status": status, "labels": labels, "annotations": {}, "generatorURL": "", "fingerprint": "1", **times}
    body = {
        "version": "4", "groupKey": "flapping", "status": status, "receiver": "bridge", "groupLabels": labels,
        "commonLabels": labels, "commonAnnotations": {}, "externalURL": "http://127.0.0.1", "alerts": [alert],
    }  # fmt: skip
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.post(f"{bridge.url}/webhook/alertmanager/prod", json=body, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text


def pages(sandbox: RunningSandbox) -> list[str]:
    return [page["status"] for page in sandbox.state["pagerduty"]["incidents"]]


def shown(bridge: Bridge) -> dict[str, Any]:
    return dict(requests.get(f"{bridge.url}/api/v1/incidents/1", timeout=60).json())


def delivered(bridge: Bridge, revision: int) -> bool:
    return [revision] == [each["sent"] for each in shown(bridge)["deliveries"]]


def test_ten_state_changes_page_once_after_it_is_known_that_it_flaps_and_end_once(
    bridge: Bridge, sandbox: RunningSandbox, token: str
) -> None:
    start = datetime.now(UTC) - timedelta(minutes=10)
    for number in range(10):
        begun = start + timedelta(seconds=20 * number)
        post(bridge, token, begun)
        eventually(lambda: delivered(bridge, shown(bridge)["revision"]))
        post(bridge, token, begun, begun + timedelta(seconds=10))
        eventually(lambda: delivered(bridge, shown(bridge)["revision"]))
    flapping = shown(bridge)
    # The first begin and end are notified as they come; the second is known to be flapping, and is the only one paged
    # after that.
    assert pages(sandbox) == ["resolved", "triggered"]
    assert (flapping["flapping"]["turns"], flapping["state"]) == (10, "open")
    page = requests.get(f"{bridge.url}/incidents/1", timeout=60).text
    assert "Flapping: it began and ended 10 times in" in page
    assert "bridge_flapping_incidents 1.0" in requests.get(f"{bridge.url}/metrics", timeout=60).text
    bridge.kill_everything()
    bridge.start()
    eventually(lambda: pages(sandbox) == ["resolved", "resolved"], seconds=60)
    (ended,) = [each["text"] for each in shown(bridge)["timeline"] if each["text"].startswith("every alert has ended:")]
    assert ended.startswith("every alert has ended: it flapped (it began and ended 10 times in")
