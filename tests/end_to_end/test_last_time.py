"""What happened before, and what ended it: through real processes, in every channel, on the page and in the API."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from dev.sandbox.running import RunningSandbox
from tests.end_to_end.machines import Bridge, eventually

pytestmark = pytest.mark.timeout(300)
LINE = "2nd in 30 days; last #1, 23 min, ended after rollback to 1.0.0 (Ana)"
SEVERITIES = ("critical", "warning", "info")


def ago(minutes: float) -> datetime:
    return datetime.now(UTC) - timedelta(minutes=minutes)


def post(bridge: Bridge, token: str, pod: str, severity: str, began: datetime, ended: datetime | None = None) -> None:
    status = "resolved" if ended else "firing"
    labels = {"alertname": "Failing", "severity": severity, "service": "toxicity-api", "pod": pod}
    alert = {
        "status": status, "labels": labels, "annotations": {"summary": "Predictions fail"}, "generatorURL": "",
        "startsAt": began.isoformat(), "endsAt": ended.isoformat() if ended else "0001-01-01T00:00:00Z",
    }  # fmt: skip
    body = {
        "version": "4", "groupKey": pod, "receiver": "bridge", "status": status, "groupLabels": labels,
        "commonLabels": {}, "commonAnnotations": {}, "externalURL": "", "alerts": [alert],
    }  # fmt: skip
    url = f"{bridge.url}/webhook/alertmanager/prod"
    requests.post(url, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=60).raise_for_status()


def roll_back(bridge: Bridge, token: str, at: datetime) -> None:
    change = {"kind": "rollback", "service": "toxicity-api", "version": "1.0.0", "by": "Ana", "at": at.isoformat()}
    headers = {"Authorization": f"Bearer {token}"}
    requests.post(f"{bridge.url}/events/change", json=change, headers=headers, timeout=60).raise_for_status()


def api(bridge: Bridge, number: int) -> Any:
    return requests.get(f"{bridge.url}/api/v1/incidents/{number}", timeout=60).json()


def first_outbreak(bridge: Bridge, token: str) -> None:
    began, ended = ago(63), ago(40)
    post(bridge, token, "api-0", "warning", began)
    eventually(lambda: bridge.incidents())
    roll_back(bridge, token, ago(42))
    post(bridge, token, "api-0", "warning", began, ended)
    eventually(lambda: api(bridge, 1)["state"] == "resolved")


def until_said(bridge: Bridge, token: str, severity: str, channel: Callable[[], Any]) -> str:
    """What the channel has, once a message had the line. One whose database took longer than a message waits, as on a
    loaded machine, has none; the next one has.
    """
    for attempt in range(50):
        post(bridge, token, f"{severity}-{attempt}", severity, ago(1))
        eventually(lambda: all(is_delivered(bridge, each["number"]) for each in bridge.incidents()))
        if LINE in (said := json.dumps(channel())):
            return said
    raise AssertionError(f"{severity}: no message says {LINE!r}: {said[-3000:]}")


def is_delivered(bridge: Bridge, number: int) -> bool:
    return all(each["status"] == "delivered" for each in api(bridge, number)["deliveries"])


def test_every_channel_the_page_and_the_api_say_what_ended_it_the_last_time(
    bridge: Bridge, sandbox: RunningSandbox, token: str
) -> None:
    first_outbreak(bridge, token)
    assert f'"last_time": "{LINE}"' in until_said(bridge, token, "critical", lambda: sandbox.state["pagerduty"])
    until_said(bridge, token, "warning", lambda: sandbox.state["mail"])
    until_said(bridge, token, "info", lambda: sandbox.state["slack"])
    (mail, *_) = [each for each in sandbox.state["mail"] if LINE in each["text"]]
    assert LINE in mail["html"]
    numbers = [each["number"] for each in bridge.incidents() if each["number"] > 1]
    for number in numbers:
        recurrence = api(bridge, number)["recurrence"]
        (earlier,) = recurrence["earlier"]
        assert (recurrence["text"], recurrence["count"], earlier["number"]) == (LINE, 2, 1)
        assert (earlier["change"]["version"], earlier["change"]["by"]) == ("1.0.0", "Ana")
        shown = requests.get(f"{bridge.url}/incidents/{number}", timeout=60).text
        assert "2nd in 30 days" in shown and 'href="/incidents/1"' in shown
        assert "ended after rollback to 1.0.0 (Ana)" in shown
    assert api(bridge, 1)["recurrence"] is None
    assert "Last time" not in requests.get(f"{bridge.url}/incidents/1", timeout=60).text


def test_rows_of_the_version_before_are_found_once_the_worker_has_filled_them_in(
    bridge: Bridge, sandbox: RunningSandbox, token: str
) -> None:
    first_outbreak(bridge, token)
    with sqlite3.connect(Path(bridge.database_url.removeprefix("sqlite:///")), timeout=60) as database:
        database.execute("UPDATE alert SET recurrence = NULL")
    post(bridge, token, "api-1", "critical", ago(1))
    found = eventually(lambda: api(bridge, 2).get("recurrence"))
    assert found["text"] == LINE
    assert sandbox.state["pagerduty"]["incidents"]
