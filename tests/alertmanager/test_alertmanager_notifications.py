"""What Alertmanager really sends: past the bridge to PagerDuty, and from a pair."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from dev.stack.free_port import free_port
from tests.alertmanager.real_alertmanager import (
    ROUTING_KEY,
    Alertmanager,
    Receivers,
    configuration,
    dedup_checks,
    running_alertmanager,
)
from tests.end_to_end.machines import eventually

DOWN = {"alertname": "AlertBridgeDown", "severity": "critical", "route": "direct", "cause": "bridge_down", "job": "b"}
ERRORS = {"alertname": "Errors", "severity": "critical", "cause": "errors", "job": "toxicity-api"}


def test_a_direct_alert_goes_to_pagerduty_and_never_to_the_bridge(
    alertmanager: Alertmanager, receivers: Receivers
) -> None:
    alertmanager.post(DOWN)
    eventually(lambda: receivers.events)
    alertmanager.post(ERRORS)
    eventually(lambda: receivers.webhooks)
    assert receivers.alert_names() == ["Errors"]
    event = receivers.events[0]
    assert (event["routing_key"], event["event_action"]) == (ROUTING_KEY, "trigger")
    assert (event["payload"]["severity"], event["payload"]["summary"]) == ("critical", "it is wrong")
    alertmanager.post(DOWN, firing=False)
    eventually(lambda: "resolve" in [event["event_action"] for event in receivers.events])
    assert len({event["dedup_key"] for event in receivers.events}) == 1


@pytest.mark.parametrize(("severity", "sent"), [("warning", "warning"), ("page", "error"), ("", "error")])
def test_pagerduty_gets_a_severity_that_it_accepts(
    alertmanager: Alertmanager, receivers: Receivers, severity: str, sent: str
) -> None:
    alertmanager.post({**DOWN, "severity": severity})
    eventually(lambda: receivers.events)
    assert receivers.events[0]["payload"]["severity"] == sent


def test_a_direct_alert_that_continued_to_the_bridge_would_have_two_dedup_keys(
    tmp_path: Path, receivers: Receivers
) -> None:
    """Two routes have two group keys, so PagerDuty would open two incidents."""
    config = configuration(tmp_path, receivers)
    text = config.read_text()
    assert text.count("      receiver: direct\n") == 1
    config.write_text(text.replace("      receiver: direct\n", "      receiver: direct\n      continue: true\n"))
    with running_alertmanager(tmp_path / "one", config) as alertmanager:
        alertmanager.post(DOWN)
        eventually(lambda: receivers.events and receivers.webhooks)
    bridge_dedup_key = hashlib.sha256(receivers.webhooks[0]["groupKey"].encode()).hexdigest()
    assert receivers.events[0]["dedup_key"] != bridge_dedup_key


def test_two_receivers_of_one_route_share_the_dedup_key(tmp_path: Path, receivers: Receivers) -> None:
    """Alertmanager's own PagerDuty receiver beside the bridge pages once, because both have the same group key."""
    config = configuration(tmp_path, receivers)
    head, bridge, rest = config.read_text().partition("  - name: bridge\n")
    pagerduty = rest[rest.index("    pagerduty_configs:\n") :]
    config.write_text(head + bridge + pagerduty + rest)
    with running_alertmanager(tmp_path / "one", config) as alertmanager:
        alertmanager.post(ERRORS)
        eventually(lambda: receivers.events and receivers.webhooks)
    bridge_dedup_key = hashlib.sha256(receivers.webhooks[0]["groupKey"].encode()).hexdigest()
    assert receivers.events[0]["dedup_key"] == bridge_dedup_key


def test_a_pair_notifies_once_and_the_survivor_goes_on_notifying(tmp_path: Path, receivers: Receivers) -> None:
    config, one, two = configuration(tmp_path, receivers), free_port(), free_port()
    quick = ("--cluster.settle-timeout=2s", "--cluster.peer-timeout=1s", "--cluster.gossip-interval=50ms")
    left = (f"--cluster.listen-address=127.0.0.1:{one}", f"--cluster.peer=127.0.0.1:{two}", *quick)
    right = (f"--cluster.listen-address=127.0.0.1:{two}", f"--cluster.peer=127.0.0.1:{one}", *quick)
    with running_alertmanager(tmp_path / "two", config, *right) as second:
        with running_alertmanager(tmp_path / "one", config, *left) as first:
            eventually(lambda: first.peers() == second.peers() == 2)
            for peer in (first, second):
                peer.post(ERRORS, DOWN)
            eventually(lambda: receivers.webhooks and receivers.events)
            checks = dedup_checks(second.url)
            eventually(lambda: dedup_checks(second.url) >= checks + 4)  # of two groups
            assert (receivers.alert_names(), len(receivers.events)) == (["Errors"], 1)
        second.post({**ERRORS, "alertname": "Alone"})
        eventually(lambda: "Alone" in receivers.alert_names())
