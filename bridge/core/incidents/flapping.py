"""What follows a flapping incident's quiet period: it is resolved, or it keeps firing. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from bridge.core.incidents.periods import closed
from bridge.core.incidents.state_changes import how_often, quiet_at
from bridge.core.incidents.transitions import Rules, severity_of
from bridge.core.model import Alert, Change, Flap, Incident
from bridge.core.naming import names_of
from bridge.core.numbers import in_words
from bridge.core.timeline import Entry, EntryKind


def settle(incident: Incident, rules: Rules, now: datetime) -> Change:
    """Release the deferred ends whose quiet period is over; no entries when nothing is due."""
    over = _over(incident, rules, now)
    end = quiet_at(incident.flap, rules.flapping)
    quiet = end is not None and end <= now
    if incident.resolved or not (over or quiet):
        return Change(incident, (), ())
    alerts = {**incident.alerts, **{alert.fingerprint: alert for alert in over}}
    after = replace(
        incident,
        alerts=alerts,
        severity=severity_of(alerts, incident.severity),
        flap=Flap() if quiet else incident.flap,
        revision=incident.revision + 1,
        updated_at=now,
    )
    if not after.shown:
        return _resolved(incident, after, over, now)
    # muted alerts change no message, as in transitions.py
    muted = bool(after.firing) and all(alert.muted for alert in after.firing)
    return Change(after, tuple(_entries(incident, after, over, quiet, now)), over, ends_only=muted)


def _over(incident: Incident, rules: Rules, now: datetime) -> tuple[Alert, ...]:
    """Alerts whose end is no longer deferred. Without rules all of them: flapping detection was switched off."""
    wait = rules.flapping.calm if rules.flapping else timedelta(0)
    ends = ((alert, (alert.ended_seen_at or now) + wait) for alert in incident.alerts.values() if alert.deferred)
    return tuple(replace(alert, deferred=False) for alert, until in ends if until <= now)


def _resolved(incident: Incident, after: Incident, over: tuple[Alert, ...], now: datetime) -> Change:
    flap, source = incident.flap, incident.source
    text = "every alert has ended"
    if flap.state_changed_at is not None:
        text += f": it flapped ({how_often(flap)}) and has been quiet for {in_words(now - flap.state_changed_at)}"
    entry = Entry(now, EntryKind.RESOLVED, source, text, after.revision, loud=True)
    return Change(replace(closed(after, source, now), flap=Flap()), (entry,), over)


def _entries(
    incident: Incident, after: Incident, over: tuple[Alert, ...], quiet: bool, now: datetime
) -> Iterator[Entry]:
    if over:
        yield Entry(now, EntryKind.LEFT, incident.source, f"{names_of(over)} ended", after.revision)
    if after.severity is not incident.severity:
        text = f"severity lowered from {incident.severity} to {after.severity}"
        yield Entry(now, EntryKind.LOWERED, incident.source, text, after.revision)
    if quiet and incident.flap.state_changed_at is not None:
        steady = in_words(now - incident.flap.state_changed_at)
        text = f"no longer flapping: it has fired for {steady} without a break; its end is notified at once now"
        yield Entry(now, EntryKind.STEADIED, "bridge", text, after.revision)
