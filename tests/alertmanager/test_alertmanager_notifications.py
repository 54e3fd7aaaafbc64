"""Past the bridge, and from a pair: what really arrives."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest

from dev.stack.free_port import free_port
from tests.alertmanager.real_alertmanager import (
    ROUTING_KEY,
    Alertmanager,
    Receivers,
    configuration,
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
    assert receivers.told() == ["Errors"]
    event = receivers.events[0]
    assert (event["routing_key"], event["event_action"]) == (ROUTING_KEY, "trigger")
    assert (event["payload"]["severity"], event["payload"]["summary"]) == ("critical", "it is wrong")
    alertmanager.post(DOWN, firing=False)
    eventually(lambda: "resolve" in [event["event_action"] for event in receivers.events])
    assert len({event["dedup_key"] for event in receivers.events}) == 1


@pytest.mark.parametrize(("severity", "told"), [("warning", "warning"), ("page", "error"), ("", "error")])
def test_pagerduty_gets_a_severity_that_it_knows(
    alertmanager: Alertmanager, receivers: Receivers, severity: str, told: str
) -> None:
    alertmanager.post({**DOWN, "severity": severity})
    eventually(lambda: receivers.events)
    assert receivers.events[0]["payload"]["severity"] == told


def test_why_a_direct_alert_must_not_continue_to_the_bridge(tmp_path: Path, receivers: Receivers) -> None:
    """The two routes have two group keys, of which PagerDuty would make two incidents."""
    config = configuration(tmp_path, receivers)
    text = config.read_text()
    assert text.count("      receiver: direct\n") == 1
    config.write_text(text.replace("      receiver: direct\n", "      receiver: direct\n      continue: true\n"))
    with running_alertmanager(tmp_path / "one", config) as alertmanager:
        alertmanager.post(DOWN)
        eventually(lambda: receivers.events and receivers.webhooks)
    of_the_bridge = hashlib.sha256(receivers.webhooks[0]["groupKey"].encode()).hexdigest()
    assert receivers.events[0]["dedup_key"] != of_the_bridge


def test_two_receivers_of_one_route_share_the_dedup_key(tmp_path: Path, receivers: Receivers) -> None:
    """What makes Alertmanager's own PagerDuty beside the bridge's one page: the same group key on both ways."""
    config = configuration(tmp_path, receivers)
    head, bridge, rest = config.read_text().partition("  - name: bridge\n")
    pagerduty = rest[rest.index("    pagerduty_configs:\n") :]
    config.write_text(head + bridge + pagerduty + rest)
    with running_alertmanager(tmp_path / "one", config) as alertmanager:
        alertmanager.post(ERRORS)
        eventually(lambda: receivers.events and receivers.webhooks)
    of_the_bridge = hashlib.sha256(receivers.webhooks[0]["groupKey"].encode()).hexdigest()
    assert receivers.events[0]["dedup_key"] == of_the_bridge


def test_a_pair_tells_once_and_the_one_that_is_left_goes_on_telling(tmp_path: Path, receivers: Receivers) -> None:
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
            time.sleep(4)  # the second waits one second for the first, and looks at the group every two
            assert (receivers.told(), len(receivers.events)) == (["Errors"], 1)
        second.post({**ERRORS, "alertname": "Alone"})
        eventually(lambda: "Alone" in receivers.told())
