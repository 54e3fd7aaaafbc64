"""Heartbeats: alerts that must keep arriving; a missing one means that its sender may be down.

Pure. A heartbeat opens no incident; its absence does, through an alert that the bridge raises itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bridge.core.model import SOURCE, Alert, Group, Severity, Status
from bridge.core.numbers import in_words
from bridge.core.routing.matchers import Matcher

ALERTNAME = "HeartbeatMissing"


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Firing alerts that match all matchers are expected at least this often."""

    name: str
    matchers: tuple[Matcher, ...]
    every: timedelta
    severity: Severity = Severity.CRITICAL

    def is_beat(self, alert: Alert) -> bool:
        return all(matcher.matches(alert.labels) for matcher in self.matchers)

    def is_late(self, seen_at: datetime, now: datetime) -> bool:
        return now - seen_at > self.every


def split(group: Group, heartbeats: Sequence[Heartbeat]) -> tuple[Group, set[str]]:
    """The group without its heartbeats, and the names of those received; a resolved one does not count."""
    received, rest = set[str](), []
    for alert in group.alerts:
        names = {heartbeat.name for heartbeat in heartbeats if heartbeat.is_beat(alert)}
        received |= names if alert.firing else set()
        rest += [] if names else [alert]
    return (replace(group, alerts=tuple(rest)) if len(rest) < len(group.alerts) else group), received


def alarm(heartbeat: Heartbeat, seen_at: datetime, now: datetime, *, missing: bool) -> Group:
    """The alert that the bridge raises when a heartbeat is missing, or resolves when it is back."""
    labels = {"alertname": ALERTNAME, "heartbeat": heartbeat.name, "severity": heartbeat.severity.value}
    silent = in_words(now - seen_at)
    alert = Alert(
        fingerprint=f"heartbeat:{heartbeat.name}"[:64],
        status=Status.FIRING if missing else Status.RESOLVED,
        labels=labels,
        annotations={
            "summary": f"No heartbeat {heartbeat.name} for {silent} (expected every {in_words(heartbeat.every)})",
            "description": "Its sender may have stopped sending anything, real alerts included. Check that its "
            "Watchdog alert fires, and that its Alertmanager reaches the bridge.",
        },
        starts_at=now if missing else seen_at,
        ends_at=None if missing else now,
    )
    group_labels = {"alertname": ALERTNAME, "heartbeat": heartbeat.name}
    return Group(SOURCE, "heartbeats", f"heartbeat:{heartbeat.name}", group_labels, (alert,))
