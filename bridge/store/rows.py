"""Rows to the core's nouns and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping

from bridge.core.model import Alert, Flap, Incident, Severity, State, Status
from bridge.core.timeline import Entry, EntryKind

_PLAIN = [
    "uid",
    "key",
    "dedup_key",
    "source",
    "receiver",
    "group_key",
    "group_labels",
    "title",
    "revision",
    "opened_at",
    "updated_at",
    "seen_at",
    "resolved_at",
    "resolved_by",
    "acknowledged_at",
    "acknowledged_by",
    "external_url",
    "truncated",
    "began_at",
    "began_exact",
    "ended_at",
]


def incident_row(incident: Incident) -> dict[str, Any]:
    """Without its number, which the store gives."""
    row = {name: getattr(incident, name) for name in _PLAIN}
    return {**row, "state": incident.state.value, "severity": incident.severity.value, **_flap_row(incident.flap)}


def incident_from(row: RowMapping | Mapping[str, Any]) -> Incident:
    """Without its alerts."""
    plain = {name: row[name] for name in _PLAIN}
    state, severity = State(row["state"]), Severity(row["severity"])
    return Incident(number=row["number"], state=state, severity=severity, flap=_flap_from(row), **plain)


def _flap_row(flap: Flap) -> dict[str, Any]:
    return {
        "begins": [at.isoformat() for at in flap.begins],
        "flapping_since": flap.since,
        "turns": flap.turns,
        "turned_at": flap.turned_at,
    }


def _flap_from(row: RowMapping | Mapping[str, Any]) -> Flap:
    begins = tuple(datetime.fromisoformat(at) for at in row["begins"])
    return Flap(begins, row["flapping_since"], row["turns"], row["turned_at"])


def alert_row(number: int, alert: Alert) -> dict[str, Any]:
    return {
        "incident_number": number,
        "fingerprint": alert.fingerprint,
        "status": alert.status.value,
        "labels": alert.labels,
        "annotations": alert.annotations,
        "starts_at": alert.starts_at,
        "ends_at": alert.ends_at,
        "generator_url": alert.generator_url,
        "severity": alert.severity.value,
        "ended_seen_at": alert.ended_seen_at,
        "muted": alert.muted,
        "held": alert.held,
    }


def alert_from(row: RowMapping, incident: Incident) -> Alert:
    return Alert(
        fingerprint=row["fingerprint"],
        status=Status(row["status"]),
        labels=row["labels"],
        annotations=row["annotations"],
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        generator_url=row["generator_url"],
        severity=_severity_from(row, incident),
        ended_seen_at=row["ended_seen_at"],
        muted=row["muted"],
        held=row["held"],
    )


def _severity_from(row: RowMapping, incident: Incident) -> Severity:
    """Earlier versions stored none. A word that is not the bridge's own may be an alias: then the incident's counts."""
    if row["severity"]:
        return Severity(row["severity"])
    found = Severity.of(row["labels"])
    return found if found is not Severity.UNKNOWN else incident.severity


def entry_row(number: int, entry: Entry) -> dict[str, Any]:
    return {
        "incident_number": number,
        "at": entry.at,
        "kind": entry.kind.value,
        "actor": entry.actor,
        "text": entry.text,
        "revision": entry.revision,
        "loud": entry.loud,
    }


def entry_from(row: RowMapping) -> Entry:
    return Entry(row["at"], EntryKind(row["kind"]), row["actor"], row["text"], row["revision"], row["loud"])


def with_alerts(incidents: Iterable[Incident], rows: Iterable[RowMapping]) -> list[Incident]:
    listed = list(incidents)
    known = {incident.number: incident for incident in listed}
    found: dict[int, dict[str, Alert]] = {}
    for row in rows:
        number = row["incident_number"]
        found.setdefault(number, {})[row["fingerprint"]] = alert_from(row, known[number])
    return [replace(incident, alerts=found.get(incident.number, {})) for incident in listed]
