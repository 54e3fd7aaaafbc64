"""What people, and the bridge itself, do to an incident besides what its alerts do. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bridge.core.incidents.periods import closed
from bridge.core.model import Change, Flap, Incident, State
from bridge.core.timeline import Entry, EntryKind


def acknowledge(incident: Incident, actor: str, now: datetime) -> Change:
    """A person has it. Does nothing to an incident that is acknowledged or resolved already."""
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


def learn(incident: Incident, text: str, now: datetime) -> Change:
    """What could not be measured when it was told is known now: worth telling, while it lasts."""
    if incident.resolved:
        return Change(incident, (), ())
    revision = incident.revision + 1
    entry = Entry(now, EntryKind.LEARNED, "bridge", text, revision, loud=True)
    return Change(replace(incident, revision=revision, updated_at=now), (entry,), ())


def resolve(incident: Incident, actor: str, now: datetime) -> Change:
    """A person says it is over. If its alerts still fire at the next reminder, the incident comes back.

    An end that was held because it flaps is told at once.
    """
    if incident.resolved:
        return Change(incident, (), ())
    revision = incident.revision + 1
    entry = Entry(now, EntryKind.RESOLVED, actor, f"{actor} resolved it", revision, loud=True)
    told = tuple(replace(alert, held=False) for alert in incident.alerts.values() if alert.held)
    changed = replace(
        closed(incident, actor, now),
        revision=revision,
        updated_at=now,
        alerts={**incident.alerts, **{alert.fingerprint: alert for alert in told}},
        flap=Flap(),
    )
    return Change(changed, (entry,), told)
