"""What a webhook does to an incident. Pure: time and the new incident's uid are arguments.

Invariant: an alert is two registers, the latest start and the latest end reported, and it fires while the start is
later. Taking the maximum commutes, so duplicate and reordered webhooks lead to the same state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.core.incidents.notices import opening_words, reopening_words
from bridge.core.incidents.periods import began, closed, reopened, widened
from bridge.core.incidents.state_changes import FLAPPING, Flapping, begun, entries_of, recorded, with_deferred_ends
from bridge.core.model import Alert, Change, Flap, Group, Incident, Severity, State, Status, most_severe
from bridge.core.naming import is_named_by_group, names_of, title_of
from bridge.core.numbers import in_words
from bridge.core.replacing import replace
from bridge.core.timeline import Entry, EntryKind

Canonical = Callable[[Mapping[str, str]], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Rules:
    """`late_within`: for so long after an alert's end, a firing state with the same start is a straggler (a peer of an
    Alertmanager pair sends one up to 15 s late); later it is accepted, for a partition can end and restart an alert
    without a new start. `reopen_within`: how long a new outbreak reopens a resolved incident. `page_again`: a critical
    alert that joins an acknowledged incident opens it again. `acknowledge_for`: how long an acknowledgement lasts;
    None: until the end. `flapping`: when ends are deferred; None: never."""

    reopen_within: timedelta = timedelta(minutes=15)
    late_within: timedelta = timedelta(minutes=1)
    page_again: bool = True
    acknowledge_for: timedelta | None = timedelta(hours=12)
    flapping: Flapping | None = FLAPPING
    canonical: Canonical = lambda labels: labels


def receive(
    known: Incident | None, group: Group, now: datetime, rules: Rules, uid: str, *, unnotified_end: bool = False
) -> Change | None:
    """Merge a webhook into the newest incident of its group; None when the group is empty and opens nothing.

    unnotified_end: the known incident's resolve has not reached every channel, so an outbreak continues it.
    """
    group = _classified(group, rules)
    if known is None:
        return _opened(group, now, rules, uid)
    touched = _merged(known, group, now, rules)
    if not known.resolved:
        return _changed(known, group, touched, now, rules)
    if not any(alert.firing for alert in touched) and not _resolved_too_early(known, group, now, rules):
        return _unchanged(known, group, touched, now, rules)
    if unnotified_end or now - (known.resolved_at or now) <= rules.reopen_within:
        return _reopened(known, group, touched, now, rules)
    return _opened(group, now, rules, uid, known.flap)


def merge(known: Alert | None, seen: Alert, now: datetime, rules: Rules) -> Alert:
    """The alert's two registers merged with what a webhook reports."""
    if not seen.firing:
        seen = replace(seen, ends_at=max(seen.ends_at or now, seen.starts_at))  # an end before the start ends it, too
    if known is None:
        return seen if seen.firing else replace(seen, ended_seen_at=now)
    starts_at = max(known.starts_at, seen.starts_at)
    ends_at = known.ends_at
    if not seen.firing:
        ends_at = max(at for at in (known.ends_at, seen.ends_at) if at is not None)
    if seen.firing and _believed_again(known, seen, now, rules):
        ends_at = None
    firing = ends_at is None or starts_at > ends_at
    ended = None if firing else (now if known.firing else known.ended_seen_at)
    newest = seen if seen.firing == firing else known
    status = Status.FIRING if firing else Status.RESOLVED
    muted = newest.muted if firing else ""
    return replace(
        newest,
        starts_at=starts_at,
        ends_at=ends_at,
        status=status,
        ended_seen_at=ended,
        muted=muted,
        deferred=known.deferred and not firing,
    )


def severity_of(alerts: Mapping[str, Alert], default: Severity) -> Severity:
    """The most severe of the alerts shown as firing."""
    return most_severe((alert for alert in alerts.values() if alert.shown), default)


def _classified(group: Group, rules: Rules) -> Group:
    """With each alert's severity set from its label, which nothing reads again later."""
    alerts = (replace(alert, severity=Severity.of(rules.canonical(alert.labels))) for alert in group.alerts)
    return replace(group, alerts=tuple(alerts))


def _believed_again(known: Alert, seen: Alert, now: datetime, rules: Rules) -> bool:
    late = known.ended_seen_at is not None and now - known.ended_seen_at > rules.late_within
    # An older start than the known one is an older episode, however late it comes.
    return not known.firing and late and seen.starts_at >= known.starts_at


def _merged(known: Incident, group: Group, now: datetime, rules: Rules) -> tuple[Alert, ...]:
    """The alerts that the webhook changes; annotations alone are no change, for they carry measured values."""
    pairs = ((known.alerts.get(seen.fingerprint), seen) for seen in group.alerts)
    after = ((before, merge(before, seen, now, rules)) for before, seen in pairs)
    return tuple(alert for before, alert in after if alert != before)


def _opened(group: Group, now: datetime, rules: Rules, uid: str, before: Flap | None = None) -> Change | None:
    """before: the flap record of the group's last incident, so that flapping slower than `reopen_within` counts."""
    alerts = {alert.fingerprint: merge(None, alert, now, rules) for alert in group.alerts}
    if not alerts:
        return None
    blank = replace(Incident.begun(group, "", now, uid), alerts=alerts)
    title = title_of(group.group_labels, blank.firing or tuple(alerts.values()), group.truncated)
    incident = replace(blank, title=title, severity=severity_of(alerts, most_severe(alerts.values(), Severity.NONE)))
    if not incident.firing:  # remembered, so that a straggling firing state does not open what has ended
        ended = closed(began(incident, alerts.values(), now), group.source, now)
        entry = Entry(now, EntryKind.ENDED, group.source, "first received after it had ended; no one was notified", 1)
        return Change(ended, (entry,), tuple(alerts.values()), opened=True)
    incident = began(incident, alerts.values(), now)
    incident = replace(incident, flap=begun(before or Flap(), now, rules.flapping))
    entry = Entry(now, EntryKind.OPENED, group.source, opening_words(incident, incident.firing), 1, loud=True)
    return Change(incident, (entry,), tuple(alerts.values()), opened=True)


def _seen(known: Incident, group: Group, touched: tuple[Alert, ...], now: datetime) -> Incident:
    alerts = {**known.alerts, **{alert.fingerprint: alert for alert in touched}} if touched else known.alerts
    external_url = group.external_url or known.external_url
    seen_at = known.seen_at if group.asked else now
    truncated = _left_out(known, group)
    return replace(known, alerts=alerts, seen_at=seen_at, truncated=truncated, external_url=external_url)


def _called(incident: Incident) -> str:
    """Its title: follows the alerts unless the group is by alertname, and keeps its last value at the end."""
    if is_named_by_group(incident.group_labels) or not incident.shown:
        return incident.title
    return title_of(incident.group_labels, incident.shown, incident.truncated)


def _left_out(known: Incident, group: Group) -> int:
    """How many truncated alerts are unknown: known firing ones that the webhook lacks are subtracted."""
    if group.asked or not group.truncated:
        return group.truncated
    named = {alert.fingerprint for alert in group.alerts}
    return max(0, group.truncated - sum(alert.fingerprint not in named for alert in known.firing))


def _changed(known: Incident, group: Group, touched: tuple[Alert, ...], now: datetime, rules: Rules) -> Change:
    flap = recorded(known, touched, now, rules.flapping)
    touched = with_deferred_ends(known, touched, flap)
    seen = widened(_seen(known, group, touched, now), touched, now)
    revision = known.revision + 1
    severity = severity_of(seen.alerts, known.severity)
    after = replace(seen, title=_called(seen), severity=severity, flap=flap, revision=revision)
    entries = _differences(known, after, touched, group, now, revision)
    if rules.flapping:
        entries += tuple(entries_of(known, after, touched, group.source, in_words(rules.flapping.calm)))
    if not entries:
        return _unchanged(known, group, touched, now, rules)
    if rules.page_again and known.state is State.ACKNOWLEDGED:
        after, entries = _paging_again(known, after, touched, entries)
    muted = group.asked and bool(after.firing) and all(alert.muted for alert in after.firing)
    if _only_noted(entries, muted=muted):
        noted = tuple(replace(entry, revision=known.revision) for entry in entries)
        return Change(replace(after, revision=known.revision), noted, touched, reminder=True)
    if not after.shown:
        after = closed(after, group.source, now)
        entries = (
            *entries,
            Entry(now, EntryKind.RESOLVED, group.source, "every alert has ended", revision, loud=True),
        )
    ends_only = muted and not any(entry.loud for entry in entries)
    return Change(replace(after, updated_at=now), entries, touched, ends_only=ends_only)


def _paging_again(
    known: Incident, after: Incident, touched: tuple[Alert, ...], entries: tuple[Entry, ...]
) -> tuple[Incident, tuple[Entry, ...]]:
    """Reopen for a critical alert that the responder who acknowledged has not seen; a returning one they have."""
    new = tuple(alert for alert in touched if alert.firing and alert.fingerprint not in known.alerts)
    critical = tuple(alert for alert in new if alert.severity is Severity.CRITICAL)
    if not critical:
        return after, entries
    text = f"open again: {names_of(critical)} came after {known.acknowledged_by} acknowledged it"
    paged = replace(entries[-1], kind=EntryKind.PAGED_AGAIN, actor="bridge", text=text, loud=True)
    return replace(after, state=State.OPEN, acknowledged_at=None, acknowledged_by=None), (*entries, paged)


def _differences(
    before: Incident, after: Incident, touched: tuple[Alert, ...], group: Group, now: datetime, revision: int
) -> tuple[Entry, ...]:
    actor = group.source
    was_shown = {alert.fingerprint for alert in before.shown}
    joined = tuple(alert for alert in touched if alert.shown and alert.fingerprint not in was_shown)
    left = tuple(alert for alert in touched if not alert.shown and alert.fingerprint in was_shown)
    found: list[Entry] = []
    if joined:
        how = " (left out of the webhook)" if group.asked else ""
        found.append(Entry(now, EntryKind.JOINED, actor, f"{names_of(joined)} joined{how}", revision, loud=True))
    if left:
        how = ": Alertmanager no longer knows it" if group.asked else ""
        found.append(Entry(now, EntryKind.LEFT, actor, f"{names_of(left)} ended{how}", revision))
    found += _mutings(before, touched, actor, now, revision)
    if after.severity is not before.severity and after.shown:
        raised = after.severity.rank < before.severity.rank
        text = f"severity {'raised' if raised else 'lowered'} from {before.severity} to {after.severity}"
        found.append(Entry(now, EntryKind.RAISED if raised else EntryKind.LOWERED, actor, text, revision, loud=raised))
    if after.truncated != before.truncated:
        left_out = f"{after.truncated} alerts left out by the source (max_alerts)"
        text = left_out if after.truncated else "no alert is left out any more"
        found.append(Entry(now, EntryKind.TRUNCATED, actor, text, revision))
    return tuple(found)


def _mutings(before: Incident, touched: tuple[Alert, ...], actor: str, now: datetime, revision: int) -> Iterable[Entry]:
    """One line for each reason: "HighLatency (3): silenced by alice until 14:00 UTC"."""
    firing = [alert for alert in touched if alert.firing]
    changed = [alert for alert in firing if alert.muted != _muted(before, alert)]
    for why in dict.fromkeys(alert.muted for alert in changed if alert.muted):
        names = names_of(tuple(alert for alert in changed if alert.muted == why))
        yield Entry(now, EntryKind.MUTED, actor, f"{names}: {why}", revision)
    if unmuted := tuple(alert for alert in changed if not alert.muted):
        yield Entry(now, EntryKind.UNMUTED, actor, f"{names_of(unmuted)}: no longer muted", revision)


def _muted(incident: Incident, alert: Alert) -> str:
    known = incident.alerts.get(alert.fingerprint)
    return known.muted if known is not None else ""


def _only_noted(entries: tuple[Entry, ...], *, muted: bool) -> bool:
    """Muted alerts change no message: PagerDuty would page again for an incident that a user has resolved there."""
    return all(entry.kind.is_noted_while_muted if muted else entry.kind.is_only_noted for entry in entries)


def _unchanged(known: Incident, group: Group, touched: tuple[Alert, ...], now: datetime, rules: Rules) -> Change:
    seen = _seen(known, group, touched, now)
    repeated = group.reason == "repeat interval elapsed" or now - known.seen_at > rules.late_within
    if known.resolved or group.asked or not repeated:
        return Change(seen, (), touched)
    text = "still reported" if known.severity is Severity.INFO else "still firing"
    entry = Entry(now, EntryKind.REMINDER, group.source, text, known.revision)
    return Change(seen, (entry,), touched, reminder=True)


def _resolved_too_early(known: Incident, group: Group, now: datetime, rules: Rules) -> bool:
    """A user resolved it but its alerts still fire: accepted once they cannot be stragglers."""
    if known.resolved_at is None or now - known.resolved_at <= rules.late_within:
        return False
    firing = {alert.fingerprint for alert in known.firing}
    return any(alert.firing and alert.fingerprint in firing for alert in group.alerts)


def _reopened(known: Incident, group: Group, touched: tuple[Alert, ...], now: datetime, rules: Rules) -> Change:
    seen = _seen(known, group, touched, now)
    revision = known.revision + 1
    again = replace(
        began(reopened(seen), seen.firing, now),
        title=_called(seen),
        severity=severity_of(seen.alerts, known.severity),
        flap=begun(known.flap, now, rules.flapping),
        revision=revision,
        updated_at=now,
    )
    text = reopening_words(again, seen.firing)
    return Change(again, (Entry(now, EntryKind.REOPENED, group.source, text, revision, loud=True),), touched)
