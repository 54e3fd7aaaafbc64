"""Builds a Message's fields, without its texts, from an incident and a claim."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from bridge.core.facts import Measurements
from bridge.core.incidents.notices import is_informational
from bridge.core.incidents.periods import firing_period, is_believable, period_shown
from bridge.core.incidents.state_changes import times
from bridge.core.model import Alert, Incident, Severity
from bridge.core.naming import UNNAMED
from bridge.core.ports import AlertLine, Claim, Message
from bridge.core.timeline import Entry, EntryKind
from bridge.rendering.first_step import answered_by, first_step_of
from bridge.rendering.links import Addresses, links_of
from bridge.rendering.text import beside, clean, cut, one_line

MAX_ALERTS = 25
MAX_SUMMARY = 300
MAX_LABEL = 1000
MAX_NAME = 100  #: of a source or a user
_DEFERRED = "its end is deferred while it flaps"
_MUTE_LABELS = ("alertname", "severity")


def fields_of(
    incident: Incident,
    claim: Claim,
    news: tuple[Entry, ...],
    addresses: Addresses,
    known: Measurements | None = None,
) -> dict[str, Any]:
    """Every field of Message except summary, text, html and context. news: as news_of gives it. known: the context,
    which answers some steps of a runbook."""
    ordered = believable(incident, in_order(incident))
    firing = [alert for alert in ordered if alert.firing]
    worst = ordered[0] if ordered else None
    informational = is_informational(incident)
    period = period_shown(incident, firing=claim.firing)
    return {
        "number": incident.number,
        "uid": incident.uid,
        "dedup_key": incident.dedup_key,
        "title": cut(one_line(incident.title), MAX_SUMMARY) or f"Incident {incident.number}",
        "state": incident.state,
        "severity": incident.severity.value,
        "firing": claim.firing,
        "revision": claim.revision,
        "source": cut(one_line(incident.source), MAX_NAME),
        "component": _label(incident, worst, "component", "service", "job"),
        "group": _label(incident, worst, "cluster", "namespace", "environment", "env"),
        "alertname": _label(incident, worst, "alertname"),
        "opened_at": incident.opened_at,
        "updated_at": incident.updated_at,
        "resolved_at": incident.resolved_at,
        "acknowledged_by": cut(one_line(incident.acknowledged_by), MAX_NAME) if incident.acknowledged_by else None,
        "firing_count": len(firing),
        "resolved_count": len(ordered) - len(firing),
        "truncated": incident.truncated,
        "alerts": tuple(_line(alert, informational) for alert in ordered[:MAX_ALERTS]),
        "hidden": max(0, len(ordered) - MAX_ALERTS),
        "links": links_of(incident, ordered, addresses),
        "incident_url": addresses.incident(incident.number),
        "news": news,
        "flapping": times(incident.flap) if claim.firing else "",
        "informational": informational,
        "started_at": period.started_at,
        "ended_at": period.ended_at,
        "lasted": period.lasted(incident.updated_at),
        "first_step": first_step_of(ordered, addresses, answered_by(known)),
    }


def news_of(news: Iterable[Entry], claim: Claim) -> tuple[Entry, ...]:
    """Loud entries that the target was not notified of; for a new target only why it is notified."""
    loud = (entry for entry in news if entry.loud and entry.revision > claim.sent)
    return tuple(entry for entry in loud if claim.sent or entry.kind.explains_target)


def notes_of(news: Iterable[Entry]) -> tuple[Entry, ...]:
    return tuple(entry for entry in news if entry.kind is EntryKind.NOTED)


def why_notified(message: Message) -> list[str]:
    """Why a target is notified beyond the routes, if that is new."""
    return [entry.text for entry in message.news if entry.kind.explains_target]


def started_at(message: Message) -> datetime:
    """The start of what is shown, to which changes are dated."""
    return message.started_at or message.opened_at


def believable(incident: Incident, alerts: Iterable[Alert]) -> list[Alert]:
    """With implausible starts, such as a zero time, replaced by the outbreak's start."""
    start, seen = firing_period(incident).started_at, max(incident.opened_at, incident.updated_at)
    return [each if is_believable(each.starts_at, seen) else replace(each, starts_at=start) for each in alerts]


def in_order(incident: Incident) -> list[Alert]:
    """Firing first, the most severe first, then the oldest; ties by fingerprint."""
    return sorted(
        incident.alerts.values(),
        key=lambda a: (not a.firing, a.severity.rank, a.starts_at, a.fingerprint),
    )


def _line(alert: Alert, informational: bool) -> AlertLine:
    return AlertLine(
        name=beside(cut(one_line(alert.name), MAX_SUMMARY)) or UNNAMED,
        status=alert.status.value,
        severity=alert.severity.value,
        summary=cut(one_line(alert.annotations.get("summary") or alert.annotations.get("message") or ""), 500),
        description=cut(clean(alert.annotations.get("description", "")).strip(), 2000),
        labels={
            cut(one_line(name), 200): beside(cut(one_line(value), MAX_LABEL))
            for name, value in sorted(alert.labels.items())
            if name not in _MUTE_LABELS
        },
        starts_at=alert.starts_at,
        ends_at=None if alert.firing else alert.ends_at,
        muted=beside(cut(one_line(_DEFERRED if alert.deferred else alert.muted), 200)),
        notice=informational or alert.severity is Severity.INFO,
    )


def _label(incident: Incident, worst: Alert | None, *names: str) -> str:
    for labels in (incident.group_labels, worst.labels if worst else {}):
        for name in names:
            if labels.get(name):
                return cut(one_line(labels[name]), MAX_SUMMARY)
    return ""
