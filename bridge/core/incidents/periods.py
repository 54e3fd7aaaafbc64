"""From when to when an incident fired, by its alerts' own times where they can be believed. Pure.

A webhook comes after what it reports: by a group_wait, an outage or a silence. So the alerts' startsAt and endsAt
count, and what the bridge itself saw only stands in for times that cannot be true.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bridge.core.model import Alert, Incident, State
from bridge.core.numbers import in_words

LONGEST = timedelta(days=366)  #: a start before that is a zero time or an unset clock more often than an alert
SKEW = timedelta(minutes=1)  #: between two machines' clocks: a start so far ahead is no reason for doubt
#: After so long without any alert the next one is a new outbreak: Alertmanager's usual group_interval.
PAUSE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Period:
    """`exact`: the source's own start is known; otherwise the incident began at `started_at` or before."""

    started_at: datetime
    ended_at: datetime | None = None  #: None while it fires
    exact: bool = True

    def duration(self, now: datetime) -> timedelta:
        """Until its end, or until now; never negative."""
        return max(timedelta(0), (self.ended_at or now) - self.started_at)

    def lasted(self, now: datetime) -> str:
        """`34 min`, or `at least 34 min` when the start is not known."""
        words = in_words(self.duration(now))
        return words if self.exact else f"at least {words}"


def firing_period(incident: Incident) -> Period:
    """Of the newest outbreak. What an older version stored has no start of its own: its alerts have it."""
    start, exact = incident.began_at, incident.began_exact
    if start is None:
        start, exact = _start_by_alerts(incident)
    if not incident.resolved:
        return Period(start, None, exact)
    seen = incident.resolved_at or incident.updated_at
    end = incident.ended_at or (seen if incident.firing else _end_by_alerts(incident, seen, start))
    return Period(start, max(start, end), exact)


def period_shown(incident: Incident, *, firing: bool) -> Period:
    """As a target sees it: the alerts that are routed to it can be over while the incident goes on."""
    period = firing_period(incident)
    if firing or period.ended_at is not None:
        return period
    return replace(period, ended_at=_end_by_alerts(incident, incident.updated_at, period.started_at))


def began(incident: Incident, alerts: Iterable[Alert], now: datetime) -> Incident:
    """At the beginning of an outbreak of these alerts."""
    start = _earliest(alerts, now)
    return replace(incident, began_at=start or now, began_exact=start is not None, ended_at=None)


def widened(incident: Incident, touched: Iterable[Alert], now: datetime) -> Incident:
    """While it lasts, an alert that began before the others can join; and one that ends leaves its start behind."""
    known = firing_period(incident)
    alerts = [alert for alert in touched if alert.firing or alert.ends_at is None or alert.ends_at >= known.started_at]
    start = min(known.started_at, _earliest(alerts, now) or known.started_at)
    return replace(incident, began_at=start, began_exact=known.exact)


def closed(incident: Incident, actor: str, now: datetime) -> Incident:
    """Resolved. What a user resolves while it fires ends now; else the end of its last alert is its end."""
    period = firing_period(incident)
    end = now if incident.firing else _end_by_alerts(incident, now, period.started_at)
    return replace(
        incident,
        state=State.RESOLVED,
        resolved_at=now,
        resolved_by=actor,
        began_at=period.started_at,
        began_exact=period.exact,
        ended_at=end,
    )


def reopened(incident: Incident) -> Incident:
    """Of nobody, and without an end."""
    return replace(
        incident,
        state=State.OPEN,
        resolved_at=None,
        resolved_by=None,
        ended_at=None,
        acknowledged_at=None,
        acknowledged_by=None,
    )


def is_believable(start: datetime, seen: datetime) -> bool:
    """An alert's start, given when the bridge saw it."""
    return seen - LONGEST <= start <= seen + SKEW


def outbreak(spans: Iterable[tuple[datetime, datetime | None]]) -> datetime | None:
    """When the last outbreak of alerts began, given their starts and ends: one that is over explains nothing of it."""
    start: datetime | None = None
    for begin, end in sorted(spans, key=lambda span: span[0], reverse=True):
        if start is None or end is None or end >= start - PAUSE:
            start = begin
    return start


def _earliest(alerts: Iterable[Alert], seen: datetime) -> datetime | None:
    believed = (alert for alert in alerts if is_believable(alert.starts_at, seen))
    start = outbreak((alert.starts_at, None if alert.firing else alert.ends_at) for alert in believed)
    return None if start is None else min(start, seen)


def _start_by_alerts(incident: Incident) -> tuple[datetime, bool]:
    start = _earliest(incident.alerts.values(), max(incident.opened_at, incident.updated_at))
    return (incident.opened_at, False) if start is None else (start, True)


def _end_by_alerts(incident: Incident, seen: datetime, start: datetime) -> datetime:
    """The latest end; `seen`, when the bridge learned of it, where one of this outbreak cannot be true."""
    ended = ((alert.starts_at, alert.ends_at) for alert in incident.alerts.values() if not alert.firing)
    spans = [(begin, end) for begin, end in ended if end is not None and end >= start]
    believed = bool(spans) and all(begin < end <= seen for begin, end in spans)
    return max(start, max(end for _, end in spans) if believed else seen)
