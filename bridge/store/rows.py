"""Rows to the core's nouns and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from operator import attrgetter
from typing import Any, TypeAlias

from sqlalchemy import RowMapping

from bridge.core.charts.chart import Picture
from bridge.core.delivery.attempts import Candidate
from bridge.core.delivery.dead_letters import DeadLetter
from bridge.core.delivery.delivery import Delivery
from bridge.core.errors import Reason
from bridge.core.escalation import Kind, Timer
from bridge.core.facts import ChangeEvent
from bridge.core.model import Added, Alert, Cause, Flap, Incident, Severity, State, Status, Target
from bridge.core.recurrence import EndedIncident, recurrence_key
from bridge.core.replacing import replace
from bridge.core.storms.detection import Storm
from bridge.core.storms.digests import Suppressed
from bridge.core.timeline import Entry, EntryKind, Place
from bridge.store.tables import delivery

Row: TypeAlias = RowMapping | Mapping[str, Any]  #: as SQLAlchemy gives it, or a prepared statement
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
_PLAIN_OF_DELIVERY = [
    "incident_number",
    "rank",
    "firing",
    "wanted",
    "wanted_at",
    "changed_at",
    "due_at",
    "pending",
    "sent",
    "sent_at",
    "handle",
    "lease",
    "lease_until",
    "in_flight",
    "attempted_at",
    "attempts",
    "shrink",
    "frozen_revision",
    "failed_at",
    "alone",
    "last_error",
    "dead",
    "dead_at",
    "refused",
]
_of_incident, _of_delivery = attrgetter(*_PLAIN), attrgetter(*_PLAIN_OF_DELIVERY)
#: What delivery_from reads: not the bytes of mails, which few need.
DELIVERY = [column for column in delivery.columns if column.name != "frozen"]
_PLAIN_OF_CHANGE = ["at", "kind", "service", "summary", "version", "previous", "link", "labels", "source"]
_OF_STORM = {  # field: column
    **{name: name for name in ("channel", "rank", "since", "tightened_at", "updated_at")},
    "number": "incident_number",
    "quiet_since": "calm_since",
    "notified_count": "told_count",
    "notified_rank": "told_rank",
}


def incident_row(incident: Incident) -> dict[str, Any]:
    """Without its number, which the store gives."""
    row = dict(zip(_PLAIN, _of_incident(incident), strict=True))
    return {**row, "state": incident.state.value, "severity": incident.severity.value, **_flap_row(incident.flap)}


def incident_from(row: Row) -> Incident:
    """Without its alerts."""
    plain = {name: row[name] for name in _PLAIN}
    state, severity = State(row["state"]), Severity(row["severity"])
    return Incident(number=row["number"], state=state, severity=severity, flap=_flap_from(row), **plain)


def _flap_row(flap: Flap) -> dict[str, Any]:
    return {
        "begins": [at.isoformat() for at in flap.begins],
        "flapping_since": flap.since,
        "turns": flap.state_changes,
        "turned_at": flap.state_changed_at,
    }


def _flap_from(row: Row) -> Flap:
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
        "held": alert.deferred,
        "recurrence": recurrence_key(alert.labels),
    }


def alert_from(row: Row, incident: Incident) -> Alert:
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
        deferred=row["held"],
    )


def _severity_from(row: Row, incident: Incident) -> Severity:
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
        "place": entry.place.value if entry.place is not None else None,
    }


def entry_from(row: Row) -> Entry:
    kind, place = EntryKind(row["kind"]), _place_from(row["place"])
    return Entry(row["at"], kind, row["actor"], row["text"], row["revision"], row["loud"], place)


def _place_from(word: str | None) -> Place | None:
    """None also for a place that only a newer version knows."""
    return Place(word) if word is not None and word in Place._value2member_map_ else None


def with_alerts(incidents: Iterable[Incident], rows: Iterable[Row]) -> list[Incident]:
    listed = list(incidents)
    known = {incident.number: incident for incident in listed}
    found: dict[int, dict[str, Alert]] = {}
    for row in rows:
        number = row["incident_number"]
        found.setdefault(number, {})[row["fingerprint"]] = alert_from(row, known[number])
    return [replace(incident, alerts=found.get(incident.number, {})) for incident in listed]


def delivery_row(known: Delivery) -> dict[str, Any]:
    """Without its frozen bytes."""
    row = dict(zip(_PLAIN_OF_DELIVERY, _of_delivery(known), strict=True))
    reason = known.dead_reason.value if known.dead_reason is not None else None
    target = {"channel": known.target.channel, "recipient": known.target.recipient}
    return {**row, **target, "hold_reason": known.muted_by, "dead_reason": reason}


def delivery_from(row: Row) -> Delivery:
    plain = {name: row[name] for name in _PLAIN_OF_DELIVERY}
    return Delivery(
        target=Target(row["channel"], row["recipient"]),
        muted_by=row["hold_reason"],
        dead_reason=_reason_from(row["dead_reason"]),
        **plain,
    )


def dead_letter_from(row: Row) -> DeadLetter:
    """Of a delivery with its incident's title, state and severity."""
    reason = _reason_from(row["dead_reason"])
    return DeadLetter(
        incident_number=row["incident_number"],
        title=row["title"],
        state=row["state"],
        severity=row["severity"],
        channel=row["channel"],
        recipient=row["recipient"],
        since=row["dead_at"] or row["changed_at"],
        attempts=row["attempts"],
        reason=reason,
        detail=row["last_error"].removeprefix(f"{reason}: "),
        refused=row["refused"],
    )


def _reason_from(word: str | None) -> Reason | None:
    """None also for a word that only a newer version knows."""
    return Reason(word) if word is not None and word in Reason._value2member_map_ else None


def candidate_from(row: Row) -> Candidate:
    return Candidate(delivery_from(row), row["frozen"], bool(row["doubtful"]))


def storm_row(storm: Storm) -> dict[str, Any]:
    return {column: getattr(storm, name) for name, column in _OF_STORM.items()}


def storm_from(row: Row) -> Storm:
    return Storm(**{name: row[column] for name, column in _OF_STORM.items()})


def ended_from(row: Row) -> EndedIncident:
    return EndedIncident(row["number"], row["opened_at"], row["resolved_at"])


def suppressed_from(row: Row) -> Suppressed:
    """Of an incident with the rank of a delivery."""
    name = row["group_labels"].get("alertname") or row["title"]
    return Suppressed(row["number"], name, row["rank"], row["opened_at"])


def change_row(change: ChangeEvent, change_id: str, now: datetime) -> dict[str, Any]:
    plain = {name: getattr(change, name) for name in _PLAIN_OF_CHANGE}
    return {**plain, "id": change_id, "recorded_at": now, "actor": change.by}


def change_from(row: Row) -> ChangeEvent:
    return ChangeEvent(id=row["id"], by=row["actor"], **{name: row[name] for name in _PLAIN_OF_CHANGE})


def picture_from(row: Row) -> Picture:
    return Picture(row["kind"], row["title"], row["alt"], row["png"], row["created_at"])


def timer_row(number: int, timer: Timer) -> dict[str, Any]:
    return {"incident_number": number, "kind": timer.kind.value, "key": timer.key, "due_at": timer.due_at}


def timer_from(row: Row) -> Timer:
    return Timer(Kind(row["kind"]), row["key"], row["due_at"])


def added_row(number: int, added: Added) -> dict[str, Any]:
    return {
        "incident_number": number,
        "cause": added.cause.value,
        "key": added.key,
        "channel": added.channel,
        "because": added.because,
        "added_at": added.at,
    }


def added_from(row: Row) -> Added:
    return Added(row["channel"], Cause(row["cause"]), row["key"], row["because"], row["added_at"])
