"""A storm's digest: an incident opened by the bridge that represents all that is suppressed on one channel. Pure.

Invariant: the most severe comes first; the digest has one alert, whose summary counts and whose description lists.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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
class Suppressed:
    """One incident that a digest stands for."""

    number: int
    name: str
    rank: int
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class SuppressedGroup:
    """The suppressed incidents of one name and severity."""

    name: str
    rank: int
    count: int
    since: datetime
    newest: int  #: number


Groups = Sequence[SuppressedGroup]


def grouped(suppressed: Iterable[Suppressed]) -> list[SuppressedGroup]:
    """By name and severity."""
    groups: dict[tuple[str, int], list[Suppressed]] = {}
    for each in suppressed:
        groups.setdefault((each.name, each.rank), []).append(each)
    return [
        SuppressedGroup(
            name, rank, len(found), min(each.opened_at for each in found), max(each.number for each in found)
        )
        for (name, rank), found in groups.items()
    ]


def channel_of(incident: Incident) -> str | None:
    """The channel of a digest, regardless of routes; None for any other incident."""
    own = incident.source == SOURCE and incident.receiver == RECEIVER
    return incident.group_labels.get("channel") if own else None


def digest_states(change: Change, channels: Mapping[str, ChannelSpec]) -> tuple[DesiredState, ...]:
    """The digest's targets: all recipients of its channel, and no other channel."""
    spec = channels.get(channel_of(change.incident) or "")
    if spec is None:  # it was removed from routes.yaml
        return ()
    firing = not change.incident.resolved
    return tuple(DesiredState(Target(spec.name, each), firing, change.loud) for each in spec.recipients or ("",))


def skip_reason(before: Delivery, storm: Storm | None) -> str:
    """Why its resolve is skipped. storm: of its channel, if one is under way."""
    if storm is None or not storm.suppresses(before):
        return ENDED
    return f"ended while it was suppressed: reported in the digest #{storm.number} at most"


def opened(channel: str, groups: Groups, limits: StormLimits, because: str, now: datetime, uid: str) -> Change:
    """A new digest for a storm that begins."""
    group = Group(SOURCE, RECEIVER, f"storm:{channel}:{uid}", {"alertname": ALERTNAME, "channel": channel}, ())
    alert = _alert(channel, groups, severity_of(worst(groups)), limits.suppressed_url, now)
    entry = Entry(now, EntryKind.OPENED, "bridge", f"{channel} storms: {because}", 1, loud=True)
    blank = Incident.begun(group, f"Storm on {channel}", now, uid)
    incident = replace(blank, severity=alert.severity, alerts={alert.fingerprint: alert})
    incident = began(incident, (alert,), now)
    return Change(incident, (entry,), (alert,), opened=True)


def updated(
    known: Incident, storm: Storm, groups: Groups, limits: StormLimits, now: datetime, *, page_again: bool = True
) -> Change:
    """The digest with the current incidents; without entries when nothing changed.

    A digest that a user resolved is reopened by new incidents, an acknowledged one by new critical ones, which the
    responder has not seen.
    """
    severity = severity_of(worst(groups)) if groups else known.severity
    alert = _alert(storm.channel, groups, severity, limits.suppressed_url, storm.since)
    before = known.alerts.get(alert.fingerprint)
    if before is not None and _content(before) == _content(alert):
        return Change(known, (), ())
    loud = known.resolved or is_louder(storm, total(groups), worst(groups))
    kind = _kind(known, page_again and loud and severity is Severity.CRITICAL)
    entry = Entry(now, kind, "bridge", alert.annotations["summary"], known.revision + 1, loud=loud)
    changed = _with(known if kind is EntryKind.STORM else reopened(known), alert, entry.revision, now)
    return Change(began(changed, (alert,), now) if kind is EntryKind.REOPENED else changed, (entry,), (alert,))


def over(known: Incident, storm: Storm, left: int, ended: int, because: str, now: datetime) -> Change:
    """The storm's end. left: incidents notified one by one from now on; ended: those that ended unnotified."""
    if known.resolved:
        return Change(known, (), ())
    text = f"the storm on {storm.channel} is over: {_left(left)}, {ended:,} ended unnotified"
    alert = replace(
        _alert(storm.channel, (), known.severity, None, storm.since),
        status=Status.RESOLVED,
        ends_at=now,
        annotations={"summary": text, "description": because},
    )
    entry = Entry(now, EntryKind.RESOLVED, "bridge", f"{text} ({because})", known.revision + 1, loud=True)
    ended_now = closed(_with(known, alert, entry.revision, now), "bridge", now)
    return Change(ended_now, (entry,), (alert,))


def total(groups: Groups) -> int:
    return sum(each.count for each in groups)


def worst(groups: Groups) -> int:
    """The rank of the most severe; the lowest rank when there is none."""
    return min((each.rank for each in groups), default=Severity.NONE.rank)


def _kind(known: Incident, unseen: bool) -> EntryKind:
    if known.resolved:
        return EntryKind.REOPENED
    return EntryKind.PAGED_AGAIN if unseen and known.state is State.ACKNOWLEDGED else EntryKind.STORM


def _alert(channel: str, groups: Groups, severity: Severity, suppressed_url: str | None, since: datetime) -> Alert:
    annotations = {"summary": _headline(channel, groups), "description": _lines(groups)}
    return Alert(
        fingerprint="storm",
        status=Status.FIRING,
        labels={"alertname": ALERTNAME, "severity": severity.value},
        annotations=annotations | ({"held_url": suppressed_url} if suppressed_url else {}),
        starts_at=since,
        severity=severity,
    )


def _headline(channel: str, groups: Groups) -> str:
    """`412 incidents are suppressed on slack-ml: 12 critical, 400 warning`."""
    counts: Counter[int] = Counter()
    for each in groups:
        counts[each.rank] += each.count
    parts = ", ".join(f"{counts[rank]:,} {severity_of(rank)}" for rank in sorted(counts))
    return f"{_incidents(total(groups))} suppressed on {channel}" + (f": {parts}" if parts else "")


def _lines(groups: Groups) -> str:
    ordered = sorted(groups, key=lambda each: (each.rank, -each.count, each.name))
    lines = [_line(each) for each in ordered[:MAX_LINES]]
    rest = ordered[MAX_LINES:]
    more = f"and {total(rest):,} more under {len(rest):,} other names"
    return "\n".join([*lines, *([more] if rest else [])])


def _line(group: SuppressedGroup) -> str:
    name = " ".join(group.name.split())
    name = name if len(name) <= MAX_NAME else f"{name[:MAX_NAME]}…"
    many = f"{group.count:,} × {name}, {severity_of(group.rank)}, since {group.since:%H:%M} UTC"
    return many + (f", newest #{group.newest}" if group.count > 1 else f", #{group.newest}")


def _incidents(count: int) -> str:
    return "1 incident is" if count == 1 else f"{count:,} incidents are" if count else "no incident is"


def _left(count: int) -> str:
    return "nothing is left to notify" if not count else f"what still fires is notified one by one ({count:,})"


def _content(alert: Alert) -> tuple[object, ...]:
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
