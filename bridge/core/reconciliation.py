"""What open incidents and a source's Alertmanagers say of each other. Pure.

Alertmanager never tells of the end of an alert that was silenced, inhibited or left out of a webhook, so it is asked.
Invariant: absent is not ended. An alert is ended only when every Alertmanager of the source answers, none of them could
have forgotten it, none of them has it, and all that was so some minutes ago already.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bridge.core.model import Alert, Group, Incident, Status

#: The API cuts times to milliseconds, the webhook does not.
SAME_START = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Listed:
    """One alert that fires, as the API tells it."""

    alert: Alert
    silenced_by: tuple[str, ...] = ()  #: ids of silences
    inhibited_by: tuple[str, ...] = ()  #: fingerprints
    muted_by: tuple[str, ...] = ()  #: names of time intervals; Alertmanager 0.28 and newer

    @property
    def suppressed(self) -> bool:
        return bool(self.silenced_by or self.inhibited_by or self.muted_by)


@dataclass(frozen=True, slots=True)
class Silence:
    by: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class ListedGroup:
    """A group that would be notified now, without what is silenced or inhibited in it."""

    receiver: str
    labels: Mapping[str, str]
    alerts: tuple[Listed, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """What one Alertmanager answered."""

    started_at: datetime  #: of its process, by the bridge's clock
    alerts: Mapping[str, Listed] = field(default_factory=dict)  #: by fingerprint: all that fire, muted ones too
    silences: Mapping[str, Silence] = field(default_factory=dict)
    groups: tuple[ListedGroup, ...] = ()
    name: str = ""  #: in its cluster; empty outside of one
    peers: frozenset[str] = frozenset()  #: names of all members of its cluster, its own too
    settling: bool = False


@dataclass(frozen=True, slots=True)
class NoLook:
    """It did not answer, or not sensibly."""

    why: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the open incidents make worth asking for."""

    alerts: frozenset[str] = frozenset()  #: fingerprints: whoever silenced one of them is asked for
    receivers: frozenset[str] = frozenset()  #: whose groups are asked for


@dataclass(frozen=True, slots=True)
class Patience:
    """`after`: an alert must be absent for so long. `settled`: an Alertmanager that started later has not heard all
    alerts again: it keeps none over a restart, and Prometheus sends each again once a minute."""

    after: timedelta = timedelta(minutes=5)
    settled: timedelta = timedelta(minutes=5)


class Outcome(enum.StrEnum):
    """Of asking all Alertmanagers of a source. Only after OK is an absent alert on its way to be ended."""

    OK = "ok"
    UNANSWERED = "unanswered"  #: one did not answer, or not sensibly
    FRESH = "fresh"  #: one has started lately, or waits for its cluster
    INCOMPLETE = "incomplete"  #: a member of the cluster is not among those that were asked
    UNRECOGNISED = "unrecognised"  #: nothing that it has was ever told to the bridge: it may be another cluster


@dataclass(frozen=True, slots=True)
class Finding:
    """What to write of one incident, if it is still as it was."""

    incident: Incident
    group: Group

    @property
    def ended(self) -> int:
        return sum(not alert.firing for alert in self.group.alerts)


@dataclass(frozen=True, slots=True)
class Decision:
    findings: tuple[Finding, ...]
    absent_since: Mapping[str, datetime]  #: by fingerprint; for the next decision


def wanted(incidents: Iterable[Incident]) -> Wanted:
    """Groups are asked for only where the source left alerts out."""
    opened = list(incidents)
    alerts = frozenset(alert.fingerprint for each in opened for alert in each.firing)
    return Wanted(alerts, frozenset(each.receiver for each in opened if each.truncated))


def recognised(looks: Iterable[Look | NoLook], incidents: Sequence[Incident]) -> bool:
    """Some alert is there that this source told of, with its start: labels alone can be equal in two clusters."""
    firing = {alert.fingerprint: alert.starts_at for incident in incidents for alert in incident.firing}
    return any(
        abs(listed.alert.starts_at - firing[fingerprint]) < SAME_START
        for look in looks
        if isinstance(look, Look)
        for fingerprint, listed in look.alerts.items()
        if fingerprint in firing
    )


def outcome_of(looks: Sequence[Look | NoLook], began: datetime, patience: Patience, *, known: bool) -> Outcome:
    """How far these answers can be believed; the first doubt counts. known: the source was recognised in them once."""
    answers = [look for look in looks if isinstance(look, Look)]
    if not looks or len(answers) < len(looks):
        return Outcome.UNANSWERED
    if any(_fresh(look, began, patience) for look in answers):
        return Outcome.FRESH
    if not frozenset[str]().union(*(look.peers for look in answers)) <= {look.name for look in answers}:
        return Outcome.INCOMPLETE
    return Outcome.OK if known else Outcome.UNRECOGNISED


def decide(
    incidents: Sequence[Incident],
    looks: Sequence[Look | NoLook],
    absent_since: Mapping[str, datetime],
    began: datetime,
    patience: Patience,
    *,
    known: bool,
) -> Decision:
    """began: before the first Alertmanager was asked. absent_since: of the decision before, in the same process."""
    answers = [look for look in looks if isinstance(look, Look)]
    conclusive = outcome_of(looks, began, patience, known=known) is Outcome.OK
    since = _absent(incidents, answers, absent_since, began, patience, conclusive=conclusive)
    over = {name for name, first in since.items() if conclusive and began - first >= patience.after}
    trusted = answers if known else []
    whole = [look for look in trusted if not _fresh(look, began, patience)]
    ended = {name: since[name] for name in over}
    findings = (_finding(incident, trusted, whole, ended, began) for incident in incidents if not incident.resolved)
    return Decision(tuple(found for found in findings if found is not None), since)


def _absent(
    incidents: Iterable[Incident],
    answers: Sequence[Look],
    before: Mapping[str, datetime],
    began: datetime,
    patience: Patience,
    *,
    conclusive: bool,
) -> dict[str, datetime]:
    """Since when each firing alert has been missing; whoever restarted since then did not count at the time.

    What began in the future began before the clock went back, and begins anew.
    """
    before = {name: first for name, first in before.items() if first <= began}
    present = {fingerprint for look in answers for fingerprint in look.alerts}
    missing = {alert.fingerprint for incident in incidents for alert in incident.firing} - present
    sound = max((look.started_at + patience.settled for look in answers), default=began)
    since = {name: before[name] for name in missing if name in before and (not conclusive or before[name] >= sound)}
    return {**dict.fromkeys(missing, began), **since} if conclusive else since


def _fresh(look: Look, began: datetime, patience: Patience) -> bool:
    return look.settling or began - look.started_at < patience.settled


def _finding(
    incident: Incident, answers: Sequence[Look], whole: Sequence[Look], over: Mapping[str, datetime], began: datetime
) -> Finding | None:
    """whole: those of the answers that have every alert. over: what has ended, and when."""
    heard_meanwhile = incident.seen_at >= began
    ended = [
        replace(alert, status=Status.RESOLVED, ends_at=max(over[alert.fingerprint], alert.starts_at))
        for alert in incident.firing
        if alert.fingerprint in over and not heard_meanwhile
    ]
    joined = None if heard_meanwhile else _left_out(incident, whole)
    alerts = (*ended, *_mutings(incident, answers), *(joined or ()))
    if not alerts and joined is None:
        return None
    group = Group(
        source=incident.source,
        receiver=incident.receiver,
        group_key=incident.group_key,
        group_labels=incident.group_labels,
        alerts=alerts,
        external_url=incident.external_url,
        truncated=incident.truncated if joined is None else 0,
        asked=True,
    )
    return Finding(incident, group)


def _mutings(incident: Incident, answers: Sequence[Look]) -> list[Alert]:
    """The alerts whose muting is not as it was: one counts as muted when all Alertmanagers that have it mute it."""
    found = []
    for alert in incident.firing:
        having = [look for look in answers if alert.fingerprint in look.alerts]
        told = [_why_muted(look.alerts[alert.fingerprint], look) for look in having]
        muted = "" if not all(told) else told[0] if told else alert.muted
        if muted != alert.muted:
            found.append(replace(alert, muted=muted))
    return found


def _why_muted(listed: Listed, look: Look) -> str:
    """ "silenced by alice until 14:00 UTC"; empty when it is not muted. Of several silences the longest counts."""
    if listed.silenced_by:
        silences = [look.silences[name] for name in listed.silenced_by if name in look.silences]
        longest = max(silences, key=lambda silence: (silence.until is None, silence.until or 0), default=None)
        return "silenced" if longest is None else _silenced(longest)
    if listed.inhibited_by:
        names = {look.alerts[each].alert.name for each in listed.inhibited_by if each in look.alerts} - {""}
        return f"inhibited by {', '.join(sorted(names)[:3])}" if names else "inhibited"
    return f"muted by {', '.join(sorted(listed.muted_by)[:3])}" if listed.muted_by else ""


def _silenced(silence: Silence) -> str:
    by = f" by {silence.by[:100]}" if silence.by else ""
    return f"silenced{by} until {silence.until:%Y-%m-%d %H:%M} UTC" if silence.until else f"silenced{by}"


def _left_out(incident: Incident, answers: Sequence[Look]) -> tuple[Alert, ...] | None:
    """The alerts of a group that a cut webhook did not name; None when it was not cut, or nobody knows the group.

    Two routes can make groups with equal labels for one receiver: which is meant cannot be told, so neither is taken.
    """
    found = [_only_group(incident, look) for look in answers] if incident.truncated else []
    if not any(found):
        return None
    known = {alert.fingerprint for alert in incident.firing}
    listed = {each.alert.fingerprint: each for group in found if group for each in group.alerts if not each.suppressed}
    return tuple(each.alert for fingerprint, each in listed.items() if fingerprint not in known)


def _only_group(incident: Incident, look: Look) -> ListedGroup | None:
    same = [g for g in look.groups if g.receiver == incident.receiver and dict(g.labels) == dict(incident.group_labels)]
    return same[0] if len(same) == 1 else None
