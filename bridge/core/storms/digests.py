"""A storm's digest: an incident of the bridge's own that stands for all that is held back from one channel. Pure.

Invariant: the most severe comes first; it has one alert, whose summary says how many and whose description says what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bridge.core.delivery.delivery import ENDED, Delivery, DesiredState
from bridge.core.incidents.periods import began, closed, reopened
from bridge.core.model import (
    SOURCE,
    Alert,
    Change,
    ChannelSpec,
    Group,
    Incident,
    Severity,
    State,
    Status,
    Target,
)
from bridge.core.storms.detection import Storm, StormLimits, is_louder, severity_of
from bridge.core.timeline import Entry, EntryKind

ALERTNAME = "StormDigest"
RECEIVER = "storms"
MAX_LINES = 20
MAX_NAME = 80


@dataclass(frozen=True, slots=True)
class Held:
    """The collapsed incidents of one name and severity."""

    name: str
    rank: int
    count: int
    since: datetime
    newest: int  #: number


def channel_of(incident: Incident) -> str | None:
    """Whom a digest is for, whatever the routes say; None of any other incident."""
    own = incident.source == SOURCE and incident.receiver == RECEIVER
    return incident.group_labels.get("channel") if own else None


def digest_states(change: Change, channels: Mapping[str, ChannelSpec]) -> tuple[DesiredState, ...]:
    """Of a digest: to its channel alone, and to every recipient there."""
    spec = channels.get(channel_of(change.incident) or "")
    if spec is None:  # it was taken out of routes.yaml
        return ()
    firing = not change.incident.resolved
    return tuple(DesiredState(Target(spec.name, each), firing, change.loud) for each in spec.recipients or ("",))


def skip_reason(before: Delivery, storm: Storm | None) -> str:
    """Why its resolve is skipped. storm: of its channel, if one is under way."""
    if storm is None or not storm.suppresses(before):
        return ENDED
    return f"ended while it was suppressed: reported in the digest #{storm.number} at most"


def opened(channel: str, held: Sequence[Held], limits: StormLimits, because: str, now: datetime, uid: str) -> Change:
    """A new digest for a storm that begins."""
    group = Group(SOURCE, RECEIVER, f"storm:{channel}:{uid}", {"alertname": ALERTNAME, "channel": channel}, ())
    alert = _alert(channel, held, severity_of(worst(held)), limits.held_url, now)
    entry = Entry(now, EntryKind.OPENED, "bridge", f"{channel} storms: {because}", 1, loud=True)
    blank = Incident.begun(group, f"Storm on {channel}", now, uid)
    incident = replace(blank, severity=alert.severity, alerts={alert.fingerprint: alert})
    incident = began(incident, (alert,), now)
    return Change(incident, (entry,), (alert,), opened=True)


def updated(
    known: Incident, storm: Storm, held: Sequence[Held], limits: StormLimits, now: datetime, *, page_again: bool = True
) -> Change:
    """What the digest stands for now; without entries when it says so already.

    One that a person has closed is opened again by what is new, and one that is acknowledged by what is critical and
    new: nobody has seen that.
    """
    severity = severity_of(worst(held)) if held else known.severity
    alert = _alert(storm.channel, held, severity, limits.held_url, storm.since)
    before = known.alerts.get(alert.fingerprint)
    if before is not None and _said(before) == _said(alert):
        return Change(known, (), ())
    loud = known.resolved or is_louder(storm, total(held), worst(held))
    kind = _kind(known, page_again and loud and severity is Severity.CRITICAL)
    entry = Entry(now, kind, "bridge", alert.annotations["summary"], known.revision + 1, loud=loud)
    changed = _with(known if kind is EntryKind.STORM else reopened(known), alert, entry.revision, now)
    return Change(began(changed, (alert,), now) if kind is EntryKind.REOPENED else changed, (entry,), (alert,))


def over(known: Incident, storm: Storm, left: int, ended: int, because: str, now: datetime) -> Change:
    """The end: left are told one by one from now on, ended are those that nobody need be told of any more."""
    if known.resolved:
        return Change(known, (), ())
    text = f"the storm on {storm.channel} is over: {_left(left)}, {ended:,} ended before they were told"
    alert = replace(
        _alert(storm.channel, (), known.severity, None, storm.since),
        status=Status.RESOLVED,
        ends_at=now,
        annotations={"summary": text, "description": because},
    )
    entry = Entry(now, EntryKind.RESOLVED, "bridge", f"{text} ({because})", known.revision + 1, loud=True)
    ended_now = closed(_with(known, alert, entry.revision, now), "bridge", now)
    return Change(ended_now, (entry,), (alert,))


def total(held: Sequence[Held]) -> int:
    return sum(each.count for each in held)


def worst(held: Sequence[Held]) -> int:
    """The rank of the most severe; that of the least severe there is when nothing is held."""
    return min((each.rank for each in held), default=Severity.NONE.rank)


def _kind(known: Incident, unseen: bool) -> EntryKind:
    if known.resolved:
        return EntryKind.REOPENED
    return EntryKind.PAGED_AGAIN if unseen and known.state is State.ACKNOWLEDGED else EntryKind.STORM


def _alert(channel: str, held: Sequence[Held], severity: Severity, held_url: str | None, since: datetime) -> Alert:
    annotations = {"summary": _headline(channel, held), "description": _lines(held)}
    return Alert(
        fingerprint="storm",
        status=Status.FIRING,
        labels={"alertname": ALERTNAME, "severity": severity.value},
        annotations=annotations | ({"held_url": held_url} if held_url else {}),
        starts_at=since,
        severity=severity,
    )


def _headline(channel: str, held: Sequence[Held]) -> str:
    """`412 incidents are held back from slack-ml: 12 critical, 400 warning`."""
    counts: Counter[int] = Counter()
    for each in held:
        counts[each.rank] += each.count
    told = ", ".join(f"{counts[rank]:,} {severity_of(rank)}" for rank in sorted(counts))
    return f"{_incidents(total(held))} held back from {channel}" + (f": {told}" if told else "")


def _lines(held: Sequence[Held]) -> str:
    ordered = sorted(held, key=lambda each: (each.rank, -each.count, each.name))
    lines = [_line(each) for each in ordered[:MAX_LINES]]
    rest = ordered[MAX_LINES:]
    more = f"and {total(rest):,} more under {len(rest):,} other names"
    return "\n".join([*lines, *([more] if rest else [])])


def _line(held: Held) -> str:
    name = " ".join(held.name.split())
    name = name if len(name) <= MAX_NAME else f"{name[:MAX_NAME]}…"
    many = f"{held.count:,} × {name}, {severity_of(held.rank)}, since {held.since:%H:%M} UTC"
    return many + (f", newest #{held.newest}" if held.count > 1 else f", #{held.newest}")


def _incidents(count: int) -> str:
    return "1 incident is" if count == 1 else f"{count:,} incidents are" if count else "no incident is"


def _left(count: int) -> str:
    return "nothing is left to tell" if not count else f"what still fires is told one by one ({count:,})"


def _said(alert: Alert) -> tuple[object, ...]:
    return dict(alert.annotations), dict(alert.labels), alert.status


def _with(known: Incident, alert: Alert, revision: int, now: datetime) -> Incident:
    return replace(
        known,
        alerts={**known.alerts, alert.fingerprint: alert},
        severity=alert.severity,
        revision=revision,
        updated_at=now,
        seen_at=now,
    )
