"""What Alertmanager never sends: real ones are asked for it by the real bridge."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests

from dev.sandbox.running import RunningSandbox
from dev.stack.free_port import free_port
from tests.end_to_end.machines import Bridge, end, eventually, fire, running_alertmanager
from tests.end_to_end.notified import pages
from tests.end_to_end.reconciling import Start, await_rounds


def silence(alertmanager: str, name: str) -> str:
    now = datetime.now(UTC)
    matcher = {"name": "alertname", "value": name, "isRegex": False}
    times = {"startsAt": now.isoformat(), "endsAt": (now + timedelta(hours=1)).isoformat()}
    body = {"matchers": [matcher], "createdBy": "alice", "comment": "known", **times}
    answer = requests.post(f"{alertmanager}/api/v2/silences", json=body, timeout=60)
    answer.raise_for_status()
    return str(answer.json()["silenceID"])


def only(bridge: Bridge) -> dict[str, Any]:
    (incident,) = bridge.incidents()
    return dict(requests.get(f"{bridge.url}/api/v1/incidents/{incident['number']}", timeout=60).json())


def texts(bridge: Bridge) -> str:
    return " | ".join(entry["text"] for entry in only(bridge)["timeline"])


def muted(bridge: Bridge) -> list[str]:
    return [alert["muted"] for alert in only(bridge)["alerts"] if alert["muted"]]


def test_what_ends_while_it_is_silenced_is_ended_and_notified(
    alertmanager: str, asking: Start, sandbox: RunningSandbox
) -> None:
    bridge = asking(alertmanager)
    fire(alertmanager, "ErrorsHigh", "critical")
    eventually(lambda: pages(sandbox))
    silence(alertmanager, "ErrorsHigh")
    eventually(lambda: muted(bridge))
    assert muted(bridge)[0].startswith("silenced by alice until 20")
    assert "ErrorsHigh: silenced by alice until" in texts(bridge)
    assert "silenced by alice until" in requests.get(f"{bridge.url}/incidents/1", timeout=60).text
    await_rounds(bridge, "ok", 6)
    assert (only(bridge)["state"], pages(sandbox)[0]["status"]) == ("open", "triggered")
    end(alertmanager, "ErrorsHigh", "critical")
    eventually(lambda: pages(sandbox)[0]["status"] == "resolved")
    assert (only(bridge)["state"], pages(sandbox)[0]["pages"]) == ("resolved", 1)
    assert "ErrorsHigh ended: Alertmanager no longer knows it" in texts(bridge)


def test_an_alertmanager_that_forgot_everything_ends_nothing(
    tmp_path: Path, bridge: Bridge, asking: Start, sandbox: RunningSandbox, token: str
) -> None:
    port = free_port()
    with running_alertmanager(tmp_path / "before", bridge.url, token, port=port) as alertmanager:
        asking(alertmanager, settled="1h")
        fire(alertmanager, "ErrorsHigh", "critical")
        eventually(lambda: pages(sandbox))
        await_rounds(bridge, "fresh", 1)
    await_rounds(bridge, "unanswered", 1)
    with running_alertmanager(tmp_path / "after", bridge.url, token, port=port) as alertmanager:
        assert requests.get(f"{alertmanager}/api/v2/alerts", timeout=60).json() == []
        await_rounds(bridge, "fresh", 6)  # for longer than an alert may be missing
        assert only(bridge)["state"] == "open"
        fire(alertmanager, "ErrorsHigh", "critical")
        asking(alertmanager)  # now it is trusted
        await_rounds(bridge, "ok", 6)
        assert (only(bridge)["state"], pages(sandbox)[0]["pages"]) == ("open", 1)


def test_while_one_of_two_is_down_nothing_is_ended_and_what_one_of_them_has_is_alive(
    tmp_path: Path, bridge: Bridge, asking: Start, sandbox: RunningSandbox, token: str
) -> None:
    port = free_port()
    with running_alertmanager(tmp_path / "right", bridge.url, token) as right:
        with running_alertmanager(tmp_path / "left", bridge.url, token, port=port) as left:
            asking(left, right)
            fire(left, "ErrorsHigh", "critical")
            eventually(lambda: pages(sandbox))
            await_rounds(bridge, "ok", 6)
            assert only(bridge)["state"] == "open"
        await_rounds(bridge, "unanswered", 6)
        assert only(bridge)["state"] == "open"
        with running_alertmanager(tmp_path / "again", bridge.url, token, port=port):
            eventually(lambda: only(bridge)["state"] == "resolved")
    eventually(lambda: pages(sandbox)[0]["status"] == "resolved")


def test_a_member_of_a_cluster_that_is_not_asked_is_a_doubt(
    tmp_path: Path, bridge: Bridge, asking: Start, sandbox: RunningSandbox, token: str
) -> None:
    first, second = free_port(), free_port()
    one = [f"--cluster.listen-address=127.0.0.1:{first}", f"--cluster.peer=127.0.0.1:{second}"]
    two = [f"--cluster.listen-address=127.0.0.1:{second}", f"--cluster.peer=127.0.0.1:{first}"]
    quick = ["--cluster.settle-timeout=2s", "--cluster.peer-timeout=1s"]
    with (
        running_alertmanager(tmp_path / "one", bridge.url, token, *one, *quick) as left,
        running_alertmanager(tmp_path / "two", bridge.url, token, *two, *quick) as right,
    ):
        asking(left)
        fire(left, "ErrorsHigh", "critical")
        eventually(lambda: pages(sandbox))
        await_rounds(bridge, "incomplete", 1)
        asking(left, right)
        await_rounds(bridge, "ok", 1)


def test_a_webhook_that_was_cut_is_completed_and_its_end_is_not_missed(
    tmp_path: Path, bridge: Bridge, asking: Start, sandbox: RunningSandbox, token: str
) -> None:
    pods = ("a", "b", "c")
    with running_alertmanager(tmp_path / "one", bridge.url, token, max_alerts=1) as alertmanager:
        asking(alertmanager)
        for pod in pods:
            fire(alertmanager, "ErrorsHigh", "critical", pod=pod)
        eventually(lambda: bridge.incidents() and len(only(bridge)["alerts"]) == 3)
        assert set(pods) == {alert["labels"]["pod"] for alert in only(bridge)["alerts"]}
        assert only(bridge)["truncated"] == 0
        assert "joined (left out of the webhook)" in texts(bridge)
        for pod in pods:
            end(alertmanager, "ErrorsHigh", "critical", pod=pod)
        eventually(lambda: only(bridge)["state"] == "resolved")
    assert [page["pages"] for page in pages(sandbox)] == [1]


def test_an_end_that_alertmanager_forgot_while_the_bridge_was_away_is_found(
    tmp_path: Path, bridge: Bridge, asking: Start, sandbox: RunningSandbox, token: str
) -> None:
    port = free_port()
    with running_alertmanager(tmp_path / "before", bridge.url, token, port=port) as alertmanager:
        asking(alertmanager)
        fire(alertmanager, "ErrorsHigh", "critical")
        eventually(lambda: pages(sandbox))
        await_rounds(bridge, "ok", 1)
        bridge.stop()
        end(alertmanager, "ErrorsHigh", "critical")
        eventually(lambda: requests.get(f"{alertmanager}/api/v2/alerts", timeout=60).json() == [])
    with running_alertmanager(tmp_path / "after", bridge.url, token, port=port):
        bridge.start()
        eventually(lambda: only(bridge)["state"] == "resolved")
        eventually(lambda: pages(sandbox)[0]["status"] == "resolved")
