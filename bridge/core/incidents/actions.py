"""State transitions that users and the bridge cause, rather than alerts. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bridge.core.incidents.periods import closed
from bridge.core.model import Change, Flap, Incident, State
from bridge.core.timeline import Entry, EntryKind


def acknowledge(incident: Incident, actor: str, now: datetime) -> Change:
    """Does nothing if the incident is already acknowledged or resolved."""
    if incident.state is not State.OPEN:
        return Change(incident, (), ())
    revision = incident.revision + 1
    entry = Entry(now, EntryKind.ACKNOWLEDGED, actor, f"{actor} acknowledged it", revision)
    changed = replace(
        incident,
        state=State.ACKNOWLEDGED,
        acknowledged_at=now,
        acknowledged_by=actor,
        revision=revision,
        updated_at=now,
    )
    return Change(changed, (entry,), ())


def add_measurements(incident: Incident, text: str, now: datetime, *, loud: bool = True) -> Change:
    """Add a fact that could not be measured when the incident was notified. Does nothing once it is resolved."""
    if incident.resolved:
        return Change(incident, (), ())
    revision = incident.revision + 1
    entry = Entry(now, EntryKind.LEARNED, "bridge", text, revision, loud=loud)
    return Change(replace(incident, revision=revision, updated_at=now), (entry,), ())


def resolve(incident: Incident, actor: str, now: datetime) -> Change:
    """Resolve it for a user. If its alerts still fire at the next reminder, the incident is reopened.

    Ends that were deferred because of flapping are notified at once.
    """
    if incident.resolved:
        return Change(incident, (), ())
    revision = incident.revision + 1
    entry = Entry(now, EntryKind.RESOLVED, actor, f"{actor} resolved it", revision, loud=True)
    deferred = tuple(replace(alert, deferred=False) for alert in incident.alerts.values() if alert.deferred)
    changed = replace(
        closed(incident, actor, now),
        revision=revision,
        updated_at=now,
        alerts={**incident.alerts, **{alert.fingerprint: alert for alert in deferred}},
        flap=Flap(),
    )
    return Change(changed, (entry,), deferred)
