"""What is a heartbeat, when one is late, and the incident that opens then."""

from __future__ import annotations

from datetime import timedelta

from bridge.core.heartbeats import Heartbeat, alarm, split
from bridge.core.incidents.transitions import Rules, receive
from bridge.core.model import Severity, State
from bridge.core.routing.matchers import parse_matchers
from tests.builders import a_group, an_alert, at

HEARTBEAT = Heartbeat("prometheus", parse_matchers('alertname="Watchdog"'), timedelta(minutes=5))


def test_a_heartbeat_is_removed_from_its_group() -> None:
    group, received = split(a_group(an_alert("Watchdog"), an_alert("HighErrors")), [HEARTBEAT])
    assert received == {"prometheus"}
    assert [alert.name for alert in group.alerts] == ["HighErrors"]


def test_a_group_without_heartbeats_is_unchanged() -> None:
    given = a_group(an_alert("HighErrors"))
    assert split(given, [HEARTBEAT]) == (given, set())


def test_a_resolved_heartbeat_is_neither_received_nor_an_incident() -> None:
    group, received = split(a_group(an_alert("Watchdog", ends=5)), [HEARTBEAT])
    assert (group.alerts, received) == ((), set())


def test_a_heartbeat_is_late_after_its_interval() -> None:
    assert not HEARTBEAT.is_late(at(0), at(300))
    assert HEARTBEAT.is_late(at(0), at(301))


def test_a_missing_heartbeat_is_an_incident_until_it_is_received_again() -> None:
    change = receive(None, alarm(HEARTBEAT, at(0), at(360), missing=True), at(360), Rules(), "u")
    assert change is not None
    incident = change.incident
    assert (incident.state, incident.severity) == (State.OPEN, Severity.CRITICAL)
    assert incident.title == "HeartbeatMissing (prometheus)"
    (alert,) = incident.alerts.values()
    assert alert.annotations["summary"] == "No heartbeat prometheus for 6 min (expected every 5 min)"
    over = receive(incident, alarm(HEARTBEAT, at(400), at(405), missing=False), at(405), Rules(), "u")
    assert over is not None
    assert over.incident.resolved
    again = receive(over.incident, alarm(HEARTBEAT, at(400), at(9000), missing=True), at(9000), Rules(), "v")
    assert again is not None
    assert again.incident.firing
