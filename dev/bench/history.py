"""A store full of incidents that are over, written in bulk: what a busy bridge has kept of a month."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bridge.core.facts import ChangeEvent
from bridge.core.incidents.periods import closed
from bridge.core.model import Alert, Group, Incident, Severity, Status
from bridge.store.rows import alert_row, change_row, incident_row
from bridge.store.tables import alert, change, incident

BATCH = 5000
MONTH = timedelta(days=30)
NAMES, PODS, CHANGES = 40, 3, 1000


def fill(engine: sa.Engine, incidents: int, subjects: int, now: datetime) -> list[Incident]:
    """So many of three pods each, over the month before now, the subjects in turn. Returns one that begins of each."""
    with engine.begin() as connection:
        for first in range(0, incidents, BATCH):
            batch = [_ended(number, incidents, subjects, now) for number in range(first, min(first + BATCH, incidents))]
            connection.execute(sa.insert(incident), [{**incident_row(each), "number": each.number} for each in batch])
            rows = [alert_row(each.number, found) for each in batch for found in each.alerts.values()]
            connection.execute(sa.insert(alert), rows)
        connection.execute(sa.insert(change), [_change(number, now) for number in range(CHANGES)])
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE" if engine.dialect.name == "postgresql" else "PRAGMA optimize")
    return [_begun(incidents + subject, subject, now) for subject in range(subjects)]


def _ended(number: int, incidents: int, subjects: int, now: datetime) -> Incident:
    began = now - MONTH * (1 - number / incidents)
    ended = began + (now - began) * 0.001
    begun = _begun(number, number % subjects, began)
    alerts = {name: replace(each, status=Status.RESOLVED, ends_at=ended) for name, each in begun.alerts.items()}
    return closed(replace(begun, alerts=alerts), "prod", ended)


def _begun(number: int, subject: int, now: datetime) -> Incident:
    alerts = _alerts(subject, now)
    name, service = alerts[0].name, alerts[0].labels["service"]
    group = Group("prod", "bridge", f"group {number}", {"alertname": name}, tuple(alerts))
    incident = Incident.begun(group, f"{name} ({service})", now, f"uid{number}")
    by_fingerprint = {each.fingerprint: each for each in alerts}
    return replace(incident, number=number + 1, severity=Severity.CRITICAL, alerts=by_fingerprint, began_at=now)


def _alerts(subject: int, began: datetime) -> Sequence[Alert]:
    service = f"service-{subject // NAMES}"
    labels = {"alertname": f"Alert{subject % NAMES}", "service": service, "severity": "critical"}
    words = {"summary": "Something is wrong, in about as many words as a summary usually has"}
    pods = [f"{service}-{pod}" for pod in range(PODS)]
    return [
        Alert(f"{subject}-{pod}", Status.FIRING, {**labels, "pod": pod}, words, began, severity=Severity.CRITICAL)
        for pod in pods
    ]


def _change(number: int, now: datetime) -> dict[str, Any]:
    at = now - MONTH * (1 - number / CHANGES)
    made = ChangeEvent("deploy", f"service-{number % 25}", at, f"Deploy of {number}", f"1.0.{number}", by="ci")
    return change_row(made, f"change {number}", now)
