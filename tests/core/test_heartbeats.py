"""What is a heartbeat, when one is late, and what the bridge tells itself then."""

from __future__ import annotations

from datetime import timedelta

from bridge.core.heartbeats import Heartbeat, alarm, split
from bridge.core.incidents.transitions import Rules, receive
from bridge.core.model import Severity, State
from bridge.core.routing.matchers import parse_matchers
from tests.builders import a_group, an_alert, at

BEAT = Heartbeat("prometheus", parse_matchers('alertname="Watchdog"'), timedelta(minutes=5))


def test_a_heartbeat_is_taken_out_of_its_group() -> None:
    group, heard = split(a_group(an_alert("Watchdog"), an_alert("HighErrors")), [BEAT])
    assert heard == {"prometheus"}
    assert [alert.name for alert in group.alerts] == ["HighErrors"]


def test_a_group_without_heartbeats_is_left_as_it_is() -> None:
    given = a_group(an_alert("HighErrors"))
    assert split(given, [BEAT]) == (given, set())


def test_one_that_has_ended_is_no_sign_of_life_and_no_incident_either() -> None:
    group, heard = split(a_group(an_alert("Watchdog", ends=5)), [BEAT])
    assert (group.alerts, heard) == ((), set())


def test_it_is_late_after_its_time_and_not_before() -> None:
    assert not BEAT.is_late(at(0), at(300))
    assert BEAT.is_late(at(0), at(301))


def test_silence_is_an_incident_that_ends_when_it_is_heard_again() -> None:
    change = receive(None, alarm(BEAT, at(0), at(360), missing=True), at(360), Rules(), "u")
    assert change is not None
    incident = change.incident
    assert (incident.state, incident.severity) == (State.OPEN, Severity.CRITICAL)
    assert incident.title == "HeartbeatMissing (prometheus)"
    (alert,) = incident.alerts.values()
    assert alert.annotations["summary"] == "No heartbeat prometheus for 6 min (expected every 5 min)"
    over = receive(incident, alarm(BEAT, at(400), at(405), missing=False), at(405), Rules(), "u")
    assert over is not None
    assert over.incident.resolved
    again = receive(over.incident, alarm(BEAT, at(400), at(9000), missing=True), at(9000), Rules(), "v")
    assert again is not None
    assert again.incident.firing
