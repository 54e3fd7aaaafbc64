"""Reconciles open incidents with a source's Alertmanagers. Pure.

Alertmanager sends no webhook for the end of an alert that was silenced, inhibited or left out of a webhook, so the
bridge asks for it.
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
    """One alert that fires, as the API lists it."""

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
class AlertmanagerState:
    """What one Alertmanager says of itself and its alerts."""

    started_at: datetime  #: of its process, by the bridge's clock
    alerts: Mapping[str, Listed] = field(default_factory=dict)  #: by fingerprint: all that fire, muted ones too
    silences: Mapping[str, Silence] = field(default_factory=dict)
    groups: tuple[ListedGroup, ...] = ()
    name: str = ""  #: in its cluster; empty outside of one
    peers: frozenset[str] = frozenset()  #: names of all members of its cluster, its own too
    settling: bool = False


@dataclass(frozen=True, slots=True)
class Unavailable:
    """It did not answer, or not as Alertmanager does."""

    why: str


AlertmanagerAnswer = AlertmanagerState | Unavailable


@dataclass(frozen=True, slots=True)
class StateQuery:
    """What the open incidents make worth asking an Alertmanager for."""

    alerts: frozenset[str] = frozenset()  #: fingerprints: the silences of these are asked for
    receivers: frozenset[str] = frozenset()  #: whose groups are asked for


@dataclass(frozen=True, slots=True)
class GracePeriods:
    """`after`: an alert must be absent for so long. `settled`: an Alertmanager that has run for less may lack
    alerts: it keeps none over a restart, and Prometheus sends each again once a minute."""

    after: timedelta = timedelta(minutes=5)
    settled: timedelta = timedelta(minutes=5)


class Outcome(enum.StrEnum):
    """Of asking all Alertmanagers of a source; the value is the metric's label. Only OK lets an absent alert end."""

    OK = "ok"
    UNANSWERED = "unanswered"  #: one did not answer, or not as Alertmanager does
    FRESH = "fresh"  #: one has started lately, or waits for its cluster
    INCOMPLETE = "incomplete"  #: a member of the cluster is not among those that were asked
    UNVERIFIED = "unrecognised"  #: none has an alert that this source sent: it may be another cluster


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


def query_for(incidents: Iterable[Incident]) -> StateQuery:
    """Groups are asked for only where the source left alerts out."""
    opened = list(incidents)
    alerts = frozenset(alert.fingerprint for each in opened for alert in each.firing)
    return StateQuery(alerts, frozenset(each.receiver for each in opened if each.truncated))


def is_verified(answers: Iterable[AlertmanagerAnswer], incidents: Sequence[Incident]) -> bool:
    """They have an alert that this source sent, with the same start: labels alone can be equal in two clusters."""
    firing = {alert.fingerprint: alert.starts_at for incident in incidents for alert in incident.firing}
    return any(
        abs(listed.alert.starts_at - firing[fingerprint]) < SAME_START
        for state in answers
        if isinstance(state, AlertmanagerState)
        for fingerprint, listed in state.alerts.items()
        if fingerprint in firing
    )


def outcome_of(
    answers: Sequence[AlertmanagerAnswer], asked_at: datetime, grace: GracePeriods, *, verified: bool
) -> Outcome:
    """How far these answers can be trusted; the first doubt counts. verified: is_verified() was true once."""
    states = [state for state in answers if isinstance(state, AlertmanagerState)]
    if not answers or len(states) < len(answers):
        return Outcome.UNANSWERED
    if any(_fresh(state, asked_at, grace) for state in states):
        return Outcome.FRESH
    if not frozenset[str]().union(*(state.peers for state in states)) <= {state.name for state in states}:
        return Outcome.INCOMPLETE
    return Outcome.OK if verified else Outcome.UNVERIFIED


def decide(
    incidents: Sequence[Incident],
    answers: Sequence[AlertmanagerAnswer],
    absent_since: Mapping[str, datetime],
    asked_at: datetime,
    grace: GracePeriods,
    *,
    verified: bool,
) -> Decision:
    """asked_at: before the first Alertmanager was asked. absent_since: of the decision before, in the same process."""
    states = [state for state in answers if isinstance(state, AlertmanagerState)]
    conclusive = outcome_of(answers, asked_at, grace, verified=verified) is Outcome.OK
    since = _absent(incidents, states, absent_since, asked_at, grace, conclusive=conclusive)
    over = {name for name, first in since.items() if conclusive and asked_at - first >= grace.after}
    trusted = states if verified else []
    whole = [state for state in trusted if not _fresh(state, asked_at, grace)]
    ended = {name: since[name] for name in over}
    findings = (_finding(incident, trusted, whole, ended, asked_at) for incident in incidents if not incident.resolved)
    return Decision(tuple(found for found in findings if found is not None), since)


def _absent(
    incidents: Iterable[Incident],
    states: Sequence[AlertmanagerState],
    before: Mapping[str, datetime],
    asked_at: datetime,
    grace: GracePeriods,
    *,
    conclusive: bool,
) -> dict[str, datetime]:
    """Since when each firing alert has been missing; the answer of an Alertmanager that restarted since did not count.

    A time in the future is from before the clock went back, and starts over.
    """
    before = {name: first for name, first in before.items() if first <= asked_at}
    present = {fingerprint for state in states for fingerprint in state.alerts}
    missing = {alert.fingerprint for incident in incidents for alert in incident.firing} - present
    sound = max((state.started_at + grace.settled for state in states), default=asked_at)
    since = {name: before[name] for name in missing if name in before and (not conclusive or before[name] >= sound)}
    return {**dict.fromkeys(missing, asked_at), **since} if conclusive else since


def _fresh(state: AlertmanagerState, asked_at: datetime, grace: GracePeriods) -> bool:
    return state.settling or asked_at - state.started_at < grace.settled


def _finding(
    incident: Incident,
    states: Sequence[AlertmanagerState],
    whole: Sequence[AlertmanagerState],
    over: Mapping[str, datetime],
    asked_at: datetime,
) -> Finding | None:
    """whole: those that have every alert. over: what has ended, and when."""
    notified_meanwhile = incident.seen_at >= asked_at
    ended = [
        replace(alert, status=Status.RESOLVED, ends_at=max(over[alert.fingerprint], alert.starts_at))
        for alert in incident.firing
        if alert.fingerprint in over and not notified_meanwhile
    ]
    joined = None if notified_meanwhile else _left_out(incident, whole)
    alerts = (*ended, *_mutings(incident, states), *(joined or ()))
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


def _mutings(incident: Incident, states: Sequence[AlertmanagerState]) -> list[Alert]:
    """The alerts whose muting is not as it was: one counts as muted when all Alertmanagers that have it mute it."""
    found = []
    for alert in incident.firing:
        having = [state for state in states if alert.fingerprint in state.alerts]
        reasons = [_why_muted(state.alerts[alert.fingerprint], state) for state in having]
        muted = "" if not all(reasons) else reasons[0] if reasons else alert.muted
        if muted != alert.muted:
            found.append(replace(alert, muted=muted))
    return found


def _why_muted(listed: Listed, state: AlertmanagerState) -> str:
    """ "silenced by alice until 14:00 UTC"; empty when it is not muted. Of several silences the longest counts."""
    if listed.silenced_by:
        silences = [state.silences[name] for name in listed.silenced_by if name in state.silences]
        longest = max(silences, key=lambda silence: (silence.until is None, silence.until or 0), default=None)
        return "silenced" if longest is None else _silenced(longest)
    if listed.inhibited_by:
        names = {state.alerts[each].alert.name for each in listed.inhibited_by if each in state.alerts} - {""}
        return f"inhibited by {', '.join(sorted(names)[:3])}" if names else "inhibited"
    return f"muted by {', '.join(sorted(listed.muted_by)[:3])}" if listed.muted_by else ""


def _silenced(silence: Silence) -> str:
    by = f" by {silence.by[:100]}" if silence.by else ""
    return f"silenced{by} until {silence.until:%Y-%m-%d %H:%M} UTC" if silence.until else f"silenced{by}"


def _left_out(incident: Incident, states: Sequence[AlertmanagerState]) -> tuple[Alert, ...] | None:
    """The alerts of a group that a cut webhook did not name; None when it was not cut, or none has the group.

    Two routes can make groups with equal labels for one receiver: which is meant is unknown, so neither is taken.
    """
    found = [_only_group(incident, state) for state in states] if incident.truncated else []
    if not any(found):
        return None
    known = {alert.fingerprint for alert in incident.firing}
    listed = {each.alert.fingerprint: each for group in found if group for each in group.alerts if not each.suppressed}
    return tuple(each.alert for fingerprint, each in listed.items() if fingerprint not in known)


def _only_group(incident: Incident, state: AlertmanagerState) -> ListedGroup | None:
    receiver, labels = incident.receiver, dict(incident.group_labels)
    same = [group for group in state.groups if group.receiver == receiver and dict(group.labels) == labels]
    return same[0] if len(same) == 1 else None
