"""Valid by default; name only what matters to the test."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from bridge.core.model import Alert, Group, Severity, Status

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """Seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def an_alert(
    name: str = "HighErrors",
    severity: str = "critical",
    *,
    starts: float = 0,
    ends: float | None = None,
    summary: str = "Too many errors",
    **labels: str,
) -> Alert:
    every = {"alertname": name, "severity": severity, **labels}
    text = "\x00".join(f"{key}={value}" for key, value in sorted(every.items()))
    return Alert(
        fingerprint=hashlib.sha256(text.encode()).hexdigest()[:16],
        status=Status.FIRING if ends is None else Status.RESOLVED,
        labels=every,
        annotations={"summary": summary},
        starts_at=at(starts),
        ends_at=None if ends is None else at(ends),
        severity=Severity.of(every),
    )


def a_group(*alerts: Alert, key: str = '{}:{alertname="HighErrors"}', source: str = "prod", **more: object) -> Group:
    labels = {"alertname": alerts[0].name} if alerts else {"alertname": "HighErrors"}
    return Group(source, "bridge", key, labels, alerts or (an_alert(),), **more)  # type: ignore[arg-type]
