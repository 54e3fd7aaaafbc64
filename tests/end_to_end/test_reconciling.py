"""What Alertmanager never tells: real ones are asked about it by the real bridge."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from sandbox.running import RunningSandbox
from tests.end_to_end.machines import Bridge, end, eventually, fire, free_port, running_alertmanager
from tests.end_to_end.test_alert_to_people import pages

pytestmark = pytest.mark.timeout(180)
QUICK = {"every": "500ms", "after": "2s", "settled": "1s", "timeout": "2s"}
Start = Callable[..., Bridge]


@pytest.fixture
def asking(tmp_path: Path, bridge: Bridge) -> Start:
    """The bridge with the shipped routes, asking these Alertmanagers often and with little patience."""

    def start(*urls: str, **more: str) -> Bridge:
        routes = yaml.safe_load(bridge.config.read_text())
        (source,) = routes["sources"]
        del source["url"]
        source |= {"urls": list(urls), "reconcile": QUICK | more}
        bridge.stop()
        bridge.config = tmp_path / "routes.yaml"
        bridge.config.write_text(yaml.safe_dump(routes))
        bridge.start()
        return bridge

    return start


def silence(alertmanager: str, name: str) -> str:
    now = datetime.now(UTC)
    matcher = {"name": "alertname", "value": name, "isRegex": False}
    times = {"startsAt": now.isoformat(), "endsAt": (now + timedelta(hours=1)).isoformat()}
    body = {"matchers": [matcher], "createdBy": "alice", "comment": "known", **times}
    answer = requests.post(f"{alertmanager}/api/v2/silences", json=body, timeout=10)
    answer.raise_for_status()
    return str(answer.json()["silenceID"])


def only(bridge: Bridge) -> dict[str, Any]:
    (incident,) = bridge.incidents()
    return dict(requests.get(f"{bridge.url}/api/v1/incidents/{incident['number']}", timeout=10).json())


def texts(bridge: Bridge) -> str:
    return " | ".join(entry["text"] for entry in only(bridge)["timeline"])


def looks(bridge: Bridge, outcome: str) -> float:
    """How often all Alertmanagers were asked, with this outcome."""
    lines = requests.get(f"{bridge.url}/metrics", timeout=10).text.splitlines()
    name = f'bridge_reconciler_looks_total{{outcome="{outcome}",source="prod"}} '
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))


def look_again(bridge: Bridge, outcome: str, times: int) -> None:
    before = looks(bridge, outcome)
    eventually(lambda: looks(bridge, outcome) >= before + times)


def muted(bridge: Bridge) -> list[str]:
    return [alert["muted"] for alert in only(bridge)["alerts"] if alert["muted"]]


def test_what_ends_while_it_is_silenced_is_ended_and_told(
    alertmanager: str, asking: Start, sandbox: RunningSandbox
) -> None:
    bridge = asking(alertmanager)
    fire(alertmanager, "ErrorsHigh", "critical")
    eventually(lambda: pages(sandbox))
    silence(alertmanager, "ErrorsHigh")
    eventually(lambda: muted(bridge))
    assert muted(bridge)[0].startswith("silenced by alice until 20")
    assert "ErrorsHigh: silenced by alice until" in texts(bridge)
    assert "silenced by alice until" in requests.get(f"{bridge.url}/incidents/1", timeout=10).text
    look_again(bridge, "ok", 6)
    assert ("open", "triggered") == (only(bridge)["state"], pages(sandbox)[0]["status"])
    end(alertmanager, "ErrorsHigh", "critical")
    eventually(lambda: pages(sandbox)[0]["status"] == "resolved")
    assert ("resolved", 1) == (only(bridge)["state"], pages(sandbox)[0]["pages"])
    assert "ErrorsHigh ended: Alertmanager no longer knows it" in texts(bridge)
