"""Whether this happened before, how often, and what ended it the last times. Pure.

The same again: an alertname with the same service and place labels, whatever its other labels (pod, severity) are.
Incidents count, by their numbers: one that is reopened or flaps counts once. Only one that had ended before this one
was opened is earlier; what fires at the same time is not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.core.changes import PLACE_LABELS
from bridge.core.facts import ChangeEvent
from bridge.core.incidents.periods import Period, firing_period
from bridge.core.model import SOURCE, Incident
from bridge.core.naming import title_of
from bridge.core.storms.digests import channel_of

WINDOW = timedelta(days=30)
MOST_SUBJECTS = 3  #: of an incident with several alerts, how many are looked up
_IDENTITY = ("alertname", *PLACE_LABELS, "heartbeat")  #: the last one: of the bridge's own alert
_Identity = tuple[tuple[str, str], ...]
_ENDS_NOTHING = frozenset({"retraining"})  #: one that is only started serves nothing yet


@dataclass(frozen=True, slots=True)
class Subject:
    """What may happen again: an alertname with its service. key: of recurrence_key."""

    key: str
    name: str  #: `HighLatency (ml/toxicity-api)`; empty where the incident has no other


@dataclass(frozen=True, slots=True)
class EndedIncident:
    """An incident that is over, as far as counting needs it; times are the bridge's own."""

    number: int
    opened_at: datetime
    resolved_at: datetime


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier incident, and what ended it."""

    number: int
    title: str
    period: Period
    resolved_by: str = ""  #: the user who resolved it; empty: its alerts ended
    change: ChangeEvent | None = None  #: the newest that concerns it between its start and its end


@dataclass(frozen=True, slots=True)
class Recurrence:
    """This is the `count`th incident of its kind within `window`; at_least: those were too many to count."""

    count: int
    window: timedelta
    earlier: tuple[Earlier, ...]  #: the newest first; the first ones only
    subject: str = ""  #: which of the incident's alerts; empty when there is only one
    at_least: bool = False


def window_within(retention: timedelta) -> timedelta:
    """What is forgotten cannot be counted."""
    return min(WINDOW, retention)


def recurrence_key(labels: Mapping[str, str]) -> str:
    """The same for alerts that are the same again: 16 hex digits; empty without an alertname."""
    identity = _identity(labels)
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16] if identity else ""


def subjects_of(incident: Incident) -> tuple[Subject, ...]:
    """The most severe ones that fire, the oldest first. A storm's digest has none: it stands for others."""
    if channel_of(incident) is not None:
        return ()
    alerts = incident.firing or tuple(incident.alerts.values())
    rank = min((alert.severity.rank for alert in alerts), default=0)
    worst = [alert for alert in alerts if alert.severity.rank == rank]
    found: dict[_Identity, Mapping[str, str]] = {}  # a thousand pods have few services
    for alert in sorted(worst, key=lambda each: (each.starts_at, each.fingerprint)):
        found.setdefault(_identity(alert.labels), alert.labels)
    named = [(identity, labels) for identity, labels in found.items() if identity][:MOST_SUBJECTS]
    others = incident.alerts.values() if len(worst) < len(incident.alerts) else ()
    alone = len(found) == 1 and all(_identity(alert.labels) in found for alert in others)
    return tuple(Subject(recurrence_key(labels), "" if alone else _name(labels)) for _, labels in named)


def _identity(labels: Mapping[str, str]) -> _Identity:
    """Empty without an alertname."""
    if not labels.get("alertname"):
        return ()
    return tuple((name, labels[name]) for name in _IDENTITY if labels.get(name))


def earlier_numbers(ended: Iterable[EndedIncident], incident: Incident, window: timedelta) -> list[int]:
    """Those that had ended before the incident was opened, and were opened within the window; the newest first."""
    since, until = incident.opened_at - window, incident.opened_at
    numbers = {
        each.number
        for each in ended
        if each.number < incident.number and since <= each.opened_at and each.resolved_at <= until
    }
    return sorted(numbers, reverse=True)


def earlier_of(incident: Incident, changes: Sequence[ChangeEvent]) -> Earlier:
    """changes: those that concern the incident, in any order."""
    period = firing_period(incident)
    return Earlier(incident.number, incident.title, period, resolver(incident), change_before_end(period, changes))


def change_before_end(period: Period, changes: Iterable[ChangeEvent]) -> ChangeEvent | None:
    """The newest between start and end that can have ended something."""
    end = period.ended_at
    within = (each for each in changes if end is not None and period.started_at <= each.at <= end)
    return max((each for each in within if each.kind not in _ENDS_NOTHING), key=lambda each: each.at, default=None)


def resolver(incident: Incident) -> str:
    """The user who resolved it; empty when the alerts' ends did."""
    by = incident.resolved_by or ""
    return "" if by in (incident.source, SOURCE) else by


def _name(labels: Mapping[str, str]) -> str:
    return title_of(dict(_identity(labels)), ())
