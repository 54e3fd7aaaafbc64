"""Counts how often an incident begins and ends, and detects flapping. Pure.

Invariant: a flapping incident is shown as firing throughout. Only ends are deferred, for at most `calm` after the last
state change; new alerts and raised severities are notified as usual.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.core.incidents.notices import reopening_words
from bridge.core.model import Alert, Flap, Incident
from bridge.core.naming import names_of
from bridge.core.numbers import in_words
from bridge.core.replacing import replace
from bridge.core.timeline import Entry, EntryKind


@dataclass(frozen=True, slots=True)
class Flapping:
    """An incident flaps once it began and ended `turns` times `within` that time, until it was quiet for `calm`."""

    turns: int = 4
    within: timedelta = timedelta(hours=1)
    calm: timedelta = timedelta(minutes=10)


FLAPPING = Flapping()


def begun(flap: Flap, now: datetime, rules: Flapping | None) -> Flap:
    """Record that the incident, or an alert of it that had ended, begins to fire."""
    if rules is None:
        return Flap()
    begins = (*flap.begins, now)[-rules.turns :]
    return replace(flap, begins=begins, state_changed_at=now if flap.since else None)


def recorded(known: Incident, touched: tuple[Alert, ...], now: datetime, rules: Flapping | None) -> Flap:
    """The flap record after a webhook. Alerts that are new to the incident do not count as state changes."""
    if rules is None:
        return Flap()
    pairs = [(known.alerts[alert.fingerprint], alert) for alert in touched if alert.fingerprint in known.alerts]
    flap = known.flap
    if any(alert.firing and not before.firing for before, alert in pairs):
        flap = begun(flap, now, rules)
    if any(before.firing and not alert.firing for before, alert in pairs):
        flap = _ended(flap, now, rules)
    return flap


def _ended(flap: Flap, now: datetime, rules: Flapping) -> Flap:
    if flap.since is not None:
        return replace(flap, state_changes=flap.state_changes + 1, state_changed_at=now)
    recent = tuple(at for at in flap.begins if abs(now - at) <= rules.within)  # the clock may have gone back
    if len(recent) < rules.turns:
        return flap
    return Flap(recent, since=recent[0], state_changes=len(recent), state_changed_at=now)


def with_deferred_ends(known: Incident, touched: tuple[Alert, ...], flap: Flap) -> tuple[Alert, ...]:
    """The alerts, with their ends marked as deferred while the incident flaps."""
    shown = {alert.fingerprint for alert in known.shown}
    return tuple(_deferred(alert, flap.since is not None and alert.fingerprint in shown) for alert in touched)


def _deferred(alert: Alert, flapping: bool) -> Alert:
    wanted = flapping and not alert.firing
    return alert if alert.deferred == wanted else replace(alert, deferred=wanted)


def entries_of(known: Incident, after: Incident, touched: tuple[Alert, ...], actor: str, quiet: str) -> Iterator[Entry]:
    """One loud entry when flapping begins, then quiet ones for each state change. quiet: `calm` in words."""
    now, revision = after.flap.state_changed_at, after.revision
    if now is None:
        return
    if known.flap.since is None:
        text = f"flapping: {how_often(after.flap)}; its end is deferred until it has been quiet for {quiet}"
        yield Entry(now, EntryKind.FLAPPING, "bridge", text, revision, loud=True)
    were_deferred = {alert.fingerprint for alert in known.alerts.values() if alert.deferred}
    ends = [alert for alert in touched if alert.deferred and alert.fingerprint not in were_deferred]
    if ends:
        yield Entry(now, EntryKind.HELD, actor, f"{names_of(ends)} ended; deferred while it flaps", revision)
    back = [alert for alert in touched if alert.firing and alert.fingerprint in were_deferred]
    if back:
        yield Entry(now, EntryKind.RETURNED, actor, reopening_words(after, back), revision)


def how_often(flap: Flap) -> str:
    """ "it began and ended 4 times in 21 min"."""
    return f"it began and ended {times(flap)}"


def times(flap: Flap) -> str:
    """ "4 times in 21 min", from its first state change to its latest; empty when it does not flap."""
    if flap.since is None or flap.state_changed_at is None:
        return ""
    return f"{flap.state_changes} times in {in_words(flap.state_changed_at - flap.since)}"


def quiet_at(flap: Flap, rules: Flapping | None) -> datetime | None:
    """When flapping ends unless another state change comes; None: it does not flap."""
    if flap.since is None or flap.state_changed_at is None:
        return None
    return flap.state_changed_at + (rules.calm if rules else timedelta(0))


@dataclass(frozen=True, slots=True)
class Flaps:
    """What is shown of a flapping incident."""

    since: datetime
    turns: int
    told: str  #: "4 times in 21 min"
    held_until: datetime | None  #: when its end is notified unless it fires again; None: it fires


def flaps_of(incident: Incident, rules: Flapping | None) -> Flaps | None:
    """None when it does not flap."""
    flap, until = incident.flap, quiet_at(incident.flap, rules)
    if not incident.flapping or flap.since is None:
        return None
    return Flaps(flap.since, flap.state_changes, times(flap), None if incident.firing else until)


def next_check_at(incident: Incident, rules: Flapping | None) -> datetime | None:
    """When the first deferred end is due or flapping ends; None: nothing to wait for."""
    calm = rules.calm if rules else timedelta(0)
    ends = [(alert.ended_seen_at or incident.updated_at) + calm for alert in incident.alerts.values() if alert.deferred]
    quiet = quiet_at(incident.flap, rules)
    return min((*ends, *([quiet] if quiet else [])), default=None)
