"""One incident, one state of an Alertmanager, and what was decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from bridge.core.incidents.transitions import Rules, receive
from bridge.core.model import Alert, Incident
from bridge.core.reconciliation import (
    AlertmanagerAnswer,
    AlertmanagerState,
    Decision,
    Finding,
    GracePeriods,
    Listed,
    decide,
)
from tests.builders import a_group, an_alert, at

GRACE = GracePeriods(after=timedelta(minutes=5), settled=timedelta(minutes=5))
ONE, TWO, THREE = an_alert("One"), an_alert("Two", "warning"), an_alert("One", pod="3")
LONG_AGO = -100_000.0


def an_incident(*alerts: Alert, seen: float = 0, **more: object) -> Incident:
    group = a_group(*(alerts or (ONE,)), key="group", **more)  # type: ignore[arg-type]
    change = receive(None, group, at(seen), Rules(), "uid")
    assert change is not None
    return replace(change.incident, number=7)


def a_state(*alerts: Alert | Listed, started: float = LONG_AGO, **more: object) -> AlertmanagerState:
    listed = [each if isinstance(each, Listed) else Listed(each) for each in alerts]
    by_fingerprint = {each.alert.fingerprint: each for each in listed}
    return AlertmanagerState(at(started), by_fingerprint, **more)  # type: ignore[arg-type]


def deciding(
    incident: Incident,
    *answers: AlertmanagerAnswer,
    absent: Mapping[str, datetime] | None = None,
    now: float = 1000,
    verified: bool = True,
) -> Decision:
    return decide([incident], answers, absent or {}, at(now), GRACE, verified=verified)


def after(finding: Finding, now: float = 1000) -> Incident:
    """The incident once the finding has been written, as the store does it."""
    change = receive(finding.incident, finding.group, at(now), Rules(), "uid")
    assert change is not None
    return change.incident


def texts_of(finding: Finding, now: float = 1000) -> list[str]:
    change = receive(finding.incident, finding.group, at(now), Rules(), "uid")
    assert change is not None
    return [entry.text for entry in change.entries]
