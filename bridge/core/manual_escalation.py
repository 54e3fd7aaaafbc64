"""Escalating on a user's word: the channels of the next step, or one that the user names, at once. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from bridge.core.escalation import EscalationDecision, EscalationInput, Kind
from bridge.core.incidents.actions import Action, Refusal, Why, refusal_of, unacknowledge
from bridge.core.model import Added, Cause, Change, Incident, State
from bridge.core.numbers import ago
from bridge.core.routing.tree import Escalation
from bridge.core.storms.digests import channel_of
from bridge.core.timeline import Entry, EntryKind


def escalate_now(
    known: EscalationInput, action: Action, channels: Collection[str], now: datetime, newer: Sequence[Entry] = ()
) -> EscalationDecision | Refusal:
    """known: with the routes' matches, even if it is acknowledged. channels: those that are configured.

    Escalating takes an acknowledgement back, as in PagerDuty: an acknowledged incident would ring nowhere.
    """
    refusal = refusal_of(known.incident, action, now, newer, lambda entry: _is_of(entry, action, known.added))
    if refusal is not None:
        return refusal
    step = _named(known, action.channel, channels, now) if action.channel else _next_step(known)
    if isinstance(step, Refusal):
        return step
    key, because = "" if action.channel else step.key, f"{action.actor} escalated it"
    added = tuple(Added(name, Cause.ESCALATION, key, because, now) for name in step.notify)
    return EscalationDecision(_change(known.incident, action, step, now), added, frozenset({key} if key else ()))


def _change(incident: Incident, action: Action, step: Escalation, now: datetime) -> Change:
    because, revision = f"{action.actor} escalated it", incident.revision + 1
    opened = unacknowledge(incident, action.actor, now, action.place, because)
    text = _text(action, step.notify)
    entry = Entry(now, EntryKind.ESCALATED, action.actor, text, revision, loud=True, place=action.place)
    return Change(replace(opened.incident, revision=revision, updated_at=now), (*opened.entries, entry), ())


def _text(action: Action, channels: Sequence[str]) -> str:
    return f"{action.actor} escalated it: notified {' and '.join(channels)} too"


def _is_of(entry: Entry, action: Action, added: Sequence[Added]) -> bool:
    """Whether the entry is of this channel; without one, of a step, which alone has a key."""
    if action.channel:
        return entry.text == _text(action, (action.channel,))
    return any(each.cause is Cause.ESCALATION and each.key and each.at == entry.at for each in added)


def _next_step(known: EscalationInput) -> Escalation | Refusal:
    """The soonest that was not taken yet, by a timer or a user."""
    taken = {timer.key for timer in known.timers if timer.kind is Kind.ESCALATION and timer.due_at is None}
    taken |= {each.key for each in known.added if each.cause is Cause.ESCALATION}
    steps = [step for match in known.matches for step in match.escalate]
    left = [step for step in steps if step.key not in taken]
    if channel_of(known.incident) is not None:
        return _of_digest()
    if not left:
        why = "every step of its routes is taken" if steps else "its routes have no escalation steps"
        return Refusal(Why.NO_CHANNEL, f"{why}: name a channel")
    return min(left, key=lambda step: step.after)


def _named(known: EscalationInput, name: str, channels: Collection[str], now: datetime) -> Escalation | Refusal:
    if name not in channels:
        text = f"there is no channel {name!r:.100}; there are: {', '.join(sorted(channels)) or 'none'}"
        return Refusal(Why.NO_CHANNEL, text)
    if channel_of(known.incident) is not None:
        return _of_digest()
    acknowledged = known.incident.state is State.ACKNOWLEDGED  # since then: it must ring anew
    for each in () if acknowledged else known.added:
        if each.cause is Cause.ESCALATION and not each.key and each.channel == name:
            return Refusal(Why.ALREADY, f"{each.because} to {name} {ago(now - each.at)}")
    return Escalation(timedelta(0), (name,))


def _of_digest() -> Refusal:
    return Refusal(Why.NO_CHANNEL, "it is the digest of a storm: escalate one of the incidents that it lists")
