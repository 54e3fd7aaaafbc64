"""Wording for alerts of severity info, which report an event rather than a fault. Pure.

They are "reported" and "end"; they do not "fire" and are not "resolved".
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge.core.model import Alert, Incident, Severity
from bridge.core.naming import names_of

_WRONG = frozenset({Severity.CRITICAL, Severity.WARNING})


def is_informational(incident: Incident) -> bool:
    """Its severity is info, and none of its alerts, ended ones included, was a warning or critical."""
    severities = {alert.severity for alert in incident.alerts.values()}
    return incident.severity is Severity.INFO and severities.isdisjoint(_WRONG)


def opening_words(incident: Incident, alerts: Sequence[Alert]) -> str:
    """`HighLatency began to fire`, or for severity info `ModelDeployed is reported`."""
    return f"{names_of(alerts)} {_reported(alerts) if incident.severity is Severity.INFO else 'began to fire'}"


def reopening_words(incident: Incident, alerts: Sequence[Alert]) -> str:
    fires = "fires" if len(alerts) == 1 else "fire"
    return f"{names_of(alerts)} {_reported(alerts) if incident.severity is Severity.INFO else fires} again"


def status_word(status: str, *, notice: bool) -> str:
    """An alert's status as shown: `firing` or `resolved`; for a notice `reported` or `ended`."""
    return {"firing": "reported", "resolved": "ended"}.get(status, status) if notice else status


def state_word(state: str, *, notice: bool) -> str:
    """An incident's state as shown; a notice ends rather than resolves."""
    return "ended" if notice and state == "resolved" else state


def _reported(alerts: Sequence[Alert]) -> str:
    return "is reported" if len(alerts) == 1 else "are reported"
