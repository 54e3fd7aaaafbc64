"""Fallback channels, escalation steps and expiring acknowledgements of one incident.

Pure: takes the incident's state and the time; returns which channels to add, and when to check again.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bridge.core.delivery.delivery import Delivery
from bridge.core.model import Added, Cause, Change, Incident, State
from bridge.core.numbers import in_words
from bridge.core.routing.tree import Escalation, Match
from bridge.core.timeline import Entry, EntryKind

#: When to check an overdue delivery of a working channel again (a backlog, or a worker that was away).
RECHECK = timedelta(seconds=15)
MAX_ERROR = 200


class Kind(enum.StrEnum):
    """What a timer waits for."""

    FALLBACK = "fallback"  #: its key is the channel that may be unable
    ESCALATION = "escalation"  #: its key is the step's
    ACKNOWLEDGEMENT = "acknowledgement"
    CALM = "calm"  #: a flapping incident's quiet period may be over


@dataclass(frozen=True, slots=True)
class Timer:
    """When to check an incident. due_at is None once a step was taken, which happens once."""

    kind: Kind
    key: str
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class EscalationInput:
    """Everything that the decision about one incident depends on."""

    incident: Incident
    matches: Sequence[Match] = ()  #: the routes that its firing alerts match
    deliveries: Sequence[Delivery] = ()
    timers: Sequence[Timer] = ()
    added: Sequence[Added] = ()
    acknowledge_for: timedelta | None = None
    quiet_at: datetime | None = None  #: when what it defers may be sent, if it flaps
    loud: int | None = None  #: the newest revision that is worth a message; None: every revision is taken to be


@dataclass(frozen=True, slots=True)
class EscalationDecision:
    """What to do now; the change has no entries when nothing is due."""

    change: Change
    added: tuple[Added, ...] = ()
    acted: frozenset[str] = frozenset()  #: keys of the steps


def timers_of(
    known: EscalationInput, now: datetime, *, anew: bool = False, evaluated: bool = False
) -> tuple[Timer, ...]:
    """Every timer that the incident should have. anew: it needs a responder again, so the steps start over.

    evaluated: it has just been checked, so deliveries that are overdue without needing a fallback are rechecked later.
    """
    state = known.incident.state
    if state is State.RESOLVED:
        return ()
    quiet = (Timer(Kind.CALM, "", known.quiet_at),) if known.quiet_at else ()
    if state is State.ACKNOWLEDGED:
        return (*_acknowledgement(known), *quiet)
    failing = _fallback_timers(known, now + RECHECK if evaluated else None)
    return (*_step_timers(known, now, anew), *failing, *quiet)


def evaluate(known: EscalationInput, failing: Collection[str], now: datetime) -> EscalationDecision:
    """What is due now. failing: the channels that cannot deliver at present."""
    incident = known.incident
    if incident.state is State.ACKNOWLEDGED and any(_is_due(timer, now) for timer in _acknowledgement(known)):
        return EscalationDecision(expire(incident, now))
    if incident.state is not State.OPEN:
        return EscalationDecision(Change(incident, (), ()))
    steps = _due_steps(known, now)
    notifications = [*(_escalated(step, now) for step in steps), *_fallen_back(known, failing, now)]
    if not notifications:
        return EscalationDecision(Change(incident, (), ()))
    revision = incident.revision + 1
    entries = tuple(Entry(now, kind, "bridge", text, revision, loud=True) for kind, text, _ in notifications)
    added = tuple(each for _, _, channels in notifications for each in channels)
    changed = replace(incident, revision=revision, updated_at=now)
    return EscalationDecision(Change(changed, entries, ()), added, frozenset(step.key for step in steps))


def expire(incident: Incident, now: datetime) -> Change:
    """Reopen it when its acknowledgement expires, and notify its channels again."""
    age = in_words(now - (incident.acknowledged_at or now))
    text = f"open again: {incident.acknowledged_by} acknowledged it {age} ago, and it is not over"
    entry = Entry(now, EntryKind.EXPIRED, "bridge", text, incident.revision + 1, loud=True)
    opened = replace(
        incident,
        state=State.OPEN,
        acknowledged_at=None,
        acknowledged_by=None,
        revision=entry.revision,
        updated_at=now,
    )
    return Change(opened, (entry,), ())


_Notification = tuple[EntryKind, str, tuple[Added, ...]]  # kind and text of the entry, channels to add


def _acknowledgement(known: EscalationInput) -> Iterator[Timer]:
    since = known.incident.acknowledged_at
    if known.acknowledge_for and since is not None:
        yield Timer(Kind.ACKNOWLEDGEMENT, "", since + known.acknowledge_for)


def _step_timers(known: EscalationInput, now: datetime, anew: bool) -> Iterable[Timer]:
    before = {} if anew else {timer.key: timer for timer in known.timers if timer.kind is Kind.ESCALATION}
    wanted: dict[str, Timer] = {}
    for match in known.matches:
        for step in () if match.muted_for_ever else match.escalate:
            timer = _step_timer(step, match, before.get(step.key), now)
            wanted[step.key] = _sooner(wanted.get(step.key, timer), timer)
    return wanted.values()


def _step_timer(step: Escalation, match: Match, before: Timer | None, now: datetime) -> Timer:
    """A step's time starts after the route's mute interval, for no one was notified before."""
    if before is not None and before.due_at is None:
        return before
    due_at = now + step.after if before is None or before.due_at is None else before.due_at
    if match.muted_until is not None:
        due_at = max(due_at, match.muted_until + step.after)
    return Timer(Kind.ESCALATION, step.key, due_at)


def _sooner(one: Timer, other: Timer) -> Timer:
    if one.due_at is None or other.due_at is None:
        return one
    return other if other.due_at < one.due_at else one


def _due_steps(known: EscalationInput, now: datetime) -> list[Escalation]:
    due = {timer.key for timer in known.timers if timer.kind is Kind.ESCALATION and _is_due(timer, now)}
    wanted = (step for match in known.matches if not match.muted for step in match.escalate)
    return sorted({step.key: step for step in wanted if step.key in due}.values(), key=lambda step: step.after)


def _is_due(timer: Timer, now: datetime) -> bool:
    return timer.due_at is not None and timer.due_at <= now


def _escalated(step: Escalation, now: datetime) -> _Notification:
    why = f"not acknowledged within {in_words(step.after)}"
    added = tuple(Added(name, Cause.ESCALATION, step.key, why, now) for name in step.notify)
    return EntryKind.ESCALATED, f"{why}: notified {_listed(step.notify)} too", added


@dataclass(frozen=True, slots=True)
class _Guard:
    """The fallback channels when a channel cannot deliver for so long."""

    channel: str
    after: timedelta
    others: tuple[str, ...]  #: without those already notified


def _guards(known: EscalationInput) -> list[_Guard]:
    found: dict[str, _Guard] = {}
    escalated = {(each.key, each.channel) for each in known.added if each.cause is Cause.ESCALATION}
    for match in known.matches:
        stepped = (name for step in match.escalate for name in step.notify if (step.key, name) in escalated)
        for channel in (*match.channels, *stepped) if match.fallback else ():
            seen = found.get(channel, _Guard(channel, match.fallback_after, ()))
            others = tuple(dict.fromkeys((*seen.others, *match.fallback)))
            found[channel] = _Guard(channel, min(seen.after, match.fallback_after), others)
    return [left for guard in found.values() if (left := _remaining(guard, known.added)).others]


def _remaining(guard: _Guard, added: Iterable[Added]) -> _Guard:
    notified = {each.channel for each in added if each.cause is Cause.FALLBACK and each.key == guard.channel}
    others = tuple(name for name in guard.others if name not in notified and name != guard.channel)
    return replace(guard, others=others)


def _fallback_timers(known: EscalationInput, not_before: datetime | None) -> Iterator[Timer]:
    for guard in _guards(known):
        dues = [due for each in _to(guard, known) if (due := overdue_at(each, guard.after, known.loud)) is not None]
        if dues:
            due_at = min(dues)
            yield Timer(Kind.FALLBACK, guard.channel, max(due_at, not_before) if not_before else due_at)


def _fallen_back(known: EscalationInput, failing: Collection[str], now: datetime) -> Iterator[_Notification]:
    for guard in _guards(known):
        overdue = (each for each in _to(guard, known) if _is_overdue(each, guard, known.loud, now))
        why = next((why for each in overdue if (why := _unable(each, failing, now))), "")
        if why:
            added = tuple(Added(name, Cause.FALLBACK, guard.channel, why, now) for name in guard.others)
            yield EntryKind.FALLBACK, f"{why}: notified {_listed(guard.others)} instead", added


def _to(guard: _Guard, known: EscalationInput) -> Iterable[Delivery]:
    return (each for each in known.deliveries if each.target.channel == guard.channel)


def overdue_at(delivery: Delivery, after: timedelta, loud: int | None = None) -> datetime | None:
    """From when on its trigger is overdue; None: never. loud: see EscalationInput."""
    shows_it = loud is not None and delivery.sent and loud <= delivery.sent
    if not delivery.firing or shows_it or not (delivery.dead or delivery.pending):
        return None
    if delivery.is_stuck:
        return delivery.wanted_at
    return (delivery.due_at if delivery.muted_by and not delivery.attempts else delivery.wanted_at) + after


def _is_overdue(delivery: Delivery, guard: _Guard, loud: int | None, now: datetime) -> bool:
    due = overdue_at(delivery, guard.after, loud)
    return due is not None and due <= now


def _unable(overdue: Delivery, failing: Collection[str], now: datetime) -> str:
    """Why the channel could not deliver it; empty when it may only be slow."""
    channel, error = overdue.target.channel, f" ({overdue.last_error[:MAX_ERROR]})" if overdue.last_error else ""
    if overdue.dead:
        return f"{channel} could not deliver it{error}"
    if overdue.alone:
        return f"{channel} does not take it, and takes others{error}"
    if overdue.failed_at is None and channel not in failing:
        return ""
    return f"{channel} could not be reached for {in_words(now - overdue.wanted_at)}{error}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
