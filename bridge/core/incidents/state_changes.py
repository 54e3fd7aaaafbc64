"""How often an incident begins and ends, and when that is flapping. Pure.

Invariant: what flaps is shown as firing all along. Only an end is ever held, and never for longer than `calm` after the
last turn; a new alert and a rise of severity are told as if nothing flapped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bridge.core.incidents.notices import reopening_words
from bridge.core.model import Alert, Flap, Incident
from bridge.core.naming import names_of
from bridge.core.numbers import in_words
from bridge.core.timeline import Entry, EntryKind


@dataclass(frozen=True, slots=True)
class Flapping:
    """An incident flaps when it began and ended `turns` times within that time, until it has not turned for `calm`."""

    turns: int = 4
    within: timedelta = timedelta(hours=1)
    calm: timedelta = timedelta(minutes=10)


FLAPPING = Flapping()


def begun(flap: Flap, now: datetime, rules: Flapping | None) -> Flap:
    """It begins to fire, or something in it does that had ended."""
    if rules is None:
        return Flap()
    begins = (*flap.begins, now)[-rules.turns :]
    return replace(flap, begins=begins, turned_at=now if flap.since else None)


def turned(known: Incident, touched: tuple[Alert, ...], now: datetime, rules: Flapping | None) -> Flap:
    """What a webhook makes of it. An alert that is new to the incident has not come back, so it counts for nothing."""
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
        return replace(flap, turns=flap.turns + 1, turned_at=now)
    recent = tuple(at for at in flap.begins if abs(now - at) <= rules.within)  # the clock may have gone back
    if len(recent) < rules.turns:
        return flap
    return Flap(recent, since=recent[0], turns=len(recent), turned_at=now)


def held(known: Incident, touched: tuple[Alert, ...], flap: Flap) -> tuple[Alert, ...]:
    """The ends among these are held while it flaps."""
    shown = {alert.fingerprint for alert in known.shown}
    return tuple(_holding(alert, flap.since is not None and alert.fingerprint in shown) for alert in touched)


def _holding(alert: Alert, flapping: bool) -> Alert:
    wanted = flapping and not alert.firing
    return alert if alert.held == wanted else replace(alert, held=wanted)


def entries_of(known: Incident, after: Incident, touched: tuple[Alert, ...], actor: str, calm: str) -> Iterator[Entry]:
    """One loud line when it begins to flap; from then on its turns are only noted. calm: in words."""
    now, revision = after.flap.turned_at, after.revision
    if now is None:
        return
    if known.flap.since is None:
        text = f"flapping: {how_often(after.flap)}; its end is held until it has been quiet for {calm}"
        yield Entry(now, EntryKind.FLAPPING, "bridge", text, revision, loud=True)
    was_held = {alert.fingerprint for alert in known.alerts.values() if alert.held}
    ends = [alert for alert in touched if alert.held and alert.fingerprint not in was_held]
    if ends:
        yield Entry(now, EntryKind.HELD, actor, f"{names_of(ends)} ended; held while it flaps", revision)
    back = [alert for alert in touched if alert.firing and alert.fingerprint in was_held]
    if back:
        yield Entry(now, EntryKind.RETURNED, actor, reopening_words(after, back), revision)


def how_often(flap: Flap) -> str:
    """ "it began and ended 4 times in 21 min"."""
    return f"it began and ended {times(flap)}"


def times(flap: Flap) -> str:
    """ "4 times in 21 min", from its first turn to its latest; empty when it does not flap."""
    if flap.since is None or flap.turned_at is None:
        return ""
    return f"{flap.turns} times in {in_words(flap.turned_at - flap.since)}"


def calm_at(flap: Flap, rules: Flapping | None) -> datetime | None:
    """When it flaps no more, unless it turns again; None: it does not flap."""
    if flap.since is None or flap.turned_at is None:
        return None
    return flap.turned_at + (rules.calm if rules else timedelta(0))


@dataclass(frozen=True, slots=True)
class Flaps:
    """What people are told of an incident that flaps."""

    since: datetime
    turns: int
    told: str  #: "4 times in 21 min"
    held_until: datetime | None  #: when its end is told, if it does not begin again; None: it fires


def flaps_of(incident: Incident, rules: Flapping | None) -> Flaps | None:
    """None when it does not flap."""
    flap, until = incident.flap, calm_at(incident.flap, rules)
    if not incident.flapping or flap.since is None:
        return None
    return Flaps(flap.since, flap.turns, times(flap), None if incident.firing else until)


def look_at(incident: Incident, rules: Flapping | None) -> datetime | None:
    """When the first end that is held may be told, or it is calm; None: there is nothing to wait for."""
    calm = rules.calm if rules else timedelta(0)
    ends = [(alert.ended_seen_at or incident.updated_at) + calm for alert in incident.alerts.values() if alert.held]
    calming = calm_at(incident.flap, rules)
    return min((*ends, *([calming] if calming else [])), default=None)
