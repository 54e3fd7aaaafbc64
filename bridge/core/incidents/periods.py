"""When an incident fired, from its alerts' startsAt and endsAt where these are plausible. Pure.

A webhook arrives later than what it reports, by a group_wait, an outage or a silence. So the alerts' own times count;
the time the bridge received them is used only in place of implausible ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.core.model import Alert, Incident, State
from bridge.core.numbers import in_words
from bridge.core.replacing import replace

LONGEST = timedelta(days=366)  #: an older start is more likely a zero time or an unset clock
SKEW = timedelta(minutes=1)  #: tolerated clock difference between two machines
#: An alert after so long without any starts a new outbreak: Alertmanager's default group_interval.
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
    """Of the newest outbreak. Rows of older versions have no start of their own, so it is derived from their alerts."""
    start, exact = incident.began_at, incident.began_exact
    if start is None:
        start, exact = _start_by_alerts(incident)
    if not incident.resolved:
        return Period(start, None, exact)
    seen = incident.resolved_at or incident.updated_at
    end = incident.ended_at or (seen if incident.firing else _end_by_alerts(incident, seen, start))
    return Period(start, max(start, end), exact)


def period_shown(incident: Incident, *, firing: bool) -> Period:
    """As a target sees it: the alerts routed to it can end while the incident still fires."""
    period = firing_period(incident)
    if firing or period.ended_at is not None:
        return period
    return replace(period, ended_at=_end_by_alerts(incident, incident.updated_at, period.started_at))


def began(incident: Incident, alerts: Iterable[Alert], now: datetime) -> Incident:
    """The incident with the start of an outbreak of these alerts."""
    start = _earliest(alerts, now)
    return replace(incident, began_at=start or now, began_exact=start is not None, ended_at=None)


def widened(incident: Incident, touched: Iterable[Alert], now: datetime) -> Incident:
    """The incident with an earlier start if an alert joins that began earlier; an ended alert's start is kept."""
    known = firing_period(incident)
    alerts = [alert for alert in touched if alert.firing or alert.ends_at is None or alert.ends_at >= known.started_at]
    start = min(known.started_at, _earliest(alerts, now) or known.started_at)
    return replace(incident, began_at=start, began_exact=known.exact)


def closed(incident: Incident, actor: str, now: datetime) -> Incident:
    """Resolved. Its end is that of its last alert, or now if a user resolves it while it fires."""
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
    """Open again: not acknowledged, without an end."""
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
    """Whether an alert's start is plausible, given when the bridge received it."""
    return seen - LONGEST <= start <= seen + SKEW


def outbreak(spans: Iterable[tuple[datetime, datetime | None]]) -> datetime | None:
    """When the newest outbreak began, given the alerts' starts and ends; earlier outbreaks do not count."""
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
    """The latest end; `seen`, when the bridge received it, if an end of this outbreak is implausible."""
    ended = ((alert.starts_at, alert.ends_at) for alert in incident.alerts.values() if not alert.firing)
    spans = [(begin, end) for begin, end in ended if end is not None and end >= start]
    believed = bool(spans) and all(begin < end <= seen for begin, end in spans)
    return max(start, max(end for _, end in spans) if believed else seen)
